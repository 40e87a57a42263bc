#pragma once
// The world of a program that runs in user space: packets, maps and helpers that do what the kernel's do.
// Time, random numbers, the current task and every helper that has no model here answer from the seed, so two
// runs with one seed see the same. One world serves one machine; maps keep what they hold from run to run.
//
//   Executable executable(program);
//   auto world = World::create(executable, setup);
//   Machine machine(executable, {.outside = Outside::kForeign}, world->get());
//   Run run = machine.run(entry, (*world)->begin(machine));

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "world/setup.h"

namespace epass::world {

// One thing that a program told the world.
struct Event {
  std::string what = {};  // the helper
  std::string map = {};
  std::vector<uint64_t> values = {};
  std::vector<uint8_t> bytes = {};  // records of ring buffers and perf arrays
  std::string text = {};            // of bpf_trace_printk
  friend bool operator==(const Event&, const Event&) = default;
};

class World : public vm::Host {
 public:
  // The executable must outlive the world. Errors: map-refused, map-entry.
  static Result<std::unique_ptr<World>> create(const vm::Executable& executable, Setup setup);
  ~World() override;

  // Packet and context as they are before a run; what the entry gets in r1 and r2.
  std::vector<uint64_t> begin(vm::Machine& machine);
  // From the start of the data to its end; of raw programs, the memory.
  std::vector<uint8_t> packet() const;
  void set_packet(std::vector<uint8_t> packet);  // from the next begin() on

  maps::Map* map(std::string_view name);
  std::vector<std::string> map_names() const;
  // Null if the program has no such section.
  const std::vector<uint8_t>* section(const std::string& name) const;

  // Runs the callback of the timer that is due first. None: no timer is armed.
  std::optional<vm::Run> fire_timer(vm::Machine& machine);
  size_t armed_timers() const;

  // Called before each instruction, where Settings::observe asks for it.
  std::function<void(uint32_t function, uint32_t insn, const uint64_t* registers)> watch = {};
  // What a number is, if it is an address: `packet+14`, `stack-8`, a map, a function; else in hexadecimal.
  std::string text_of(uint64_t value);

  // What happened since begin(), up to a limit.
  const std::vector<Event>& events() const { return events_; }
  bool record = true;

  uint64_t address_of(vm::Machine& machine, uint32_t symbol, uint8_t pseudo, uint64_t imm) override;
  uint64_t call_helper(vm::Machine& machine, int32_t id) override;
  uint64_t call_symbol(vm::Machine& machine, uint32_t symbol) override;
  void prepare_frame(uint32_t depth, std::span<uint8_t> bytes) override;
  void before(uint32_t function, uint32_t insn, const uint64_t* registers) override {
    if (watch) watch(function, insn, registers);
  }

 private:
  struct WorldMap {
    std::unique_ptr<maps::Map> map = {};
    maps::Spec inner = {};
    bool guessed = false;  // the program's file does not define it: it holds what the seed says
  };
  struct Timer {
    uint64_t map = 0, callback = 0, value = 0, due = 0;
    std::vector<uint8_t> key = {};
    bool armed = false;
  };
  struct Packet {
    std::vector<uint8_t> buffer = {};
    size_t begin = 0, end = 0;  // of the data, in the buffer
    uint64_t address = 0;       // of the region; 0 none
  };
  struct Dynptr {
    uint64_t data = 0;
    uint32_t size = 0, offset = 0;
    bool read_only = false;
  };
  using Handler = uint64_t (World::*)();
  struct Row {
    int32_t id;
    Handler handler;
  };
  struct NamedRow {
    std::string_view name;
    Handler handler;
  };

  World(const vm::Executable& executable, Setup setup);
  Result<void> fill(WorldMap& map, const MapSetup& setup);
  WorldMap* map_named(std::string_view name);
  uint64_t handle_of(const WorldMap& map) const;
  WorldMap* map_at(uint64_t handle);
  WorldMap* map_arg(int k = 1);  // null: the machine has failed
  WorldMap* queue_arg();
  WorldMap* storage_arg();
  uint64_t value_address(WorldMap& map, const uint8_t* key, maps::Value& value);
  uint64_t give_memory(const std::string& name, uint8_t* host, uint64_t size, bool writable = true);
  maps::Value* guess(WorldMap& map, const std::vector<uint8_t>& key);

