// The `.epir` text: parse and print are inverse, and what is wrong is said where it is.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "ir/text.h"

namespace epass {
namespace {

constexpr const char* kText = R"(epir 1
map rxcnt
kfunc "odd name#1" args=2 void=0 weak=1
func other
function xdp_main xdp "xdp" entry {
  slot s0 4 at fp-4
  slot s1 8 any
b0(v0:r1):
  v1 = load.u32 v0+4                           @0:r2
  store.u32 s0+0, 7                            @3
  v2 = const.imm64 0x1122334455667788          @4:r3
  v3 = const.mov32 -1                          @5:fp-16
  v4 = add.32 v1, -14                          @6:r1
  v5 = symbol rxcnt+8 pseudo(1) core(3)        @7:r1
  v6 = slot_addr s1+0                          @-:r2
  v7 = call bpf_map_lookup_elem#1(v5, v6)      @12:r0
  jeq v7, 0, b3(v2, v3), b1                    @13
b1 target(14):
  v8 = call kfunc "odd name#1"(v7, v1) imm(5) off(1)
  v9 = call func other(v8)
  v10 = callx(v9, v1)
  v11 = cmpxchg.u64 v7-8, v10, v9
  store.u64 s1+0, v11
  v12 = load.s16 s0+2
  v13 = sext8.32 v12
  v14 = ld_ind.u8 v0, v13, 4
  jset.32 v14, 1, b2, b3(v14, v13)
b2:
  gotox v9, b1, b3(v9, v9)
b3(v15, v16:fp-8):
  v17 = sub v15, v16
  return v17                                   @30
}
function other - "" global void {
b0:
  v0 = undef
  return v0
}
)";

TEST(IrText, ParseAndPrintAreInverse) {
  auto module = parse(kText);
  ASSERT_TRUE(module) << module.error().message << " " << module.error().where.line << ":"
                      << module.error().where.column;
  EXPECT_EQ(print(*module), kText);
  ASSERT_EQ(module->functions.size(), 2u);
  EXPECT_EQ(module->symbols[bpf::SymbolId{2}].function, bpf::FunctionId{1});
}

TEST(IrText, NamesAndNumbersAreNormalised) {
  auto module = parse(
      "; a comment\n\nfunction f - \"\" {\nb7(v3):   ; another\n  v9 = add v3, 0x10\n  jump b2(v9)\n"
      "b2(v1):\n  return v1\n}\n");
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(
      print(*module),
      "epir 1\nfunction f - \"\" {\nb0(v0):\n  v1 = add v0, 16\n  jump b1(v1)\nb1(v2):\n  return v2\n}\n");
}

TEST(IrText, ErrorsHaveTheirPlace) {
  const struct {
    const char* body;
    const char* code;
    int64_t line, column;
    const char* message;
  } cases[] = {
      {"  v1 = addd v0, 1\n", "epir-syntax", 3, 8, "no instruction is called `addd`"},
      {"  v1 = add v0\n", "epir-syntax", 3, 8, "`add` takes 2 operands, not 1"},
      {"  v1 = add v0, v9\n  return v1\n", "epir-name", 3, 16, "`v9` is not defined"},
      {"  v0 = const 1\n", "epir-name", 3, 3, "`v0` is defined twice"},
      {"  store.u32 v0+70000, v0\n", "epir-syntax", 3, 13, "the offset does not fit in 16 bits"},
      {"  store v0+0, v0\n", "epir-syntax", 3, 3, "`store` needs a size"},
      {"  v1 = load.u32 s0+0\n", "epir-name", 3, 17, "no slot `s0` is declared"},
      {"  v1 = symbol none\n", "epir-name", 3, 15, "the symbol `none` is not declared"},
      {"  add v0, v0\n", "epir-syntax", 3, 3, "`add` makes a value: `v1 = add`"},
      {"  return v0 @1:r11\n", "epir-syntax", 3, 16,
       "a register or a stack slot is expected here, not `r11`"},
      {"  return v0\n  return v0\n", "epir-syntax", 4, 3, "an instruction behind the end of its block"},
      {"  jump b5\n", "epir-invalid", 3, 3, nullptr},
      {"  v1 = add v0, 1\n", "epir-invalid", 3, 8, nullptr},
      {"  v1 = add v2, 1\n  v2 = const 1\n  return v1\n", "epir-dominance", 3, 12, nullptr},
      {"  store.s8 v0+0, v0\n  return v0\n", "epir-invalid", 3, 3, "`store.s8`: no access has this size"},
      {"  return v0", "epir-syntax", 3, 12,
       "a block or an instruction is expected here, not the end of the text"},
  };
  for (const auto& c : cases) {
    std::string text = std::string("function f - \"\" {\nb0(v0:r1):\n") + c.body;
    if (text.ends_with('\n')) text += "}\n";
    auto module = parse(text);
    ASSERT_FALSE(module) << text;
    EXPECT_EQ(module.error().code, c.code) << text;
    EXPECT_EQ(module.error().where.line, c.line) << text << module.error().message;
    EXPECT_EQ(module.error().where.column, c.column) << text << module.error().message;
    if (c.message) { EXPECT_EQ(module.error().message, c.message); }
  }
}

// The example of docs/ir.md is what the printer prints.
TEST(IrText, TheManualIsTrue) {
  std::ifstream file(EPASS_SOURCE_DIR "/docs/ir.md");
  std::stringstream manual;
  manual << file.rdbuf();
  std::string text = manual.str();
  text = text.substr(text.find("epir 1\n"));
  text.resize(text.find("```"));
  auto module = parse(text);
  ASSERT_TRUE(module) << module.error().message;
  if (size_t comment = text.find("     ;"); comment != text.npos)
    text.erase(comment, text.find('\n', comment) - comment);
  EXPECT_EQ(print(*module), text);
}

// Every prefix and every single changed byte of a text is a module or an error.
TEST(IrText, AnyTextIsSafe) {
  const std::string text = kText;
  for (size_t size = 0; size < text.size(); size += 3) (void)parse(text.substr(0, size));
  for (size_t at = 0; at < text.size(); ++at)
    for (char c : {'\0', '\n', '9', '-', 'v', '"', '('}) {
      std::string changed = text;
      changed[at] = c;
      auto module = parse(changed);
      if (module) (void)print(*module);
    }
}

}  // namespace
}  // namespace epass
