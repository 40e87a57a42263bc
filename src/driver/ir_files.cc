#include "driver/ir_files.h"

#include <algorithm>

#include "base/format.h"
#include "driver/files.h"
#include "ir/text.h"

namespace epass::driver {

namespace {

constexpr std::string_view kPlaceholder = "{}";

// The name comes from a foreign file: it must stay a name in the folder that the user chose.
std::string path_for(std::string path, const Function& fn) {
  const size_t at = path.find(kPlaceholder);
  if (at == std::string::npos) return path;
  std::string name = fn.name;
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain && c != '.' && c != '$' && c != '-') c = '_';
  }
  if (name.empty() || name[0] == '.') name.insert(0, "_");
  return path.replace(at, kPlaceholder.size(), name);
}

}  // namespace

Result<void> IrFileStore::prepare(std::span<const epass::Stage> stages) {
  for (const epass::Stage& stage : stages) {
    if (!stage.pass) {
      if (auto done = prepare(stage.group); !done) return done;
      continue;
    }
    const bool dumps = stage.pass->name == "dump-ir", loads = stage.pass->name == "load-ir";
    if (!dumps && !loads) continue;
    used_ = true;
    const auto option = stage.options.find("path");
    const std::string path = option == stage.options.end() ? (dumps ? "-" : "") : option->second;
    if (path.empty())
      return fail("pass-option",
                  format("`{}` needs a file: {}(path=FILE)", stage.pass->name, stage.pass->name));
    if (path.find(kPlaceholder) != std::string::npos) continue;
    if (dumps) {
      if (auto can = check_writable(path); !can) return can;
    } else if (auto file = read(path); !file) {
      return fail(file.error());
    }
  }
  return {};
}

Result<IrFileStore::Loaded*> IrFileStore::read(const std::string& path) {
  if (auto it = loaded_.find(path); it != loaded_.end()) return &it->second;
  auto bytes = read_file(path);
  if (!bytes) return fail(bytes.error());
  auto module = parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!module) {
    Error error = module.error();
    // Line and column would be taken for those of the input.
    if (error.where.line > 0)
      error.message = format("{}:{}:{}: {}", path, error.where.line, error.where.column, error.message);
    error.where = {.object = path, .function = error.where.function};
    error.code = "ir-file";
    return fail(std::move(error));
  }
  Loaded& loaded = loaded_[path];
  loaded.module = std::move(*module);
  return &loaded;
}

epass::IrFiles IrFileStore::files(uint64_t run, const Symbols& symbols, std::string& printed) {
  auto dump = [this, run, &symbols, &printed](const std::string& path, const Function& fn) -> Result<void> {
    if (path == "-") {
      printed += format("; dump-ir of {}\n{}", fn.name, print(fn, symbols));
      return {};
    }
    std::vector<Dumped>& list = dumps_[path_for(path, fn)];
    if (list.empty() || list.back().run != run) list.emplace_back();
    list.back() = {run, fn};
    return {};
  };
  auto load = [this](const std::string& path, const Function& fn) -> Result<const Module*> {
    auto file = read(path_for(path, fn));
    if (!file) return fail(file.error());
    (*file)->asked = true;
    (*file)->taken |= std::ranges::find((*file)->module.functions, fn.name, &Function::name) !=
                      (*file)->module.functions.end();
    return &(*file)->module;
  };
  return {.dump = dump, .load = load};
}

void IrFileStore::failed(const Error& error) {
  if (!error_) error_ = error;
}

Result<void> IrFileStore::finish(const Symbols& symbols) {
  if (error_) return fail(*error_);
  for (const auto& [path, file] : loaded_) {
    if (!file.asked || file.taken) continue;
    Error error{.message = format("the file has `{}`, which is no function of the program",
                                  file.module.functions.front().name),
                .code = "ir-file",
                .where = {.object = path}};
    return fail(std::move(error));
  }
  for (auto& [path, list] : dumps_) {
    Module module{.symbols = symbols};
    for (Dumped& dumped : list) module.functions.push_back(std::move(dumped.fn));
    const std::string text = print(module);
    auto done = write_file(path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    if (!done) return done;
  }
  return {};
}

}  // namespace epass::driver
