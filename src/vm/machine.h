#pragma once
// Runs an executable: its memory, its helpers, its meter, and the engine that executes it.
//
//   Executable executable(program);
//   Machine machine(executable, {.budget = 100'000});
//   machine.set_helper(6, [](Machine& m, uint64_t address, uint32_t size) -> uint64_t { ... });
//   uint64_t data = machine.memory().add("data", kContextBase, bytes);
//   Run run = machine.run(0, {data, bytes.size()});
//   if (!run.ok()) puts(run.fault.message.c_str());

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "vm/executable.h"
#include "vm/memory.h"
#include "vm/places.h"

namespace epass::vm {

class Jit;
class Machine;

// Run::fault of a program that was stopped by Settings::budget.
inline constexpr std::string_view kBudgetUsedUp = "budget used up";
constexpr uint32_t kMaxFrames = 16;
constexpr uint64_t kFrameSpacing = uint64_t{1} << 33;

enum class Engine : uint8_t { kInterpreter, kJit };
enum class Context : uint8_t { kXdp, kSkb, kRaw };  // what r1 points to

struct Fault {
  std::string message = {};  // "" none
  uint32_t function = 0, insn = 0;
  uint64_t address = 0;  // of a memory access
};

struct Run {
  uint64_t r0 = 0;
  Fault fault = {};
  bool read_undefined = false;  // only where Settings::track
  uint64_t executed = 0;
  // Not beside the other one: a copy of both would wait until both are written.
  bool r0_defined = true;
  bool ok() const { return fault.message.empty(); }
};

// What the machine asks of the world around the program. A machine without one has only its own helpers.
class Host {
 public:
  virtual ~Host() = default;
  // The value of a ld_imm64 of a map, data or a kernel symbol. `pseudo` is the instruction's source register.
  virtual uint64_t address_of(Machine& machine, uint32_t symbol, uint8_t pseudo, uint64_t imm) = 0;
  // Arguments: Machine::arg. Helpers and functions that are registered in the machine do not come here.
  virtual uint64_t call_helper(Machine& machine, int32_t id) = 0;
  virtual uint64_t call_symbol(Machine& machine, uint32_t symbol) = 0;
  // A load of ld_abs or ld_ind outside of the packet ends the program.
  virtual void left_by_packet_load() {}
  // Before each instruction, if Settings::observe.
  virtual void before(uint32_t function, uint32_t insn, const uint64_t* registers) {
    (void)function, (void)insn, (void)registers;
  }
  // The first time that frame number `depth` is used.
  virtual void prepare_frame(uint32_t depth, std::span<uint8_t> bytes) { (void)depth, (void)bytes; }
};

// What both engines keep while a program runs. Plain data: compiled code reads and writes it.
struct State {
  std::array<uint64_t, 11> regs = {};
  int64_t left = 0;  // instructions that may still be charged
  uint64_t may_goto_left = 0, may_goto_rounds = 0;
  uint64_t context_base = 0, context_window = 0, packet_begin = 0, packet_end = 0, packet_length = 0;
  uint64_t depth = 0;  // frames in use
  uint64_t frame = 0;  // JIT: r10 of the innermost frame
  uint64_t frame_host = 0, frame_limit = 0, native_stack = 0;
  uint64_t stop = 0;  // Machine::Stop
};

struct Settings {
  bool checked = true;  // else addresses are the host's and nothing is checked: for verified programs
  Outside outside = Outside::kFault;
  uint64_t seed = 0;
  uint64_t budget = uint64_t{1} << 32;  // instructions of one run
  uint32_t may_goto_rounds = 0;         // each so many rounds, may_goto leaves its loop; 0: never
  Context context = Context::kRaw;
  // Judging: reads of registers that nothing was written to are found. Only the interpreter does it.
  bool track = false;
  bool observe = false;                                      // interpreter only
  uint64_t stack_shift = 0;                                  // added to the addresses of frames
  const std::map<uint64_t, uint8_t>* first_bytes = nullptr;  // what memory holds there at first
  std::vector<uint32_t>* visited = nullptr;  // records of their section, in order; interpreter only
};

class Machine {
 public:
  using Helper = std::function<uint64_t(Machine&, const std::array<uint64_t, 5>&)>;
  enum Stop : uint64_t { kGoesOn, kStopped, kTailCall };

  // The executable and the host must outlive the machine.
  explicit Machine(const Executable& executable, Settings settings = {}, Host* host = nullptr);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const Executable& executable() const { return executable_; }
  Memory& memory() { return memory_; }
  const Settings& settings() const { return settings_; }

  // Registers a helper: any callable that takes a Machine& and up to five integers or pointers-as-integers.
  template <class Callable>
  void set_helper(int32_t id, Callable callable) {
    helpers_[id] = adapt(std::function(std::move(callable)));
  }
  // By name: kernel functions and functions outside of the program.
  template <class Callable>
  void set_helper(std::string name, Callable callable) {
    named_[std::move(name)] = adapt(std::function(std::move(callable)));
  }
  void set_raw_helper(int32_t id, Helper helper) { helpers_[id] = std::move(helper); }

