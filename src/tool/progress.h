#pragma once
// What is being done, for work that takes long: one line on a terminal, after a second, that disappears
// again.

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "tool/ui.h"

namespace epass::tool {

class Progress {
 public:
  // `verb` as in "verifying 12/34 tail_handle_ipv4  3.1 s".
  Progress(const Ui& ui, std::string_view verb, size_t total)
      : ui_(ui), verb_(verb), total_(total), begin_(Clock::now()), last_(begin_) {}
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // One more is done. May be called by several threads.
  void step(const std::string& name);

 private:
  using Clock = std::chrono::steady_clock;
  const Ui& ui_;
  std::string_view verb_;
  std::mutex mutex_;
  size_t total_, done_ = 0;
  Clock::time_point begin_, last_;
  bool shown_ = false;
};

}  // namespace epass::tool
