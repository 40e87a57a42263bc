// The manual page, and completion in a real bash.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "run_epass.h"

namespace epass::test {
namespace {

bool has_program(const char* name) {
  return std::system((std::string("command -v ") + name + " >/dev/null 2>&1").c_str()) == 0;
}

// What a shell command says on both streams.
std::string said(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string text;
  for (int c; pipe && (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  if (!pipe || ::pclose(pipe) != 0) text += "(failed)";
  return text;
}

std::string scratch_path(const char* name) {
  return testing::TempDir() + "epass-manual-" + std::to_string(::getpid()) + name;
}

// What bash offers for the last of these words; `=` is a word of its own, as bash has it.
std::string offered(std::vector<std::string> words) {
  std::string script = "source <(" EPASS_BINARY " help bash-completion)\nCOMP_WORDS=(epass";
  for (const std::string& word : words) script += " '" + word + "'";
  script += ")\nCOMP_CWORD=" + std::to_string(words.size()) + "\n_epass\necho \"${COMPREPLY[*]}\"\n";
  const std::string path = scratch_path(".bash");
  write_text(path, script);
  std::string text = said("bash " + path);
  std::filesystem::remove(path);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

TEST(ToolManual, IsCorrectRoffAndHasEveryScreen) {
  const std::string page = run_epass({"help", "man"}).out;
  for (const char* text :
       {".SS epass opt\n", ".SS epass verify\n", ".SH FORMATS\n", ".B dce\n", "\\-\\-offset\\-map"})
    EXPECT_NE(page.find(text), page.npos) << text;
  for (size_t at = 0; (at = page.find("\n'", at)) != page.npos; ++at) ADD_FAILURE() << page.substr(at, 40);
  if (!has_program("groff")) GTEST_SKIP() << "no groff: the page was not formatted";
  const std::string path = scratch_path(".1");
  write_text(path, page);
  EXPECT_EQ(said("groff -man -ww -Tascii -rLL=110n " + path + " >/dev/null"), "") << "warnings";
  EXPECT_NE(said("groff -man -Tascii -rLL=110n " + path).find("what would be gained? (writes nothing)"),
            std::string::npos);
  std::filesystem::remove(path);
}

TEST(ToolManual, BashCompletesWhatTheTablesSay) {
  if (!has_program("bash")) GTEST_SKIP() << "no bash";
  EXPECT_EQ(offered({"ve"}), "verify");
  EXPECT_EQ(offered({"opt", "--emi"}), "--emit");
  EXPECT_EQ(offered({"opt", "--emit", ""}), "elf raw dump asm epir");
  EXPECT_EQ(offered({"opt", "--emit", "=", "d"}), "dump");
  EXPECT_EQ(offered({"opt", "--emit", "="}), "elf raw dump asm epir");
  EXPECT_EQ(offered({"lower", "--emit", ""}), "dump raw asm");
  EXPECT_EQ(offered({"opt", "-O"}), "-O0 -O1 -O2 -O3 -Os");
  EXPECT_EQ(offered({"opt", "--passes", "O1,simplify-c"}), "O1,simplify-cfg");
  EXPECT_EQ(offered({"print", "--offset"}), "");
  EXPECT_EQ(offered({"help", "input-for"}), "input-format");
  EXPECT_EQ(offered({"opt", "/etc/pass"}).find("/etc/passwd"), 0u);
  // A switch that may have a value takes none from the next word.
  EXPECT_EQ(offered({"opt", "--json", "/etc/pass"}).find("/etc/passwd"), 0u);
  EXPECT_EQ(offered({"opt", "--strict", "kep"}), "");
  EXPECT_EQ(offered({"opt", "--strict", "=", "kep"}), "kept");
}

}  // namespace
}  // namespace epass::test
