#pragma once
// Runs the built program and catches what it says.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

extern char** environ;

namespace epass::test {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// A directory of its own for each test, removed at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "epass-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Compiles C to prog.o in the directory; false if no clang here makes BPF code of it.
inline bool compile_bpf(const ScratchDirectory& dir, const std::string& source,
                        const std::string& options = "") {
  write_text(dir / "prog.c", source);
  const std::string command =
      "cd '" + dir.path().string() +
      "' && for c in clang-19 clang-14 clang; do command -v $c >/dev/null && exec $c -O2 -g -target bpf " +
      options + " -c prog.c -o prog.o; done 2>/dev/null; exit 1";
  return std::system(command.c_str()) == 0;
}

struct Outcome {
  int status = -1;  // exit status, or 128 + signal
  std::string out = {}, err = {};
};

// `environment` replaces everything except PATH.
inline Outcome run_epass(const std::vector<std::string>& arguments, const std::string& input = "",
                         const std::filesystem::path& directory = {},
                         const std::vector<std::string>& environment = {}) {
  ScratchDirectory scratch;
  write_text(scratch / "in", input);
  const std::string in = (scratch / "in").string(), out = (scratch / "out").string(),
                    err = (scratch / "err").string();
  std::vector<std::string> words = {EPASS_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv, envp;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables = environment;
  variables.push_back(std::string("PATH=") + (std::getenv("PATH") ? std::getenv("PATH") : ""));
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  pid_t child = -1;
  Outcome outcome;
  if (::posix_spawn(&child, EPASS_BINARY, &actions, nullptr, argv.data(), envp.data()) == 0) {
    int status = 0;
    ::waitpid(child, &status, 0);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  posix_spawn_file_actions_destroy(&actions);
  outcome.out = read_text(out);
  outcome.err = read_text(err);
  return outcome;
}

// Tests on prog.o, which is compiled from C. They skip where no clang makes BPF code.
class CompiledTest : public ::testing::Test {
 protected:
  CompiledTest(const char* source, const char* options) : source_(source), options_(options) {}
  void SetUp() override {
    if (!compile_bpf(dir_, source_, options_)) GTEST_SKIP() << "no clang with the BPF target";
  }
  Outcome epass(const std::vector<std::string>& words) { return run_epass(words, "", dir_.path()); }
  ScratchDirectory dir_;

 private:
  const char* source_;
  const char* options_;
};

// The numbers of a dump: r0 = 1; exit.
inline constexpr const char* kSmallDump = "4294967479\n149\n";

}  // namespace epass::test
