// Objects made for one case each: functions without a size, symbols used twice, maps in BTF, damaged
// relocations. Needs clang with the BPF target; skips without it.

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "object/object.h"
#include "run_epass.h"

namespace epass::test {
namespace {

using Kind = bpf::Symbol::Kind;

class ObjectRewrite : public ::testing::Test {
 protected:
  // Compiles C or assembly; nullopt skips the test.
  std::optional<object::Object> compile(const std::string& source, const char* suffix = "c") {
    const std::string file = std::string("prog.") + suffix;
    write_text(dir_ / file, source);
    const std::string command =
        "cd '" + dir_.path().string() +
        "' && for c in clang-19 clang-14 clang; do command -v $c >/dev/null && exec $c "
        "-O2 -g -target bpf -mcpu=v3 -c " +
        file + " -o prog.o; done 2>/dev/null; exit 1";
    if (std::system(command.c_str()) != 0) return std::nullopt;
    return parse(bytes());
  }
  std::vector<uint8_t> bytes() const {
    std::string text = read_text(dir_ / "prog.o");
    return {text.begin(), text.end()};
  }
  static std::optional<object::Object> parse(std::vector<uint8_t> bytes) {
    auto object = object::Object::parse(std::move(bytes), "prog.o");
    if (object) return std::move(*object);
    ADD_FAILURE() << object.error().message;
    return std::nullopt;
  }
  static bpf::FunctionId find(const object::Object& object, std::string_view name) {
    for (uint32_t n = 0; n < object.program().functions.size(); ++n)
      if (object.program().functions[bpf::FunctionId{n}].name == name) return {n};
    return {};
  }
  // An idle jump in front.
  static bpf::NewCode longer(const bpf::Function& fn) {
    bpf::NewCode code{.insns = fn.insns, .attachments = fn.attachments, .core = fn.core};
    code.insns.insert(code.insns.begin(), bpf::make_insn(bpf::kCodeJa, 0, 0, 0, 0));
    code.origin.push_back(0);
    for (uint32_t i = 0; i < fn.insns.size(); ++i) code.origin.push_back(i);
    for (bpf::Attachment& a : code.attachments) ++a.insn;
    for (bpf::CoreRecord& r : code.core) ++r.insn;
    return code;
  }
  ScratchDirectory dir_;
};

TEST_F(ObjectRewrite, SymbolsWithoutSizeEndAtTheNext) {
  auto object = compile(R"(.section xdp,"ax",@progbits
.globl first
first:
  r0 = 1
  exit
.globl second
second:
  r0 = 2
  r0 += 1
  exit
)",
                        "s");
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  ASSERT_EQ(object->program().functions.size(), 2u);
  const bpf::Function& first = object->program().functions[find(*object, "first")];
  const bpf::Function& second = object->program().functions[find(*object, "second")];
  EXPECT_EQ(first.insns.size(), 2u);
  EXPECT_EQ(second.insns.size(), 3u);
  EXPECT_EQ(second.section_insn, 2u);
  auto written = object->write({{find(*object, "first"), longer(first)}});
  ASSERT_TRUE(written);
  auto again = parse(*written);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->program().functions[find(*again, "first")].insns.size(), 3u);
  EXPECT_EQ(again->program().functions[find(*again, "second")].insns, second.insns);
}

TEST_F(ObjectRewrite, JumpsAcrossFunctionsKeepTheirSection) {
  auto object = compile(R"(.section xdp,"ax",@progbits
.globl first
first:
  r0 = 1
  if r1 == 0 goto tail
  exit
.globl second
second:
  r0 = 2
tail:
  exit
)",
                        "s");
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  EXPECT_NE(object->program().functions[find(*object, "first")].keep_reason, "");
  EXPECT_NE(object->program().functions[find(*object, "second")].keep_reason, "");
}

// `weight` is called and has its address taken; both go through the symbol of .text.
constexpr const char* kCallback = R"(typedef unsigned int u32;
typedef unsigned long long u64;
struct value { u64 a, b[3]; };
typedef const struct value alias;
struct { int (*type)[2]; u32 *key; alias *value; int (*max_entries)[40]; int (*map_flags)[8]; }
    counts __attribute__((section(".maps")));
