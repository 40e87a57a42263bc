// Measures the engines of the virtual machine against native code and the kernel: bench/vm.
//
// usage: vm_speed LOOPS.o
// Every figure is the best of many short runs, in turns, so that other work on the machine harms all alike.

#include <bpf/bpf.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "base/format.h"
#include "bpf/assemble.h"
#include "driver/files.h"
#include "kernel/load.h"
#include "object/dump.h"
#include "object/object.h"
#include "vm/jit.h"

namespace epass::bench {

uint64_t chain(uint64_t rounds);

namespace {

constexpr uint64_t kRounds = 10'000, kChainInsns = 5;
// What must hold; bench/vm ends with 1 if one does not.
constexpr double kInterpreterOverNative = 14, kJitOverNative = 1.1, kJitOverKernel = 1.1,
                 kSafeOverUnchecked = 1.6, kCompileOverLoad = 1.0 / 3;
bool missed = false;

void put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout), std::fflush(stdout); }

std::string judged(double ratio, double limit) {
  const bool ok = ratio <= limit;
  missed = missed || !ok;
  return format("{:>6.2f}{}", ratio, ok ? " " : "!");
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds of one call, the best of runs that take about 200 microseconds each.
struct Meter {
  std::function<void()> call;
  double best = 1e9;
  uint64_t repeat = 1;
  void prepare() {
    for (;; repeat *= 2) {
      const double begin = seconds();
      for (uint64_t n = 0; n < repeat; ++n) call();
      if (seconds() - begin > 2e-4) break;
    }
  }
  void run() {
    const double begin = seconds();
    for (uint64_t n = 0; n < repeat; ++n) call();
    best = std::min(best, (seconds() - begin) / double(repeat));
  }
};

struct Kernel {
  kernel::Fd program;
  double best = 1e9, load = 1e9;
  uint32_t repeat = 1, result = 0;
  explicit operator bool() const { return bool(program); }
  void run(std::vector<uint8_t>& packet) {
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = packet.data(), options.data_size_in = uint32_t(packet.size());
    options.repeat = int(repeat);
    if (bpf_prog_test_run_opts(program.get(), &options)) return;
    result = options.retval;
    if (options.duration) best = std::min(best, double(options.duration) * 1e-9);
  }
};

Kernel load(const std::vector<bpf::Insn>& insns) {
  Kernel out;
  if (!kernel::why_no_bpf().empty()) return out;
  kernel::LoadRequest request{.insns = insns, .type = *kernel::load_type("xdp"), .name = "bench"};
  for (int n = 0; n < 5; ++n) {
    const double begin = seconds();
    const kernel::Verdict verdict = kernel::load(request, &out.program);
    out.load = std::min(out.load, seconds() - begin);
    if (!out.program) put(format("the kernel does not load it: {}\n", verdict.reason));
  }
  return out;
}

// One engine with its world.
struct Engine {
  std::unique_ptr<vm::Machine> machine = {};
  std::unique_ptr<vm::Jit> jit = {};
  uint64_t context = 0, r0 = 0;
  double compile = 1e9;

  Engine(const vm::Executable& executable, const std::vector<uint8_t>& packet, bool compiled, bool checked,
         bool metered) {
    vm::Settings settings{
        .checked = checked, .budget = metered ? uint64_t{1} << 40 : UINT64_MAX, .context = vm::Context::kXdp};
    machine = std::make_unique<vm::Machine>(executable, settings);
    context = machine->memory().add("context", vm::kContextBase, std::vector<uint8_t>(64));
    const uint64_t at = machine->memory().add("packet", vm::kPacketBase, packet);
    machine->set_context(context);
    machine->set_packet(at, packet.size());
    for (int n = 0; compiled && n < 20; ++n) {
      jit.reset();
      const double begin = seconds();
      auto code = vm::Jit::compile(*machine);
      compile = std::min(compile, seconds() - begin);
      if (!code) {
        put(format("{}\n", code.error().message));
        return;
      }
      jit = std::move(*code);
    }
    if (jit && !machine->use(jit.get())) jit.reset();
  }
  Engine(Engine&&) = delete;
  void operator()() {
    const vm::Run run = machine->run(0, {context});
    r0 = run.r0;
    if (!run.ok()) put(run.fault.message + "\n"), std::exit(1);
  }
};

struct Row {
  double native = 0, interpreter = 0, safe = 0, metered = 0, unchecked = 0, kernel = 0, compile = 0, load = 0;
};

Row measure(const std::string& name, const std::vector<bpf::Insn>& insns, std::vector<uint8_t> packet,
            bool has_native) {
  auto program = object::split_flat(insns, name);
  if (!program) std::exit(1);
  const vm::Executable executable(*program);
  Engine interpreter(executable, packet, false, true, true), safe(executable, packet, true, true, true),
      metered(executable, packet, true, false, true), unchecked(executable, packet, true, false, false);
  Kernel kernel = load(insns);
  uint64_t rounds = kRounds;
  volatile uint64_t sink = 0;
  Meter meters[] = {
      {[&] { interpreter(); }}, {[&] { safe(); }}, {[&] { metered(); }}, {[&] { unchecked(); }}, {[&] {
        asm volatile("" : "+r"(rounds));
        sink = chain(rounds);
      }}};
  for (Meter& meter : meters) meter.prepare();
  kernel.repeat = uint32_t(meters[3].repeat);
  for (int n = 0; n < 400; ++n) {
    for (Meter& meter : meters) meter.run();
    if (kernel) kernel.run(packet);
  }
  bool same = kernel ? kernel.result == uint32_t(interpreter.r0) : true;
  for (const Engine* engine : {&safe, &metered, &unchecked}) same = same && engine->r0 == interpreter.r0;
  if (!same || (has_native && sink != interpreter.r0)) {
    put(format("{}: the engines differ: {:#x} {:#x} {:#x} {:#x} {:#x}\n", name, interpreter.r0, safe.r0,
               metered.r0, unchecked.r0, kernel.result));
    missed = true;
  }
  return {has_native ? meters[4].best : 0,
          meters[0].best,
          meters[1].best,
          meters[2].best,
          meters[3].best,
          kernel ? kernel.best : 0,
          std::max(unchecked.compile, safe.compile),
          kernel ? kernel.load : 0};
}

void print(const std::string& name, const Row& r) {
  auto ns = [](double t) { return t ? format("{:>9.0f}", t * 1e9) : format("{:>9}", "-"); };
  put(format("{:14}", name));
  for (double t : {r.native, r.interpreter, r.safe, r.metered, r.unchecked, r.kernel}) put(ns(t));
  put("  " + (r.kernel ? judged(r.unchecked / r.kernel, kJitOverKernel) : format("{:>7}", "- ")));
  put("  " + judged(r.safe / r.unchecked, kSafeOverUnchecked));
  put(format("  {:>8.1f}{:>10.1f}  ", r.compile * 1e6, r.load * 1e6));
  put((r.load ? judged(r.compile / r.load, kCompileOverLoad) : format("{:>7}", "- ")) + "\n");
}

}  // namespace

