#include "bpf/program_type.h"

#include <algorithm>

namespace epass::bpf {

namespace {
struct Prefix {
  std::string_view section, type;
};
// libbpf's section_defs: the prefix up to `/` or the end.
constexpr Prefix kPrefixes[] = {
    {"socket", "socket_filter"},
    {"sk_reuseport", "sk_reuseport"},
    {"kprobe", "kprobe"},
    {"uprobe", "kprobe"},
    {"uprobe.s", "kprobe"},
    {"kretprobe", "kprobe"},
    {"uretprobe", "kprobe"},
    {"uretprobe.s", "kprobe"},
    {"kprobe.multi", "kprobe"},
    {"kretprobe.multi", "kprobe"},
    {"uprobe.multi", "kprobe"},
    {"uretprobe.multi", "kprobe"},
    {"kprobe.session", "kprobe"},
    {"uprobe.session", "kprobe"},
    {"ksyscall", "kprobe"},
    {"kretsyscall", "kprobe"},
    {"usdt", "kprobe"},
    {"usdt.s", "kprobe"},
    {"tc", "sched_cls"},
    {"tcx", "sched_cls"},
    {"netkit", "sched_cls"},
    {"classifier", "sched_cls"},
    {"action", "sched_act"},
    {"tracepoint", "tracepoint"},
    {"tp", "tracepoint"},
    {"raw_tracepoint", "raw_tracepoint"},
    {"raw_tp", "raw_tracepoint"},
    {"raw_tracepoint.w", "raw_tracepoint_writable"},
    {"raw_tp.w", "raw_tracepoint_writable"},
    {"tp_btf", "tracing"},
    {"fentry", "tracing"},
    {"fmod_ret", "tracing"},
    {"fexit", "tracing"},
    {"fentry.s", "tracing"},
    {"fmod_ret.s", "tracing"},
    {"fexit.s", "tracing"},
    {"freplace", "ext"},
    {"lsm", "lsm"},
    {"lsm.s", "lsm"},
    {"lsm_cgroup", "lsm"},
    {"iter", "tracing"},
    {"iter.s", "tracing"},
    {"syscall", "syscall"},
    {"xdp.frags", "xdp"},
    {"xdp", "xdp"},
    {"xdp_devmap", "xdp"},
    {"xdp_cpumap", "xdp"},
    {"perf_event", "perf_event"},
    {"lwt_in", "lwt_in"},
    {"lwt_out", "lwt_out"},
    {"lwt_xmit", "lwt_xmit"},
    {"lwt_seg6local", "lwt_seg6local"},
    {"sockops", "sock_ops"},
    {"sk_skb", "sk_skb"},
    {"sk_msg", "sk_msg"},
    {"lirc_mode2", "lirc_mode2"},
    {"flow_dissector", "flow_dissector"},
    {"cgroup_skb", "cgroup_skb"},
    {"cgroup", "cgroup_skb"},
    {"struct_ops", "struct_ops"},
    {"struct_ops.s", "struct_ops"},
    {"sk_lookup", "sk_lookup"},
    {"netfilter", "netfilter"},
};
}  // namespace

std::string program_type_of_section(std::string_view section) {
  if (section.starts_with('?')) section.remove_prefix(1);
  std::string_view head = section.substr(0, section.find('/'));
  if (section.starts_with("cgroup/")) {
    std::string_view rest = section.substr(7);
    if (rest.starts_with("skb")) return "cgroup_skb";
    if (rest.starts_with("dev")) return "cgroup_device";
    if (rest.starts_with("sysctl")) return "cgroup_sysctl";
    if (rest.starts_with("getsockopt") || rest.starts_with("setsockopt")) return "cgroup_sockopt";
    if (rest.starts_with("sock") || rest.starts_with("post_bind")) return "cgroup_sock";
    return "cgroup_sock_addr";
  }
  if (auto it = std::ranges::find(kPrefixes, head, &Prefix::section); it != std::end(kPrefixes))
    return std::string(it->type);
  constexpr Prefix kParts[] = {{"xdp", "xdp"},
                               {"kprobe", "kprobe"},
                               {"raw_tp", "raw_tracepoint"},
                               {"tracepoint", "tracepoint"},
                               {"perf_event", "perf_event"},
                               {"socket", "socket_filter"}};
  for (const Prefix& p : kParts)
    if (section.find(p.section) != section.npos) return std::string(p.type);
  return "";
}

}  // namespace epass::bpf
