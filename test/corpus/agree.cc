// Every program of the files given: the compiled one does what the original does, on inputs from seeds, in
// the virtual machine. Usage: epass_agree [--inputs N] [--passes TEXT] [--registers N] FILE... Prints what
// differs and a count; exit status 1 if anything differs or nothing ran.

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "codegen/lower.h"
#include "lift/lift.h"
#include "object/dump.h"
#include "object/object.h"
#include "pass/pipeline.h"
#include "passes/registry.h"
#include "vm/vm.h"

namespace epass {
namespace {

struct Settings {
  uint64_t inputs = 64;
  std::string passes = "O1";
  int registers = 10;
};

struct Totals {
  uint64_t programs = 0, inputs = 0, decided = 0, different = 0, kept = 0;
};

vm::Context context_of(const std::string& type) {
  if (type == "xdp") return vm::Context::kXdp;
  for (const char* t :
       {"sched_cls", "sched_act", "cgroup_skb", "socket_filter", "lwt_in", "lwt_out", "lwt_xmit", "sk_skb"})
    if (type == t) return vm::Context::kSkb;
  return vm::Context::kRaw;
}

// Packets of all sizes; half of them begin like Ethernet with IPv4 or IPv6.
std::vector<uint8_t> packet_of(uint64_t seed) {
  uint64_t x = seed * 0x9e3779b97f4a7c15 | 1;
  auto next = [&] { return x ^= x << 13, x ^= x >> 7, x ^= x << 17; };
  std::vector<uint8_t> packet(next() % 200 + (seed % 4 ? 54 : 0));
  for (uint8_t& byte : packet) byte = uint8_t(next());
  if (packet.size() > 40 && seed % 2) {
    bool v6 = seed % 3 == 0;
    packet[12] = v6 ? 0x86 : 0x08, packet[13] = v6 ? 0xdd : 0x00, packet[14] = v6 ? 0x60 : 0x45;
    uint8_t protocols[] = {6, 17, 1, 58};
    packet[v6 ? 20 : 23] = protocols[next() % 4];
  }
  return packet;
}

void compare(const bpf::Program& before, const bpf::Program& after, const vm::Options& options,
             const Settings& settings, Totals& totals) {
  for (uint32_t n = 0; n < before.functions.size(); ++n) {
    bpf::FunctionId id{n};
    const bpf::Function& fn = before.functions[id];
    if (!fn.is_entry) continue;
    ++totals.programs;
    for (uint64_t seed = 1; seed <= settings.inputs; ++seed) {
      vm::Input input{.context = context_of(fn.type), .seed = seed};
      if (input.context != vm::Context::kRaw) input.packet = packet_of(seed);
      vm::Outcome a = vm::run(before, id, input, options), b = vm::run(after, id, input, options);
      ++totals.inputs;
      totals.decided += a.finished() && b.finished();
      std::string why = vm::difference(a, b);
      if (why.empty()) continue;
      ++totals.different;
      std::printf("%s: %s: seed %llu: %s\n", before.name.c_str(), fn.name.c_str(),
                  static_cast<unsigned long long>(seed), why.c_str());
      break;
    }
  }
}

bool check_file(const char* path, const Settings& settings, Totals& totals) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  auto format = object::detect_format(bytes);
  if (!format) return false;
  std::unique_ptr<object::Object> object;
  bpf::Program program;
  vm::Options options;
  if (*format == object::Format::kElf) {
    auto parsed = object::Object::parse(bytes, path);
    if (!parsed) return false;
    object = std::make_unique<object::Object>(std::move(*parsed));
    program = object->program();
    for (const object::Map& m : object->maps())
      if (m.legacy) options.maps[m.name] = {m.type, m.key_size, m.value_size, m.max_entries};
  } else {
    auto insns = object::parse_dump({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    auto split = insns ? object::split_flat(*insns, path) : fail(insns.error());
    if (!split) return false;
    program = std::move(*split);
  }
  auto stages = parse_pipeline(settings.passes, {all_passes(), level_pipeline});
  if (!stages) {
    std::fprintf(stderr, "%s\n", stages.error().message.c_str());
    std::exit(2);
  }
  CallFacts facts = analyze_calls(program);
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    bpf::FunctionId id{n};
    const bpf::Function& in = program.functions[id];
    Counters counters;
    auto fn = lift(program, id, facts);
    LowerOptions lowering{.isa = std::max(bpf::Isa::kV3, bpf::isa_of(in.insns)),
                          .registers = settings.registers};
    auto ran = fn ? run_pipeline(*fn, *stages, program.symbols, lowering.isa, counters, {.verify_each = true})
                  : fail(fn.error());
    auto code = ran ? lower(*fn, lowering) : fail(ran.error());
    if (!code) {
      ++totals.kept;
      std::printf("%s: %s: kept: %s\n", path, in.name.c_str(), code.error().message.c_str());
      continue;
    }
    changed[id] = std::move(*code);
  }
  compare(program, vm::with_code(program, changed), options, settings, totals);
  return true;
}

}  // namespace
}  // namespace epass

int main(int argc, char** argv) {
  epass::Settings settings;
  epass::Totals totals;
  for (int k = 1; k < argc; ++k) {
    auto number = [&](auto& to) {
      ++k < argc&& std::from_chars(argv[k], argv[k] + std::strlen(argv[k]), to).ptr;
    };
    if (!std::strcmp(argv[k], "--inputs"))
      number(settings.inputs);
    else if (!std::strcmp(argv[k], "--registers"))
      number(settings.registers);
    else if (!std::strcmp(argv[k], "--passes") && k + 1 < argc)
      settings.passes = argv[++k];
    else if (!epass::check_file(argv[k], settings, totals))
      std::printf("%s: cannot be read\n", argv[k]);
  }
  auto n = [](uint64_t x) { return static_cast<unsigned long long>(x); };
  std::printf(
      "%llu programs, %llu inputs, %llu ran to their end, %llu programs differ, %llu functions kept\n",
      n(totals.programs), n(totals.inputs), n(totals.decided), n(totals.different), n(totals.kept));
  return totals.different || !totals.decided ? 1 : 0;
}
