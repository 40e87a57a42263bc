#include "kernel/test_run.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>

#include "base/format.h"

namespace epass::kernel {

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
