// Compares what stands for each instruction of the input before and after a pass.

#include "driver/remarks.h"

#include <algorithm>
#include <iterator>

#include "ir/text.h"

namespace epass::driver {

RemarkLog::Picture RemarkLog::look(const Function& fn) {
  Picture picture;
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b)) {
      const InstData& data = fn.insts[i];
      if (data.origin == kNoOrigin) continue;
      // A constant without a home is the immediate of another instruction.
      if (data.op == Opcode::Const && !fn.home(data.result)) continue;
      std::string& text = picture[data.origin];
      text += (text.empty() ? "" : ", ") + operation_name(data);
    }
  return picture;
}

void RemarkLog::after_pass(std::string_view pass, const Function& fn) {
  Picture now = look(fn);
  for (const auto& [insn, before] : last_) {
    auto found = now.find(insn);
    const std::string after = found == now.end() ? "" : found->second;
    if (after == before) continue;
    const bpf::OriginPlace place = bpf::place_of_origin({}, fn.inlined, insn);
    done_.push_back({.function = fn.name,
                     .section = fn.section,
                     .pass = std::string(pass),
                     .insn = place.insn,
                     .copied_from = place.function,
                     .from = before,
                     .to = after});
  }
  last_ = std::move(now);
}

void RemarkLog::said(std::string_view pass, const Function& fn, std::vector<PassRemark>&& what) {
  std::vector<Remark>& list = said_.try_emplace(std::string(pass)).first->second;
  list.clear();
  for (PassRemark& remark : what) {
    const bpf::OriginPlace place = bpf::place_of_origin({}, fn.inlined, remark.insn);
    Remark made{.kind = remark.kind == PassRemark::kMissed ? Remark::kMissed : Remark::kAnalysis,
                .function = fn.name,
                .section = fn.section,
                .pass = std::string(pass),
                .insn = place.insn,
                .copied_from = place.function,
                .from = remark.operation,
                .to = remark.operation,
                .reason = std::move(remark.reason)};
    auto same = [&](const Remark& r) {
      return r.insn == made.insn && r.copied_from == made.copied_from && r.reason == made.reason;
    };
    if (std::ranges::none_of(list, same)) list.push_back(std::move(made));
  }
}

std::vector<Remark> RemarkLog::take() {
  std::vector<Remark> all = std::move(done_);
  for (auto& [pass, list] : said_) std::ranges::move(list, std::back_inserter(all));
  return all;
}

}  // namespace epass::driver
