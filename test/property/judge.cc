#include "judge.h"

#include "object/dump.h"

namespace epass {

std::vector<uint8_t> first_value(uint32_t key) {
  std::vector<uint8_t> bytes(kValueSize);
  for (size_t n = 0; n < bytes.size(); ++n) bytes[n] = uint8_t((key + 1) * 0x9d + n * 0x35 + (n * key >> 1));
  return bytes;
}

vm::Options vm_options() {
  auto key = [](uint32_t value, size_t size) {
    std::vector<uint8_t> bytes(size);
    bytes[0] = uint8_t(value);
    return bytes;
  };
  vm::Options options;
  vm::MapInfo array{.type = 2, .key_size = 4, .value_size = kValueSize, .max_entries = kArrayEntries};
  vm::MapInfo hash{.type = 1, .key_size = 8, .value_size = kValueSize, .max_entries = kHashEntries};
  array.known = hash.known = true;
  for (uint32_t n = 0; n < kArrayEntries; ++n) array.entries[key(n, 4)] = first_value(n);
  for (uint32_t n = 0; n < kHashFilled; ++n) hash.entries[key(n, 8)] = first_value(n + 100);
  options.maps["map#" + std::to_string(kArrayMap)] = array;
  options.maps["map#" + std::to_string(kHashMap)] = hash;
  options.sections["map_value#" + std::to_string(kDataMap)] = std::vector<uint8_t>(kDataSize);
  return options;
}

// Lengths around what programs check; content that begins with small numbers as often as with any.
std::vector<uint8_t> random_packet(uint64_t seed) {
  static constexpr size_t kLengths[] = {14, 15, 17, 21, 34, 35, 41, 54, 60, 61, 85, 128, 300};
  uint64_t x = seed * 0xd1342543de82ef95 + 0x2545f4914f6cdd1d;
  auto next = [&] { return x ^= x << 13, x ^= x >> 7, x ^= x << 17, x >> 11; };
  std::vector<uint8_t> packet(next() % 4 ? kLengths[next() % std::size(kLengths)] : 14 + next() % 200);
  uint64_t mask = next() % 3 ? 0xff : 3;
  for (uint8_t& byte : packet) byte = uint8_t(next() & mask);
  return packet;
}

std::optional<Mismatch> judge_in_vm(const RandomProgram& program, uint64_t seed, const Effort& effort,
                                    Totals& totals, const Mismatch* only) {
  static const vm::Options kOptions = vm_options();
  auto compiler = Compiler::make(program.insns);
  if (!compiler) return Mismatch{.kind = "split", .why = compiler.error().message};
  std::vector<vm::Input> inputs;
  std::vector<vm::Outcome> expected;
  for (int n = 0; n < effort.inputs; ++n) {
    uint64_t input_seed = seed * 64 + uint64_t(n);
    inputs.push_back({.context = program.xdp ? vm::Context::kXdp : vm::Context::kSkb,
                      .packet = random_packet(input_seed),
                      .seed = input_seed});
    expected.push_back(vm::run(compiler->program(), bpf::FunctionId{0}, inputs.back(), kOptions));
    totals.undefined += expected.back().read_undefined;
    totals.ended += expected.back().finished();
  }
  ++totals.programs;
  std::vector<Variant> ways = only ? std::vector{only->variant} : variants(seed);
  for (size_t k = 0; k < ways.size(); ++k) {
    for (int registers = 4; registers <= 10; ++registers) {
      bool wanted = only                     ? registers == only->registers
                    : !ways[k].level.empty() ? registers == 10
                                             : effort.all_registers || registers == 4 + int((seed + k) % 7);
      if (!wanted) continue;
      auto bad = [&](const char* kind, std::string why, std::vector<bpf::Insn> after = {}) {
        return Mismatch{kind, std::move(why), ways[k], registers, std::move(after)};
      };
      auto after = compiler->compile(ways[k], registers);
      if (!after && after.error().code == "stack-limit") {
        ++totals.no_room;
        continue;
      }
      if (!after) return bad("no code", after.error().message);
      ++totals.compilations;
      if (effort.plant) effort.plant(*after);
      auto split = object::split_flat(*after, "random");
      if (!split) return bad("no functions", split.error().message, *after);
      for (size_t n = 0; n < inputs.size(); ++n) {
        if (!expected[n].finished()) continue;
        vm::Outcome got = vm::run(*split, bpf::FunctionId{0}, inputs[n], kOptions);
        ++totals.runs;
        // The original did not: the compiler must not make it so.
        if (got.read_undefined)
          return bad("undefined", "reads a register that nothing was written to", *after);
        std::string why = vm::difference(expected[n], got);
        if (!why.empty()) return bad("difference", why, *after);
      }
    }
  }
  return std::nullopt;
}

}  // namespace epass
