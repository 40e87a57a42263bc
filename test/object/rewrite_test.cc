// Every object of the corpus: read and written without a change it keeps its bytes; with idle jumps inserted
// into every function, whatever names a place in the code must follow. The judge is raw_elf.h and libbpf.

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "object/object.h"
#include "raw_elf.h"

namespace epass::test {
namespace {

using object::Object;

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::filesystem::path> corpus() {
  std::vector<std::filesystem::path> out;
  for (const char* folder : {"objects", "rejected"}) {
    std::filesystem::path base = std::filesystem::path(EPASS_SOURCE_DIR) / "../shared/corpus" / folder;
    if (!std::filesystem::exists(base)) continue;
    for (const auto& e : std::filesystem::recursive_directory_iterator(base))
      if (e.path().extension() == ".o") out.push_back(e.path());
  }
  std::ranges::sort(out);
  return out;
}

// Where the records of a function went: `start` is the place of what jumps there from outside.
struct Moved {
  bpf::NewCode code = {};
  std::vector<uint32_t> place = {};  // new index of each old record
};

// Inserts `goto +0` at the start of the function and before every `step`th record.
std::optional<Moved> insert_idle(const bpf::Function& fn, uint32_t step) {
  Moved m;
  std::vector<uint32_t> entry(fn.insns.size() + 1);  // where jumps to an old record go
  bool second_half = false;
  auto emit = [&](bpf::Insn insn, uint32_t origin) {
    m.code.insns.push_back(insn);
    m.code.origin.push_back(origin);
  };
  for (uint32_t i = 0; i < fn.insns.size(); ++i) {
    entry[i] = uint32_t(m.code.insns.size());
    if (!second_half && i % step == 0) emit(bpf::make_insn(bpf::kCodeJa, 0, 0, 0, 0), i);
    m.place.push_back(uint32_t(m.code.insns.size()));
    emit(fn.insns[i], i);
    second_half = !second_half && bpf::is_ld_imm64(fn.insns[i]);
  }
  entry.back() = uint32_t(m.code.insns.size());
  for (uint32_t i = 0; i < fn.insns.size(); i += bpf::records(fn.insns[i])) {
    bpf::Insn insn = fn.insns[i];
    if (!bpf::is_conditional_jump(insn.code) && !bpf::is_unconditional_jump(insn.code)) continue;
    int64_t target = bpf::jump_target(insn, i);
    if (target < 0 || target >= int64_t(fn.insns.size())) return std::nullopt;
    int64_t distance = int64_t(entry[size_t(target)]) - m.place[i] - 1;
    if (insn.code == bpf::kCodeGotol) {
      m.code.insns[m.place[i]].imm = int32_t(distance);
    } else {
      if (distance != int16_t(distance)) return std::nullopt;
      m.code.insns[m.place[i]].off = int16_t(distance);
    }
  }
  for (bpf::Attachment a : fn.attachments) {
    a.insn = m.place[a.insn];
    m.code.attachments.push_back(a);
  }
  for (bpf::CoreRecord c : fn.core) {
    c.insn = m.place[c.insn];
    m.code.core.push_back(c);
  }
  for (uint32_t i = 0; i < fn.insns.size(); ++i) m.code.table_targets.push_back({i, entry[i]});
  return m;
}

class Rewrite {
 public:
  Rewrite(const Object& object, uint32_t step) : object_(object), old_(object.bytes()) {
    const bpf::Program& program = object.program();
    std::map<std::string, std::vector<bpf::FunctionId>> by_section;
    for (uint32_t n = 0; n < program.functions.size(); ++n) {
      bpf::FunctionId id{n};
      const bpf::Function& fn = program.functions[id];
      by_section[fn.section].push_back(id);
      if (!fn.keep_reason.empty()) continue;
      auto moved = insert_idle(fn, step);
      if (!moved) moved = insert_idle(fn, UINT32_MAX);
      if (!moved) continue;
      changed_[id] = moved->code;
      moved_[id] = std::move(*moved);
    }
    for (const RawSection& s : old_.sections) {
      if (!s.is_code()) continue;
      std::vector<uint32_t>& exact = exact_[s.name];
      std::vector<uint32_t>& start = start_[s.name];
      uint32_t size = uint32_t(s.data.size() / 8), grown = 0, done = 0;
      exact.resize(size + 1), start.resize(size + 1);
      auto copy_until = [&](uint32_t end) {
        for (; done < end; ++done) exact[done] = start[done] = done + grown;
      };
      for (bpf::FunctionId id : by_section[s.name]) {
        const bpf::Function& fn = program.functions[id];
        copy_until(fn.section_insn);
        starts_[s.name].insert(fn.section_insn);
        auto it = moved_.find(id);
        if (it == moved_.end()) continue;
        for (uint32_t i = 0; i < fn.insns.size(); ++i, ++done)
          exact[done] = start[done] = fn.section_insn + grown + it->second.place[i];
        start[fn.section_insn] = fn.section_insn + grown;
        grown += uint32_t(it->second.code.insns.size() - fn.insns.size());
      }
      copy_until(size + 1);
    }
  }

