#include "pass/pipeline.h"

#include <algorithm>

#include "ir/text.h"
#include "ir/verify.h"

namespace epass {
namespace {

constexpr int kMaxRounds = 8;  // of a fixpoint group; passes only ever shrink a function, so few are needed

class Parser {
 public:
  Parser(std::string_view text, const PassCatalog& catalog) : text_(text), catalog_(catalog) {}

  Result<std::vector<Stage>> run() {
    auto stages = list(0);
    if (stages && at_ != text_.size()) return bad("pipeline", "`)` without `(`", at_);
    return stages;
  }

 private:
  std::unexpected<Error> bad(std::string code, std::string message, size_t at, std::string help = "") {
    Error error{.message = std::move(message),
                .code = std::move(code),
                .where = {.column = int64_t(at) + 1},
                .help = std::move(help)};
    return fail(std::move(error));
  }

  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view word(std::string_view ends) {
    skip_space();
    size_t begin = at_, end = std::min(text_.find_first_of(ends, at_), text_.size());
    at_ = end;
    while (end > begin && text_[end - 1] == ' ') --end;
    return text_.substr(begin, end - begin);
  }

  Result<std::vector<Stage>> list(int depth) {
    std::vector<Stage> stages;
    skip_space();
    if (at_ == text_.size() || text_[at_] == ')') return stages;
    do {
      skip_space();
      size_t begin = at_;
      std::string_view name = word(",()");
      if (name.empty()) return bad("pipeline", "a pass is missing here", begin);
      if (name == "fixpoint") {
        if (!accept('(')) return bad("pipeline", "`fixpoint` needs a list of passes in parentheses", at_);
        if (depth > 8) return bad("pipeline", "groups are nested too deeply", begin);
        auto group = list(depth + 1);
        if (!group) return group;
        if (!accept(')')) return bad("pipeline", "`)` is missing", at_);
        stages.push_back({.group = std::move(*group)});
        continue;
      }
      if (const char* level = catalog_.level ? catalog_.level(name) : nullptr) {
        auto inner = Parser(level, catalog_).run();
        if (!inner) return inner;
        // In a group the level is what it is for one function.
        if (depth) std::erase_if(*inner, [](const Stage& s) { return s.pass && s.pass->run_on_module; });
        std::ranges::move(*inner, std::back_inserter(stages));
        continue;
      }
      auto info = std::ranges::find(catalog_.passes, name, &PassInfo::name);
      if (info == catalog_.passes.end()) return unknown(name, begin);
      if (info->run_on_module && depth)
        return bad("pipeline",
                   "`" + std::string(name) + "` sees all functions: it has no place in `fixpoint`", begin);
      Stage stage{.pass = &*info};
      if (accept('('))
        if (auto ok = options(stage); !ok) return fail(ok.error());
      stages.push_back(std::move(stage));
    } while (accept(','));
    return stages;
  }

  std::unexpected<Error> unknown(std::string_view name, size_t at) {
    std::vector<std::string_view> names;
    for (const PassInfo& p : catalog_.passes) names.push_back(p.name);
    std::string near = nearest_word(name, names);
    return bad("unknown-pass", "no pass is called `" + std::string(name) + "`", at,
               near.empty() ? "`epass passes` lists them" : "did you mean `" + near + "`?");
  }

  Result<void> options(Stage& stage) {
    if (accept(')')) return {};
    do {
      skip_space();
      size_t begin = at_;
      std::string_view name = word("=,()");
      std::string_view value = accept('=') ? word(",()") : std::string_view();
      // The names that a pass has stand in front of each `=` of its description.
      std::vector<std::string_view> known;
      std::string_view rest = stage.pass->options;
      for (size_t equals; (equals = rest.find('=')) != rest.npos; rest.remove_prefix(equals + 1)) {
        size_t from = rest.find_last_of(" ,", equals);
        known.push_back(
            rest.substr(from == rest.npos ? 0 : from + 1, equals - (from == rest.npos ? 0 : from + 1)));
      }
      if (std::ranges::find(known, name) == known.end()) {
        std::string near = nearest_word(name, known);
        auto error = bad("pass-option",
                         "`" + std::string(stage.pass->name) + "` has no option `" + std::string(name) + "`",
                         begin, near.empty() ? "" : "did you mean `" + near + "`?");
        if (!stage.pass->options.empty())
          error.error().notes.push_back("options: " + std::string(stage.pass->options));
        return error;
      }
      stage.options[std::string(name)] = std::string(value);
    } while (accept(','));
    if (!accept(')')) return bad("pipeline", "`)` is missing", at_);
    return {};
  }

  std::string_view text_;
  const PassCatalog& catalog_;
  size_t at_ = 0;
};

Result<void> check_after(const PassInfo& pass, const Function& fn) {
  auto ok = verify(fn);
  if (ok) return ok;
  Error error = ok.error();
  error.message = "the pass `" + std::string(pass.name) + "` left an invalid function: " + error.message;
  error.code = "pass-broke-ir";
  return fail(std::move(error));
}

struct Runner {
  Function& fn;
  const Symbols& symbols;
  bpf::Isa isa;
  Counters& counters;
  const PassHooks& hooks;
  Analyses analyses{fn, symbols};
  uint64_t changes = 0;  // of the function so far
  // Passes that found nothing, and when that was.
  std::vector<std::pair<const PassInfo*, uint64_t>> idle = {};

  Result<Changed> run(std::span<const Stage> stages) {
    Changed changed = Changed::kNothing;
    for (const Stage& stage : stages) {
      auto result = stage.pass ? run_pass(stage) : run_group(stage.group);
      if (!result) return result;
      changed |= *result;
    }
    return changed;
  }

