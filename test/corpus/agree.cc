// Every program of the files given: the compiled one does what the original does, on inputs from seeds, in
// the virtual machine or in this kernel. Usage: epass_agree [--inputs N] [--passes TEXT] [--registers N]
// [--judge vm|kernel|both] FILE... Prints what differs and a count per judge; exit status 1 if anything
// differs or nothing ran.

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/format.h"
#include "codegen/lower.h"
#include "kernel/load.h"
#include "kernel_agree.h"
#include "lift/lift.h"
#include "object/dump.h"
#include "object/object.h"
#include "pass/pipeline.h"
#include "passes/registry.h"
#include "vm/vm.h"

namespace epass {

std::vector<uint8_t> packet_of(uint64_t seed) {
  uint64_t x = seed * 0x9e3779b97f4a7c15 | 1;
  auto next = [&] { return x ^= x << 13, x ^= x >> 7, x ^= x << 17; };
  std::vector<uint8_t> packet(next() % 200 + (seed % 4 ? 54 : 0));
  for (uint8_t& byte : packet) byte = uint8_t(next());
  if (packet.size() > 40 && seed % 2) {
    bool v6 = seed % 3 == 0;
    packet[12] = v6 ? 0x86 : 0x08, packet[13] = v6 ? 0xdd : 0x00, packet[14] = v6 ? 0x60 : 0x45;
    uint8_t protocols[] = {6, 17, 1, 58};
    packet[v6 ? 20 : 23] = protocols[next() % 4];
  }
  return packet;
}

namespace {

struct Settings {
  uint64_t inputs = 64;
  std::string passes = "O1";
  int registers = 10;
  bool in_vm = true, in_kernel = false;
};

struct Totals {
  uint64_t programs = 0, inputs = 0, decided = 0, different = 0, kept = 0;
  KernelTotals kernel = {};
};

vm::Context context_of(const std::string& type) {
  if (type == "xdp") return vm::Context::kXdp;
  for (const char* t :
       {"sched_cls", "sched_act", "cgroup_skb", "socket_filter", "lwt_in", "lwt_out", "lwt_xmit", "sk_skb"})
    if (type == t) return vm::Context::kSkb;
  return vm::Context::kRaw;
}

void compare(const bpf::Program& before, const bpf::Program& after, const vm::Options& options,
             const Settings& settings, Totals& totals) {
  for (uint32_t n = 0; n < before.functions.size(); ++n) {
    bpf::FunctionId id{n};
    const bpf::Function& fn = before.functions[id];
    if (!fn.is_entry) continue;
    ++totals.programs;
    for (uint64_t seed = 1; seed <= settings.inputs; ++seed) {
      vm::Input input{.context = context_of(fn.type), .seed = seed};
      if (input.context != vm::Context::kRaw) input.packet = packet_of(seed);
      vm::Outcome a = vm::run(before, id, input, options), b = vm::run(after, id, input, options);
      ++totals.inputs;
      totals.decided += a.finished() && b.finished();
      std::string why = vm::difference(a, b);
      if (why.empty()) continue;
      ++totals.different;
      std::printf("%s: %s: seed %llu: %s\n", before.name.c_str(), fn.name.c_str(),
                  static_cast<unsigned long long>(seed), why.c_str());
      break;
    }
  }
}

bool check_file(const char* path, const Settings& settings, Totals& totals) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  auto format = object::detect_format(bytes);
  if (!format) return false;
  std::unique_ptr<object::Object> object;
  bpf::Program program;
  vm::Options options;
  if (*format == object::Format::kElf) {
    auto parsed = object::Object::parse(bytes, path);
    if (!parsed) return false;
    object = std::make_unique<object::Object>(std::move(*parsed));
    program = object->program();
    for (const object::Map& m : object->maps())
      if (m.legacy) options.maps[m.name] = {m.type, m.key_size, m.value_size, m.max_entries};
  } else {
    auto insns = object::parse_dump({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    auto split = insns ? object::split_flat(*insns, path) : fail(insns.error());
    if (!split) return false;
    program = std::move(*split);
  }
  auto stages = parse_pipeline(settings.passes, {all_passes(), level_pipeline});
  if (!stages) {
    std::fprintf(stderr, "%s\n", stages.error().message.c_str());
    std::exit(2);
  }
  CallFacts facts = analyze_calls(program);
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    bpf::FunctionId id{n};
    const bpf::Function& in = program.functions[id];
    Counters counters;
    auto fn = lift(program, id, facts);
    LowerOptions lowering{.isa = std::max(bpf::Isa::kV3, bpf::isa_of(in.insns)),
                          .tidy = settings.passes != "O0",
                          .registers = settings.registers};
    auto ran = fn ? run_pipeline(*fn, *stages, program.symbols, lowering.isa, counters, {.verify_each = true})
                  : fail(fn.error());
    auto code = ran ? lower(*fn, lowering) : fail(ran.error());
    if (!code) {
      ++totals.kept;
      std::printf("%s: %s: kept: %s\n", path, in.name.c_str(), code.error().message.c_str());
      continue;
    }
    changed[id] = std::move(*code);
  }
  if (settings.in_vm) compare(program, vm::with_code(program, changed), options, settings, totals);
  if (settings.in_kernel && object) {
    auto after = object->write(changed);
    if (!after) return false;
    agree_in_kernel(bytes, *after, path, settings.inputs, totals.kernel);
  }
  return true;
}

}  // namespace
}  // namespace epass

int main(int argc, char** argv) {
  epass::Settings settings;
  epass::Totals totals;
  for (int k = 1; k < argc; ++k) {
    auto number = [&](auto& to) {
      ++k < argc&& std::from_chars(argv[k], argv[k] + std::strlen(argv[k]), to).ptr;
    };
    if (!std::strcmp(argv[k], "--inputs"))
      number(settings.inputs);
    else if (!std::strcmp(argv[k], "--registers"))
      number(settings.registers);
    else if (!std::strcmp(argv[k], "--passes") && k + 1 < argc)
      settings.passes = argv[++k];
    else if (!std::strcmp(argv[k], "--judge") && k + 1 < argc) {
      std::string judge = argv[++k], no_kernel = judge == "vm" ? "" : epass::kernel::why_no_bpf();
      settings.in_vm = judge != "kernel", settings.in_kernel = judge != "vm" && no_kernel.empty();
      if (!no_kernel.empty()) std::printf("SKIPPED: test runs in the kernel: %s\n", no_kernel.c_str());
      if (!settings.in_vm && !settings.in_kernel) return 77;
    } else if (!epass::check_file(argv[k], settings, totals))
      std::printf("%s: cannot be read\n", argv[k]);
  }
  auto put = [](const std::string& text) { std::fputs(text.c_str(), stdout); };
  const epass::KernelTotals& kernel = totals.kernel;
  if (settings.in_vm)
    put(
        epass::format("virtual machine: {} programs, {} inputs, {} ran to their end, {} programs differ, {} "
                      "functions kept\n",
                      totals.programs, totals.inputs, totals.decided, totals.different, totals.kept));
  if (settings.in_kernel)
    put(epass::format(
        "kernel: {} programs, {} inputs, {} programs differ, {} lost acceptance; left out: {} unstable, {} "
        "whose runs it refuses, {} that it cannot run, {} not accepted as they were\n",
        kernel.programs, kernel.runs, kernel.different, kernel.lost, kernel.unstable, kernel.refused_runs,
        kernel.not_runnable, kernel.not_accepted));
  bool ran = totals.decided || kernel.programs;
  return totals.different || kernel.different || kernel.lost || !ran ? 1 : 0;
}
