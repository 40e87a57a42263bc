// The static check: each fault with its instruction, what must pass, and the corpus.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "bpf/assemble.h"
#include "bpf/check.h"
#include "bpf/conformance.h"
#include "object/dump.h"
#include "object/object.h"
#include "run_epass.h"

namespace epass::test {
namespace {

const std::filesystem::path kShared = std::filesystem::path(EPASS_SOURCE_DIR) / "../shared";

// "insn code: message" of each fault, with the function's number in front where it is not the first, and `?`
// where another path goes around it.
std::string faults(std::vector<bpf::Insn> insns) {
  auto program = object::split_flat(std::move(insns), "test");
  if (!program) return "split: " + program.error().message;
  std::string text;
  for (const bpf::Fault& f : bpf::check(*program)) {
    if (!text.empty()) text += "; ";
    if (f.function.index) text += std::to_string(f.function.index) + "/";
    if (!f.certain) text += "?";
    text += std::to_string(f.insn) + " " + f.code + ": " + f.message;
  }
  return text;
}

std::string faults(std::string_view text) {
  auto assembly = bpf::assemble(text);
  if (!assembly) return assembly.error().message;
  auto insns = bpf::flat_code(*assembly);
  return insns ? faults(*insns) : insns.error().message;
}

TEST(BpfCheck, SoundProgramsHaveNoFaults) {
  EXPECT_EQ(faults("r0 = 0\nexit"), "");
  EXPECT_EQ(faults("r0 = r1\nif r0 == 0 goto L\nr6 = 1\nL: r0 = r6\nexit"), "") << "defined on one path";
  EXPECT_EQ(
      faults("r1 = 5\n*(u64 *)(r10 - 512) = r1\nr2 = r10\nr2 += -8\n*(u64 *)(r2 + 0) = r1\nr0 = 0\nexit"),
      "");
  EXPECT_EQ(faults("r6 = r1\nr0 = *(u8 *)skb[0]\nexit"), "");
  EXPECT_EQ(faults("call f\nexit\nf: r0 = r5\nexit"), "") << "callers decide what is in r1 to r5";
  EXPECT_EQ(faults("r1 = 0\nif r1 == 0 goto L\ncall 195896080\nr0 = r3\nL: r0 = 0\nexit"), "")
      << "what stands behind a call that cannot be is never reached";
  EXPECT_EQ(faults("L: may_goto E\ngoto L\nE: r0 = 0\nexit"), "");
}

TEST(BpfCheck, StructureAndFlow) {
  EXPECT_EQ(faults("r0 = 0"), "0 check-flow: control runs off the end of the function");
  EXPECT_EQ(faults("r0 = 0\nif r0 == 0 goto -1"), "1 check-flow: control runs off the end of the function");
  EXPECT_EQ(faults("r0 = 0\nexit\nr0 = 1\nexit"), "2 check-flow: no path leads to this instruction");
  EXPECT_EQ(faults("goto +5\nexit"), "0 check-jump: jumps to instruction 6, the function has 0 to 1");
  EXPECT_EQ(faults("goto -2\nexit"), "0 check-jump: jumps to instruction -1, the function has 0 to 1");
  EXPECT_EQ(faults("if r1 == 0 goto +1\nr0 = 5 ll\nexit"),
            "0 check-jump: jumps into the second half of the 64-bit constant at 1");
  EXPECT_EQ(faults("r0 = 1\ncallx r0\nexit"), "1 check-call: calls through a register");
  EXPECT_EQ(faults("call -5\nexit"), "0 check-call: calls helper -5, which cannot exist");
  EXPECT_EQ(faults("call f\nexit\nf: call f\nexit"), "1/0 check-call: calls `func1` while it is running");
  std::string chain = "call f1\nexit\n";
  for (int n = 1; n < 9; ++n)
    chain += "f" + std::to_string(n) + ": call f" + std::to_string(n + 1) + "\nexit\n";
  EXPECT_EQ(faults(chain + "f9: r0 = 0\nexit\n"),
            "1/0 check-call: the calls from here nest 9 frames deep, 8 are possible");
}

TEST(BpfCheck, RegistersStackConstants) {
  EXPECT_EQ(faults("exit"),
            "0 check-register: reads r0, the program's result, which nothing has written on any path");
  EXPECT_EQ(faults("r0 = r2\nexit"), "0 check-register: reads r2, which nothing has written on any path");
  EXPECT_EQ(faults("call 5\nr0 = r1\nexit"),
            "1 check-register: reads r1, which nothing has written on any path");
  EXPECT_EQ(faults("call 1\nexit"),
            "0 check-register: reads r2, an argument of bpf_map_lookup_elem, which nothing has written on "
            "any path");
  EXPECT_EQ(faults("r0 = 0\nr10 += 8\nexit"),
            "1 check-register: writes r10, the frame pointer, which is read only");
  EXPECT_EQ(
      faults("r0 = *(u8 *)skb[0]\nexit"),
      "0 check-register: reads r6, the socket buffer of packet loads, which nothing has written on any path");
  EXPECT_EQ(faults("r0 = *(u64 *)(r10 - 4)\nexit"),
            "0 check-stack: accesses bytes -4 to 3 of the stack, which reaches from -512 to -1");
  EXPECT_EQ(faults("r2 = r10\nr2 -= 520\n*(u32 *)(r2 + 4) = 0\nr0 = 0\nexit"),
            "2 check-stack: accesses bytes -516 to -513 of the stack, which reaches from -512 to -1");
  EXPECT_EQ(faults("r0 = 1\nr0 /= 0\nr0 <<= 64\nw0 s>>= 32\nr0 >>= -1\nexit"),
            "1 check-constant: divides by the constant 0; 2 check-constant: shifts 64 bits by 64; "
            "3 check-constant: shifts 32 bits by 32; 4 check-constant: shifts 64 bits by -1");
}

TEST(BpfCheck, FaultsThatAPathGoesAroundAreNotCertain) {
  EXPECT_EQ(faults("r0 = 0\nif r0 == 0 goto L\nr0 = r7\nL: exit"),
            "?2 check-register: reads r7, which nothing has written on any path");
  EXPECT_EQ(faults("r0 = 0\nif r0 == 0 goto L\nr0 = 1\nL: r0 /= 0\nexit"),
            "3 check-constant: divides by the constant 0");
  EXPECT_EQ(faults("r0 = 0\nif r0 == 0 goto L\nr0 <<= 64\nL: exit"),
            "?2 check-constant: shifts 64 bits by 64");
}

TEST(BpfCheck, EveryReservedFieldOfTheConformanceCasesIsNamed) {
  size_t count = 0;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(kShared / "conformance/negative", missing)) {
    auto test = bpf::read_conformance_case(read_text(entry.path()));
    if (!test || test->raw.empty()) continue;
    EXPECT_TRUE(faults(test->raw).starts_with("0 check-field: the "))
        << entry.path() << ": " << faults(test->raw);
    ++count;
  }
  if (!count) GTEST_SKIP() << "no conformance cases at " << kShared;
  EXPECT_EQ(count, 45u);
}

// Objects of the corpus of which a fault is known: no program of theirs is accepted by a kernel.
const std::set<std::string> kFaulty = {"build_byteswap.o", "invalid_invalid-lddw.o"};

// What the kernel said of each program of the corpus: a program that it accepts has no certain fault, in
// itself or in what it calls.
TEST(BpfCheck, WhatTheKernelAcceptsHasNoFaults) {
  std::ifstream table(kShared / "corpus/baseline-6.18.csv");
  if (!table) GTEST_SKIP() << "no corpus at " << kShared;
  std::map<std::string, std::set<std::string>> accepted;  // section and program, by object
  size_t count = 0;
  for (std::string line; std::getline(table, line);) {
    std::vector<std::string> cells(1);
    for (char c : line) c == ',' ? void(cells.emplace_back()) : cells.back().push_back(c);
    if (cells.size() > 7 && cells[7] == "accepted") accepted[cells[0]].insert(cells[1] + " " + cells[2]);
  }
  for (const auto& [path, programs] : accepted) {
    const std::string bytes = read_text(kShared / "corpus" / path);
    if (path.ends_with(".txt")) {
      auto insns = object::parse_dump(bytes);
      EXPECT_TRUE(insns) << path;
      if (insns) { EXPECT_EQ(faults(std::move(*insns)), "") << path; }
      count += programs.size();
      continue;
    }
    auto object = object::Object::parse({bytes.begin(), bytes.end()}, path);
    if (!object) continue;
    const bpf::Program& program = object->program();
    std::set<uint32_t> faulty;
    for (const bpf::Fault& fault : bpf::check(program))
      if (fault.certain) faulty.insert(fault.function.index);
    for (uint32_t n = 0; n < program.functions.size(); ++n) {
      const bpf::Function& fn = program.functions[bpf::FunctionId{n}];
      if (!programs.contains(fn.section + " " + fn.name)) continue;
      ++count;
      EXPECT_FALSE(faulty.contains(n)) << path << " " << fn.name;
      for (const bpf::Attachment& a : fn.attachments) {
        const bpf::Symbol& symbol = program.symbols[a.symbol];
        if (symbol.function) {
          EXPECT_FALSE(faulty.contains(symbol.function.index)) << path << " " << symbol.name;
        }
      }
    }
  }
  EXPECT_GT(count, 400u);
  RecordProperty("programs", int(count));
}

TEST(BpfCheck, CorpusHasNoFaults) {
  size_t count = 0;
  std::error_code missing;
  for (const char* folder : {"objects", "rejected"})
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(kShared / "corpus" / folder, missing)) {
      if (entry.path().extension() != ".o") continue;
      const std::string bytes = read_text(entry.path());
      auto object = object::Object::parse({bytes.begin(), bytes.end()}, entry.path().filename());
      if (!object) continue;
      std::vector<bpf::Fault> found = bpf::check(object->program());
      std::erase_if(found, [](const bpf::Fault& fault) { return !fault.certain; });
      const bool known = kFaulty.contains(entry.path().filename());
      EXPECT_EQ(!found.empty(), known) << entry.path() << " " << (found.empty() ? "" : found[0].message);
      ++count;
    }
  for (const auto& entry : std::filesystem::directory_iterator(kShared / "corpus/falco", missing)) {
    if (entry.path().extension() != ".txt") continue;
    auto insns = object::parse_dump(read_text(entry.path()));
    ASSERT_TRUE(insns.has_value()) << entry.path();
    EXPECT_EQ(faults(std::move(*insns)), "") << entry.path();
    ++count;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kShared / "corpus/k2", missing)) {
    if (entry.path().extension() != ".insns") continue;
    const std::string bytes = read_text(entry.path());
    auto insns = object::parse_raw({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    ASSERT_TRUE(insns.has_value()) << entry.path();
    EXPECT_EQ(faults(std::move(*insns)), "") << entry.path();
    ++count;
  }
  if (!count) GTEST_SKIP() << "no corpus at " << kShared;
  EXPECT_GT(count, 500u);
}

}  // namespace
}  // namespace epass::test
