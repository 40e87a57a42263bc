#pragma once
// What passes did to the instructions of the input, one remark for each change, for `epass opt --remarks`.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/function.h"

namespace epass::driver {

struct Remark {
  std::string function = {}, section = {};
  std::string pass = {};
  uint32_t insn = 0;               // of the input's function
  std::string from = {}, to = {};  // operations; `to` is empty where nothing is left of the instruction
};

// Watches one function on its way through the pipeline.
class RemarkLog {
 public:
  explicit RemarkLog(const Function& fn) : last_(look(fn)) {}
  void after_pass(std::string_view pass, const Function& fn);
  std::vector<Remark> remarks = {};

 private:
  // By instruction of the input: the operations that come from it.
  using Picture = std::map<uint32_t, std::string>;
  static Picture look(const Function& fn);

  Picture last_;
};

}  // namespace epass::driver
