// The published conformance cases: programs with the value they must return, and programs that must not pass.

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <map>
#include <span>

#include "bpf/assemble.h"
#include "bpf/check.h"
#include "bpf/conformance.h"
#include "kernel/load.h"
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

// The same on every other engine.
TEST(VmConformance, PositiveCasesCompiled) {
  const auto texts = cases("positive");
  if (texts.empty()) GTEST_SKIP() << "no conformance cases at " << kCases;
  for (const auto& [name, text] : texts) {
    auto test = bpf::read_conformance_case(text);
    auto insns = bpf::program_of(*test);
    ASSERT_TRUE(insns.has_value());
    auto program = object::split_flat(std::move(*insns), "case");
    ASSERT_TRUE(program.has_value());
    const vm::Executable executable(*program);
    for (const bool checked : {true, false}) {
      for (const vm::Engine engine : {vm::Engine::kInterpreter, vm::Engine::kJit}) {
        SCOPED_TRACE(name + (checked ? ", checked" : ", unchecked") +
                     (engine == vm::Engine::kJit ? ", compiled" : ", interpreted"));
        const vm::Outcome out = vm::run(executable, bpf::FunctionId{0}, {.packet = test->memory},
                                        {.engine = engine, .checked = checked});
#if defined(__x86_64__)
        EXPECT_EQ(out.note, "");
#endif
        EXPECT_EQ(out.error, "");
        EXPECT_EQ(out.r0, *test->result);
      }
    }
  }
}

// And on the kernel, as far as its verifier takes them: not those that get memory in r1.
TEST(VmConformance, PositiveCasesInTheKernel) {
  const auto texts = cases("positive");
  if (texts.empty()) GTEST_SKIP() << "no conformance cases at " << kCases;
  if (std::string why = kernel::why_no_bpf(); !why.empty()) GTEST_SKIP() << why;
  size_t loaded = 0;
  for (const auto& [name, text] : texts) {
    SCOPED_TRACE(name);
    auto test = bpf::read_conformance_case(text);
    auto insns = bpf::program_of(*test);
    ASSERT_TRUE(insns.has_value());
    kernel::Fd program;
    if (!test->memory.empty()) continue;
    (void)kernel::load({.insns = *insns, .type = *kernel::load_type("xdp"), .name = "case"}, &program);
    // What calls helper 5, the runner's own, means something else here.
    if (!program || name.starts_with("call")) continue;
    std::vector<uint8_t> packet(64);
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = packet.data(), options.data_size_in = uint32_t(packet.size());
    ASSERT_EQ(bpf_prog_test_run_opts(program.get(), &options), 0);
    EXPECT_EQ(options.retval, uint32_t(*test->result));
    ++loaded;
  }
  RecordProperty("loaded", int(loaded));
  std::printf("the kernel ran %zu of %zu cases\n", loaded, texts.size());
  EXPECT_GT(loaded, 150u);
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  char digits[4];
  for (uint8_t byte : bytes) std::snprintf(digits, sizeof digits, "%02x ", byte), text += digits;
  return text;
}

// The runner's protocol, on some of the cases: a process for each takes time.
TEST(VmConformance, Plugin) {
  const auto texts = cases("positive");
  if (texts.empty()) GTEST_SKIP() << "no conformance cases at " << kCases;
  size_t number = 0;
  for (const auto& [name, text] : texts) {
    if (++number % 16) continue;
    auto test = bpf::read_conformance_case(text);
    auto insns = bpf::program_of(*test);
    ASSERT_TRUE(insns.has_value()) << name;
    const std::vector<uint8_t> raw = object::print_raw(*insns);
    const Outcome out = run_epass({"conformance-plugin", hex(test->memory)}, hex(raw));
    EXPECT_EQ(out.status, 0) << name << out.err;
    EXPECT_EQ(std::strtoull(out.out.c_str(), nullptr, 16), test->result) << name;
  }
}

// Who stops a negative case, and with what words.
enum class Stop { kFile, kAssembler, kCheck, kOutcome };
struct Negative {
  Stop stop = Stop::kCheck;
  std::string reason = {};
};

