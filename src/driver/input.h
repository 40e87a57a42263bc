#pragma once
// An input file: its bytes, what they are, and the program in them.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ir/function.h"
#include "object/dump.h"
#include "object/object.h"

namespace epass::driver {

using object::Format;

// What can be written. The first four are formats of inputs, too.
enum class Emit : uint8_t { kElf, kDump, kRaw, kEpir, kAsm };
constexpr std::string_view kEmitNames[] = {"elf", "dump", "raw", "epir", "asm"};
constexpr std::string_view name_of(Emit emit) { return kEmitNames[static_cast<size_t>(emit)]; }
constexpr std::string_view name_of(Format format) { return kEmitNames[static_cast<size_t>(format)]; }
static_assert(int(Emit::kElf) == int(Format::kElf) && int(Emit::kDump) == int(Format::kDump));
static_assert(int(Emit::kRaw) == int(Format::kRaw) && int(Emit::kEpir) == int(Format::kEpir));

struct Input {
  std::string name = {};  // as the user gave it; "-" is standard input
  Format format = Format::kElf;
  std::vector<uint8_t> bytes = {};

  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

// Reads the file and tells its format from its content, unless `forced` says it.
Result<Input> read_input(const std::string& path, std::optional<Format> forced = {});

// A file with a program, read: an object, flat code, or SSA form.
struct CodeFile {
  std::string name = {};
  Format format = Format::kElf;
  uint64_t size_bytes = 0;
  std::unique_ptr<object::Object> object = {};  // ELF only
  bpf::Program flat = {};                       // the rest; for `.epir` its functions have no code
  std::optional<Module> module = {};            // `.epir` only

  const bpf::Program& program() const { return object ? object->program() : flat; }
};

// Errors say where in the file they are.
Result<CodeFile> read_code(Input input);

}  // namespace epass::driver
