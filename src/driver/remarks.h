#pragma once
// What passes did to the instructions of the input, and what they say they did not do, for `epass opt
// --remarks`.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/function.h"
#include "pass/pass.h"

namespace epass::driver {

struct Remark {
  enum Kind : uint8_t { kPassed, kMissed, kAnalysis };
  Kind kind = kPassed;
  std::string function = {}, section = {};
  std::string pass = {};
  uint32_t insn = 0;                 // of the input's function
  bpf::FunctionId copied_from = {};  // if set, of this one: its code was copied into `function`
  std::string from = {}, to = {};    // operations; `to` is empty where nothing is left of the instruction
  std::string reason = {};           // of missed and analysis: what the pass said
};

// Watches one function on its way through the pipeline.
class RemarkLog {
 public:
  explicit RemarkLog(const Function& fn) : last_(look(fn)) {}
  void after_pass(std::string_view pass, const Function& fn);
  // A pass may run many times: what it says the last time counts.
  void said(std::string_view pass, const Function& fn, std::vector<PassRemark>&& what);
  // All remarks: what was done, in order, then what was said, by pass.
  std::vector<Remark> take();

 private:
  // By instruction of the input: the operations that come from it.
  using Picture = std::map<uint32_t, std::string>;
  static Picture look(const Function& fn);

  Picture last_;
  std::vector<Remark> done_ = {};
  std::map<std::string, std::vector<Remark>, std::less<>> said_ = {};
};

}  // namespace epass::driver
