// The command line: exit statuses, suggestions, help screens, and that failures leave files alone.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <regex>
#include <set>

#include "run_epass.h"

namespace epass::test {
namespace {

TEST(ToolCli, NothingGivenPrintsHelpAndIsUsage) {
  Outcome o = run_epass({});
  EXPECT_EQ(o.status, 2);
  EXPECT_EQ(o.out, "");
  EXPECT_TRUE(o.err.starts_with("epass: an optimising compiler")) << o.err;
  Outcome help = run_epass({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.out, o.err);
}

TEST(ToolCli, VersionIsOneStableLine) {
  Outcome o = run_epass({"--version"});
  EXPECT_EQ(o.status, 0);
  EXPECT_TRUE(std::regex_match(o.out, std::regex("epass [0-9]+\\.[0-9]+\\.[0-9]+ \\([0-9a-z]+\\)\n")))
      << o.out;
}

TEST(ToolCli, WrongWordsGetTheRightOnes) {
  const struct {
    std::vector<std::string> words;
    std::string error;
  } cases[] = {
      {{"otp"},
       "error[usage]: `otp` is no command of epass\n"
       "  = help: a command with a similar name exists: `epass opt`\n"},
      {{"opt", "--pasess", "x"},
       "error[usage]: `epass opt` has no option `--pasess`\n"
       "  = help: did you mean `--passes`?\n"},
      {{"opt", "-passes", "x"},
       "error[usage]: `epass opt` has no option `-passes`\n"
       "  = help: did you mean `--passes`?\n"},
      {{"opt", "-O7", "x"},
       "error[usage]: `-O` takes one of 0, 1, 2, 3, s; not `7`\n"
       "  = help: did you mean `0`?\n"},
      {{"opt", "--isa", "v5", "x"},
       "error[usage]: `--isa` takes one of auto, v1, v2, v3, v4; not `v5`\n"
       "  = help: did you mean `v1`?\n"},
      {{"opt", "-O2", "--passes", "dce", "x"},
       "error[usage]: `-O2` and `--passes` both choose the pipeline\n"
       "  = help: a level may be part of it: `--passes 'O2,...'`\n"},
      {{"opt"}, "error[usage]: no input is given\n  = help: `epass opt IN -o OUT`\n"},
      {{"opt", "a", "b"},
       "error[usage]: `epass opt` takes one input, not 2\n  = help: run it once for each file\n"},
      {{"opt", "-o"}, "error[usage]: `-o` needs a value\n  = help: `epass opt --help`\n"},
      {{"opt", "x", "--keep-dwarf=1"}, "error[usage]: `--keep-dwarf` takes no value\n"},
      {{"opt", "x", "-j0"}, "error[usage]: `-j` takes a number from 1 to 1024, not `0`\n"},
      {{"opt", "x", "-o", "a", "-o", "b"}, "error[usage]: `-o` is given twice\n"},
      {{"help", "jsn"}, "error[usage]: there is no help on `jsn`\n  = help: did you mean `json`?\n"},
      {{"-O1", "opt"},
       "error[usage]: `-O1` before a command: options stand behind it\n"
       "  = help: `epass --help` lists the commands\n"},
  };
  for (const auto& c : cases) {
    Outcome o = run_epass(c.words);
    EXPECT_EQ(o.status, 2) << c.error;
    EXPECT_EQ(o.out, "");
    EXPECT_EQ(o.err, c.error);
  }
}

TEST(ToolCli, PipelineErrorsMarkTheirColumn) {
  ScratchDirectory dir;
  write_text(dir / "p", kSmallDump);
  Outcome o = run_epass({"opt", "p", "--passes", "dce,simplify-cgf,dce"}, "", dir.path());
  EXPECT_EQ(o.status, 2);
  EXPECT_EQ(o.err,
            "error[unknown-pass]: no pass is called `simplify-cgf`\n"
            "  --> --passes: column 5\n"
            "    | dce,simplify-cgf,dce\n"
            "    |     ^^^^^^^^^^^^ did you mean `simplify-cfg`?\n");
  Outcome print = run_epass({"opt", "p", "--print-after", "dec"}, "", dir.path());
  EXPECT_EQ(print.status, 2);
  EXPECT_EQ(print.err,
            "error[unknown-pass]: `--print-after`: no pass is called `dec`\n"
            "  = help: did you mean `dce`?\n");
}

TEST(ToolCli, OptionsStandAnywhereAndTwoDashesEndThem) {
  ScratchDirectory dir;
  write_text(dir / "-p", kSmallDump);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"opt", "-O0", "--", "-p"},
                                                {"opt", "--input=dump", "-O", "0", "--", "-p"},
                                                {"opt", "./-p", "--input", "dump", "-O0"}}) {
    Outcome o = run_epass(words, "", dir.path());
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_NE(o.out.find("1 program"), std::string::npos) << o.out;
  }
}

