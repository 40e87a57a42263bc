// What compiled code leaves to the machine, and how the machine enters it.

#include <algorithm>
#include <cstring>

#include "base/format.h"
#include "vm/jit_data.h"
#include "vm/op_facts.h"

namespace epass::vm {

using bpf::kStackSize;

namespace {

void forget_sites(JitData& data) {
  std::fill_n(data.site(0), data.sites, JitSite{});
  data.epoch = data.machine->memory().epoch();
}

}  // namespace

Result<void> Machine::use(Jit* jit) {
  if (!jit) {
    if (jit_) own_state_ = *state_;
    state_ = &own_state_, jit_ = nullptr;
    return {};
  }
  if (std::string why = jit->mismatch(*this); !why.empty())
    return epass::fail("jit", "the code was compiled for another world: " + why);
  jit->attach(*this);
  return {};
}

Machine::~Machine() {
  if (jit_) jit_->data_->machine = nullptr;
}

std::string Jit::mismatch(Machine& machine) const {
  if (executable_ != &machine.executable_) return "another program";
  if (checked_ != machine.settings_.checked) return "checked and unchecked";
  if (context_ != machine.settings_.context) return "another context";
  if (metered_ != (machine.settings_.budget != UINT64_MAX)) return "with and without a meter";
  for (auto [op, address] : addresses_)
    if (machine.load_address(executable_->ops()[op]) != address)
      return format("`{}` lies elsewhere", executable_->symbol(executable_->ops()[op].target).name);
  return "";
}

void Jit::attach(Machine& machine) {
  if (data_->machine && data_->machine != &machine) (void)data_->machine->use(nullptr);
  data_->state = *machine.state_;
  machine.state_ = &data_->state;
  machine.jit_ = this;
  data_->machine = &machine;
  forget_sites(*data_);
}

bool Jit::enter(Machine& machine, uint32_t function) {
  State& s = data_->state;
  const uint64_t host = reinterpret_cast<uint64_t>(machine.stack_.data());
  if (machine.memory_.epoch() != data_->epoch) forget_sites(*data_);
  s.frame = machine.frame_top(s.depth - 1);
  s.frame_host = host + (s.depth - 1) * kStackSize;
  s.frame_limit = host + machine.prepared_ * kStackSize;
  using Entry = uint64_t (*)(const uint8_t*);
  const uint8_t* code = memory_ + data_size_;
  return reinterpret_cast<Entry>(reinterpret_cast<uintptr_t>(code))(code + entries_[function]);
}

void JitCalls::find_depth(JitData* data) {
  State& s = data->state;
  s.depth = (s.frame_host - reinterpret_cast<uint64_t>(data->machine->stack_.data())) / kStackSize;
}

uint64_t JitCalls::step(JitData* data, uint64_t op) {
  Machine& m = *data->machine;
  const Op& o = m.executable_.ops()[op];
  find_depth(data);
  const bool writes = is_store(o.code);
  const uint64_t address = data->state.regs[writes ? o.dst : o.src] + uint64_t(int64_t(o.off));
  m.at_ = uint32_t(op) - (o.code == OpCode::kLeaves && op > 0);
  if (!m.interpret_one(uint32_t(op))) {
    data->state.left += data->jit->rest_[op];
    return 0;
  }
  if (const uint32_t site = data->jit->site_of_[op]; site != UINT32_MAX)
    remember(data, o, site, address, writes);
  return 1;
}

void JitCalls::remember(JitData* data, const Op& op, uint32_t site, uint64_t address, bool writes) {
  Machine& m = *data->machine;
  if (m.memory_.epoch() != data->epoch) forget_sites(*data);
  const uint32_t size = access_size(op);
  const Region* region = m.memory_.find_region(address);
  if (!region || !region->cacheable || region->size - (address - region->base) < size) return;
  if (writes && !region->writable) return;
  // Some loads of 4 bytes there give packet pointers.
  const State& s = data->state;
  const uint64_t off = uint64_t(int64_t(op.off)), field = address - s.context_base,
                 host = reinterpret_cast<uint64_t>(region->host);
  if (size == 4 && !writes && s.context_window && s.context_base - region->base < region->size) {
    // Some fields there become packet pointers: only this one is known.
    uint64_t unused = 0;
    if (!m.packet_field(field, unused)) *data->site(site) = {address - off, 1, host - region->base + off};
    return;
  }
  *data->site(site) = {region->base - off, region->size - size + 1, host - region->base + off};
}

uint64_t JitCalls::out_of_time(JitData* data, uint64_t op) {
  find_depth(data);
  data->machine->interpret_rest(uint32_t(op));
  return 0;
}

uint64_t JitCalls::frame(JitData* data, uint64_t op) {
  Machine& m = *data->machine;
  find_depth(data);
  m.at_ = uint32_t(op);
  if (data->state.depth == kMaxFrames) return m.fail("more than 16 nested calls");
  m.prepare_frame(data->state.depth);
  data->state.frame_limit = reinterpret_cast<uint64_t>(m.stack_.data()) + m.prepared_ * kStackSize;
  return 1;
}

uint64_t JitCalls::code_address(JitData* data, uint64_t op) {
  Machine& m = *data->machine;
  m.at_ = uint32_t(op);
  const uint32_t target = m.executable_.code_target(m.executable_.function_of(m.at_),
                                                    data->state.regs[m.executable_.ops()[op].dst]);
  if (target == UINT32_MAX) return m.fail("jump to no instruction");
  return reinterpret_cast<uint64_t>(data->jit->memory_ + data->jit->data_size_ + data->jit->native_[target]);
}

uint64_t JitCalls::tail_call(JitData* data) {
  Machine& m = *data->machine;
  m.begin_tail_call();
  return reinterpret_cast<uint64_t>(data->jit->memory_ + data->jit->data_size_ +
                                    data->jit->entries_[m.next_function_]);
}

template <class Call>
uint64_t JitCalls::call_out(const uint64_t (&args)[5], JitData* data, Call call) {
  State& s = data->state;
  Machine& m = *data->machine;
  std::copy_n(args, 5, s.regs.begin() + 1);
  find_depth(data);
  m.at_ = uint32_t(data->op);
  const uint64_t frame = s.frame, host = s.frame_host;
  const uint64_t r0 = call(m);
  s.frame = frame, s.frame_host = host;
  if (m.memory_.epoch() != data->epoch) forget_sites(*data);
  return r0;
}

uint64_t JitCalls::helper(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, JitData* data) {
  return call_out({r1, r2, r3, r4, r5}, data, [&](Machine& m) {
    const Op& op = m.executable_.ops()[data->op];
    return op.code == OpCode::kCallHelper ? m.call_helper(int32_t(op.imm)) : m.call_symbol(op.target);
  });
}

uint64_t JitCalls::through_register(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                                    JitData* data) {
  return call_out({r1, r2, r3, r4, r5}, data, [&](Machine& m) -> uint64_t {
    const uint64_t callee = data->callee;
    if (auto function = m.function_at(callee)) {
      const auto answer = m.call(*function, {r1, r2, r3, r4, r5});
      return answer ? answer->r0 : 0;
    }
    if (callee > INT32_MAX) return m.fail(format("calls {:#x}, which is no function", callee));
    return m.call_helper(int32_t(callee));
  });
}

}  // namespace epass::vm
