// The disassembly of every object of the corpus: word for word what llvm-objdump prints, and assembled again
// to the same bytes.

#include <gtest/gtest.h>

#include <algorithm>

#include "bpf/assemble.h"
#include "object/disassembly.h"
#include "run_epass.h"

namespace epass::test {
namespace {

const std::filesystem::path kCorpus = std::filesystem::path(EPASS_SOURCE_DIR) / "../shared/corpus";
constexpr const char* kObjdump = "llvm-objdump-19";

std::vector<std::filesystem::path> objects(std::initializer_list<const char*> folders) {
  std::vector<std::filesystem::path> paths;
  std::error_code missing;
  for (const char* folder : folders)
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kCorpus / folder, missing))
      if (entry.path().extension() == ".o") paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

object::ElfFile read(const std::filesystem::path& path) {
  const std::string text = read_text(path);
  auto elf = object::read_elf({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  EXPECT_TRUE(elf.has_value()) << path;
  return elf ? std::move(*elf) : object::ElfFile();
}

std::string objdump(const std::filesystem::path& path) {
  std::string out;
  const std::string command = std::string(kObjdump) + " -d '" + path.string() + "' 2>/dev/null";
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[1 << 16];
  while (size_t got = pipe ? fread(buffer, 1, sizeof buffer, pipe) : 0) out.append(buffer, got);
  if (pipe) ::pclose(pipe);
  return out;
}

// Lines with every run of blanks as one.
std::vector<std::string> folded(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    std::stringstream words(line);
    std::string out;
    for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
    lines.push_back(out);
  }
  return lines;
}

TEST(ObjectDisassembly, SameTextAsLlvm) {
  const auto paths = objects({"objects"});
  if (paths.empty()) GTEST_SKIP() << "no corpus at " << kCorpus;
  if (objdump(paths[0]).empty()) GTEST_SKIP() << kObjdump << " is not installed";
  size_t lines = 0;
  for (const auto& path : paths) {
    const std::vector<std::string> theirs = folded(objdump(path));
    const std::vector<std::string> ours = folded(object::disassembly(read(path), path.string()));
    EXPECT_EQ(ours.size(), theirs.size()) << path;
    for (size_t n = 0; n < std::min(ours.size(), theirs.size()); ++n)
      ASSERT_EQ(ours[n], theirs[n]) << path << " line " << n + 1;
    lines += ours.size();
  }
  EXPECT_GT(lines, 100000u);
}

TEST(ObjectDisassembly, AssemblesToTheSameBytes) {
  const auto paths = objects({"objects", "rejected"});
  if (paths.empty()) GTEST_SKIP() << "no corpus at " << kCorpus;
  for (const auto& path : paths) {
    const object::ElfFile elf = read(path);
    auto assembly = bpf::assemble(object::disassembly(elf, path.string()));
    ASSERT_TRUE(assembly.has_value())
        << path << " line " << assembly.error().where.line << ": " << assembly.error().message;
    EXPECT_EQ(assembly->dialect, bpf::Dialect::kLlvm);
    size_t n = 0;
    for (const object::ElfSection& s : elf.sections) {
      if (!(s.flags & 4) || s.data.empty()) continue;
      while (n < assembly->sections.size() && assembly->sections[n].bytes.empty()) ++n;
      ASSERT_LT(n, assembly->sections.size()) << path << " " << s.name;
      EXPECT_EQ(assembly->sections[n].name, s.name) << path;
      ASSERT_TRUE(assembly->sections[n].bytes == s.data) << path << " " << s.name;
      ++n;
    }
  }
}

TEST(ObjectDisassembly, LabelsZerosAndDamage) {
  const bpf::Insn insns[] = {bpf::make_insn(bpf::kAlu64 | bpf::kMov, 0, 0, 0, -1),
                             bpf::make_insn(bpf::kCodeJa, 0, 0, -2, 0),
                             {},
                             {},
                             bpf::make_insn(0x07, 1, 1, 1, 1),  // reserved fields in use
                             bpf::make_insn(bpf::kCodeLdImm64, 1, 0, 0, 5)};
  const object::FlatLabel labels[] = {{0, "main"}, {4, "next"}};
  const std::string text = object::disassembly(insns, labels, "x");
  EXPECT_EQ(text,
            "\nx:\tfile format bpf\n\nDisassembly of section .text:\n\n0000000000000000 <main>:\n"
            "       0:\tb7 00 00 00 ff ff ff ff\tr0 = -0x1\n"
            "       1:\t05 00 fe ff 00 00 00 00\tgoto -0x2 <main>\n"
            "\t\t...\n\n0000000000000020 <next>:\n"
            "       4:\t07 11 01 00 01 00 00 00\t<unknown>\n"
            "       5:\t18 01 00 00 05 00 00 00\t<unknown>\n");
  auto again = bpf::assemble(text);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  auto same = bpf::flat_code(*again);
  ASSERT_TRUE(same.has_value());
  EXPECT_TRUE(std::ranges::equal(*same, insns));
}

}  // namespace
}  // namespace epass::test
