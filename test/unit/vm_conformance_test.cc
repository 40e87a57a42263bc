// The published conformance cases: programs with the value they must return, and programs that must not pass.

#include <gtest/gtest.h>

#include <map>

#include "bpf/conformance.h"
#include "object/dump.h"
#include "run_epass.h"
#include "vm/vm.h"

namespace epass::test {
namespace {

const std::filesystem::path kCases = std::filesystem::path(EPASS_SOURCE_DIR) / "../shared/conformance";

std::map<std::string, std::string> cases(const char* folder) {
  std::map<std::string, std::string> texts;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(kCases / folder, missing))
    if (entry.path().extension() == ".data") texts[entry.path().stem().string()] = read_text(entry.path());
  return texts;
}

vm::Outcome run(std::vector<bpf::Insn> insns, const std::vector<uint8_t>& memory) {
  auto program = object::split_flat(std::move(insns), "case");
  EXPECT_TRUE(program.has_value());
  if (!program) return {.error = program.error().message};
  return vm::run(*program, bpf::FunctionId{0}, {.packet = memory});
}

TEST(VmConformance, PositiveCases) {
  const auto texts = cases("positive");
  if (texts.empty()) GTEST_SKIP() << "no conformance cases at " << kCases;
  EXPECT_EQ(texts.size(), 313u);
  for (const auto& [name, text] : texts) {
    SCOPED_TRACE(name);
    auto test = bpf::read_conformance_case(text);
    ASSERT_TRUE(test.has_value()) << test.error().message;
    auto insns = bpf::program_of(*test);
    ASSERT_TRUE(insns.has_value()) << insns.error().message << " line " << insns.error().where.line;
    const vm::Outcome out = run(*insns, test->memory);
    EXPECT_TRUE(out.finished()) << out.error << " at " << out.error_insn
                                << (out.read_undefined ? " undefined" : "");
    ASSERT_TRUE(test->result.has_value());
    EXPECT_EQ(out.r0, *test->result);
  }
}

}  // namespace
}  // namespace epass::test
