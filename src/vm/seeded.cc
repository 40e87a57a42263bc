// Where things lie in a world that the seed decides.

#include "vm/seeded.h"

#include <cstring>

namespace epass::vm {

using bpf::Symbol;

SeededWorld::SeededWorld(const Executable& executable, const Input& input, const Options& options,
                         Outcome& out)
    : executable_(executable), input_(input), options_(options), out_(out) {}

std::vector<uint64_t> SeededWorld::arguments(Machine& machine) {
  Memory& memory = machine.memory();
  std::vector<uint8_t> context(4096);
  for (size_t n = 0; n < context.size(); n += 8) {
    uint64_t word = mix(input_.seed ^ 0xc0ffee, n);
    std::memcpy(context.data() + n, &word, 8);
  }
  const bool raw = input_.context == Context::kRaw;
  if (raw && !input_.packet.empty()) context = input_.packet;
  if (!raw) {
    packet_ = memory.add("packet", kPacketBase, input_.packet);
    has_packet_ = true;
    machine.set_packet(packet_, input_.packet.size());
  } else {
    machine.set_packet_bytes(input_.packet);
  }
  context_ = memory.add("ctx", kContextBase, std::move(context));
  machine.set_context(context_);
  if (raw) return {context_, input_.packet.size()};
  return {context_};
}

void SeededWorld::finish(Machine& machine) {
  Memory& memory = machine.memory();
  out_.memory["ctx"] = hash_of(*memory.region(context_));
  if (options_.keep_contents) out_.contents["ctx"] = *memory.region(context_);
  out_.memory["foreign"] = memory.foreign_hash();
  if (has_packet_) out_.packet = *memory.region(packet_);
  if (input_.context == Context::kRaw && !input_.packet.empty()) out_.packet = *memory.region(context_);
  for (auto& [number, map] : maps_) {
    if (map.values.empty()) continue;
    uint64_t hash = map.values.size();
    for (auto& [key, address] : map.values) {
      const std::vector<uint8_t>& value = *memory.region(address);
      for (uint8_t byte : key) hash = mix(hash, byte);
      hash = mix(hash, hash_of(value));
      if (!options_.keep_contents) continue;
      std::vector<uint8_t>& all = out_.contents[map.name];
      all.insert(all.end(), key.begin(), key.end());
      all.insert(all.end(), value.begin(), value.end());
    }
    out_.memory[map.name] = hash;
  }
  for (auto& [name, address] : data_) {
    uint64_t hash = hash_of(*memory.region(address));
    if (hash == initial_[name]) continue;
    out_.memory[name] = hash;
    if (options_.keep_contents) out_.contents[name] = *memory.region(address);
  }
}

uint64_t SeededWorld::address_of(Machine& machine, uint32_t number, uint8_t pseudo, uint64_t imm) {
  const Symbol& symbol = executable_.symbol(number);
  if (symbol.kind == Symbol::Kind::kMap) return map_handle(number);
  if (symbol.kind == Symbol::Kind::kFunc) return function_address(symbol.function.index);
  if (symbol.kind == Symbol::Kind::kData) {
    auto [it, is_new] = data_.try_emplace(symbol.name);
    if (is_new) {
      std::vector<uint8_t> bytes(65536);
      if (auto known = options_.sections.find(symbol.name); known != options_.sections.end())
        bytes = known->second;
      it->second = machine.memory().add(symbol.name, region_address(kDataBase, executable_.number(number)),
                                        std::move(bytes));
      // As the input has it: data that is only referred to has not changed.
      initial_[symbol.name] = hash_of(*machine.memory().region(it->second));
    }
    return it->second + (pseudo == bpf::kMapValue ? imm >> 32 : imm);
  }
  uint64_t hash = 14695981039346656037ull;
  for (char c : symbol.name) hash = mix(hash, uint8_t(c));
  return (hash >> 16) + imm;
}

void SeededWorld::left_by_packet_load() { out_.events.push_back({"left by ld_abs", {}}); }

void SeededWorld::prepare_frame(uint32_t depth, std::span<uint8_t> bytes) {
  for (size_t n = 0; n < bytes.size(); ++n) bytes[n] = fresh_stack(n + depth * 512);
}

uint8_t SeededWorld::fresh_stack(uint64_t n) const {
  switch (input_.indeterminate) {
    case 2: return 0;
    case 3: return 0xff;
    default:
      const uint8_t byte = uint8_t(mix(input_.seed ^ 0x57ac ^ input_.indeterminate >> 1, n));
      return input_.indeterminate & 1 ? uint8_t(~byte) : byte;
  }
}

}  // namespace epass::vm
