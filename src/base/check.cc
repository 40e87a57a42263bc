#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace epass {

static thread_local const CheckScope* current_scope = nullptr;

CheckScope::CheckScope(std::string_view what) : what_(what), outer_(current_scope) { current_scope = this; }
CheckScope::~CheckScope() { current_scope = outer_; }

void check_failed(std::string_view condition, std::string_view message, std::source_location where) {
  std::fprintf(stderr, "epass: internal error: %.*s (%.*s) at %s:%u\n", int(message.size()), message.data(),
               int(condition.size()), condition.data(), where.file_name(), unsigned(where.line()));
  for (const CheckScope* scope = current_scope; scope; scope = scope->outer_)
    std::fprintf(stderr, "  while working on %.*s\n", int(scope->what_.size()), scope->what_.data());
  std::fprintf(stderr, "This is a bug in epass, not in its input. Please report it with the input file.\n");
  std::abort();
}

}  // namespace epass