const std::map<std::string, Negative> kNegative = {
    {"empty", {Stop::kFile, "the case has no program"}},
    {"empty_instructions", {Stop::kFile, "the case has no program"}},
    {"invalid_unknown_directive", {Stop::kFile, "`-- Unknown directive` is no section of a case"}},
    {"invalid_imm32_dec_range",
     {Stop::kAssembler, "2147483648 does not fit into the 32 bits of the immediate"}},
    {"invalid_imm32_hex_range",
     {Stop::kAssembler, "4294967296 does not fit into the 32 bits of the immediate"}},
    {"invalid_label", {Stop::kAssembler, "there is no label `NOT_A_LABEL`"}},
    {"invalid_lock", {Stop::kAssembler, "the operand of the atomic operation is missing"}},
    {"invalid_lock2", {Stop::kAssembler, "`lock` needs an operation"}},
    {"invalid_mnemonic", {Stop::kAssembler, "`ldxq` is no instruction"}},
    {"invalid_offset", {Stop::kAssembler, "`r1` is no place in memory"}},
    {"invalid_offset_range", {Stop::kAssembler, "65536 does not fit into the 16 bits of the offset"}},
    {"invalid_operand_count", {Stop::kAssembler, "expected `,` where the line ends"}},
    {"invalid_register", {Stop::kAssembler, "there is no register `r50`"}},
    // A good program that expects to be refused by the assembler. It is not; it stops when it reads r0.
    {"error", {Stop::kOutcome, "read of a register that was never written"}},
    {"incorrect_return_value_high_bits", {Stop::kOutcome, "8877665544332211"}},
    // Each uses one field that must be zero; the name says which.
    {"-offset", {Stop::kCheck, "the offset is reserved and holds"}},
    {"-src", {Stop::kCheck, "the source register is reserved and holds"}},
    {"-dst", {Stop::kCheck, "the destination register is reserved and holds"}},
    {"-imm", {Stop::kCheck, "the immediate is reserved and holds"}},
};

const Negative* expected(const std::string& name) {
  if (!name.starts_with("unused-")) return kNegative.contains(name) ? &kNegative.at(name) : nullptr;
  return &kNegative.at(name.substr(name.rfind('-')));
}

Negative judge(const std::string& text) {
  auto test = bpf::read_conformance_case(text);
  if (!test) return {Stop::kFile, test.error().message};
  auto insns = bpf::program_of(*test);
  if (!insns) return {Stop::kAssembler, insns.error().message};
  auto program = object::split_flat(*insns, "case");
  EXPECT_TRUE(program.has_value());
  for (const bpf::Fault& fault : bpf::check(*program))
    if (fault.code == "check-field") return {Stop::kCheck, fault.message};
  const vm::Outcome out = run(*insns, test->memory);
  if (out.read_undefined) return {Stop::kOutcome, "read of a register that was never written"};
  EXPECT_TRUE(out.finished());
  EXPECT_NE(out.r0, test->result);
  char digits[24];
  std::snprintf(digits, sizeof digits, "%llx", static_cast<unsigned long long>(out.r0));
  return {Stop::kOutcome, digits};
}

TEST(VmConformance, NegativeCasesDoNotPass) {
  const auto texts = cases("negative");
  if (texts.empty()) GTEST_SKIP() << "no conformance cases at " << kCases;
  EXPECT_EQ(texts.size(), 60u);
  size_t checked = 0;
  for (const auto& [name, text] : texts) {
    SCOPED_TRACE(name);
    const Negative* want = expected(name);
    ASSERT_NE(want, nullptr) << "a case without a reason in the list";
    const Negative got = judge(text);
    EXPECT_EQ(got.stop, want->stop) << got.reason;
    EXPECT_TRUE(got.reason.starts_with(want->reason)) << got.reason;
    checked += got.stop == Stop::kCheck;
  }
  EXPECT_EQ(checked, 45u);
}

// Calls through registers lead to functions by address, to helpers by number.
TEST(VmConformance, CallsThroughRegisters) {
  auto result = [](std::string_view text) {
    auto assembly = bpf::assemble(text);
    EXPECT_TRUE(assembly.has_value());
    auto insns = bpf::flat_code(*assembly);
    EXPECT_TRUE(insns.has_value());
    const vm::Outcome out = run(*insns, {});
    return out.error.empty() ? std::to_string(out.r0) : out.error;
  };
  EXPECT_EQ(result("r1 = 7\nr2 = f ll\ncallx r2\nr0 += 1\nexit\nf: r0 = r1\nexit"), "8");
  EXPECT_EQ(result("r6 = 5\ncallx r6\nr0 = 2\nexit"), "2");
  EXPECT_EQ(result("r2 = f ll\nr2 += 8\ncallx r2\nexit\nf: r0 = r1\nexit"),
            "calls 0x680100000008, which is no function");
  EXPECT_EQ(result("r2 = 0x123456789 ll\ncallx r2\nexit"), "calls 0x123456789, which is no function");
}

}  // namespace
}  // namespace epass::test
