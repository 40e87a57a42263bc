#pragma once
// One BPF_PROG_LOAD: final instructions in, the verifier's verdict out. Nothing is attached.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bpf/insn.h"
#include "kernel/fd.h"

namespace epass::kernel {

// A type to load as. `attach_btf_id` is for tracing programs.
struct LoadType {
  std::string name = {};     // as libbpf names it
  uint32_t type = 0;         // enum bpf_prog_type
  uint32_t attach_type = 0;  // enum bpf_attach_type
  uint32_t attach_btf_id = 0;
};

// The type that a section name or a type name stands for: `xdp`, `cgroup/connect4`, `sched_cls`,
// `tp_btf/sys_enter`.
std::optional<LoadType> load_type(const std::string& name);
// What to try when nothing says the type, in this order.
std::vector<LoadType> all_load_types();

// What the kernel said of one program.
struct Verdict {
  std::string object = {}, section = {}, program = {}, type = {};
  std::optional<bool> accepted = {};  // none: this kernel cannot judge it
  int error = 0;                      // errno, positive
  std::string reason = {};            // the verifier's message, or why there is no judgement
  int64_t failing_insn = -1;          // as the kernel counts
  std::string log = {};
  // Of accepted programs, and partly of rejected ones; -1 unknown.
  int64_t insns = -1, insn_processed = -1, total_states = -1, peak_states = -1, verification_time_us = -1;
  int64_t nr_line_info = -1, nr_func_info = -1, xlated_bytes = -1, jited_bytes = -1, stack_depth = -1;
};

struct LoadRequest {
  std::span<const bpf::Insn> insns = {};
  LoadType type = {};
  std::string name = {}, license = "GPL";
  int log_level = 0;  // of the verifier; statistics are always asked for
  // BTF of the functions, for programs that take their addresses: struct bpf_func_info, sorted.
  int btf_fd = -1;
  const void* func_info = nullptr;
  uint32_t func_info_count = 0;
};

// Loads and drops the program again, or leaves it in `*keep`.
Verdict load(const LoadRequest& request, Fd* keep = nullptr);

// Fills the figures of `verdict` from the log and from a loaded program.
void read_log(Verdict& verdict, std::string_view log);
void read_info(Verdict& verdict, int program_fd);

// Why this process cannot load programs at all; "" if it can.
std::string why_no_bpf();
// The release of the running kernel.
std::string release();

// Raises RLIMIT_MEMLOCK for kernels that count BPF memory there.
void raise_memlock();

}  // namespace epass::kernel
