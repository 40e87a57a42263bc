#include "tool/run_trace.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "bpf/contracts.h"
#include "driver/listing.h"
#include "tool/ui.h"

namespace epass::tool {

namespace {

constexpr size_t kTextColumn = 36;
constexpr size_t kMaxTrace = 64 << 20;  // of text
constexpr size_t kMaxRows = 20;         // of a profile

bool is_store(bpf::Insn insn) { return insn.cls() == bpf::kSt || insn.cls() == bpf::kStx; }
bool is_atomic(bpf::Insn insn) { return insn.cls() == bpf::kStx && (insn.code & 0xe0) == bpf::kAtomic; }

}  // namespace

std::string Tracer::memory_text(uint64_t address, uint32_t size) {
  constexpr uint32_t kMost = 16;
  std::array<uint8_t, kMost> bytes = {};
  const uint32_t shown = std::min(size, kMost);
  std::string text = world_.text_of(address);
  if (!machine_.memory().read(address, bytes.data(), shown)) return text;
  text += " =";
  for (uint32_t n = 0; n < shown; ++n) text += format(" {:02x}", bytes[n]);
  return text + (size > shown ? " .." : "");
}

std::string Tracer::effects(const Step& step, uint32_t function, uint32_t next, const uint64_t* after) {
  const bpf::Function& fn = file_.program().functions[bpf::FunctionId{step.function}];
  const bpf::Insn insn = fn.insns[step.insn];
  const std::array<uint64_t, 11>& before = step.registers;
  std::vector<std::string> parts;
  if (bpf::is_conditional_jump(insn.code)) {
    const bool same = function == step.function && next == step.insn + 1;
    const std::string x = world_.text_of(before[insn.dst()]);
    const std::string y = insn.code & bpf::kX ? world_.text_of(before[insn.src()]) : "";
    return format("{} ({}{}{})", same ? "not taken" : "taken", x, y.empty() ? "" : " against ", y);
  }
  if (is_store(insn))
    parts.push_back(memory_text(before[insn.dst()] + static_cast<uint64_t>(int64_t{insn.off}),
                                bpf::access_bytes(insn.code)));
  const bool call = insn.code == bpf::kCodeCall || insn.code == bpf::kCodeCallx;
  const bool other_frame = before[10] != after[10];
  if (other_frame && call)
    return format("enters {}", file_.program().functions[bpf::FunctionId{function}].name);
  if (insn.code == bpf::kCodeExit) return other_frame ? "r0 = " + world_.text_of(after[0]) : "";
  if (call) {
    parts.push_back("r0 = " + world_.text_of(after[0]));
    // The buffers that the helper filled.
    const bpf::HelperContract* contract = insn.src() == 0 ? bpf::helper(insn.imm) : nullptr;
    for (size_t k = 0; contract && k + 1 < contract->args.size(); ++k)
      if (contract->args[k] == 'w')
        parts.push_back(memory_text(before[k + 1], static_cast<uint32_t>(before[k + 2])));
  } else {
    const bool defines = bpf::is_alu(insn.code) || insn.cls() == bpf::kLdx || insn.cls() == bpf::kLd;
    const size_t result = insn.cls() == bpf::kLd && !bpf::is_ld_imm64(insn) ? 0 : insn.dst();
    for (size_t r = 0; r < 10; ++r)
      if (before[r] != after[r] || (defines && r == result) || (is_atomic(insn) && before[r] != after[r]))
        parts.push_back(format("r{} = {}", r, world_.text_of(after[r])));
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

void Tracer::before(uint32_t function, uint32_t insn, const uint64_t* registers) {
  if (last_ && text_.size() < kMaxTrace) {
    const std::string text = driver::insn_text(file_, bpf::FunctionId{last_->function}, last_->insn);
    std::string effect = effects(*last_, function, insn, registers);
    std::string line = format("{:>4}  {}", last_->insn, text);
    if (last_->function != entry_)
      effect += "   ; " + file_.program().functions[bpf::FunctionId{last_->function}].name;
    if (!effect.empty()) line.append(line.size() < kTextColumn ? kTextColumn - line.size() : 2, ' ');
    text_ += printable(line + effect) + "\n";
  }
  last_ = Step{function, insn, {}};
  std::copy_n(registers, 11, last_->registers.begin());
}

std::string Tracer::finish() {
  if (last_)
    text_ += printable(format("{:>4}  {}", last_->insn,
                              driver::insn_text(file_, bpf::FunctionId{last_->function}, last_->insn))) +
             "\n";
  last_.reset();
  return std::move(text_);
}

void Profile::before(uint32_t function, uint32_t insn, const uint64_t*) {
  if (counts_.size() <= function) counts_.resize(file_.program().functions.size());
  std::vector<uint64_t>& counts = counts_[function];
  if (counts.empty()) counts.resize(file_.program().functions[bpf::FunctionId{function}].insns.size());
  if (insn < counts.size()) ++counts[insn];
}

namespace {

struct Row {
  uint64_t executed = 0;
  std::string where = {};
};

std::string table(std::vector<Row> rows, std::string_view title, uint64_t total) {
  std::ranges::stable_sort(rows, std::greater<>(), &Row::executed);
  std::string text = format("    executed    share  {}\n", title);
  for (size_t n = 0; n < std::min(rows.size(), kMaxRows); ++n)
    text += format("{:>12}  {:>5.1f} %  {}\n", with_commas(rows[n].executed),
                   100.0 * static_cast<double>(rows[n].executed) / static_cast<double>(total),
                   printable(rows[n].where));
  if (rows.size() > kMaxRows) text += format("{:>12}  and {} more\n", "", rows.size() - kMaxRows);
  return text;
}

// First instructions of blocks.
std::vector<bool> leaders(const bpf::Function& fn) {
  std::vector<bool> out(fn.insns.size() + 1);
  out[0] = true;
  for (uint32_t i = 0; i < fn.insns.size(); i += bpf::records(fn.insns[i])) {
    const bpf::Insn insn = fn.insns[i];
    const bool jumps = bpf::is_conditional_jump(insn.code) || bpf::is_unconditional_jump(insn.code);
    if (jumps) {
      const int64_t target = bpf::jump_target(insn, i);
      if (target >= 0 && target < static_cast<int64_t>(fn.insns.size()))
        out[static_cast<size_t>(target)] = true;
    }
    if (jumps || insn.code == bpf::kCodeExit) out[i + 1] = true;
  }
  return out;
}

}  // namespace

std::string Profile::text() const {
  std::vector<Row> blocks;
  std::map<std::pair<std::string, uint32_t>, Row> lines;
  uint64_t total = 0;
  for (uint32_t f = 0; f < counts_.size(); ++f) {
    if (counts_[f].empty()) continue;
    const bpf::FunctionId id{f};
    const bpf::Function& fn = file_.program().functions[id];
    const std::vector<bool> starts = leaders(fn);
    for (uint32_t i = 0; i < fn.insns.size();) {
      uint32_t end = i + 1;
      while (end < fn.insns.size() && !starts[end]) ++end;
      Row row;
      for (uint32_t n = i; n < end; ++n) row.executed += counts_[f][n];
      total += row.executed;
      row.where = format("{} {} to {}", fn.name, i, end - 1);
      if (row.executed) blocks.push_back(std::move(row));
      i = end;
    }
    if (!file_.object) continue;
    const std::vector<object::SourceLine> source = file_.object->source_lines(id);
    for (size_t n = 0; n < source.size(); ++n) {
      const uint32_t end =
          n + 1 < source.size() ? source[n + 1].insn : static_cast<uint32_t>(fn.insns.size());
      uint64_t executed = 0;
      for (uint32_t i = source[n].insn; i < end && i < counts_[f].size(); ++i) executed += counts_[f][i];
      if (!executed) continue;
      Row& row = lines[{std::string(source[n].file), source[n].line}];
      row.executed += executed;
      std::string_view file = source[n].file, text = source[n].text;
      file.remove_prefix(file.rfind('/') + 1);
      while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
      row.where = format("{}:{}  {}", file, source[n].line, text);
    }
  }
  if (!total) return "";
  std::string out;
  if (!lines.empty()) {
    std::vector<Row> rows;
    for (auto& [place, row] : lines) rows.push_back(row);
    out += table(std::move(rows), "source line", total);
  }
  return out + table(std::move(blocks), "block (instructions)", total);
}

}  // namespace epass::tool
