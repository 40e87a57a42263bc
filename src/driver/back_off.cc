// Bisection by function, then by pass.

#include "driver/back_off.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/format.h"

namespace epass::driver {

namespace {

using bpf::FunctionId;

class BackOff {
 public:
  BackOff(CompiledFile& file, const Input& input, const FileOptions& options, const Judge& judge)
      : file_(file), input_(input), options_(options), judge_(judge) {
    for (uint32_t n = 0; n < file.program().functions.size(); ++n) {
      const bpf::Function& fn = file.program().functions[FunctionId{n}];
      ids_.emplace(std::pair(fn.section, fn.name), FunctionId{n});
    }
  }

  Result<void> repair(FunctionId entry) {
    auto reason = ask(entry);
    if (!reason) return fail(reason.error());
    if (reason->empty()) return {};  // what was left out for another program was enough
    auto reached = select_functions(file_.program(), {file_.program().functions[entry].name});
    if (!reached) return fail(reached.error());
    std::vector<FunctionId> changed;
    for (const FunctionOutcome& out : file_.compiled.functions)
      if ((*reached)[out.id.index] && out.code && kept_.insert(out.id).second) changed.push_back(out.id);
    // From the old code on, function after function gets its new code again.
    for (FunctionId id : changed) {
      kept_.erase(id);
      auto why = ask(entry);
      if (!why) return fail(why.error());
      if (why->empty()) continue;
      if (auto done = repair_function(entry, id, *why); !done) return done;
    }
    return {};
  }

  Result<std::vector<LeftOut>> finish() {
    auto made = compile();
    if (!made) return fail(made.error());
    file_ = std::move(*made);
    return std::move(left_out_);
  }

 private:
  // Everything that is left out for one function, pass after pass.
  Result<void> repair_function(FunctionId entry, FunctionId id, const std::string& reason) {
    constexpr int kMostPasses = 8;
    std::set<std::string>& without = without_[id];
    for (int n = 0; n < kMostPasses; ++n) {
      auto pass = find_pass(entry, id);
      if (!pass) return fail(pass.error());
      if (pass->empty()) break;  // it is worse without any pass
      without.insert(*pass);
      left_out_.push_back({id, *pass, reason});
      auto why = ask(entry);
      if (!why) return fail(why.error());
      if (why->empty()) return {};
    }
    without_.erase(id);
    std::erase_if(left_out_, [&](const LeftOut& l) { return l.function == id; });
    kept_.insert(id);
    left_out_.push_back({id, "", reason});
    return {};
  }

  // The first pass after which the program is bad; "" if it is from the start.
  Result<std::string> find_pass(FunctionId entry, FunctionId id) {
    limited_ = id;
    auto bad_after = [&](uint64_t passes) {
      limit_ = passes;
      return ask(entry);
    };
    uint64_t good = 0, bad = UINT64_MAX;
    Result<std::string> why = bad_after(good);
    if (why && why->empty()) {
      why = bad_after(bad);
      bad = std::max<uint64_t>(ran_, 1);
      while (why && bad - good > 1) {
        const uint64_t middle = good + (bad - good) / 2;
        why = bad_after(middle);
        if (why) (why->empty() ? good : bad) = middle;
      }
      if (why) why = bad_after(bad);  // for the name of the last
    } else if (why) {
      last_.clear();
    }
    limited_ = {};
    if (!why) return fail(why.error());
    return last_;
  }

  Result<std::string> ask(FunctionId entry) {
    auto made = compile();
    if (!made) return fail(made.error());
    return judge_(*made, entry);
  }

  Result<CompiledFile> compile() {
    FileOptions options = options_;
    ran_ = 0, last_.clear();
    options.pipeline.filter = [this](const Function& fn, const PassInfo& pass) { return may_run(fn, pass); };
    options.pipeline.restart = [this] { ran_ = 0, last_.clear(); };
    options.compile.progress = {};
    auto made = compile_file(input_, options);
    if (!made) return made;
    std::vector<bool> which(made->compiled.functions.size());
    for (FunctionId id : kept_) which[id.index] = true;
    const Error reason{.message = "its new code is worse than the old", .code = "kernel-rejects"};
    if (auto done = keep_functions(*made, which, reason, options); !done) return fail(done.error());
    return made;
  }

  bool may_run(const Function& fn, const PassInfo& pass) {
    std::scoped_lock lock(mutex_);
    auto id = ids_.find(std::pair(fn.section, fn.name));
    if (id == ids_.end()) return true;
    if (auto left = without_.find(id->second);
        left != without_.end() && left->second.contains(std::string(pass.name)))
      return false;
    if (id->second != limited_) return true;
    if (ran_ >= limit_) return false;
    ++ran_, last_ = pass.name;
    return true;
  }

  CompiledFile& file_;
  const Input& input_;
  const FileOptions& options_;
  const Judge& judge_;
  std::map<std::pair<std::string, std::string>, FunctionId> ids_;  // by section and name
  std::set<FunctionId> kept_;
  std::map<FunctionId, std::set<std::string>> without_;
  std::vector<LeftOut> left_out_;
  // While a pass is looked for: the function, how many passes it may have, how many it had, and the last.
  FunctionId limited_ = {};
  uint64_t limit_ = 0, ran_ = 0;
  std::string last_;
  std::mutex mutex_;
};

}  // namespace

Result<std::vector<LeftOut>> back_off(CompiledFile& file, const Input& input, const FileOptions& options,
                                      const std::vector<FunctionId>& bad, const Judge& judge) {
  BackOff work(file, input, options, judge);
  for (FunctionId entry : bad)
    if (auto done = work.repair(entry); !done) return fail(done.error());
  return work.finish();
}

}  // namespace epass::driver
