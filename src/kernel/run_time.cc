#include "kernel/run_time.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <numeric>

#include "kernel/load.h"

namespace epass::kernel {

namespace {

constexpr double kRefused = 1e6;  // nanoseconds

// Nanoseconds of one run, as the kernel tells them (whole ones of the mean); a million if it refuses the run.
// The time of the call would tell nothing: for XDP it rewrites the kernel's dispatcher first.
double run(int program, const Packet& packet, uint32_t repeat) {
  std::vector<uint8_t> out(8192);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = packet.data(), options.data_size_in = uint32_t(packet.size());
  options.data_out = out.data(), options.data_size_out = uint32_t(out.size());
  options.repeat = int(repeat);
  if (bpf_prog_test_run_opts(program, &options)) return kRefused;
  return options.duration + 0.5;
}

// Of the quickest quarter of the samples: what else the machine does only ever adds, and their mean is finer
// than the kernel's nanoseconds.
double quick(std::vector<double> samples) {
  std::ranges::sort(samples);
  samples.resize(std::max<size_t>(samples.size() / 4, 1));
  return std::accumulate(samples.begin(), samples.end(), 0.0) / double(samples.size());
}

}  // namespace

Fd load_empty(const std::string& type) {
  const bpf::Insn insns[] = {{.code = 0xb7, .regs = 0, .off = 0, .imm = 1}, {.code = 0x95}};
  auto as = load_type(type == "cgroup_skb" ? "cgroup_skb/ingress" : type);
  Fd fd;
  if (as) load({.insns = insns, .type = *as, .name = "empty"}, &fd);
  return fd;
}

// Single runs choose a few, many runs choose among them.
const Packet* slowest_packet(int program, std::span<const Packet> packets) {
  std::vector<std::pair<double, const Packet*>> times;
  for (const auto& packet : packets) {
    double t = kRefused;
    for (int n = 0; n < 6; ++n) t = std::min(t, run(program, packet, 1));
    if (t < kRefused) times.emplace_back(t, &packet);
  }
  std::ranges::sort(times, std::greater());
  times.resize(std::min<size_t>(times.size(), 8));
  for (auto& [t, packet] : times) t = std::min(run(program, *packet, 200), run(program, *packet, 200));
  std::erase_if(times, [](const auto& entry) { return entry.first >= kRefused; });
  return times.empty() ? nullptr : std::ranges::max(times).second;
}

RunTime run_time(std::span<const int> before, std::span<const int> after, int empty, const Packet& packet,
                 int rounds) {
  const size_t copies = before.size();
  constexpr double kSample = 300'000;  // nanoseconds
  const double once = std::min(run(before[0], packet, 100), run(before[0], packet, 100));
  const uint32_t repeat = uint32_t(std::clamp(kSample / once, 10.0, 20'000.0));
  // Even and odd rounds apart: two measurements.
  std::vector<std::vector<double>> samples[2][2];
  for (auto& half : samples)
    for (auto& side : half) side.resize(copies);
  std::vector<double> base;
  for (int round = 0; round < rounds; ++round) {
    for (size_t n = 0; n < copies; ++n) {
      const size_t k = (n + size_t(round) / 2) % copies;
      samples[round % 2][0][k].push_back(run(before[k], packet, repeat));
      samples[round % 2][1][k].push_back(run(after[k], packet, repeat));
    }
    base.push_back(run(empty, packet, repeat));
  }
  // A run that is refused after many that were not (a packet that grows each time) tells nothing.
  for (const auto& half : samples)
    for (const auto& side : half)
      for (const auto& copy : side)
        if (std::ranges::any_of(copy, [](double t) { return t >= kRefused; })) return {};
  const double start = quick(base);
  RunTime out;
  // Copies of the same program differ by where they lie, halves of the rounds by what else happened.
  for (int side = 0; side < 2; ++side) {
    double sum = 0, least = kRefused, most = 0, halves = 0;
    for (size_t k = 0; k < copies; ++k) {
      const double even = quick(samples[0][side][k]), odd = quick(samples[1][side][k]);
      const double net = std::max((even + odd) / 2 - start, 0.5);
      sum += net, least = std::min(least, net), most = std::max(most, net);
      halves += std::abs(even - odd);
    }
    const double mean = sum / double(copies);
    (side ? out.after : out.before) = mean;
    out.noise += ((most - least) / 2 + halves / 2 / double(copies)) / mean;
  }
  out.ratio = out.after / out.before;
  return out;
}

}  // namespace epass::kernel
