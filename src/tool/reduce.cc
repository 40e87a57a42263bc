// `epass reduce`: the smallest program of which a test still holds.

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/format.h"
#include "bpf/assemble.h"
#include "driver/files.h"
#include "driver/input.h"
#include "judge/shrink.h"
#include "object/disassembly.h"
#include "tool/command.h"
#include "tool/opt_report.h"

extern char** environ;

namespace epass::tool {

namespace {

using bpf::FunctionId;
using bpf::Insn;
using bpf::NewCode;

// A file of its own for candidates, removed at the end. It keeps the input's name: tests may ask for it.
class Scratch {
 public:
  explicit Scratch(const std::string& input) {
    std::string folder = (std::filesystem::temp_directory_path() / "epass-reduce-XXXXXX").string();
    if (const char* made = ::mkdtemp(folder.data()))
      folder_ = made, path_ = folder_ + "/" + std::filesystem::path(input).filename().string();
  }
  ~Scratch() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string folder_, path_;
};

class Tester {
 public:
  Tester(std::string command, const std::string& input) : command_(std::move(command)), scratch_(input) {
    const std::string quoted = "'" + scratch_.path() + "'";
    bool named = false;
    for (size_t at = 0; (at = command_.find("{}", at)) != std::string::npos; at += quoted.size())
      command_.replace(at, 2, quoted), named = true;
    if (!named) command_ += " " + quoted;
  }
  bool holds(Bytes candidate) {
    ++asked_;
    if (!driver::write_file(scratch_.path(), candidate)) return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    for (int fd : {1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", 1, 0);
    std::string shell = "sh", option = "-c";
    char* argv[] = {shell.data(), option.data(), command_.data(), nullptr};
    pid_t child = -1;
    int status = -1;
    if (::posix_spawn(&child, "/bin/sh", &actions, nullptr, argv, environ) == 0) ::waitpid(child, &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  size_t asked() const { return asked_; }

 private:
  std::string command_;
  Scratch scratch_;
  size_t asked_ = 0;
};

struct Reduced {
  std::vector<uint8_t> bytes = {};
  size_t insns_in = 0, insns_out = 0, functions_in = 0, functions_out = 0;
};

Error does_not_hold(const std::string& path) {
  Error error{.message = "the test does not hold for the input itself", .code = "reduce-test"};
  error.where.object = path;
  error.help =
      "CMD must exit with status 0 as long as the program is interesting, `! epass opt {} --strict` for "
      "example";
  return error;
}

enum class Flat : uint8_t { kDump, kRaw, kAsm };

std::vector<uint8_t> written(const std::vector<Insn>& insns, Flat as, const std::string& name) {
  if (as == Flat::kRaw) return object::print_raw(insns);
  std::string text;
  if (as == Flat::kDump) {
    text = object::print_dump(insns);
  } else {
    std::vector<object::FlatLabel> labels;
    if (auto program = object::split_flat(insns, name))
      for (uint32_t n = 0; n < program->functions.size(); ++n)
        labels.push_back(
            {program->functions[FunctionId{n}].section_insn, program->functions[FunctionId{n}].name});
    text = object::disassembly(insns, labels, name, {.bytes = false});
  }
  return {text.begin(), text.end()};
}

Result<Reduced> reduce_flat(std::vector<Insn> insns, Flat as, const std::string& path, Tester& test) {
  auto holds = [&](const std::vector<Insn>& candidate) { return test.holds(written(candidate, as, path)); };
  if (!holds(insns)) return fail(does_not_hold(path));
  Reduced out{.insns_in = insns.size(), .functions_in = 1, .functions_out = 1};
  const std::vector<Insn> small = judge::shrink(std::move(insns), holds);
  out.insns_out = small.size();
  out.bytes = written(small, as, path);
  return out;
}

Result<Reduced> reduce_object(const driver::CodeFile& file, Tester& test) {
  const bpf::Program& program = file.program();
  std::map<FunctionId, NewCode> changed;
  auto write = [&](const std::map<FunctionId, NewCode>& code) { return file.object->write(code); };
  auto holds = [&](const std::map<FunctionId, NewCode>& code) {
    auto bytes = write(code);
    return bytes && test.holds(*bytes);
  };
  if (!holds(changed)) return fail(does_not_hold(file.name));
  // Whole functions first: half of them at once, then fewer.
  std::vector<FunctionId> left;
  for (uint32_t n = 0; n < program.functions.size(); ++n)
    if (program.functions[FunctionId{n}].insns.size() > 2) left.push_back(FunctionId{n});
  for (size_t count = left.size(); count; count /= 2)
    for (size_t from = 0; from < left.size();) {
      const size_t end = std::min(from + count, left.size());
      auto candidate = changed;
      for (size_t n = from; n < end; ++n) candidate[left[n]] = judge::empty_code();
      if (holds(candidate)) {
        changed = std::move(candidate);
        left.erase(left.begin() + ptrdiff_t(from), left.begin() + ptrdiff_t(end));
      } else {
        from = end;
      }
    }
  for (FunctionId id : left) {
    NewCode small = judge::shrink(program.functions[id], [&](const NewCode& code) {
      auto candidate = changed;
      candidate[id] = code;
      return holds(candidate);
    });
    if (small.insns != program.functions[id].insns) changed[id] = std::move(small);
  }
  Reduced out{.functions_in = program.functions.size(), .functions_out = left.size()};
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    const FunctionId id{n};
    const size_t before = program.functions[id].insns.size();
    out.insns_in += before;
    out.insns_out += changed.contains(id) ? changed[id].insns.size() : before;
  }
  auto bytes = write(changed);
  if (!bytes) return fail(bytes.error());
  out.bytes = std::move(*bytes);
  return out;
}

Result<Reduced> reduce_file(const std::string& path, std::optional<driver::Format> format, Tester& test) {
  if (!format && path.ends_with(".s")) {
    auto text = driver::read_file(path);
    if (!text) return fail(text.error());
    auto assembly = bpf::assemble({reinterpret_cast<const char*>(text->data()), text->size()});
    auto insns = assembly ? bpf::flat_code(*assembly) : fail(assembly.error());
    if (!insns) {
      insns.error().where.object = path;
      return fail(insns.error());
    }
    return reduce_flat(std::move(*insns), Flat::kAsm, path, test);
  }
  auto input = driver::read_input(path, format);
  if (!input) return fail(input.error());
  const driver::Format is = input->format;
  if (is == driver::Format::kDump || is == driver::Format::kRaw) {
    auto insns =
        is == driver::Format::kDump ? object::parse_dump(input->text()) : object::parse_raw(input->bytes);
    if (!insns) {
      insns.error().where.object = path;
      return fail(insns.error());
    }
    return reduce_flat(std::move(*insns), is == driver::Format::kDump ? Flat::kDump : Flat::kRaw, path, test);
  }
  auto file = driver::read_code(std::move(*input));
  if (!file) return fail(file.error());
  if (file->object) return reduce_object(*file, test);
  Error error{.message = "`.epir` text holds no bytecode", .code = "input-format"};
  error.where.object = path;
  error.help = "`epass lower` makes bytecode of it";
  return fail(error);
}

}  // namespace

int run_reduce(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.size() != 1 || !arguments.has("test"))
    return job.fail(usage_error(arguments.has("test") ? "`epass reduce` takes one input" : "no test is given",
                                "`epass reduce IN --test CMD -o OUT`")
                        .error());
  auto format_of = read_format(arguments);
  if (!format_of) return job.fail(format_of.error());
  const std::string output = arguments.get("o");
  job.ui.stdout_is_product = output == "-";
  if (!output.empty())
    if (auto can = driver::check_writable(output); !can) return job.fail(can.error());
  Tester test(arguments.get("test"), arguments.inputs[0]);
  auto reduced = reduce_file(arguments.inputs[0], *format_of, test);
  if (!reduced) return job.fail(reduced.error());
  if (!output.empty())
    if (auto done = driver::write_file(output, reduced->bytes, arguments.inputs[0]); !done)
      return job.fail(done.error());
  if (job.ui.quiet) return kDone;
  std::string text = format("{}: {} -> {} instructions", printable(arguments.inputs[0]),
                            with_commas(reduced->insns_in), with_commas(reduced->insns_out));
  if (reduced->functions_in > 1)
    text += format(", {} -> {} functions with code", reduced->functions_in, reduced->functions_out);
  text += format("; the test ran {} times\n", with_commas(test.asked()));
  job.ui.report(text + (output.empty() ? "nothing written (no -o)\n" : ""));
  return kDone;
}

}  // namespace epass::tool