  Result<Changed> run_group(std::span<const Stage> group) {
    Changed changed = Changed::kNothing;
    for (int round = 0; round < kMaxRounds; ++round) {
      auto result = run(group);
      if (!result) return result;
      changed |= *result;
      if (*result == Changed::kNothing) break;
    }
    // Tables of facts are as large as the function's: passes leave much behind.
    if (changed != Changed::kNothing && fn.compact()) analyses.control_flow_changed();
    return changed;
  }

  // Whether a pass that found nothing would find nothing again in the same function. Those that write files
  // do something each time.
  static bool may_be_idle(const Stage& stage) {
    return stage.options.empty() && stage.pass->options.find("FILE") == std::string_view::npos;
  }
  uint64_t& when_idle(const PassInfo& pass) {
    for (auto& [info, when] : idle)
      if (info == &pass) return when;
    return idle.emplace_back(&pass, UINT64_MAX).second;
  }

  Result<Changed> run_pass(const Stage& stage) {
    const PassInfo& pass = *stage.pass;
    if (!pass.run) return Changed::kNothing;
    if (hooks.may_run && !hooks.may_run(pass)) return Changed::kNothing;
    uint64_t* idle_at = may_be_idle(stage) ? &when_idle(pass) : nullptr;
    if (idle_at && *idle_at == changes) return Changed::kNothing;
    CheckScope scope(pass.name);
    if (hooks.before) hooks.before(pass, fn);
    PassContext context{{symbols, stage.options, counters, isa, hooks.files}, analyses};
    std::vector<PassRemark> remarks;
    if (hooks.remarks) context.remarks = &remarks;
    auto changed = pass.run(fn, context);
    if (!changed) return changed;
    if (hooks.remarks) hooks.remarks(pass, std::move(remarks));
    if (*changed != Changed::kNothing)
      fn.compact_aliases(), ++changes;
    else if (idle_at)
      *idle_at = changes;
    if (*changed == Changed::kInstructions) analyses.instructions_changed();
    if (*changed == Changed::kControlFlow) analyses.control_flow_changed();
    if (hooks.after) hooks.after(pass, fn, *changed);
    if (hooks.verify_each) {
      if (auto ok = check_after(pass, fn); !ok) return fail(ok.error());
      if (!analyses.is_current())
        return fail("pass-broke-ir",
                    "the pass `" + std::string(pass.name) + "` changed the control flow and did not say so");
    }
    return changed;
  }
};

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string_view> words) {
  // Edit distance with exchanged neighbours (optimal string alignment).
  auto distance = [](std::string_view a, std::string_view b) {
    std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) {
      for (size_t k = 0; k <= b.size(); ++k) {
        if (!i || !k) {
          d[i][k] = i + k;
          continue;
        }
        d[i][k] = std::min({d[i - 1][k] + 1, d[i][k - 1] + 1, d[i - 1][k - 1] + (a[i - 1] != b[k - 1])});
        if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
          d[i][k] = std::min(d[i][k], d[i - 2][k - 2] + 1);
      }
    }
    return d[a.size()][b.size()];
  };
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (std::string_view candidate : words) {
    size_t n = distance(word.substr(0, 64), candidate);
    if (n < best_distance) best_distance = n, best = candidate;
  }
  return std::string(best);
}

Result<std::vector<Stage>> parse_pipeline(std::string_view text, const PassCatalog& catalog) {
  return Parser(text, catalog).run();
}

Result<void> run_pipeline(Function& fn, std::span<const Stage> stages, const Symbols& symbols, bpf::Isa isa,
                          Counters& counters, const PassHooks& hooks) {
  auto changed = Runner{fn, symbols, isa, counters, hooks}.run(stages);
  if (!changed) return fail(changed.error());
  return {};
}

Result<Changed> run_module_pass(Members& members, const Stage& stage, const Symbols& symbols, bpf::Isa isa,
                                Counters& counters, const PassHooks& hooks) {
  const PassInfo& pass = *stage.pass;
  if (hooks.may_run && !hooks.may_run(pass)) return Changed::kNothing;
  CheckScope scope(pass.name);
  for (Member& member : members.list) {
    member.changed = Changed::kNothing;
    if (member.fn && hooks.before) hooks.before(pass, *member.fn);
  }
  ModulePassContext context{symbols, stage.options, counters, isa, hooks.files};
  auto changed = pass.run_on_module(members, context);
  if (!changed) return changed;
  for (Member& member : members.list) {
    if (!member.fn) continue;
    if (member.changed != Changed::kNothing) member.fn->compact_aliases();
    if (hooks.after) hooks.after(pass, *member.fn, member.changed);
    if (!hooks.verify_each) continue;
    if (auto ok = check_after(pass, *member.fn); !ok) return fail(ok.error());
  }
  return changed;
}

Result<void> run_pipeline(Members& members, std::span<const Stage> stages, const Symbols& symbols,
                          bpf::Isa isa, Counters& counters, const PassHooks& hooks) {
  for (size_t begin = 0; begin < stages.size();) {
    size_t end = begin;
    while (end < stages.size() && !(stages[end].pass && stages[end].pass->run_on_module)) ++end;
    for (Member& member : members.list) {
      if (!member.fn) continue;
      auto done = run_pipeline(*member.fn, stages.subspan(begin, end - begin), symbols, isa, counters, hooks);
      if (!done) return done;
    }
    if (end < stages.size())
      if (auto done = run_module_pass(members, stages[end], symbols, isa, counters, hooks); !done)
        return fail(done.error());
    begin = end + 1;
  }
  return {};
}

}  // namespace epass
