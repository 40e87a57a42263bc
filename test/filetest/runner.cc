// Runs `.epir` test files. EPASS_BLESS=1 rewrites their golden text.
//
//     ; test: pass simplify,dce        or  roundtrip  or  verify
//     ; run: f(7, 2) == 3              result before and after the passes
//     ; run: f(7, 0) == -1 was 0       the same, where they may differ
//     function f - "" {
//     ...
//     }
//     ; =>                             the golden text of the function above, each line as a comment
//
// `; test: module inline` runs passes that see all functions of the module; the behaviour of its programs,
// calls included, is compared before and after. A line `; ----` starts another module in the same file, under
// the same command. `pass` runs each function on seeded arguments and memory, too, before and after each
// pass, and compares. `verify` wants an error in each module, at the line with the comment `; error: TEXT`,
// which its message contains.
// `--rules simplify.cc DIR` demands that the cases in DIR count each rule of the table.

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/format.h"
#include "ir/interpret.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "pass/pipeline.h"
#include "passes/registry.h"

namespace epass {
namespace {

constexpr uint64_t kSeeds = 32;

struct Line {
  size_t number = 0;
  std::string text = {};
};

struct RunLine {
  Line line = {};
  std::string function = {};
  std::vector<uint64_t> args = {};
  uint64_t after = 0, before = 0;
};

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) s.remove_suffix(1);
  return s;
}

class FileTest {
 public:
  FileTest(std::string path, Counters& counters) : path_(std::move(path)), counters_(counters) {}

  bool run() {
    std::ifstream in(path_);
    if (!in) return complain(0, "cannot be read"), false;
    std::string text;
    bool golden = false;
    for (size_t number = 1; std::getline(in, text); ++number) {
      if (text == "; ----") {
        finish_module();
        kept_.push_back(text);
        module_lines_.clear(), runs_.clear();
        golden = false;
        continue;
      }
      if (text == "; =>") {
        golden = true;
        goldens_.emplace_back();
        continue;
      }
      if (golden && text.starts_with(";")) {
        goldens_.back() += (text.size() > 2 ? text.substr(2) : "") + "\n";
        golden = text != "; }";
        continue;
      }
      take({number, text});
    }
    finish_module();
    if (command_.empty()) complain(1, "there is no `; test:` line");
    if (bless_ && !failed_) {
      std::ofstream out(path_);
      for (const std::string& line : kept_) out << line << '\n';
    }
    return !failed_;
  }

 private:
  void complain(size_t line, const std::string& what) {
    std::fprintf(stderr, "%s:%zu: %s\n", path_.c_str(), line, what.c_str());
    failed_ = true;
  }

  void take(Line line) {
    std::string_view text = trim(line.text);
    if (text.starts_with("; test: ")) {
      text.remove_prefix(8);
      command_ = text.substr(0, text.find(' '));
      argument_ = text.size() > command_.size() ? trim(text.substr(command_.size())) : "";
    } else if (text.starts_with("; run: ")) {
      read_run(line, text.substr(7));
    }
    module_lines_.push_back(line);
  }

  void read_run(const Line& line, std::string_view text) {
    RunLine run{.line = line};
    size_t open = text.find('('), close = text.find(')'), equals = text.find("==");
    if (open == text.npos || close == text.npos || equals == text.npos)
      return complain(line.number, "a run line is `; run: f(1, 2) == 3`");
    run.function = trim(text.substr(0, open));
    std::string_view args = text.substr(open + 1, close - open - 1);
    while (!trim(args).empty()) {
      size_t comma = std::min(args.find(','), args.size());
      run.args.push_back(number(line, args.substr(0, comma)));
      args.remove_prefix(std::min(comma + 1, args.size()));
    }
    std::string_view rest = text.substr(equals + 2);
    size_t was = rest.find("was");
    run.after = run.before = number(line, rest.substr(0, was));
    if (was != rest.npos) run.before = number(line, rest.substr(was + 3));
    runs_.push_back(std::move(run));
  }