TEST(ToolCli, BadInputsAreErrorsAndTouchNothing) {
  ScratchDirectory dir;
  write_text(dir / "out", "precious");
  const struct {
    std::string bytes, error;
  } cases[] = {
      {"", "error[input-empty]"},
      {"hello world", "error[input-format]"},
      {"12\n99999999999999999999999\n", "error[dump-line]"},
      {"\x7f"
       "ELF",
       "error["},
  };
  for (const auto& c : cases) {
    write_text(dir / "in", c.bytes);
    Outcome o = run_epass({"opt", "in", "-o", "out"}, "", dir.path());
    EXPECT_EQ(o.status, 1) << c.error;
    EXPECT_TRUE(o.err.starts_with(c.error)) << o.err;
    EXPECT_EQ(read_text(dir / "out"), "precious");
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 2)
      << "a temporary file was left";
  EXPECT_EQ(run_epass({"opt", "none", "-o", "out"}, "", dir.path()).status, 1);
}

TEST(ToolCli, OutputProblemsAreFoundBeforeTheWork) {
  ScratchDirectory dir;
  write_text(dir / "in", kSmallDump);
  Outcome o = run_epass({"opt", "in", "-o", "none/out"}, "", dir.path());
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err,
            "error[output]: cannot write `none/out`: no such directory (ENOENT)\n"
            "  = note: checked before compiling; nothing was changed\n");
  EXPECT_EQ(run_epass({"opt", "in", "-o", "."}, "", dir.path()).status, 1);
}

TEST(ToolCli, ModeBitsAndLinksAreKept) {
  ScratchDirectory dir;
  write_text(dir / "in", kSmallDump);
  write_text(dir / "real", "old");
  ::chmod((dir / "real").c_str(), 0751);
  std::filesystem::create_symlink("real", dir / "link");
  Outcome o = run_epass({"opt", "in", "-O0", "-o", "link"}, "", dir.path());
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
  EXPECT_EQ(read_text(dir / "real"), kSmallDump);
  struct stat status = {};
  ::stat((dir / "real").c_str(), &status);
  EXPECT_EQ(status.st_mode & 07777, 0751u);
}

TEST(ToolCli, StandardStreamsWork) {
  Outcome o = run_epass({"opt", "-", "-O0", "-o", "-"}, kSmallDump);
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, kSmallDump);
  EXPECT_NE(o.err.find("wrote standard output"), std::string::npos) << o.err;
}

TEST(ToolCli, ColourOnlyWhereAsked) {
  EXPECT_EQ(run_epass({"opt"}).err.find('\x1b'), std::string::npos);
  EXPECT_NE(run_epass({"opt", "none", "--color=always"}).err.find("\x1b[1;31m"), std::string::npos);
  EXPECT_NE(run_epass({"opt", "none"}, "", {}, {"CLICOLOR_FORCE=1"}).err.find('\x1b'), std::string::npos);
  EXPECT_EQ(run_epass({"opt", "none"}, "", {}, {"CLICOLOR_FORCE=1", "NO_COLOR=1"}).err.find('\x1b'),
            std::string::npos);
}

TEST(ToolCli, DiagnosticsAsJson) {
  Outcome o = run_epass({"opt", "none", "--diagnostics=json"});
  EXPECT_EQ(o.err,
            "{\"level\":\"error\",\"code\":\"input-file\",\"message\":\"cannot read `none`: no such file or "
            "directory "
            "(ENOENT)\",\"place\":{\"object\":null,\"section\":null,\"function\":null,\"insn\":null,\"kernel_"
            "insn\":null,"
            "\"file\":null,\"line\":null,\"column\":null},\"notes\":[],\"help\":null}\n");
}

// Every command of the top-level screen exists, and each screen names exactly the options of its table: a
// wrong one is refused, so each `--word` of the screen is tried.
TEST(ToolCli, HelpScreensFitAndAreTrue) {
  const std::string commands[] = {
      "opt",  "passes", "help", "print", "lift", "lower", "verify", "run", "asm", "dis", "conformance-plugin",
      "check"};
  for (const std::string& command : commands) {
    Outcome o = run_epass({command, "--help"});
    if (o.status == 2) continue;
    EXPECT_EQ(o.status, 0) << command << o.err;
    EXPECT_LE(std::ranges::count(o.out, '\n'), 40) << command;
    std::stringstream lines(o.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
    EXPECT_EQ(run_epass({"help", command}).out, o.out);
    const std::regex word("--[a-z][a-z-]*");
    for (std::sregex_iterator i(o.out.begin(), o.out.end(), word), end; i != end; ++i)
      EXPECT_EQ(run_epass({command, i->str(), "--no-such-option"}).err.find("no option `" + i->str() + "`"),
                std::string::npos)
          << command << " " << i->str();
  }
}

// Every code that the sources give to an error has a row in messages.def.
TEST(ToolCli, EveryMessageCodeIsExplained) {
  std::set<std::string> codes;
  const std::regex with_fail("fail\\(\\s*\"([a-z0-9-]+)\",");
  const std::regex with_member("\\.code = \"([a-z0-9-]+)\"");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(EPASS_SOURCE_DIR "/src")) {
    if (entry.path().extension() != ".cc" && entry.path().extension() != ".h") continue;
    const std::string text = read_text(entry.path());
    for (const std::regex& pattern : {with_fail, with_member})
      for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i)
        codes.insert((*i)[1]);
  }
  EXPECT_GT(codes.size(), 5u);
  for (const std::string& code : codes) {
    Outcome o = run_epass({"help", code});
    EXPECT_EQ(o.status, 0) << "no long text for the message code " << code;
  }
}

}  // namespace
}  // namespace epass::test
