#pragma once
// The `.epir` text: one canonical form, parse and print are inverse. docs/ir.md has the grammar.

#include <string>
#include <string_view>

#include "base/result.h"
#include "ir/function.h"

namespace epass {

struct PrintOptions {
  bool origins = true;  // `@9:r6` after each instruction
};

std::string print(const Function& fn, const Symbols& symbols, PrintOptions options = {});
std::string print(const Module& module, PrintOptions options = {});

// The instruction without its operands: `load`, `add.32`, `const.imm64`.
std::string operation_name(const InstData& data);

// Errors carry line and column.
Result<Module> parse(std::string_view text);

}  // namespace epass
