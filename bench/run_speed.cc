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

#include "base/format.h"
#include "driver/compile_file.h"
#include "driver/places.h"
#include "judge/inputs.h"
#include "judge/judge.h"
#include "judge/world.h"
#include "kernel/run_time.h"
#include "kernel/test_run.h"
#include "kernel/verify.h"

namespace epass::bench {

namespace {

constexpr int kCopies = 3;
constexpr double kMeanLimit = 0.90, kWorstLimit = 1.03;
constexpr size_t kLeastPrograms = 30;
constexpr double kShortest = 3;  // nanoseconds: less tells nothing
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

void load(Bytes bytes, const std::string& name, bool is_after, std::map<Key, Loaded>& all) {
  kernel::VerifyOptions options;
  options.loaded = [&](const kernel::Verdict& v, int program, const std::vector<kernel::LoadedMap>& maps) {
    if (!kernel::takes_packets(v.type)) return;
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

std::vector<int> descriptors(const std::vector<Copy>& copies) {
  std::vector<int> out;
  for (const Copy& copy : copies) out.push_back(copy.program.get());
  return out;
}

struct Row {
  std::string file, program, type;
  size_t packet = 0;
  bool filled = false;
  kernel::RunTime timing;
};

int too_short = 0;

void time_file(const std::string& path, const driver::FileOptions& options, std::vector<Row>& rows) {
  auto input = driver::read_input(path);
  if (!input || input->format != driver::Format::kElf) return;
  const std::vector<uint8_t> bytes = input->bytes;
  auto file = driver::compile_file(std::move(*input), options);
  if (!file || kernel::acts_on_the_machine(file->program())) return;
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
    const kernel::Fd empty = kernel::load_empty(loaded.type);
    if (!empty) continue;
    const auto entry = driver::find_entry(file->program(), key.first, key.second);
    if (!entry) continue;
    judge::Settings settings{.inputs = 512, .context = judge::context_of(loaded.type), .minimise = false};
    settings.options = judge::options_of(file->program(), file->code.object.get());
    const auto packets = judge::packets_for({executable, *entry}, settings);
    Row best;
    for (bool filled : {false, true}) {
      if (filled)
        for (const auto* side : {&loaded.before, &loaded.after})
          for (const Copy& copy : *side) fill_arrays(copy);
      const std::vector<uint8_t>* slowest = kernel::slowest_packet(loaded.before[0].program.get(), packets);
      if (!slowest) continue;
      const kernel::RunTime timing = kernel::run_time(descriptors(loaded.before), descriptors(loaded.after),
                                                      empty.get(), *slowest, rounds);
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
  put(format(
      "left out: {} programs that take less than {} ns on every packet, or are refused when they run often\n",
      too_short, kShortest));
  if (rows.size() < kLeastPrograms) put(format("fewer than {} programs\n", kLeastPrograms));
  return mean > kMeanLimit || slower > 0 || rows.size() < kLeastPrograms;
}

}  // namespace epass::bench

int main(int argc, char** argv) { return epass::bench::main(argc, argv); }
