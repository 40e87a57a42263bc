// Times programs before and after compilation under this kernel's JIT: bench/runtime.
//
// usage: run_speed [--passes TEXT] [--rounds N] [--json FILE] FILE...
// Every program is there in several copies of both kinds, loaded in turns, so that where the kernel happens
// to put code harms both alike; they run in turns, too, and a round gives one ratio. How much copies of the
// same differ is the noise.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "base/format.h"
#include "driver/compile_file.h"
#include "judge/inputs.h"
#include "judge/judge.h"
#include "judge/world.h"
#include "kernel/verify.h"

namespace epass::bench {

namespace {

constexpr int kCopies = 3;
constexpr double kMeanLimit = 0.90, kWorstLimit = 1.03;
constexpr size_t kLeastPrograms = 30;
constexpr double kShortest = 3;  // nanoseconds: less tells nothing
constexpr double kRefused = 1e6;
int rounds = 24;

void put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout), std::fflush(stdout); }

struct Copy {
  kernel::Fd program = kernel::Fd();
  std::vector<std::pair<std::string, kernel::Fd>> maps = {};
};
using Key = std::pair<std::string, std::string>;  // section and program
struct Loaded {
  std::string type = {};
  std::vector<Copy> before = {}, after = {};
};

bool takes_packets(const std::string& type) {
  for (const char* t : {"xdp", "sched_cls", "sched_act", "socket_filter", "cgroup_skb", "lwt_in", "lwt_out",
                        "lwt_xmit", "flow_dissector"})
    if (type == t) return true;
  return false;
}

// Helpers that reach beyond the run, and those that write to the log of the machine.
bool acts_on_the_machine(const bpf::Program& program) {
  for (uint32_t n = 0; n < program.functions.size(); ++n)
    for (bpf::Insn insn : program.functions[bpf::FunctionId{n}].insns)
      if (insn.code == bpf::kCodeCall && insn.src() == bpf::kHelperCall)
        for (int32_t id : {13, 36, 109, 117, 166, 168})
          if (insn.imm == id) return true;
  return false;
}

void load(Bytes bytes, const std::string& name, bool is_after, std::map<Key, Loaded>& all) {
  kernel::VerifyOptions options;
  options.loaded = [&](const kernel::Verdict& v, int program, const std::vector<kernel::LoadedMap>& maps) {
    if (!takes_packets(v.type)) return;
    Loaded& loaded = all[{v.section, v.program}];
    loaded.type = v.type;
    Copy copy{.program = kernel::Fd(dup(program))};
    for (const kernel::LoadedMap& map : maps) copy.maps.emplace_back(map.name, kernel::Fd(dup(map.fd)));
    (is_after ? loaded.after : loaded.before).push_back(std::move(copy));
  };
  (void)kernel::verify_object(bytes, name, options);
}

// Arrays get small numbers, the same in every copy; read-only maps refuse it and stay as the object says.
void fill_arrays(const Copy& copy) {
  for (const auto& [name, fd] : copy.maps) {
    bpf_map_info info{};
    uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &size)) continue;
    const bool per_cpu = info.type == BPF_MAP_TYPE_PERCPU_ARRAY;
    if (info.type != BPF_MAP_TYPE_ARRAY && !per_cpu) continue;
    std::vector<uint8_t> value(
        per_cpu ? size_t(info.value_size + 7) / 8 * 8 * size_t(libbpf_num_possible_cpus()) : info.value_size);
    judge::Dice dice(name.size());
    for (uint32_t key = 0; key < std::min(info.max_entries, 512u); ++key) {
      for (uint8_t& byte : value) byte = uint8_t(dice.below(4));
      if (bpf_map_update_elem(fd.get(), &key, value.data(), 0)) break;
    }
  }
}

// Nanoseconds of one run, as the kernel tells them (whole ones of the mean); a million if it refuses the run.
// The time of the call would tell nothing: for XDP it rewrites the kernel's dispatcher first.
double run(const Copy& copy, const std::vector<uint8_t>& packet, uint32_t repeat) {
  static std::vector<uint8_t> out(8192);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = packet.data(), options.data_size_in = uint32_t(packet.size());
  options.data_out = out.data(), options.data_size_out = uint32_t(out.size());
  options.repeat = int(repeat);
  if (bpf_prog_test_run_opts(copy.program.get(), &options)) return kRefused;
  return options.duration + 0.5;
}

// Of the quickest quarter of the samples: what else the machine does only ever adds, and their mean is finer
// than the kernel's nanoseconds.
double quick(std::vector<double> samples) {
  std::ranges::sort(samples);
  samples.resize(std::max<size_t>(samples.size() / 4, 1));
  return std::accumulate(samples.begin(), samples.end(), 0.0) / double(samples.size());
}

