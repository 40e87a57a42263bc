#include "kernel/load.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/format.h"

namespace epass::kernel {
namespace {

// BTF type of the raw tracepoint `name`.
uint32_t raw_tracepoint_id(const std::string& name) {
  static const std::unique_ptr<btf, void (*)(btf*)> vmlinux(btf__load_vmlinux_btf(), btf__free);
  if (libbpf_get_error(vmlinux.get())) return 0;
  int id = btf__find_by_name_kind(vmlinux.get(), ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
  return id > 0 ? uint32_t(id) : 0;
}

struct Named {
  const char* name;
  const char* section;
};
// Names of types, and a section that stands for each; the order is the order of guesses.
constexpr Named kTypes[] = {
    {"sched_cls", "tc"},
    {"xdp", "xdp"},
    {"socket_filter", "socket"},
    {"kprobe", "kprobe"},
    {"tracepoint", "tracepoint"},
    {"raw_tracepoint", "raw_tp"},
    {"perf_event", "perf_event"},
    {"cgroup_skb", "cgroup_skb/ingress"},
    {"cgroup_sock", "cgroup/sock"},
    {"cgroup_sock_addr", "cgroup/connect4"},
    {"sock_ops", "sockops"},
    {"sk_skb", "sk_skb/stream_verdict"},
    {"sk_msg", "sk_msg"},
    {"lwt_in", "lwt_in"},
    {"lwt_out", "lwt_out"},
    {"lwt_xmit", "lwt_xmit"},
    {"sched_act", "action"},
    {"flow_dissector", "flow_dissector"},
    {"cgroup_device", "cgroup/dev"},
    {"cgroup_sysctl", "cgroup/sysctl"},
    {"cgroup_sockopt", "cgroup/getsockopt"},
    {"sk_lookup", "sk_lookup"},
    {"sk_reuseport", "sk_reuseport"},
    {"syscall", "syscall"},
    {"tracing", "tp_btf/sys_enter"},
};

int64_t number_after(std::string_view log, std::string_view word) {
  size_t at = log.rfind(word);
  if (at == log.npos) return -1;
  log.remove_prefix(at + word.size());
  int64_t n = -1;
  std::from_chars(log.data(), log.data() + log.size(), n);
  return n;
}

// Lines that say nothing about the cause: statistics, states, instructions.
bool is_noise(std::string_view line) {
  if (line.empty()) return true;
  for (std::string_view head : {"processed ",
                                "verification time",
                                "stack depth",
                                "max_states",
                                "from ",
                                "mark_precise",
                                "Live regs",
                                "insns ",
                                "BPF program is too large. Processed",
                                "arg#",
                                "Func#",
                                "func#",
                                "; ",
                                "caller:",
                                "callee:",
                                "returning from",
                                "last_idx",
                                "regs=",
                                "parent ",
                                "propagating",
                                "frame "})
    if (line.starts_with(head)) return !line.starts_with("BPF program is too large");
  size_t digits = line.find_first_not_of("0123456789");
  return digits != line.npos && digits > 0 && line[digits] == ':';
}

}  // namespace

std::optional<LoadType> load_type(const std::string& name) {
  std::string section = name == "tp_btf" ? "tp_btf/sys_enter" : name;
  for (const Named& t : kTypes)
    if (name == t.name) section = t.section;
  bpf_prog_type type{};
  bpf_attach_type attach{};
  if (libbpf_prog_type_by_name(section.c_str(), &type, &attach) != 0) return std::nullopt;
  LoadType out{.type = uint32_t(type), .attach_type = uint32_t(attach)};
  const char* text = libbpf_bpf_prog_type_str(type);
  out.name = text ? text : name;
  if (section.starts_with("tp_btf/")) out.attach_btf_id = raw_tracepoint_id(section.substr(7));
  return out;
}

std::vector<LoadType> all_load_types() {
  std::vector<LoadType> out;
  for (const Named& t : kTypes)
    if (auto type = load_type(t.section)) out.push_back(*type);
  return out;
}

void read_log(Verdict& v, std::string_view log) {
  v.insn_processed = number_after(log, "processed ");
  v.total_states = number_after(log, "total_states ");
  v.peak_states = number_after(log, "peak_states ");
  v.verification_time_us = number_after(log, "verification time ");
  v.stack_depth = number_after(log, "stack depth ");
  // The message stands last before the statistics, behind the instruction that failed.
  std::string_view rest = log, message, insn;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    size_t digits = line.find_first_not_of("0123456789");
    bool is_insn = digits != line.npos && digits > 0 && line.substr(digits).starts_with(": (");
    if (is_insn)
      insn = line.substr(0, digits), message = {};
    else if (!is_noise(line) && message.empty())
      message = line;
    else if (!is_noise(line))
      message = line;
  }
  if (!message.empty()) v.reason = message;
  if (!insn.empty()) std::from_chars(insn.data(), insn.data() + insn.size(), v.failing_insn);
}

void read_info(Verdict& v, int fd) {
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &size)) return;
  v.xlated_bytes = info.xlated_prog_len;
  v.jited_bytes = info.jited_prog_len;
  v.nr_line_info = info.nr_line_info;
  v.nr_func_info = info.nr_func_info;
  if (info.verified_insns) v.insn_processed = info.verified_insns;
}

