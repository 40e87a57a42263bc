#pragma once
// Final bytecode without a container: `dump` (one decimal number a line, the 8-byte record as a little-endian
// u64) and `raw` (the records themselves).

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "bpf/program.h"

namespace epass::object {

enum class Format : uint8_t { kElf, kDump, kRaw, kEpir };

// By content: ELF magic; `epir` as first word; only decimal lines; else raw if the size is a multiple of 8.
Result<Format> detect_format(Bytes bytes);

// Errors carry the line.
Result<std::vector<bpf::Insn>> parse_dump(std::string_view text);
Result<std::vector<bpf::Insn>> parse_raw(Bytes bytes);
std::string print_dump(std::span<const bpf::Insn> insns);
std::vector<uint8_t> print_raw(std::span<const bpf::Insn> insns);

// Splits a flat program at the targets of its local calls and function addresses. The first function is the
// entry. Everything that an instruction refers to by number (map fd, BTF id, kfunc) becomes a symbol of that
// number.
Result<bpf::Program> split_flat(std::vector<bpf::Insn> insns, std::string name);

// Joins the functions again, with `changed` in place of their old code; calls and function addresses are set
// anew. `offsets`, if wanted: for each new record the input's record. Error `jump-range`: a call that got too
// far away.
Result<std::vector<bpf::Insn>> join_flat(const bpf::Program& program,
                                         const std::map<bpf::FunctionId, bpf::NewCode>& changed,
                                         std::vector<uint32_t>* offsets = nullptr);

}  // namespace epass::object
