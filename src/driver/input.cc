// Reads inputs.

#include "driver/input.h"

#include "driver/files.h"
#include "ir/text.h"

namespace epass::driver {

Result<Input> read_input(const std::string& path, std::optional<Format> forced) {
  auto bytes = read_file(path);
  if (!bytes) return fail(bytes.error());
  Input input{.name = path, .bytes = std::move(*bytes)};
  Result<Format> format = forced ? *forced : object::detect_format(input.bytes);
  if (!format) {
    format.error().where.object = path;
    return fail(format.error());
  }
  input.format = *format;
  return input;
}

Result<CodeFile> read_code(Input input) {
  CodeFile file{.name = input.name, .format = input.format, .size_bytes = input.bytes.size()};
  auto failed = [&](Error error) {
    if (error.where.object.empty()) error.where.object = input.name;
    return fail(std::move(error));
  };
  if (input.format == Format::kElf) {
    auto object = object::Object::parse(std::move(input.bytes), input.name);
    if (!object) return failed(object.error());
    file.object = std::make_unique<object::Object>(std::move(*object));
    return file;
  }
  if (input.format == Format::kEpir) {
    auto module = parse(input.text());
    if (!module) return failed(module.error());
    file.flat.name = module->name = input.name;
    file.flat.symbols = module->symbols;
    for (const Function& fn : module->functions) {
      bpf::Function empty{.name = fn.name, .section = fn.section};
      empty.is_entry = fn.is_entry, empty.is_global = fn.is_global, empty.type = fn.type;
      file.flat.functions.add(std::move(empty));
    }
    file.module = std::move(*module);
    return file;
  }
  auto insns =
      input.format == Format::kDump ? object::parse_dump(input.text()) : object::parse_raw(input.bytes);
  if (!insns) return failed(insns.error());
  auto program = object::split_flat(std::move(*insns), input.name);
  if (!program) return failed(program.error());
  file.flat = std::move(*program);
  return file;
}

}  // namespace epass::driver
