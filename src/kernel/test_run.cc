#include "kernel/test_run.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>

#include "base/format.h"

namespace epass::kernel {

Takes takes(const std::string& type) {
  if (type == "xdp") return Takes::kPacket;
  if (type == "flow_dissector") return Takes::kFlow;
  if (type == "raw_tracepoint") return Takes::kTracepoint;
  if (type == "syscall") return Takes::kSyscall;
  for (const char* t :
       {"sched_cls", "sched_act", "socket_filter", "cgroup_skb", "lwt_in", "lwt_out", "lwt_xmit"})
    if (type == t) return Takes::kBuffer;
  return Takes::kNothing;
}

bool takes_packets(const std::string& type) {
  const Takes input = takes(type);
  return input == Takes::kPacket || input == Takes::kBuffer || input == Takes::kFlow;
}

// clone_redirect, probe_write_user, send_signal (_thread), sys_bpf, sys_close.
bool acts_on_the_machine(const bpf::Program& program) {
  for (uint32_t n = 0; n < program.functions.size(); ++n)
    for (bpf::Insn insn : program.functions[bpf::FunctionId{n}].insns)
      if (insn.code == bpf::kCodeCall && insn.src() == bpf::kHelperCall)
        for (int32_t id : {13, 36, 109, 117, 166, 168})
          if (insn.imm == id) return true;
  return false;
}

TestRun test_run(int program, const TestInput& input) {
  constexpr int kNotSupported = 524;  // ENOTSUPP
  TestRun out;
  out.packet.resize(input.packet.empty() ? 0 : input.packet.size() + 4096);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  if (!input.packet.empty()) {
    options.data_in = input.packet.data();
    options.data_size_in = static_cast<uint32_t>(input.packet.size());
    options.data_out = out.packet.data();
    options.data_size_out = static_cast<uint32_t>(out.packet.size());
  }
  std::vector<uint8_t> context(input.context.begin(), input.context.end());
  if (!context.empty()) {
    options.ctx_in = context.data();
    options.ctx_size_in = static_cast<uint32_t>(context.size());
  }
  // Types that run without a packet refuse the number.
  options.repeat = input.packet.empty() ? 0 : static_cast<int>(input.repeat);
  if (bpf_prog_test_run_opts(program, &options)) {
    out.error = errno ? errno : kNotSupported;
    return out;
  }
  out.result = options.retval;
  out.ns_per_run = options.duration;
  out.packet.resize(input.packet.empty() ? 0 : options.data_size_out);
  return out;
}

std::string why_not(const TestRun& run, const std::string& type) {
  constexpr int kNotSupported = 524;
  if (run.error == kNotSupported || run.error == EOPNOTSUPP)
    return format("the kernel cannot test-run programs of type {}", type.empty() ? "unknown" : type);
  if (run.error == EINVAL)
    return format("the kernel takes no such input for a program of type {} (EINVAL)",
                  type.empty() ? "unknown" : type);
  return format("the kernel's test run failed: {}", strerror(run.error));
}

}  // namespace epass::kernel
