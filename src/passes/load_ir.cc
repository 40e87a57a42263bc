// Replaces the function by the one of its name in a file of `.epir` text, such as dump-ir writes: to try an
// edit by hand, or to start in the middle of a pipeline.
//
//     epass opt prog.o --passes 'load-ir(path=edited.epir),O1' -o out.o
//
// A function that the file does not have stays as it is. The new one must have the signature of the old, and
// refer to symbols of its program only; what it says about origins and CO-RE records is believed here and
// checked when code is made of it.

#include <algorithm>

#include "base/format.h"
#include "ir/text.h"
#include "pass/pass.h"

namespace epass {
namespace {

std::unexpected<Error> refuse(const Function& fn, const std::string& path, std::string why) {
  Error error{.message = format("`{}` cannot be replaced: {}", fn.name, why), .code = "ir-file"};
  error.where.object = path;
  error.where.function = fn.name;
  return fail(std::move(error));
}

// What differs between the heads of two functions, or "".
std::string signature_difference(const Function& a, const Function& b) {
  if (a.type != b.type) return "the type";
  if (a.section != b.section) return "the section";
  if (a.is_entry != b.is_entry || a.is_global != b.is_global) return "`entry` or `global`";
  if (a.returns_void != b.returns_void) return "`void`";
  auto same_home = [&](Value v, Value w) { return a.home(v) == b.home(w); };
  return std::ranges::equal(a.params(a.entry()), b.params(b.entry()), same_home)
             ? ""
             : "the parameters of the first block";
}

// The symbols of `from` become those of the same name and kind in `to`. Returns the first that has none.
const bpf::Symbol* map_symbols(Function& fn, const Symbols& from, const Symbols& to) {
  std::map<std::string_view, bpf::SymbolId> ids;
  for (uint32_t s = 0; s < to.size(); ++s) ids.emplace(to[bpf::SymbolId{s}].name, bpf::SymbolId{s});
  for (Inst i : fn.all_insts()) {
    bpf::SymbolId& id = fn.insts[i].symbol;
    if (!id) continue;
    auto it = ids.find(from[id].name);
    if (it == ids.end() || to[it->second].kind != from[id].kind) return &from[id];
    id = it->second;
  }
  return nullptr;
}

}  // namespace

Result<Changed> load_ir(Function& fn, PassContext& context) {
  const std::string path = context.option("path");
  if (path.empty()) return fail("pass-option", "`load-ir` needs a file: load-ir(path=FILE)");
  if (!context.files.load) return fail("ir-file", "`load-ir` has no files to read here");
  auto module = context.files.load(path, fn);
  if (!module) return fail(module.error());
  auto found = std::ranges::find((*module)->functions, fn.name, &Function::name);
  if (found == (*module)->functions.end()) return Changed::kNothing;
  Function loaded = *found;
  if (std::string what = signature_difference(fn, loaded); !what.empty())
    return refuse(fn, path, "the one in the file differs in " + what);
  if (const bpf::Symbol* unknown = map_symbols(loaded, (*module)->symbols, context.symbols))
    return refuse(fn, path, format("the program has no symbol `{}` of that kind", unknown->name));
  if (print(loaded, context.symbols) == print(fn, context.symbols)) return Changed::kNothing;
  fn = std::move(loaded);
  context.count("load-ir.functions");
  return Changed::kControlFlow;
}

}  // namespace epass