  size_t changed() const { return changed_.size(); }
  auto write() const { return object_.write(changed_); }

  void check(const Bytes& bytes) const {
    RawElf fresh(bytes);
    check_symbols(fresh);
    for (size_t n = 1; n < old_.sections.size(); ++n) check_section(n, fresh);
    check_ext(fresh);
  }

 private:
  static bool is_dropped(const std::string& name) {
    return name.starts_with(".debug_") || name.starts_with(".rel.debug_") || name == ".llvm_addrsig";
  }
  bool is_code(const std::string& name) const { return exact_.contains(name); }

  void check_symbols(const RawElf& fresh) const {
    size_t k = 0;
    for (const RawSymbol& s : old_.symbols) {
      if (is_dropped(s.section)) continue;
      ASSERT_LT(k, fresh.symbols.size());
      const RawSymbol& f = fresh.symbols[k++];
      EXPECT_EQ(f.name, s.name);
      EXPECT_EQ(f.section, s.section) << s.name;
      EXPECT_EQ(f.entry.st_info, s.entry.st_info);
      EXPECT_EQ(f.entry.st_other, s.entry.st_other);
      if (!is_code(s.section) || s.type() == STT_SECTION) {
        EXPECT_EQ(f.entry.st_value, s.entry.st_value) << s.name;
        EXPECT_EQ(f.entry.st_size, s.entry.st_size) << s.name;
        continue;
      }
      const auto &exact = exact_.at(s.section), &start = start_.at(s.section);
      size_t begin = s.entry.st_value / 8, end = begin + s.entry.st_size / 8;
      if (s.type() != STT_FUNC && !starts_.at(s.section).contains(uint32_t(begin))) {
        // A label stands at its instruction or at what was inserted before it.
        EXPECT_LE(f.entry.st_value / 8, exact[begin]) << s.name;
        EXPECT_GE(f.entry.st_value / 8 + 1, exact[begin]) << s.name;
        continue;
      }
      EXPECT_EQ(f.entry.st_value, start[begin] * 8u) << s.name;
      if (s.entry.st_size) { EXPECT_EQ(f.entry.st_size / 8, start[end] - start[begin]) << s.name; }
    }
    EXPECT_EQ(k, fresh.symbols.size());
  }

  // The record of a code section that a relocated field leads to, with the section's name.
  static std::pair<std::string, int64_t> target(const RawElf& elf, const RawRelocation& r, int64_t addend) {
    const RawSymbol& s = elf.symbols[r.symbol];
    return {s.section, int64_t(s.entry.st_value / 8) + addend};
  }

  void check_section(size_t n, const RawElf& fresh) const {
    const RawSection& s = old_.sections[n];
    if (is_dropped(s.name) || s.header.sh_type == SHT_REL || s.header.sh_type == SHT_SYMTAB ||
        s.name == ".BTF.ext")
      return;
    const RawSection* f = fresh.find(s.name);
    ASSERT_TRUE(f) << s.name;
    size_t index = size_t(f - fresh.sections.data());
    EXPECT_EQ(f->header.sh_flags, s.header.sh_flags);
    auto before = old_.relocations(n), after = fresh.relocations(index);
    ASSERT_EQ(before.size(), after.size()) << s.name;
    if (s.is_code()) {
      check_code(s, *f, before, after, fresh);
      return;
    }
    Bytes expected = s.data;
    for (size_t k = 0; k < before.size(); ++k) {
      EXPECT_EQ(before[k].offset, after[k].offset);
      EXPECT_EQ(before[k].type, after[k].type);
      EXPECT_EQ(old_.symbols[before[k].symbol].name, fresh.symbols[after[k].symbol].name);
      const RawSymbol& symbol = old_.symbols[before[k].symbol];
      if (!is_code(symbol.section) || symbol.type() != STT_SECTION) continue;
      auto old = at<uint32_t>(s.data, before[k].offset) / 8;
      auto now = at<uint32_t>(f->data, before[k].offset) / 8;
      EXPECT_EQ(start_.at(symbol.section)[old], now) << s.name << " entry " << k;
      std::memcpy(expected.data() + before[k].offset, f->data.data() + before[k].offset, 4);
    }
    if (s.name != ".jumptables") { EXPECT_EQ(expected, f->data) << s.name; }
  }