  uint64_t number(const Line& line, std::string_view text) {
    text = trim(text);
    bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc() || end != text.data() + text.size()) complain(line.number, "not a number");
    return negative ? 0 - value : value;
  }

  void finish_module() {
    std::string text;
    size_t at = 1;
    for (const Line& line : module_lines_) {
      while (at < line.number) text += '\n', ++at;
      text += line.text + '\n', ++at;
    }
    auto module = parse(text);
    if (command_ == "verify") {
      check_error(module);
      for (const Line& line : module_lines_) kept_.push_back(line.text);
      return;
    }
    if (!module)
      return complain(
          size_t(std::max<int64_t>(module.error().where.line, 0)),
          module.error().message + " (column " + std::to_string(module.error().where.column) + ")");
    std::vector<std::string> printed;
    if (command_ == "roundtrip") {
      for (Function& fn : module->functions) printed.push_back(print(fn, module->symbols));
      auto again = parse(print(*module));
      if (!again)
        complain(1, "what was printed does not parse: " + again.error().message);
      else if (print(*again) != print(*module))
        complain(1, "printing changes after parsing");
    } else if (command_ == "pass") {
      for (Function& fn : module->functions) printed.push_back(run_passes(fn, module->symbols));
    } else if (command_ == "module") {
      run_module(*module);
      for (const Function& fn : module->functions) printed.push_back(print(fn, module->symbols));
    } else {
      return complain(1, "the commands are roundtrip, verify, pass, module");
    }
    compare(printed);
  }

  void check_error(const Result<Module>& module) {
    size_t line = 0;
    std::string wanted;
    for (const Line& l : module_lines_)
      if (size_t at = l.text.find("; error: "); at != l.text.npos)
        line = l.number, wanted = l.text.substr(at + 9);
    if (!line) return complain(module_lines_.empty() ? 0 : module_lines_[0].number, "no `; error:` line");
    if (module) return complain(line, "no error was found");
    const Error& error = module.error();
    if (size_t(error.where.line) != line)
      complain(line, format("the error is at line {}: {}", error.where.line, error.message));
    else if (error.message.find(trim(wanted)) == std::string::npos)
      complain(line, "the message is: " + error.message);
  }

  std::string run_passes(Function& fn, const Symbols& symbols) {
    auto stages = parse_pipeline(argument_, {.passes = all_passes(), .level = level_pipeline});
    if (!stages) return complain(1, stages.error().message), "";
    const Function original = fn;
    Function previous = fn;
    PassHooks hooks{.verify_each = true};
    hooks.after = [&](const PassInfo& pass, const Function& now, Changed) {
      if (!verify(now)) return;
      const bool additions = pass.name == "atomic-rmw";
      for (uint64_t seed = 0; seed < kSeeds; ++seed) {
        Behaviour a = interpret(previous, symbols, {},
                                {.seed = seed, .steps = 10000, .additions_are_stores = additions});
        std::string what = difference(
            a,
            interpret(now, symbols, {}, {.seed = seed, .steps = 20000, .additions_are_stores = additions}));
        if (what.empty()) continue;
        complain(1, format("`{}` changes what `{}` does, seed {}: {}", pass.name, fn.name, seed, what));
        break;
      }
      previous = now;
    };
    // dump-ir and load-ir use text in memory.
    std::map<std::string, Module> files;
    hooks.files.dump = [&](const std::string& path, const Function& dumped) -> Result<void> {
      auto module = parse(print(Module{.symbols = symbols, .functions = {dumped}}));
      if (!module) return fail(module.error());
      files[path] = std::move(*module);
      return {};
    };
    hooks.files.load = [&](const std::string& path, const Function&) -> Result<const Module*> {
      return &files[path];
    };
    auto done = run_pipeline(fn, *stages, symbols, bpf::Isa::kV3, counters_, hooks);
    if (!done) return complain(1, done.error().message), "";
    for (const RunLine& run : runs_) {
      if (run.function != fn.name) continue;
      check_run(run, original, symbols, run.before, "before");
      check_run(run, fn, symbols, run.after, "after");
    }
    return print(fn, symbols);
  }

  void run_module(Module& module) {
    auto stages = parse_pipeline(argument_, {.passes = all_passes(), .level = level_pipeline});
    if (!stages) return complain(1, stages.error().message);
    const std::vector<Function> original = module.functions;
    Members members = members_of(module);
    auto done =
        run_pipeline(members, *stages, module.symbols, bpf::Isa::kV3, counters_, {.verify_each = true});
    if (!done) return complain(1, done.error().message);
    for (size_t f = 0; f < original.size(); ++f) {
      const Function &before = original[f], &after = module.functions[f];
      for (const RunLine& run : runs_) {
        if (run.function != before.name) continue;
        check_run(run, before, module.symbols, run.before, "before", original);
        check_run(run, after, module.symbols, run.after, "after", module.functions);
      }
      for (uint64_t seed = 0; seed < kSeeds && !members.list[f].is_private; ++seed) {
        Behaviour a =
            interpret(before, module.symbols, {}, {.seed = seed, .steps = 10000, .functions = original});
        Behaviour b = interpret(after, module.symbols, {},
                                {.seed = seed, .steps = 20000, .functions = module.functions});
        if (std::string what = difference(a, b); !what.empty())
          return complain(1, format("`{}` changes, seed {}: {}", before.name, seed, what));
      }
    }
  }

  static Members members_of(Module& module) {
    Members members;
    for (Function& fn : module.functions) {
      Member member{.fn = &fn, .is_private = !fn.is_entry && !fn.is_global};
      for (Inst i : fn.all_insts())
        if (fn.insts[i].origin != kNoOrigin)
          member.records = std::max(member.records, fn.insts[i].origin + 1);
      members.list.push_back(std::move(member));
    }
    for (Function& fn : module.functions)
      for (Inst i : fn.all_insts())
        if (fn.insts[i].op == Opcode::Symbol)
          if (const bpf::FunctionId id = module.symbols[fn.insts[i].symbol].function)
            members.list[id.index].is_private = false;
    return members;
  }

  void check_run(const RunLine& run, const Function& fn, const Symbols& symbols, uint64_t wanted,
                 const char* when, std::span<const Function> functions = {}) {
    Behaviour b = interpret(fn, symbols, run.args, {.functions = functions});
    if (b.end != Behaviour::End::kReturned)
      complain(run.line.number, format("returned nothing {} the passes", when));
    else if (b.result != wanted)
      complain(run.line.number, format("returned {:#x} {} the passes", b.result, when));
  }

  // Golden blocks stand behind the closing brace of their functions.
  void compare(const std::vector<std::string>& printed) {
    size_t f = 0;
    for (const Line& line : module_lines_) {
      kept_.push_back(line.text);
      if (line.text != "}" || f == printed.size()) continue;
      kept_.push_back("; =>");
      std::string_view rest = printed[f];
      while (!rest.empty()) {
        size_t end = rest.find('\n');
        kept_.push_back("; " + std::string(rest.substr(0, end)));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      std::string golden = golden_ < goldens_.size() ? goldens_[golden_] : "";
      ++golden_, ++f;
      if (bless_ || golden == printed[f - 1]) continue;
      complain(line.number, "the text differs from the golden one; it is\n" + printed[f - 1]);
    }
  }

  std::string path_, command_, argument_;
  Counters& counters_;
  std::vector<Line> module_lines_;
  std::vector<RunLine> runs_;
  std::vector<std::string> goldens_, kept_;
  size_t golden_ = 0;
  bool failed_ = false;
  const bool bless_ = std::getenv("EPASS_BLESS") != nullptr;
};

int check_rules(const char* source, const char* folder) {
  Counters counters;
  bool ok = true;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with("simplify_rules")) continue;
    ok &= FileTest(entry.path().string(), counters).run();
  }
  std::ifstream in(source);
  std::string line;
  size_t rules = 0;
  while (std::getline(in, line)) {
    size_t from = line.find('"'), to = line.rfind(" => ");
    if (!line.starts_with("    {Opcode::") || from == line.npos || to == line.npos) continue;
    std::string name = line.substr(from + 1, line.find('"', from + 1) - from - 1);
    ++rules;
    if (counters.contains("simplify." + name)) continue;
    std::fprintf(stderr, "no case applies the rule `%s`\n", name.c_str());
    ok = false;
  }
  if (rules < 10) std::fprintf(stderr, "only %zu rules were found\n", rules), ok = false;
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace epass

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--rules") return epass::check_rules(argv[2], argv[3]);
  epass::Counters counters;
  bool ok = argc > 1;
  for (int n = 1; n < argc; ++n) ok &= epass::FileTest(argv[n], counters).run();
  return ok ? 0 : 1;
}
