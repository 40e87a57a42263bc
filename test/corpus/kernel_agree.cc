#include "kernel_agree.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/format.h"
#include "kernel/run_time.h"
#include "kernel/verify.h"
#include "object/object.h"

namespace epass {
namespace {

uint64_t hash_of(const uint8_t* bytes, size_t size) {
  uint64_t hash = 14695981039346656037ull + size;
  for (size_t n = 0; n < size; ++n) hash = (hash ^ bytes[n]) * 1099511628211ull;
  return hash;
}

struct Run {
  int error = 0;
  uint32_t result = 0;
  uint64_t data = 0, context = 0;
  friend bool operator==(const Run&, const Run&) = default;
};
// All that one program did.
struct Record {
  std::vector<Run> runs = {};
  std::map<std::string, uint64_t> maps = {};  // hash of the contents at the end
};
using Records = std::map<std::pair<std::string, std::string>, Record>;  // by section and program

enum class Kind : uint8_t { kNone, kXdp, kSkb, kFlow, kTracepoint, kSyscall };
Kind kind_of(const std::string& type) {
  if (type == "xdp") return Kind::kXdp;
  if (type == "flow_dissector") return Kind::kFlow;
  if (type == "raw_tracepoint") return Kind::kTracepoint;
  if (type == "syscall") return Kind::kSyscall;
  for (const char* t :
       {"sched_cls", "sched_act", "socket_filter", "cgroup_skb", "lwt_in", "lwt_out", "lwt_xmit"})
    if (type == t) return Kind::kSkb;
  return Kind::kNone;
}

Run test_run(int program, Kind kind, uint64_t seed) {
  std::vector<uint8_t> in = packet_of(seed), out(in.size() + 4096), context;
  if (in.size() < 14) in.resize(14);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  __sk_buff skb{};
  if (kind == Kind::kTracepoint || kind == Kind::kSyscall) {
    in.resize(kind == Kind::kTracepoint ? 96 : 256);
    options.ctx_in = in.data(), options.ctx_size_in = uint32_t(in.size());
    out.clear();
  } else {
    options.data_in = in.data(), options.data_size_in = uint32_t(in.size());
    options.data_out = out.data(), options.data_size_out = uint32_t(out.size());
    if (kind == Kind::kSkb) options.ctx_out = &skb, options.ctx_size_out = sizeof skb;
  }
  Run run;
  run.error = bpf_prog_test_run_opts(program, &options) ? errno : 0;
  if (run.error) return run;
  run.result = options.retval;
  if (options.data_out) run.data = hash_of(out.data(), options.data_size_out);
  if (options.ctx_out) run.context = hash_of(reinterpret_cast<uint8_t*>(&skb), sizeof skb);
  if (kind == Kind::kSyscall) run.context = hash_of(in.data(), in.size());
  return run;
}

struct MapView {
  bpf_map_info info = {};
  size_t value_bytes = 0;
  bool is_array = false, known = false;
};
MapView view_of(int fd) {
  MapView view;
  uint32_t size = sizeof view.info;
  if (bpf_obj_get_info_by_fd(fd, &view.info, &size)) return view;
  static const int kProcessors = libbpf_num_possible_cpus();
  bool per_cpu = false;
  switch (view.info.type) {
    case BPF_MAP_TYPE_PERCPU_ARRAY: per_cpu = true; [[fallthrough]];
    case BPF_MAP_TYPE_ARRAY: view.known = view.is_array = true; break;
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: per_cpu = true; [[fallthrough]];
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LPM_TRIE: view.known = true; break;
    default: break;
  }
  view.value_bytes =
      per_cpu ? size_t(view.info.value_size + 7) / 8 * 8 * size_t(kProcessors) : view.info.value_size;
  return view;
}

constexpr uint32_t kMaxElements = 512;

void fill_arrays(const std::vector<kernel::LoadedMap>& maps, uint64_t seed) {
  for (const kernel::LoadedMap& map : maps) {
    MapView view = view_of(map.fd);
    if (!view.is_array) continue;
    uint64_t x = seed ^ hash_of(reinterpret_cast<const uint8_t*>(map.name.data()), map.name.size());
    std::vector<uint8_t> value(view.value_bytes);
    for (uint32_t key = 0; key < std::min(view.info.max_entries, kMaxElements); ++key) {
      for (uint8_t& byte : value)
        x = x * 6364136223846793005 + 1442695040888963407, byte = uint8_t(x >> 56 & 3);
      // Read-only maps refuse it: they stay as the object says.
      if (bpf_map_update_elem(map.fd, &key, value.data(), 0)) break;
    }
  }
}

uint64_t contents(int fd) {
  MapView view = view_of(fd);
  if (!view.known) return 0;
  std::map<std::vector<uint8_t>, uint64_t> elements;  // in any order the kernel likes
  std::vector<uint8_t> key(view.info.key_size), next = key, value(view.value_bytes);
  bool first = true;
  while (elements.size() < kMaxElements * 8 &&
         !bpf_map_get_next_key(fd, first ? nullptr : key.data(), next.data())) {
    if (!bpf_map_lookup_elem(fd, next.data(), value.data()))
      elements[next] = hash_of(value.data(), value.size());
    key = next, first = false;
  }
  uint64_t hash = elements.size();
  for (const auto& [k, v] : elements) hash = (hash ^ hash_of(k.data(), k.size())) * 31 + v;
  return hash;
}

// Loads all programs of an object, one after the other, and runs those that can be run.
Records record(Bytes bytes, const std::string& name, uint64_t inputs, const Records* only,
               std::vector<kernel::Verdict>& verdicts) {
  Records records;
  kernel::VerifyOptions options;
  if (only)
    options.wanted = [&](const std::string& program) {
      return std::ranges::any_of(*only, [&](const auto& r) { return r.first.second == program; });
    };
  options.loaded = [&](const kernel::Verdict& verdict, int program,
                       const std::vector<kernel::LoadedMap>& maps) {
    Kind kind = kind_of(verdict.type);
    if (kind == Kind::kNone) return;
    Record& record = records[{verdict.section, verdict.program}];
    for (uint64_t seed = 0; seed < inputs; ++seed) {
      if (seed == (inputs + 1) / 2) fill_arrays(maps, 99);
      record.runs.push_back(test_run(program, kind, seed + 1));
    }
    for (const kernel::LoadedMap& map : maps) record.maps[map.name] = contents(map.fd);
  };
  auto result = kernel::verify_object(bytes, name, options);
  if (result) verdicts = std::move(*result);
  return records;
}

// "" or what differs.
std::string difference(const Record& a, const Record& b) {
  for (size_t n = 0; n < std::min(a.runs.size(), b.runs.size()); ++n) {
    const Run &x = a.runs[n], &y = b.runs[n];
    if (x.error != y.error) return format("input {}: {} against {}", n, strerror(x.error), strerror(y.error));
    if (x.result != y.result) return format("input {}: returns {} against {}", n, x.result, y.result);
    if (x.data != y.data) return format("input {}: the output data differ", n);
    if (x.context != y.context) return format("input {}: the contexts differ", n);
  }
  // A map that the rewritten program does not refer to is not there.
  for (const auto& [name, hash] : a.maps)
    if (auto other = b.maps.find(name); other != b.maps.end() && other->second != hash)
      return format("the map {} differs", name);
  return "";
}

}  // namespace

void agree_in_kernel(Bytes before, Bytes after, const std::string& name, uint64_t inputs,
                     KernelTotals& totals) {
  // Per-CPU maps and hash maps' free lists: one processor, one order.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  auto parsed = object::Object::parse({before.begin(), before.end()}, name);
  if (!parsed) return;
  std::vector<kernel::Verdict> verdicts, unused, verdicts_after;
  bool harmless = !kernel::acts_on_the_machine(parsed->program());
  Records first = record(before, name, harmless ? inputs : 0, nullptr, verdicts);
  for (const kernel::Verdict& v : verdicts) {
    totals.not_accepted += !v.accepted.value_or(false);
    totals.not_runnable +=
        v.accepted.value_or(false) && (!harmless || !first.contains({v.section, v.program}));
  }
  if (!harmless || first.empty()) return;
  Records again = record(before, name, inputs, &first, unused),
          rewritten = record(after, name, inputs, &first, verdicts_after);
  for (const auto& [key, a] : first) {
    if (std::ranges::all_of(a.runs, [](const Run& r) { return r.error != 0; })) {
      ++totals.refused_runs;
    } else if (!again.contains(key) || !difference(a, again[key]).empty()) {
      ++totals.unstable;
    } else if (!rewritten.contains(key)) {
      ++totals.lost;
      std::string why = "it is gone";
      for (const kernel::Verdict& v : verdicts_after)
        if (v.section == key.first && v.program == key.second) why = v.reason;
      std::fputs(format("{}: {} {}: not accepted any more: {}\n", name, key.first, key.second, why).c_str(),
                 stdout);
    } else {
      ++totals.programs;
      totals.runs += a.runs.size();
      std::string why = difference(a, rewritten[key]);
      if (why.empty()) continue;
      ++totals.different;
      std::fputs(format("{}: {} {}: in the kernel: {}\n", name, key.first, key.second, why).c_str(), stdout);
    }
  }
}

}  // namespace epass