  uint64_t arg(int k) { return machine_->arg(k); }
  vm::Memory& memory() { return machine_->memory(); }
  // False: the machine has failed, naming `what`.
  bool read(uint64_t address, void* out, uint64_t size, const char* what);
  bool write(uint64_t address, const void* in, uint64_t size, const char* what);
  // Before memory is made for a large buffer: only what lies in a region can be read at all.
  bool readable(uint64_t address, uint64_t size, const char* what);
  bool read_key(const WorldMap& map, int k, std::vector<uint8_t>& key);
  bool read_value(const WorldMap& map, int k, std::vector<uint8_t>& value);
  // Up to a NUL, at most `size` bytes; none if it cannot be read.
  std::optional<std::string> read_string(uint64_t address, uint64_t size);
  void tell(Event event);
  uint64_t answer(std::string_view what);
  uint64_t stub(std::string_view name, std::string_view kinds);
  std::optional<uint32_t> callback(int k);
  void lay_packet();
  bool is_xdp() const { return setup_.context == vm::Context::kXdp; }
  size_t packet_size() const { return packet_.end - packet_.begin; }

  static const Row* find(int32_t id);
  static std::span<const Row> map_rows();
  static std::span<const Row> packet_rows();
  static std::span<const Row> text_rows();
  static std::span<const Row> misc_rows();
  static std::span<const NamedRow> named_rows();

  // map_helpers.cc
  uint64_t map_lookup();
  uint64_t map_lookup_percpu();
  uint64_t map_update();
  uint64_t map_delete();
  uint64_t map_push();
  uint64_t map_pop();
  uint64_t map_peek();
  uint64_t for_each();
  uint64_t storage_get();
  uint64_t storage_delete();
  uint64_t local_storage();
  uint64_t tail_call();
  uint64_t ringbuf_output();
  uint64_t ringbuf_reserve();
  uint64_t ringbuf_submit();
  uint64_t ringbuf_discard();
  uint64_t ringbuf_query();
  uint64_t perf_output();
  uint64_t redirect_map();
  bool finish_record(uint64_t address, bool submit);

  // packet_helpers.cc
  uint64_t load_bytes();
  uint64_t load_bytes_relative();
  uint64_t store_bytes();
  uint64_t pull_data();
  uint64_t change_tail();
  uint64_t change_head();
  uint64_t adjust_room();
  uint64_t adjust_head();
  uint64_t adjust_tail();
  uint64_t adjust_meta();
  uint64_t buffer_length();
  uint64_t xdp_load();
  uint64_t xdp_store();
  uint64_t csum_diff();
  uint64_t csum_update();
  uint64_t l3_csum();
  uint64_t l4_csum();
  uint64_t redirect();
  uint64_t redirect_plain();
  uint8_t* packet_at(uint64_t offset, uint64_t size);

  // text_helpers.cc
  uint64_t trace_printk();
  uint64_t trace_vprintk();
  uint64_t snprintf();
  uint64_t strtol();
  uint64_t strtoul();
  uint64_t strncmp();
  uint64_t probe_read();
  uint64_t probe_read_str();
  uint64_t current_comm();
  std::optional<std::string> formatted(const std::string& text, std::span<const uint64_t> values);
  int64_t parse(uint64_t& value, bool& negative);

  // misc_helpers.cc
  uint64_t ktime();
  uint64_t jiffies();
  uint64_t random();
  uint64_t zero() { return 0; }
  uint64_t pid_tgid();
  uint64_t uid_gid();
  uint64_t loop();
  uint64_t spin_lock();
  uint64_t spin_unlock();
  uint64_t kptr_xchg();
  uint64_t timer_init();
  uint64_t timer_callback();
  uint64_t timer_start();
  uint64_t timer_cancel();
  uint64_t dynptr_from_mem();
  uint64_t dynptr_read();
  uint64_t dynptr_write();
  uint64_t dynptr_data();
  uint64_t ringbuf_reserve_dynptr();
  uint64_t ringbuf_submit_dynptr();
  uint64_t ringbuf_discard_dynptr();
  uint64_t throw_exception();
  uint64_t same();
  uint64_t iter_new();
  uint64_t iter_next();
  uint64_t iter_destroy();
  bool load_dynptr(uint64_t address, Dynptr& out);
  bool store_dynptr(uint64_t address, const Dynptr& dynptr);

  const vm::Executable& executable_;
  Setup setup_;
  vm::Machine* machine_ = nullptr;
  std::vector<WorldMap> maps_;
  std::map<std::string, uint64_t> sections_;  // addresses
  std::map<std::string, std::vector<uint8_t>> section_bytes_;
  std::map<uint64_t, Timer> timers_;  // by address
  std::vector<Event> events_;
  std::vector<uint8_t> context_;
  Packet packet_;
  uint64_t context_address_ = 0, next_value_ = vm::kMapValueBase, next_heap_ = vm::kHeapBase;
  uint64_t calls_ = 0, now_ = 0, entry_context_ = 0;
  uint32_t tail_calls_ = 0;
};

}  // namespace epass::world
