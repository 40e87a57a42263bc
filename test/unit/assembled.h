#pragma once
// Programs from assembly text, for tests of what runs them.

#include <gtest/gtest.h>

#include <string_view>

#include "bpf/assemble.h"
#include "object/dump.h"

namespace epass::vm {

inline bpf::Program assembled(std::string_view text) {
  auto assembly = bpf::assemble(text);
  auto insns = assembly ? bpf::flat_code(*assembly) : fail(assembly.error());
  EXPECT_TRUE(insns.has_value()) << insns.error().message << " line " << insns.error().where.line;
  auto program = insns ? object::split_flat(std::move(*insns), "test") : fail(insns.error());
  EXPECT_TRUE(program.has_value());
  return program ? std::move(*program) : bpf::Program();
}

}  // namespace epass::vm
