// The line of progress.

#include "tool/progress.h"

#include <cstdio>

#include "base/format.h"

namespace epass::tool {

Progress::~Progress() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::step(const std::string& name) {
  if (!ui_.progress_wanted()) return;
  std::scoped_lock lock(mutex_);
  ++done_;
  const Clock::time_point now = Clock::now();
  using namespace std::chrono_literals;
  if (now - begin_ < 1s || (shown_ && now - last_ < 100ms)) return;
  shown_ = true, last_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  std::fputs(format("\r\x1b[K{} {}/{} {}  {:.1f} s", verb_, done_, total_, printable(name), seconds).c_str(),
             stderr);
}

}  // namespace epass::tool
