#pragma once
// Asks this kernel about every program of an input. Nothing is attached, nothing stays.

#include <functional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "kernel/load.h"

namespace epass::kernel {

// A map of a loaded program.
struct LoadedMap {
  std::string name = {};
  int fd = -1;
};

struct VerifyOptions {
  std::function<bool(const std::string&)> wanted = {};  // program names; empty: all
  std::string type = {};                                // load everything as this type
  std::string maps = {};                                // CSV of stand-in maps, for dumps and raw bytecode
  int log_level = 0;
  // Loaded beside each program: those that the object puts into program arrays, or libbpf gives up.
  std::set<std::string> beside = {};
  std::function<void(const Verdict&)> progress = {};
  // Sees each accepted program while it is loaded: its descriptor and its maps, in a fixed order.
  std::function<void(const Verdict&, int program, const std::vector<LoadedMap>&)> loaded = {};
};

// An ELF object. Programs are loaded one at a time from a copy that is made loadable first: static programs
// become global, pinning is dropped, hash-like maps are cut to 4,096 entries, missing inner maps are
// replaced.
Result<std::vector<Verdict>> verify_object(Bytes bytes, const std::string& name,
                                           const VerifyOptions& options);

// Final bytecode: a dump or raw records.
Result<std::vector<Verdict>> verify_flat(std::span<const bpf::Insn> insns, const std::string& name,
                                         const VerifyOptions& options);

}  // namespace epass::kernel
