// Damaged objects: every prefix and random changes of bytes end in an error or a readable program, and what
// is written from one is an object again. Seeded, so that a failure can be repeated.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "object/object.h"

namespace epass::test {
namespace {

using Bytes = std::vector<uint8_t>;

std::vector<Bytes> small_objects() {
  std::vector<std::filesystem::path> paths;
  std::filesystem::path base = std::filesystem::path(EPASS_SOURCE_DIR) / "../shared/corpus/objects";
  if (std::filesystem::exists(base))
    for (const auto& e : std::filesystem::recursive_directory_iterator(base))
      if (e.path().extension() == ".o" && e.file_size() < 40000) paths.push_back(e.path());
  std::ranges::sort(paths);
  std::vector<Bytes> out;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>{});
  }
  return out;
}

// Reads everything that can be asked for, and writes the object with an instruction more in each function.
bool exercise(Bytes bytes) {
  auto object = object::Object::parse(std::move(bytes), "damaged.o");
  if (!object) {
    EXPECT_NE(object.error().code, "");
    EXPECT_NE(object.error().message, "");
    return false;
  }
  const bpf::Program& program = object->program();
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  (void)object->license();
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    bpf::FunctionId id{n};
    const bpf::Function& fn = program.functions[id];
    for (const object::SourceLine& l : object->source_lines(id)) EXPECT_LT(l.insn, fn.insns.size());
    for (size_t k = 0; k < fn.attachments.size(); ++k) {
      EXPECT_LT(fn.attachments[k].insn, fn.insns.size());
      if (k) { EXPECT_LT(fn.attachments[k - 1].insn, fn.attachments[k].insn); }
      const bpf::Symbol& symbol = program.symbols[fn.attachments[k].symbol];
      (void)object->section_of(symbol);
      (void)object->symbol_offset(fn.attachments[k].symbol);
    }
    for (const bpf::CoreRecord& r : fn.core) (void)object->core_text(r.id);
    if (!fn.keep_reason.empty()) continue;
    bpf::NewCode code{.insns = fn.insns, .attachments = fn.attachments, .core = fn.core};
    code.insns.insert(code.insns.begin(), bpf::make_insn(bpf::kCodeJa, 0, 0, 0, 0));
    code.origin.push_back(0);
    for (uint32_t i = 0; i < fn.insns.size(); ++i) code.origin.push_back(i);
    for (bpf::Attachment& a : code.attachments) ++a.insn;
    for (bpf::CoreRecord& r : code.core) ++r.insn;
    for (uint32_t i = 0; i < fn.insns.size(); ++i) code.table_targets.push_back({i, i + 1});
    changed[id] = std::move(code);
  }
  auto written = object->write(changed);
  if (!written) return true;  // refused, with a reason
  auto again = object::Object::parse(*written, "written.o");
  EXPECT_TRUE(again) << again.error().message;
  return true;
}

TEST(ObjectDamaged, EveryPrefix) {
  auto objects = small_objects();
  if (objects.empty()) GTEST_SKIP() << "no corpus beside the project";
  const Bytes& object = objects.front();
  for (size_t size = 0; size < object.size(); ++size)
    EXPECT_FALSE(exercise(Bytes(object.begin(), object.begin() + int64_t(size)))) << size;
}

TEST(ObjectDamaged, RandomBytes) {
  auto objects = small_objects();
  if (objects.empty()) GTEST_SKIP() << "no corpus beside the project";
  int readable = 0;
  for (uint32_t seed = 0; seed < 10000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Bytes bytes = objects[seed % objects.size()];
    for (unsigned changes = 1 + random() % 8; changes--;) {
      size_t at = random() % bytes.size();
      // Headers of file and sections are a small part of the bytes and the most delicate one.
      if (random() % 3 == 0) at = random() % 64;
      if (random() % 3 == 0) at = bytes.size() - 1 - random() % std::min<size_t>(bytes.size(), 2000);
      static constexpr uint8_t kOdd[] = {0, 1, 7, 8, 0x7f, 0x80, 0xff};
      bytes[at] = random() % 2 ? kOdd[random() % std::size(kOdd)] : uint8_t(random());
    }
    readable += exercise(std::move(bytes));
    if (HasFailure()) return;
  }
  printf("%d of 10000 damaged objects were readable\n", readable);
}

}  // namespace
}  // namespace epass::test