struct Timing {
  double before = 0, after = 0;  // nanoseconds
  double ratio = 1, noise = 0;
};

// `empty` is a program of the type that only returns: what the test run itself takes.
Timing measure(const Loaded& loaded, const Copy& empty, const std::vector<uint8_t>& packet) {
  constexpr double kSample = 300'000;  // nanoseconds
  const double once = std::min(run(loaded.before[0], packet, 100), run(loaded.before[0], packet, 100));
  const uint32_t repeat = uint32_t(std::clamp(kSample / once, 10.0, 20'000.0));
  // Even and odd rounds apart: two measurements.
  std::vector<double> samples[2][2][kCopies], base;
  for (int round = 0; round < rounds; ++round) {
    for (int n = 0; n < kCopies; ++n) {
      const size_t k = size_t(n + round / 2) % kCopies;
      samples[round % 2][0][k].push_back(run(loaded.before[k], packet, repeat));
      samples[round % 2][1][k].push_back(run(loaded.after[k], packet, repeat));
    }
    base.push_back(run(empty, packet, repeat));
  }
  const double start = quick(base);
  Timing out;
  // Copies of the same program differ by where they lie, halves of the rounds by what else happened.
  for (int side = 0; side < 2; ++side) {
    double sum = 0, least = kRefused, most = 0, halves = 0;
    for (int k = 0; k < kCopies; ++k) {
      const double even = quick(samples[0][side][k]), odd = quick(samples[1][side][k]);
      const double net = std::max((even + odd) / 2 - start, 0.5);
      sum += net, least = std::min(least, net), most = std::max(most, net);
      halves += std::abs(even - odd);
    }
    const double mean = sum / kCopies;
    (side ? out.after : out.before) = mean;
    out.noise += ((most - least) / 2 + halves / 2 / kCopies) / mean;
  }
  out.ratio = out.after / out.before;
  return out;
}

// Packets that took the original furthest in the virtual machine, and well-formed ones.
std::vector<std::vector<uint8_t>> packets_for(const driver::CodeFile& file, const vm::Executable& executable,
                                              const Key& key, const std::string& type) {
  std::vector<std::vector<uint8_t>> packets;
  std::set<std::vector<uint8_t>> seen;
  auto add = [&](const std::vector<uint8_t>& packet) {
    if (packet.size() >= 14 && packet.size() <= 3000 && seen.insert(packet).second) packets.push_back(packet);
  };
  const vm::Context context = type == "xdp" ? vm::Context::kXdp : vm::Context::kSkb;
  for (uint64_t n = 0; n < judge::kSkeletons; ++n) add(judge::first_input(context, n, 1).packet);
  for (uint32_t n = 0; n < file.program().functions.size(); ++n) {
    const bpf::Function& fn = file.program().functions[bpf::FunctionId{n}];
    if (!fn.is_entry || fn.section != key.first || fn.name != key.second) continue;
    std::vector<vm::Input> reached;
    judge::Settings settings{.inputs = 512, .context = context, .minimise = false};
    settings.options = judge::options_of(file.program(), file.object.get());
    settings.reached = &reached;
    const judge::Subject subject{executable, bpf::FunctionId{n}};
    judge::compare(subject, subject, settings);
    for (const vm::Input& input : reached) add(input.packet);
  }
  return packets;
}

// The packet that takes the program longest: single runs choose a few, many runs choose among them.
const std::vector<uint8_t>* slowest_of(const Copy& copy, const std::vector<std::vector<uint8_t>>& packets) {
  std::vector<std::pair<double, const std::vector<uint8_t>*>> times;
  for (const auto& packet : packets) {
    double t = kRefused;
    for (int n = 0; n < 6; ++n) t = std::min(t, run(copy, packet, 1));
    if (t < kRefused) times.emplace_back(t, &packet);
  }
  std::ranges::sort(times, std::greater());
  times.resize(std::min<size_t>(times.size(), 8));
  for (auto& [t, packet] : times) t = std::min(run(copy, *packet, 200), run(copy, *packet, 200));
  std::erase_if(times, [](const auto& entry) { return entry.first >= kRefused; });
  return times.empty() ? nullptr : std::ranges::max(times).second;
}

kernel::Fd load_empty(const std::string& type) {
  const bpf::Insn insns[] = {{.code = 0xb7, .regs = 0, .off = 0, .imm = 1}, {.code = 0x95}};
  auto load_type = kernel::load_type(type == "cgroup_skb" ? "cgroup_skb/ingress" : type);
  kernel::Fd fd;
  if (load_type) kernel::load({.insns = insns, .type = *load_type, .name = "empty"}, &fd);
  return fd;
}

struct Row {
  std::string file, program, type;
  size_t packet = 0;
  bool filled = false;
  Timing timing;
};

int too_short = 0;

void time_file(const std::string& path, const driver::FileOptions& options, std::vector<Row>& rows) {
  auto input = driver::read_input(path);
  if (!input || input->format != driver::Format::kElf) return;
  const std::vector<uint8_t> bytes = input->bytes;
  auto file = driver::compile_file(std::move(*input), options);
  if (!file || acts_on_the_machine(file->program())) return;
  std::map<Key, Loaded> all;
  for (int n = 0; n < kCopies; ++n) {
    load(bytes, path, false, all);
    if (all.empty()) return;
    load(file->bytes, path, true, all);
  }
  const vm::Executable executable(file->program());
  for (auto& [key, loaded] : all) {
    if (loaded.before.size() != kCopies) continue;
    if (loaded.after.size() != kCopies) {
      put(format("{}: {} is not accepted any more\n", path, key.second));
      continue;
    }
    const Copy empty{.program = load_empty(loaded.type)};
    if (!empty.program) continue;
    const auto packets = packets_for(file->code, executable, key, loaded.type);
    Row best;
    for (bool filled : {false, true}) {
      if (filled)
        for (const auto* side : {&loaded.before, &loaded.after})
          for (const Copy& copy : *side) fill_arrays(copy);
      const std::vector<uint8_t>* slowest = slowest_of(loaded.before[0], packets);
      if (!slowest) continue;
      const Timing timing = measure(loaded, empty, *slowest);
      if (timing.before <= best.timing.before) continue;
      best = {path.substr(path.rfind('/') + 1), key.second, loaded.type, slowest->size(), filled, timing};
    }
    if (best.timing.before >= kShortest)
      rows.push_back(best);
    else
      ++too_short;
  }
}

}  // namespace

int main(int argc, char** argv) {
  driver::FileOptions options;
  options.pipeline.text = "O2";
  std::vector<Row> rows;
  std::vector<std::string> files;
  for (int n = 1; n < argc; ++n) {
    const std::string word = argv[n];
    if (word == "--passes" && n + 1 < argc)
      options.pipeline.text = argv[++n];
    else if (word == "--rounds" && n + 1 < argc)
      rounds = std::max(5, std::atoi(argv[++n]));
    else
      files.push_back(word);
  }
  if (std::string why = kernel::why_no_bpf(); !why.empty()) return put("SKIPPED: " + why + "\n"), 77;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  put(format("{:<34} {:<24} {:<13} {:>6} {:>9} {:>9} {:>7} {:>7}\n", "object", "program", "type", "packet",
             "before ns", "after ns", "ratio", "noise"));
  for (const std::string& path : files) {
    const size_t from = rows.size();
    time_file(path, options, rows);
    for (size_t n = from; n < rows.size(); ++n) {
      const Row& r = rows[n];
      put(format("{:<34.34} {:<24.24} {:<13} {:>6} {:>9.1f} {:>9.1f} {:>7.3f} {:>7.3f}{}\n", r.file,
                 r.program, r.type, r.packet, r.timing.before, r.timing.after, r.timing.ratio, r.timing.noise,
                 r.timing.ratio - r.timing.noise > kWorstLimit ? "  SLOWER" : ""));
    }
  }
  if (rows.empty()) return put("nothing could be run\n"), 1;
  double log_sum = 0, noise = 0, before = 0, after = 0;
  int slower = 0;
  for (const Row& r : rows) {
    log_sum += std::log(r.timing.ratio), noise += r.timing.noise * r.timing.noise;
    before += r.timing.before, after += r.timing.after;
    slower += r.timing.ratio - r.timing.noise > kWorstLimit;
  }
  const double mean = std::exp(log_sum / double(rows.size()));
  auto worst =
      std::ranges::max_element(rows, {}, [](const Row& r) { return r.timing.ratio - r.timing.noise; });
  put(
      format("{} programs: geometric mean {:.3f} (+- {:.3f}; limit {:.2f}), total {:.3f}; worst {:.3f} +- "
             "{:.3f}, {} of {}; "
             "slower than {:.2f} beyond noise: {}\n",
             rows.size(), mean, std::sqrt(noise) / double(rows.size()), kMeanLimit, after / before,
             worst->timing.ratio, worst->timing.noise, worst->program, worst->file, kWorstLimit, slower));
  put(format("left out: {} programs that take less than {} ns on every packet\n", too_short, kShortest));
  if (rows.size() < kLeastPrograms) put(format("fewer than {} programs\n", kLeastPrograms));
  return mean > kMeanLimit || slower > 0 || rows.size() < kLeastPrograms;
}

}  // namespace epass::bench

int main(int argc, char** argv) { return epass::bench::main(argc, argv); }
