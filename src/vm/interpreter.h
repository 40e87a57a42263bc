#pragma once
#include <array>
#include <bit>
#include <set>

#include "vm/memory.h"
#include "vm/places.h"
#include "vm/vm.h"

namespace epass::vm {

class Interpreter {
 public:
  Interpreter(const bpf::Program& program, const Input& input, const Options& options);
  Outcome run(bpf::FunctionId entry);

 private:
  struct Frame {
    std::array<uint64_t, 11> regs = {};
    uint16_t defined = 0;
  };

  // Runs a function to its exit; the result is in r0. False if the program must end (error or exit inside).
  bool call_function(uint32_t function, const std::array<uint64_t, 5>& args, uint16_t defined_args,
                     uint64_t& r0, bool& r0_defined);
  bool step(Frame& frame, const bpf::Function& fn, uint32_t& pc, bool& left);
  bool alu(Frame& frame, bpf::Insn insn);
  bool load_store(Frame& frame, bpf::Insn insn);
  bool atomic(Frame& frame, bpf::Insn insn);
  bool legacy_load(Frame& frame, bpf::Insn insn);
  bool call(Frame& frame, const bpf::Function& fn, bpf::Insn insn, uint32_t pc);
  bool load_address(Frame& frame, const bpf::Function& fn, bpf::Insn insn, uint32_t pc);
  bool condition(bpf::Insn insn, uint64_t x, uint64_t y) const;
  uint8_t fresh_stack(uint64_t n) const;

  // helpers.cc
  void helper(Frame& frame, int32_t id);
  void stub(Frame& frame, const std::string& name, std::string_view kinds, bool in_place);
  bool map_helper(Frame& frame, int32_t id, uint64_t& r0);
  uint64_t answer(const std::string& what);
  void record(Event event);
  void read_buffer(Event& event, uint64_t address, uint64_t size);

  struct Map {
    std::string name = {};
    MapInfo info = {};
    std::map<std::vector<uint8_t>, uint64_t> values = {};  // key -> address of the value
    std::set<std::vector<uint8_t>> gone = {};              // deleted keys of `info.entries`
    bool is_array() const;
    bool holds(const std::vector<uint8_t>& key) const;  // only where the contents are known
  };
  Map* map_at(uint64_t handle);
  static int64_t map_refuses(const Map& map, const std::vector<uint8_t>& key, int32_t id, uint64_t flags);
  uint64_t map_handle(const std::string& name);

  uint64_t read_register(const Frame& frame, int r);
  void define(Frame& frame, int r, uint64_t value) {
    frame.regs[size_t(r)] = value, frame.defined = uint16_t(frame.defined | 1u << r);
  }
  bool fail(std::string why);

  const bpf::Program& program_;
  const Input& input_;
  const Options& options_;
  Memory memory_;
  Outcome out_;
  std::map<std::string, uint32_t> numbers_;  // of symbols, by name
  std::map<uint32_t, Map> maps_;             // by number
  std::map<std::string, uint64_t> initial_;  // hashes of data sections
  std::map<std::string, uint64_t> data_;
  uint64_t next_value_ = kMapValueBase, next_heap_ = kHeapBase, calls_ = 0, lookups_ = 0, may_goto_ = 0;
  uint32_t depth_ = 0, at_ = 0;
  bool ended_ = false;
};

}  // namespace epass::vm
