// The variants of the interpreter.

#include "vm/execute.h"

namespace epass::vm {

bool Machine::interpret(uint32_t op, uint64_t base_depth) {
  if (settings_.track || settings_.visited || settings_.observe)
    return Execution<StepPolicy>(*this).run(op, base_depth);
  if (settings_.checked) return Execution<CheckedPolicy>(*this).run(op, base_depth);
  return Execution<RawPolicy>(*this).run(op, base_depth);
}

bool Machine::interpret_one(uint32_t op) {
  Execution<StepPolicy> execution(*this);
  execution.steps = 1;
  // It is counted again.
  if (executable_.ops()[op].code != OpCode::kLeaves) ++state_->left;
  execution.run(op, UINT64_MAX);
  defined_ = 0x7ff;  // compiled code does not follow it
  return !state_->stop;
}

void Machine::interpret_rest(uint32_t op) { Execution<StepPolicy>(*this).run(op, UINT64_MAX); }

}  // namespace epass::vm
