#include "kernel/agree.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/format.h"
#include "kernel/test_run.h"

namespace epass::kernel {
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
using Key = std::pair<std::string, std::string>;  // section and program
using Records = std::map<Key, Record>;

// Per-CPU maps and hash maps' free lists: one processor, one order.
class OneProcessor {
 public:
  OneProcessor() {
    if (sched_getaffinity(0, sizeof before_, &before_)) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    int first = 0;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &before_)) ++first;
    CPU_SET(first, &one);
    moved_ = sched_setaffinity(0, sizeof one, &one) == 0;
  }
  ~OneProcessor() {
    if (moved_) sched_setaffinity(0, sizeof before_, &before_);
  }
  OneProcessor(const OneProcessor&) = delete;
  OneProcessor& operator=(const OneProcessor&) = delete;

 private:
  cpu_set_t before_;
  bool moved_ = false;
};

Run test_run(int program, Takes kind, const RunInput& input) {
  constexpr size_t kLeastPacket = 14, kTracepointBytes = 96, kSyscallBytes = 256;
  std::vector<uint8_t> in = input, out(in.size() + 4096);
  if (in.size() < kLeastPacket) in.resize(kLeastPacket);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  __sk_buff skb{};
  if (kind == Takes::kTracepoint || kind == Takes::kSyscall) {
    in.resize(kind == Takes::kTracepoint ? kTracepointBytes : kSyscallBytes);
    options.ctx_in = in.data(), options.ctx_size_in = uint32_t(in.size());
  } else {
    options.data_in = in.data(), options.data_size_in = uint32_t(in.size());
    options.data_out = out.data(), options.data_size_out = uint32_t(out.size());
    if (kind == Takes::kBuffer) options.ctx_out = &skb, options.ctx_size_out = sizeof skb;
  }
  Run run;
  run.error = bpf_prog_test_run_opts(program, &options) ? errno : 0;
  if (run.error) return run;
  run.result = options.retval;
  if (options.data_out) run.data = hash_of(out.data(), options.data_size_out);
  if (options.ctx_out) run.context = hash_of(reinterpret_cast<uint8_t*>(&skb), sizeof skb);
  if (kind == Takes::kSyscall) run.context = hash_of(in.data(), in.size());
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

void fill_arrays(const std::vector<LoadedMap>& maps) {
  for (const LoadedMap& map : maps) {
    MapView view = view_of(map.fd);
    if (!view.is_array) continue;
    uint64_t x = 99 ^ hash_of(reinterpret_cast<const uint8_t*>(map.name.data()), map.name.size());
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

using Inputs = std::map<Key, std::vector<RunInput>>;

// Loads all programs of one side, one after the other, and runs those that can be run: on `inputs`, which the
// first time gets them.
Result<std::vector<Verdict>> record(const AgreeOptions& options, const AgreeOptions::Load& load,
                                    bool is_first, Inputs& inputs, Records& records) {
  VerifyOptions verify{.wanted = options.wanted, .type = {}, .maps = {}};
  if (!is_first)
    verify.wanted = [&](const std::string& program) {
      return std::ranges::any_of(inputs, [&](const auto& entry) { return entry.first.second == program; });
    };
  verify.loaded = [&](const Verdict& verdict, int program, const std::vector<LoadedMap>& maps) {
    const Takes kind = takes(verdict.type);
    const Key key{verdict.section, verdict.program};
    if (kind == Takes::kNothing || records.contains(key)) return;
    if (is_first) inputs[key] = options.inputs(verdict);
    const std::vector<RunInput>& own = inputs[key];
    Record& record = records[key];
    for (size_t n = 0; n < own.size(); ++n) {
      if (n == (own.size() + 1) / 2) fill_arrays(maps);
      record.runs.push_back(test_run(program, kind, own[n]));
    }
    for (const LoadedMap& map : maps) record.maps[map.name] = contents(map.fd);
  };
  return load(verify);
}

// "" or what differs.
std::string difference(const Record& a, const Record& b, std::optional<uint64_t>& at) {
  for (size_t n = 0; n < std::min(a.runs.size(), b.runs.size()); ++n) {
    const Run &x = a.runs[n], &y = b.runs[n];
    if (x == y) continue;
    at = n;
    if (x.error != y.error)
      return format("the test run gives `{}` against `{}`", strerror(x.error), strerror(y.error));
    if (x.result != y.result) return format("returns {:#x} against {:#x}", x.result, y.result);
    return x.data != y.data ? "the packet differs" : "the context differs";
  }
  // A map that the second program does not refer to is not there.
  for (const auto& [name, hash] : a.maps)
    if (auto other = b.maps.find(name); other != b.maps.end() && other->second != hash)
      return format("`{}` holds something else at the end", name);
  return "";
}

}  // namespace

Result<std::vector<Agreement>> agree(const AgreeOptions& options) {
  const OneProcessor one;
  Inputs inputs;
  Records first, again, second;
  AgreeOptions none = options;
  if (!options.harmless) none.inputs = [](const Verdict&) { return std::vector<RunInput>{}; };
  auto verdicts = record(none, options.first, true, inputs, first);
  if (!verdicts) return fail(verdicts.error());
  std::vector<Verdict> other;
  if (options.harmless && !first.empty()) {
    if (auto repeated = record(options, options.first, false, inputs, again); !repeated)
      return fail(repeated.error());
    auto loaded = record(options, options.second, false, inputs, second);
    if (!loaded) return fail(loaded.error());
    other = std::move(*loaded);
  }
  std::vector<Agreement> out;
  for (const Verdict& v : *verdicts) {
    const Key key{v.section, v.program};
    Agreement a{.section = v.section, .program = v.program, .type = v.type};
    auto leave_out = [&](Agreement::State state, std::string why) {
      a.state = state, a.why = std::move(why);
    };
    const auto record = first.find(key);
    if (!v.accepted.value_or(false)) {
      leave_out(Agreement::kNotAccepted, "the kernel does not accept it: " + v.reason);
    } else if (!options.harmless) {
      leave_out(Agreement::kNotRunnable, "a program of the file acts on the machine");
    } else if (record == first.end()) {
      leave_out(Agreement::kNotRunnable, format("the kernel cannot test-run programs of type {}", v.type));
    } else if (std::ranges::all_of(record->second.runs, [](const Run& r) { return r.error != 0; })) {
      const auto& runs = record->second.runs;
      leave_out(Agreement::kRefused, format("the kernel refuses its test runs: {}",
                                            runs.empty() ? "no input" : strerror(runs.front().error)));
    } else if (std::optional<uint64_t> at;
               !again.contains(key) || !difference(record->second, again[key], at).empty()) {
      leave_out(Agreement::kUnstable, "the original differs between two runs of itself");
    } else if (!second.contains(key)) {
      a.state = Agreement::kLost, a.why = "the kernel does not accept the second: it is gone";
      for (const Verdict& w : other)
        if (w.section == v.section && w.program == v.program)
          a.why = "the kernel does not accept the second: " + w.reason;
    } else {
      a.inputs = record->second.runs.size();
      a.why = difference(record->second, second[key], a.at);
      if (!a.why.empty()) a.state = Agreement::kDifferent;
    }
    out.push_back(std::move(a));
  }
  return out;
}

}  // namespace epass::kernel
