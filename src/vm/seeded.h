#pragma once
// A world that the seed decides, for judging: maps are modelled, every other helper answers from the seed,
// and each call is an event with its arguments and the bytes that it reads.

#include <set>

#include "vm/machine.h"
#include "vm/vm.h"

namespace epass::vm {

class SeededWorld : public Host {
 public:
  SeededWorld(const Executable& executable, const Input& input, const Options& options, Outcome& out);
  // Lays out context and packet; what the entry gets in r1 and r2.
  std::vector<uint64_t> arguments(Machine& machine);
  // What memory holds at the end.
  void finish(Machine& machine);

  uint64_t address_of(Machine& machine, uint32_t symbol, uint8_t pseudo, uint64_t imm) override;
  uint64_t call_helper(Machine& machine, int32_t id) override;
  uint64_t call_symbol(Machine& machine, uint32_t symbol) override;
  void left_by_packet_load() override;
  void before(uint32_t function, uint32_t insn, const uint64_t* registers) override {
    options_.observer->at(bpf::FunctionId{function}, insn, registers);
  }
  void prepare_frame(uint32_t depth, std::span<uint8_t> bytes) override;

 private:
  struct Map {
    std::string name = {};
    MapInfo info = {};
    std::map<std::vector<uint8_t>, uint64_t> values = {};  // key -> address of the value
    std::set<std::vector<uint8_t>> gone = {};              // deleted keys of `info.entries`
    std::map<std::vector<uint8_t>, bool> exists = {};      // keys of arrays with unknown contents
    bool is_array() const;
    bool is_fixed() const;                              // bpf::has_fixed_elements
    bool holds(const std::vector<uint8_t>& key) const;  // only where the contents are known
  };

  uint64_t stub(Machine& machine, const std::string& name, std::string_view kinds);
  uint64_t loop(Machine& machine, int32_t id);
  uint64_t map_helper(Machine& machine, Map& map, int32_t id);
  uint8_t fresh_stack(uint64_t n) const;
  uint64_t answer(const std::string& what);
  uint64_t new_element(Machine& machine, const char* name, std::vector<uint8_t> bytes);
  void read_buffer(Machine& machine, Event& event, uint64_t address, uint64_t size);
  Map* map_at(uint64_t handle);
  int64_t map_refuses(Map& map, const std::vector<uint8_t>& key, int32_t id, uint64_t flags) const;
  bool seed_has(const std::vector<uint8_t>& key) const;  // in a map of unknown contents
  uint64_t map_handle(uint32_t symbol);

  const Executable& executable_;
  const Input& input_;
  const Options& options_;
  Outcome& out_;
  std::map<uint32_t, Map> maps_;             // by number
  std::map<std::string, uint64_t> initial_;  // hashes of data sections
  std::map<std::string, uint64_t> data_;
  uint64_t context_ = 0, packet_ = 0, next_value_ = 0, next_heap_ = 0, calls_ = 0, lookups_ = 0;
  bool has_packet_ = false;
};

}  // namespace epass::vm
