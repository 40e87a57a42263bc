#include "reduce.h"

#include <string>

#include "base/format.h"
#include "bpf/disassemble.h"
#include "judge/shrink.h"
#include "object/dump.h"

namespace epass {

using namespace bpf;

std::vector<Insn> reduce(std::vector<Insn> insns, const StillFails& fails, int tries) {
  return judge::shrink(std::move(insns), fails, tries);
}

std::string listing(const std::vector<Insn>& insns) {
  auto program = object::split_flat(insns, "random");
  std::string text;
  if (!program) {
    for (uint32_t i = 0; i < insns.size(); i += records(insns[i]))
      text += format("{:4}: {}\n", i, disassemble(insns, i));
    return text;
  }
  for (uint32_t n = 0; n < program->functions.size(); ++n) {
    const Function& fn = program->functions[FunctionId{n}];
    text += fn.name + ":\n";
    for (uint32_t i = 0; i < fn.insns.size(); i += records(fn.insns[i])) {
      const Symbol* symbol = nullptr;
      for (const Attachment& a : fn.attachments)
        if (a.insn == i) symbol = &program->symbols[a.symbol];
      const Insn insn = fn.insns[i];
      bool jumps = (is_unconditional_jump(insn.code) || is_conditional_jump(insn.code)) && !symbol;
      std::string target = jumps ? std::to_string(jump_target(fn.insns[i], i)) : "";
      text += format("{:4}: {}\n", i, disassemble(fn.insns, i, symbol, target));
    }
  }
  return text;
}

}  // namespace epass
