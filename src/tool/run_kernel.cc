// `epass run --engine kernel`: loads one program with its maps, gives it one input, and drops it again.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>

#include "base/format.h"
#include "driver/files.h"
#include "kernel/test_run.h"
#include "kernel/verify.h"
#include "tool/map_file.h"
#include "tool/run.h"

namespace epass::tool {

namespace {

// The sizes that the loaded map has.
maps::Spec spec_of(const kernel::LoadedMap& map) {
  bpf_map_info info{};
  uint32_t size = sizeof info;
  maps::Spec spec{.name = map.name};
  if (bpf_obj_get_info_by_fd(map.fd, &info, &size) == 0)
    spec.type = info.type, spec.key_size = info.key_size, spec.value_size = info.value_size,
    spec.max_entries = info.max_entries;
  return spec;
}

// Names of programs and maps mean nothing to the kernel; only values do.
Result<void> fill(const kernel::LoadedMap& map, const std::string& path) {
  const maps::Spec spec = spec_of(map);
  auto entries = read_map_file(path, spec);
  if (!entries) return fail(entries.error());
  const bool per_cpu = spec.type == BPF_MAP_TYPE_PERCPU_ARRAY || spec.type == BPF_MAP_TYPE_PERCPU_HASH ||
                       spec.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
  const size_t cpus = per_cpu ? static_cast<size_t>(std::max(libbpf_num_possible_cpus(), 1)) : 1;
  for (const world::Entry& entry : *entries) {
    if (!entry.name.empty())
      return fail("map-file",
                  format("`{}` holds programs or maps: the kernel engine cannot fill it", map.name));
    const size_t stride = per_cpu ? (entry.value.size() + 7) / 8 * 8 : entry.value.size();
    std::vector<uint8_t> value(stride * cpus);
    for (size_t n = 0; n < cpus; ++n)
      std::ranges::copy(entry.value, value.begin() + static_cast<ptrdiff_t>(n * stride));
    if (bpf_map_update_elem(map.fd, entry.key.empty() ? nullptr : entry.key.data(), value.data(), BPF_ANY))
      return fail("map-file",
                  format("the kernel's `{}` does not take an entry: {}", map.name, strerror(errno)));
  }
  return {};
}

std::string type_for(const bpf::Function& fn, const RunOptions& options) {
  const vm::Context context = context_for(fn, options);
  if (options.context || fn.type.empty())
    return context == vm::Context::kXdp ? "xdp" : context == vm::Context::kSkb ? "sched_cls" : fn.type;
  return "";  // as its section says
}

}  // namespace

Result<RunAnswer> run_in_kernel(const driver::CodeFile& file, bpf::FunctionId id, const RunOptions& options) {
  const bpf::Function& fn = file.program().functions[id];
  if (const std::string why = kernel::why_no_bpf(); !why.empty())
    return fail(Error{.message = why, .code = "test-run", .help = "`--engine interp` needs no privileges"});
  RunAnswer answer;
  Result<void> filled;
  bool ran = false;
  kernel::VerifyOptions verify{.wanted = [&](const std::string& name) { return name == fn.name; },
                               .type = type_for(fn, options),
                               .maps = {}};
  // A raw program with nothing to say what it is gets no packet to look at, but test runs want one.
  if (!file.object && verify.type.empty()) verify.type = "socket_filter";
  verify.loaded = [&](const kernel::Verdict& verdict, int program,
                      const std::vector<kernel::LoadedMap>& maps) {
    if (ran) return;
    ran = true;
    for (const auto& [name, path] : options.maps) {
      auto map = std::ranges::find(maps, name, &kernel::LoadedMap::name);
      filled = map == maps.end() ? unknown_map(file, name) : fill(*map, path);
      if (!filled) return;
    }
    constexpr std::string_view kPacketTypes[] = {
        "xdp",     "sched_cls", "sched_act", "socket_filter", "cgroup_skb",    "lwt_in",
        "lwt_out", "lwt_xmit",  "sk_skb",    "lwt_seg6local", "flow_dissector"};
    const bool packets = std::ranges::find(kPacketTypes, verdict.type) != std::end(kPacketTypes);
    const std::vector<uint8_t> packet =
        packets ? options.packet.value_or(std::vector<uint8_t>(64)) : std::vector<uint8_t>{};
    const std::vector<uint8_t> memory = options.memory.value_or(std::vector<uint8_t>{});
    const kernel::TestRun run = kernel::test_run(
        program, {.packet = packet, .context = memory, .repeat = static_cast<uint32_t>(options.repeat)});
    if (run.error) {
      answer.error = kernel::why_not(run, verdict.type);
      return;
    }
    answer.r0 = run.result;
    answer.runs = packets ? options.repeat : 1;
    if (packets) answer.ns_per_run = run.ns_per_run;
    if (packets && run.packet != packet) {
      if (run.packet.size() != packet.size())
        answer.changes = format("; changed: packet ({} -> {} bytes)", packet.size(), run.packet.size());
      else
        answer.changes = "; changed: packet";
    }
  };
  std::vector<bpf::Insn> all;  // flat code: its functions as they came
  for (uint32_t n = 0; !file.object && n < file.program().functions.size(); ++n) {
    const std::vector<bpf::Insn>& part = file.program().functions[bpf::FunctionId{n}].insns;
    all.insert(all.end(), part.begin(), part.end());
  }
  auto verdicts = file.object ? kernel::verify_object(file.object->bytes(), file.name, verify)
                              : kernel::verify_flat(all, file.name, verify);
  if (!verdicts) return fail(verdicts.error());
  if (!filled) return fail(filled.error());
  if (!ran) {
    const std::string why = verdicts->empty() ? "the loader does not know it" : verdicts->front().reason;
    answer.error = verdicts->empty() || !verdicts->front().accepted ? why : "the kernel rejects it: " + why;
  }
  return answer;
}

}  // namespace epass::tool
