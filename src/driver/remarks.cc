// Compares what stands for each instruction of the input before and after a pass.

#include "driver/remarks.h"

namespace epass::driver {

namespace {

std::string operation(const InstData& data) {
  std::string text(info(data.op).mnemonic);
  if (data.op == Opcode::Const && data.form == Form::kLdImm64) text += ".imm64";
  if (data.width == Width::k32) text += ".32";
  return text;
}

}  // namespace

RemarkLog::Picture RemarkLog::look(const Function& fn) {
  Picture picture;
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b)) {
      const InstData& data = fn.insts[i];
      if (data.origin == kNoOrigin) continue;
      // A constant without a home is the immediate of another instruction.
      if (data.op == Opcode::Const && !fn.home(data.result)) continue;
      std::string& text = picture[data.origin];
      text += (text.empty() ? "" : ", ") + operation(data);
    }
  return picture;
}

void RemarkLog::after_pass(std::string_view pass, const Function& fn) {
  Picture now = look(fn);
  for (const auto& [insn, before] : last_) {
    auto found = now.find(insn);
    const std::string after = found == now.end() ? "" : found->second;
    if (after == before) continue;
    remarks.push_back({.function = fn.name,
                       .section = fn.section,
                       .pass = std::string(pass),
                       .insn = insn,
                       .from = before,
                       .to = after});
  }
  last_ = std::move(now);
}

}  // namespace epass::driver
