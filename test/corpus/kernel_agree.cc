#include "kernel_agree.h"

#include "base/format.h"
#include "kernel/agree.h"
#include "kernel/test_run.h"
#include "object/object.h"

namespace epass {

void agree_in_kernel(Bytes before, Bytes after, const std::string& name, uint64_t inputs,
                     KernelTotals& totals) {
  auto parsed = object::Object::parse({before.begin(), before.end()}, name);
  if (!parsed) return;
  kernel::AgreeOptions options;
  options.first = [&](const kernel::VerifyOptions& o) { return kernel::verify_object(before, name, o); };
  options.second = [&](const kernel::VerifyOptions& o) { return kernel::verify_object(after, name, o); };
  options.harmless = !kernel::acts_on_the_machine(parsed->program());
  options.inputs = [&](const kernel::Verdict&) {
    std::vector<kernel::RunInput> packets;
    for (uint64_t seed = 1; seed <= inputs; ++seed) packets.push_back(packet_of(seed));
    return packets;
  };
  auto agreements = kernel::agree(options);
  if (!agreements) return;
  for (const kernel::Agreement& a : *agreements) {
    using enum kernel::Agreement::State;
    switch (a.state) {
      case kNotAccepted: ++totals.not_accepted; break;
      case kNotRunnable: ++totals.not_runnable; break;
      case kRefused: ++totals.refused_runs; break;
      case kUnstable: ++totals.unstable; break;
      case kLost: ++totals.lost; break;
      case kSame:
      case kDifferent: ++totals.programs, totals.runs += a.inputs, totals.different += a.state == kDifferent;
    }
    const std::string input = a.at ? format("input {}: ", *a.at) : "";
    if (a.state == kLost || a.state == kDifferent)
      std::fputs(format("{}: {} {}: in the kernel: {}{}\n", name, a.section, a.program, input, a.why).c_str(),
                 stdout);
  }
}

}  // namespace epass