Verdict load(const LoadRequest& request, Fd* keep) {
  Verdict v{.program = request.name, .type = request.type.name, .insns = int64_t(request.insns.size())};
  // Statistics first: they cost nothing. Only a refused program is walked again for its message.
  std::string log;
  Fd fd;
  for (int level : {4, request.log_level | 1 | 4}) {
    log.assign(level == 4 ? 64 << 10 : 16 << 20, '\0');
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = bpf_attach_type(request.type.attach_type);
    options.attach_btf_id = request.type.attach_btf_id;
    if (request.func_info_count) {
      options.prog_btf_fd = uint32_t(request.btf_fd);
      options.func_info = request.func_info;
      options.func_info_cnt = request.func_info_count;
      options.func_info_rec_size = sizeof(bpf_func_info);
    }
    options.log_level = uint32_t(level);
    options.log_buf = log.data();
    options.log_size = uint32_t(log.size());
    std::string name = request.name.substr(0, 15);
    std::ranges::replace_if(
        name, [](char c) { return !isalnum(static_cast<unsigned char>(c)) && c != '_'; }, '_');
    fd = Fd(bpf_prog_load(bpf_prog_type(request.type.type), name.c_str(), request.license.c_str(),
                          reinterpret_cast<const bpf_insn*>(request.insns.data()), request.insns.size(),
                          &options));
    v.error = fd ? 0 : errno;
    log.resize(strnlen(log.data(), log.size()));
    if (fd || v.error == EPERM) break;
  }
  read_log(v, log);
  v.log = std::move(log);
  if (fd) {
    v.accepted = true;
    v.reason.clear();
    v.failing_insn = -1;
    read_info(v, fd.get());
    if (keep) *keep = std::move(fd);
  } else if (v.insn_processed >= 0) {
    v.accepted = false;
  } else if (v.reason.empty()) {
    v.reason = format("not judged: {}", strerror(v.error));
  }
  if (!v.accepted && v.insn_processed < 0 && v.error != EPERM && !v.log.empty()) v.accepted = false;
  return v;
}

std::string why_no_bpf() {
  static constexpr bpf::Insn kProgram[] = {{.code = bpf::kAlu64 | bpf::kMov}, {.code = bpf::kCodeExit}};
  raise_memlock();
  Verdict v = load({.insns = kProgram, .type = *load_type("socket"), .name = "probe"});
  if (v.accepted.value_or(false)) return "";
  return format("bpf(2) refuses to load programs: {}", strerror(v.error));
}

std::string release() {
  utsname name{};
  uname(&name);
  return name.release;
}

void raise_memlock() {
  rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

}  // namespace epass::kernel