  // xdp and skb: where the context lies, and the packet that its pointers lead to.
  void set_context(uint64_t address) { state_->context_base = address; }
  void set_packet(uint64_t address, uint64_t size);
  // What ld_abs and ld_ind read; set_packet sets it, too.
  void set_packet_bytes(std::span<const uint8_t> bytes) { packet_ = bytes; }

  // Compiled code to run instead of interpreting, or null. It must come from the same executable and outlive
  // its use. Error: it was compiled for another world (addresses, context, checks).
  Result<void> use(Jit* jit);

  // Runs a function with up to five arguments.
  Run run(uint32_t function, std::initializer_list<uint64_t> args);
  Run run(uint32_t function, std::span<const uint64_t> args);

  // For helpers, while they run.
  uint64_t arg(int k);  // 1 to 5
  bool arg_defined(int k) const { return defined_ >> k & 1; }
  void undefine_r0() { r0_defined_ = false; }
  // Translates; an address outside is no error yet. Null for foreign memory: use memory().read and write.
  uint8_t* at(uint64_t address, uint64_t size, Access access) { return memory_.at(address, size, access); }
  uint64_t fail(std::string message, uint64_t address = 0);  // returns 0
  uint64_t end(uint64_t r0);                                 // the program ends well, with r0
  // The innermost function is replaced by another entry of the program, with r1 as it was called.
  uint64_t tail_call(uint32_t function, uint64_t context);
  bool stopped() const { return state_->stop != kGoesOn; }
  // Calls a function of the program back. None: the program must end, the helper returns at once.
  struct Answer {
    uint64_t r0 = 0;
    bool defined = true;
  };
  std::optional<Answer> call(uint32_t function, const std::array<uint64_t, 5>& args, int known = 5);
  // The function at an address, or none.
  std::optional<uint32_t> function_at(uint64_t address) const;
  uint64_t executed() const { return uint64_t(budget_ - state_->left); }
  uint32_t depth() const { return uint32_t(state_->depth); }

 private:
  friend class Jit;
  friend class JitCompiler;
  template <class Policy>
  friend struct Execution;
  friend struct JitCalls;

  struct Frame {
    std::array<uint64_t, 4> saved = {};  // r6 to r9 of the caller
    uint32_t return_op = 0;
    uint16_t defined = 0;
  };

  template <class R, class... Args>
  static Helper adapt(std::function<R(Machine&, Args...)> callable) {
    static_assert(sizeof...(Args) <= 5 && (std::is_integral_v<Args> && ...));
    return [callable = std::move(callable)](Machine& m, const std::array<uint64_t, 5>& r) {
      return [&]<size_t... n>(std::index_sequence<n...>) {
        return uint64_t(callable(m, static_cast<Args>(r[n])...));
      }(std::index_sequence_for<Args...>{});
    };
  }

  // Executes from an operation until the frame `base_depth` is left. False: stopped. Registers are in state.
  bool interpret(uint32_t op, uint64_t base_depth);
  // Exactly one operation, which was charged already; for compiled code.
  bool interpret_one(uint32_t op);
  // The last instructions of a budget.
  void interpret_rest(uint32_t op);
  void set_registers(std::span<const uint64_t> args);
  bool enter(uint32_t function);
  uint64_t frame_top(uint64_t depth) const;
  void prepare_frame(uint64_t depth);
  uint64_t load_address(const Op& op);
  uint64_t call_helper(int32_t id);
  uint64_t call_symbol(uint32_t symbol);
  bool packet_load(const Op& op, uint64_t offset);
  bool atomic(const Op& op, uint64_t address, uint64_t operand, uint64_t& old);
  // Packet pointers are 32 bits in the context and become whole when loaded.
  bool context_field(uint64_t address, uint64_t& value) const {
    const uint64_t field = address - state_->context_base;
    return field < state_->context_window && packet_field(field, value);
  }
  bool packet_field(uint64_t field, uint64_t& value) const;
  void read_undefined();
  void at_op(uint32_t op) { at_ = op; }
  uint32_t begin_tail_call();
  std::array<uint64_t, 5> args() const;

  const Executable& executable_;
  Settings settings_;
  Host* host_;
  Memory memory_;
  State own_state_;
  State* state_ = &own_state_;
  Jit* jit_ = nullptr;
  std::map<int32_t, Helper> helpers_;
  std::map<std::string, Helper, std::less<>> named_;
  std::vector<uint64_t> tables_;  // addresses of jump tables, by symbol
  std::span<const uint8_t> packet_ = {};
  std::vector<uint8_t> stack_;
  std::array<Frame, kMaxFrames> frames_ = {};
  uint64_t prepared_ = 0;
  int64_t budget_ = 0;
  uint32_t defined_ = 0x7ff, at_ = 0, next_function_ = 0;
  bool r0_defined_ = true;
  Run run_;
};

}  // namespace epass::vm