struct { int (*type)[1]; int (*key_size)[12]; int (*value_size)[16]; int (*max_entries)[7]; }
    sized __attribute__((section(".maps")));
static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*loop)(u32 n, void *body, void *data, u64 flags) = (void *)181;
__attribute__((noinline)) static long weight(u32 x, void *data) { return x > 100 ? 0 : 1; }
__attribute__((section("xdp"))) int run(u32 *ctx) {
  u32 key = ctx[3];
  if (!lookup(&counts, &key) || !lookup(&sized, &key)) return 1;
  loop(9, weight, 0, 0);
  return weight(key, 0);
}
// A table of function pointers, as struct_ops has.
long (*table[])(u32, void *) __attribute__((section(".struct_ops"))) = {weight};
char _license[] __attribute__((section("license"))) = "GPL";
)";

TEST_F(ObjectRewrite, OneSymbolForCallAndAddress) {
  auto object = compile(kCallback);
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  EXPECT_TRUE(object->program().functions[find(*object, "weight")].is_callback);
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (const char* name : {"run", "weight"})
    changed[find(*object, name)] = longer(object->program().functions[find(*object, name)]);
  auto written = object->write(changed);
  ASSERT_TRUE(written);
  auto elf = object::read_elf(*written);
  ASSERT_TRUE(elf);
  int calls = 0, addresses = 0;
  for (const object::ElfSection& s : elf->sections) {
    if (s.name != ".relxdp") continue;
    auto list = object::read_relocations(*elf, s);
    ASSERT_TRUE(list);
    for (const object::ElfRelocation& r : *list) {
      uint8_t code = elf->sections[s.info].data[r.offset];
      EXPECT_EQ(r.type, code == bpf::kCodeCall ? object::kR64_32 : object::kR64_64) << r.offset;
      ++(code == bpf::kCodeCall ? calls : addresses);
    }
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(addresses, 3);
}

TEST_F(ObjectRewrite, MapsFromBtf) {
  auto object = compile(kCallback);
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  ASSERT_EQ(object->maps().size(), 2u);
  for (const object::Map& map : object->maps()) {
    bool counts = map.name == "counts";
    EXPECT_FALSE(map.legacy);
    EXPECT_EQ(map.type, counts ? 2u : 1u);
    EXPECT_EQ(map.key_size, counts ? 4u : 12u);
    EXPECT_EQ(map.value_size, counts ? 32u : 16u);
    EXPECT_EQ(map.max_entries, counts ? 40u : 7u);
    EXPECT_EQ(map.flags, counts ? 8u : 0u);
  }
}

TEST_F(ObjectRewrite, EqualInstructionsWithOtherSymbolsAreAChange) {
  auto object = compile(kCallback);
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  bpf::FunctionId run = find(*object, "run");
  const bpf::Function& fn = object->program().functions[run];
  bpf::NewCode code{.insns = fn.insns, .attachments = fn.attachments, .core = fn.core};
  for (uint32_t i = 0; i < fn.insns.size(); ++i) code.origin.push_back(i);
  auto same = object->write({{run, code}});
  ASSERT_TRUE(same);
  EXPECT_EQ(*same, object->bytes());
  std::vector<bpf::Attachment*> maps;
  for (bpf::Attachment& a : code.attachments)
    if (object->program().symbols[a.symbol].kind == Kind::kMap) maps.push_back(&a);
  ASSERT_EQ(maps.size(), 2u);
  std::swap(maps[0]->symbol, maps[1]->symbol);
  auto swapped = object->write({{run, code}});
  ASSERT_TRUE(swapped);
  auto again = parse(*swapped);
  ASSERT_TRUE(again);
  const bpf::Function& now = again->program().functions[find(*again, "run")];
  EXPECT_EQ(now.insns, fn.insns);
  for (size_t k = 0; k < fn.attachments.size(); ++k) {
    const std::string& was = object->program().symbols[fn.attachments[k].symbol].name;
    const std::string& is = again->program().symbols[now.attachments[k].symbol].name;
    EXPECT_EQ(is, was == "counts" ? "sized" : was == "sized" ? "counts" : was);
  }
}

TEST_F(ObjectRewrite, InstructionsFromNowhereShareTheLineBefore) {
  auto object = compile(kCallback);
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  bpf::FunctionId run = find(*object, "run");
  bpf::NewCode code = longer(object->program().functions[run]);
  code.origin[0] = UINT32_MAX;
  auto before = object->source_lines(run);
  auto written = object->write({{run, code}});
  ASSERT_TRUE(written);
  auto again = parse(*written);
  ASSERT_TRUE(again);
  auto after = again->source_lines(find(*again, "run"));
  ASSERT_FALSE(after.empty());
  EXPECT_EQ(after[0].insn, 0u);
  EXPECT_EQ(after[0].line, before[0].line);
  EXPECT_EQ(after.size(), before.size());
}

// Blocks that a compiler adds at the end, for the edges of branches, come from instructions that stand
// elsewhere.
TEST_F(ObjectRewrite, CopiesOfInstructionsAddNoLines) {
  auto object = compile(kCallback);
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  bpf::FunctionId run = find(*object, "run");
  auto before = object->source_lines(run);
  ASSERT_GT(before.size(), 2u);
  bpf::NewCode code = longer(object->program().functions[run]);
  for (const object::SourceLine& line : before)
    for (int k = 0; k < 2; ++k) {
      code.insns.push_back(bpf::make_insn(bpf::kCodeJa, 0, 0, 0, 0));
      code.origin.push_back(line.insn);
    }
  auto written = object->write({{run, code}});
  ASSERT_TRUE(written);
  auto again = parse(*written);
  ASSERT_TRUE(again);
  auto after = again->source_lines(find(*again, "run"));
  ASSERT_EQ(after.size(), before.size());
  for (size_t k = 0; k < after.size(); ++k) {
    EXPECT_EQ(after[k].insn, before[k].insn + (k ? 1 : 0));
    EXPECT_EQ(after[k].line, before[k].line);
  }
  // Where records went with their instructions, copies may have them.
  bpf::NewCode shorter = longer(object->program().functions[run]);
  const uint32_t last = before.back().insn;
  shorter.insns.resize(last + 1), shorter.origin.resize(last + 1);
  std::erase_if(shorter.attachments, [&](const bpf::Attachment& a) { return a.insn > last; });
  std::erase_if(shorter.core, [&](const bpf::CoreRecord& r) { return r.insn > last; });
  shorter.insns.push_back(bpf::make_insn(bpf::kCodeJa, 0, 0, 0, 0));
  shorter.origin.push_back(0);
  written = object->write({{run, shorter}});
  ASSERT_TRUE(written);
  again = parse(*written);
  ASSERT_TRUE(again);
  after = again->source_lines(find(*again, "run"));
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(after.back().insn, last + 1);
  EXPECT_EQ(after.back().line, before.front().line);
}

TEST_F(ObjectRewrite, TwoRelocationsForOneInstruction) {
  auto object = compile(kCallback);
  if (!object) GTEST_SKIP() << "no clang with the BPF target";
  std::vector<uint8_t> damaged = bytes();
  Elf64_Ehdr header;
  std::memcpy(&header, damaged.data(), sizeof header);
  auto elf = object::read_elf(damaged);
  ASSERT_TRUE(elf);
  for (uint32_t n = 1; n < elf->sections.size(); ++n) {
    if (elf->sections[n].name != ".relxdp") continue;
    Elf64_Shdr section;
    std::memcpy(&section, damaged.data() + header.e_shoff + n * sizeof section, sizeof section);
    std::memcpy(damaged.data() + section.sh_offset + 16, damaged.data() + section.sh_offset, 16);
  }
  auto again = object::Object::parse(damaged, "prog.o");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "elf-relocation");
  EXPECT_EQ(again.error().where.function, "run");
}

}  // namespace
}  // namespace epass::test