int run(const char* loops) {
  if (std::string why = kernel::why_no_bpf(); !why.empty())
    put("SKIPPED: everything about the kernel: " + why + "\n");
  auto bytes = driver::read_file(loops);
  auto object = bytes ? object::Object::parse(std::move(*bytes), loops) : fail(bytes.error());
  if (!object) return put(object.error().message + "\n"), 1;
  // Words with blanks, and the word that `search` looks for.
  std::vector<uint8_t> packet(1100);
  uint64_t x = 12345;
  for (size_t n = 0; n < packet.size(); ++n) {
    x = x * 6364136223846793005 + 1442695040888963407;
    packet[n] = n % 7 ? uint8_t("epas. nthwe rolid"[x >> 33 & 15]) : ' ';
  }
  put("Nanoseconds per run; the best of many. `safe` checks accesses that are not proven and counts "
      "instructions; "
      "`counted` only\n"
      "counts; `JIT` does neither, as the kernel, for programs that a verifier accepted. Limits: JIT within "
      "1.1 of\n"
      "the kernel, safe within 1.6 of JIT, compile time within 0.33 of the load time; ! misses it.\n");
  put(format("{:14}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}  {:>7}  {:>7}  {:>8}{:>10}  {:>7}\n", "", "native",
             "interp.", "safe", "counted", "JIT", "kernel", "/kernel", "s./JIT", "comp. us", "load us",
             "ratio"));
  auto text =
      bpf::assemble(format("r0 = 1\nr1 = {}\nloop:\nr0 += r1\nr0 ^= 0x5bd1e995\nr0 += 77\nr1 -= 1\n"
                           "if r1 != 0 goto loop\nexit\n",
                           kRounds));
  auto insns = text ? bpf::flat_code(*text) : fail(text.error());
  if (!insns) return put(insns.error().message + "\n"), 1;
  const Row chain_row = measure("ALU chain", *insns, packet, true);
  print("ALU chain", chain_row);
  const bpf::Program& program = object->program();
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    const bpf::Function& fn = program.functions[bpf::FunctionId{n}];
    if (fn.is_entry) print(fn.name, measure(fn.name, fn.insns, packet, false));
  }
  const double insn = chain_row.native / double(kRounds * kChainInsns);
  put(
      format("\nALU chain, per instruction: native {:.3f} ns, interpreter {:.2f} ns ({} times, limit {}), "
             "JIT {:.3f} ns "
             "({} times, limit {})\n",
             insn * 1e9, chain_row.interpreter / double(kRounds * kChainInsns) * 1e9,
             judged(chain_row.interpreter / chain_row.native, kInterpreterOverNative), kInterpreterOverNative,
             chain_row.unchecked / double(kRounds * kChainInsns) * 1e9,
             judged(chain_row.unchecked / chain_row.native, kJitOverNative), kJitOverNative));
  return missed;
}

}  // namespace epass::bench

int main(int argc, char** argv) {
  if (argc != 2) return std::puts("usage: vm_speed LOOPS.o"), 2;
  return epass::bench::run(argv[1]);
}