  void check_code(const RawSection& s, const RawSection& f, const std::vector<RawRelocation>& before,
                  const std::vector<RawRelocation>& after, const RawElf& fresh) const {
    const auto& exact = exact_.at(s.name);
    ASSERT_EQ(f.data.size() / 8, exact.back()) << s.name;
    std::map<uint64_t, RawRelocation> old_at, new_at;
    for (const RawRelocation& r : before) old_at[r.offset / 8] = r;
    for (size_t k = 0; k < after.size(); ++k) {
      new_at[after[k].offset / 8] = after[k];
      if (k) { EXPECT_LT(after[k - 1].offset, after[k].offset); }
    }
    for (uint32_t i = 0; i < s.data.size() / 8; ++i) {
      auto old = at<bpf::Insn>(s.data, i * 8), now = at<bpf::Insn>(f.data, exact[i] * 8u);
      ASSERT_EQ(old.code, now.code) << s.name << " " << i;
      ASSERT_EQ(old.regs, now.regs) << s.name << " " << i;
      bool call = old.code == bpf::kCodeCall && old.src() == bpf::kLocalCall;
      bool jump = bpf::is_conditional_jump(old.code) || bpf::is_unconditional_jump(old.code);
      auto ro = old_at.find(i), rn = new_at.find(exact[i]);
      ASSERT_EQ(ro == old_at.end(), rn == new_at.end()) << s.name << " " << i;
      if (ro != old_at.end()) {
        EXPECT_EQ(ro->second.type, rn->second.type) << s.name << " " << i;
        const RawSymbol& symbol = old_.symbols[ro->second.symbol];
        EXPECT_EQ(symbol.name, fresh.symbols[rn->second.symbol].name);
        EXPECT_EQ(symbol.section, fresh.symbols[rn->second.symbol].section);
        if (!is_code(symbol.section)) {
          EXPECT_EQ(old.imm, now.imm);
        } else {
          bool any_call = old.code == bpf::kCodeCall;
          auto from = target(old_, ro->second, any_call ? int64_t(old.imm) + 1 : old.imm / 8);
          auto to = target(fresh, rn->second, any_call ? int64_t(now.imm) + 1 : now.imm / 8);
          EXPECT_EQ(int64_t(start_.at(from.first)[size_t(from.second)]), to.second) << s.name << " " << i;
        }
      } else if (call) {
        EXPECT_EQ(start_.at(s.name)[size_t(int64_t(i) + 1 + old.imm)], int64_t(exact[i]) + 1 + now.imm)
            << s.name << " " << i;
      } else if (!jump) {
        EXPECT_EQ(old, now) << s.name << " " << i;
      }
      if (bpf::is_ld_imm64(old)) {
        EXPECT_EQ(exact[i] + 1, exact[i + 1]);
        ++i;
      }
    }
  }

  void check_ext(const RawElf& fresh) const {
    RawExt before(old_), after(fresh);
    for (int kind = 0; kind < 3; ++kind) {
      for (const auto& [section, old] : before.tables[kind]) {
        if (!is_code(section)) continue;
        const auto& exact = exact_.at(section);
        const auto& now = after.tables[kind][section];
        if (kind == 1) {
          check_lines(section, old, now, fresh);
          continue;
        }
        ASSERT_EQ(old.size(), now.size()) << section;
        for (size_t k = 0; k < old.size(); ++k) {
          uint32_t place = (kind == 0 ? start_.at(section) : exact)[old[k].first / 8];
          EXPECT_EQ(now[k].first, place * 8) << section;
          EXPECT_EQ(now[k].second, old[k].second) << section;
        }
      }
    }
  }

  void check_lines(const std::string& section, const RawExt::Records& old, const RawExt::Records& now,
                   const RawElf& fresh) const {
    EXPECT_LE(now.size(), old.size()) << section;
    std::map<uint32_t, Bytes> old_at(old.begin(), old.end()), new_at(now.begin(), now.end());
    const Bytes& code = fresh.find(section)->data;
    for (size_t k = 0; k < now.size(); ++k) {
      ASSERT_LT(now[k].first, code.size());
      EXPECT_NE(at<bpf::Insn>(code, now[k].first).code, 0) << "second half of ld_imm64 in " << section;
      if (k) { EXPECT_LT(now[k - 1].first, now[k].first) << section; }
    }
    const auto &exact = exact_.at(section), &start = start_.at(section);
    for (uint32_t s : starts_.at(section)) {
      EXPECT_EQ(old_at.contains(s * 8), new_at.contains(start[s] * 8)) << section << " " << s;
    }
    for (uint32_t i = 0; i + 1 < exact.size(); ++i) {
      auto o = old_at.upper_bound(i * 8);
      if (o == old_at.begin()) continue;
      auto f = new_at.upper_bound(exact[i] * 8);
      ASSERT_NE(f, new_at.begin()) << section << " " << i;
      ASSERT_EQ(std::prev(o)->second, std::prev(f)->second) << section << " " << i;
    }
  }

  const Object& object_;
  RawElf old_;
  std::map<bpf::FunctionId, bpf::NewCode> changed_;
  std::map<bpf::FunctionId, Moved> moved_;
  std::map<std::string, std::vector<uint32_t>> exact_, start_;
  std::map<std::string, std::set<uint32_t>> starts_;
};

bool libbpf_opens(const Bytes& bytes) {
  libbpf_set_print(nullptr);
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "test");
  bpf_object* object = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
  if (libbpf_get_error(object)) return false;
  bpf_object__close(object);
  return true;
}

TEST(ObjectCorpus, UnchangedKeepsItsBytes) {
  auto files = corpus();
  if (files.empty()) GTEST_SKIP() << "no corpus beside the project";
  for (const auto& path : files) {
    auto object = Object::parse(read_file(path), path);
    ASSERT_TRUE(object) << path << ": " << object.error().message;
    std::map<bpf::FunctionId, bpf::NewCode> same;
    for (uint32_t n = 0; n < object->program().functions.size(); ++n) {
      const bpf::Function& fn = object->program().functions[bpf::FunctionId{n}];
      same[bpf::FunctionId{n}] = {.insns = fn.insns, .attachments = fn.attachments, .core = fn.core};
    }
    auto bytes = object->write(same);
    ASSERT_TRUE(bytes) << path;
    EXPECT_TRUE(*bytes == object->bytes()) << path;
  }
}

TEST(ObjectCorpus, EverythingFollowsMovedCode) {
  auto files = corpus();
  if (files.empty()) GTEST_SKIP() << "no corpus beside the project";
  size_t functions = 0, kept = 0, opened = 0;
  for (const auto& path : files) {
    SCOPED_TRACE(path);
    auto object = Object::parse(read_file(path), path);
    ASSERT_TRUE(object);
    bool opens = libbpf_opens(object->bytes());
    opened += opens;
    for (uint32_t step : {UINT32_MAX, 7u, 1u}) {
      SCOPED_TRACE(step);
      Rewrite rewrite(*object, step);
      functions += rewrite.changed();
      kept += object->program().functions.size() - rewrite.changed();
      auto bytes = rewrite.write();
      ASSERT_TRUE(bytes) << bytes.error().message;
      rewrite.check(*bytes);
      if (opens) { EXPECT_TRUE(libbpf_opens(*bytes)); }
      auto again = Object::parse(*bytes, path);
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(again->program().functions.size(), object->program().functions.size());
    }
  }
  RecordProperty("functions", int(functions));
  printf("%zu objects, %zu opened by libbpf, %zu functions changed, %zu kept\n", files.size(), opened,
         functions, kept);
}

}  // namespace
}  // namespace epass::test
