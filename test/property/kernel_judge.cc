// BPF_PROG_TEST_RUN of a program before and after compilation.

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "judge.h"
#include "kernel/load.h"
#include "object/dump.h"

namespace epass {
namespace {

constexpr size_t kMaxInsns = 600;     // what is given to the kernel
constexpr uint64_t kMaxSteps = 6000;  // that the original may take, as the virtual machine counts

// BTF that says of every function no more than that it is one: addresses of functions need it.
struct FunctionInfo {
  kernel::Fd btf;
  std::vector<bpf_func_info> records = {};
};

FunctionInfo function_info(const std::vector<bpf::Insn>& insns) {
  FunctionInfo out;
  btf* types = btf__new_empty();
  int word = btf__add_int(types, "word", 8, 0);
  std::set<uint32_t> starts{0};
  for (uint32_t i = 0; i < insns.size(); i += bpf::records(insns[i])) {
    bool call = insns[i].code == bpf::kCodeCall && insns[i].src() == bpf::kLocalCall;
    bool address = bpf::is_ld_imm64(insns[i]) && insns[i].src() == bpf::kFuncPtr;
    if (call || address) starts.insert(uint32_t(int64_t(i) + 1 + insns[i].imm));
  }
  for (uint32_t start : starts) {
    int prototype = btf__add_func_proto(types, word);
    btf__add_func_param(types, "a", word);
    std::string name = "f" + std::to_string(start);
    int id = btf__add_func(types, name.c_str(), start ? BTF_FUNC_STATIC : BTF_FUNC_GLOBAL, prototype);
    out.records.push_back({start, uint32_t(id)});
  }
  uint32_t size = 0;
  const void* raw = btf__raw_data(types, &size);
  out.btf = kernel::Fd(bpf_btf_load(raw, size, nullptr));
  btf__free(types);
  return out;
}

}  // namespace

KernelJudge::KernelJudge() {
  unavailable_ = kernel::why_no_bpf();
  if (!unavailable_.empty()) return;
  array_ = kernel::Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "array", 4, kValueSize, kArrayEntries, nullptr));
  hash_ = kernel::Fd(bpf_map_create(BPF_MAP_TYPE_HASH, "hash", 8, kValueSize, kHashEntries, nullptr));
  data_ = kernel::Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "data", 4, kDataSize, 1, nullptr));
  if (!array_ || !hash_ || !data_) unavailable_ = std::string("no maps: ") + strerror(errno);
}
KernelJudge::~KernelJudge() = default;

void KernelJudge::reset_maps() {
  std::vector<uint8_t> zeros(kDataSize);
  uint32_t first = 0;
  bpf_map_update_elem(data_.get(), &first, zeros.data(), 0);
  for (uint32_t n = 0; n < kArrayEntries; ++n)
    bpf_map_update_elem(array_.get(), &n, first_value(n).data(), 0);
  for (uint64_t n = 0; n < kHashEntries; ++n) {
    if (n < kHashFilled)
      bpf_map_update_elem(hash_.get(), &n, first_value(uint32_t(n) + 100).data(), 0);
    else
      bpf_map_delete_elem(hash_.get(), &n);
  }
}

std::vector<uint8_t> KernelJudge::read_maps() {
  std::vector<uint8_t> all, value(kDataSize);
  auto add = [&](const kernel::Fd& map, const void* key, size_t size) {
    bool exists = bpf_map_lookup_elem(map.get(), key, value.data()) == 0;
    all.push_back(exists);
    if (exists) all.insert(all.end(), value.begin(), value.begin() + ptrdiff_t(size));
  };
  for (uint32_t n = 0; n < kArrayEntries; ++n) add(array_, &n, kValueSize);
  for (uint64_t n = 0; n < kHashEntries; ++n) add(hash_, &n, kValueSize);
  uint32_t first = 0;
  add(data_, &first, kDataSize);
  return all;
}

kernel::Fd KernelJudge::load(std::vector<bpf::Insn> insns, const RandomProgram& program, std::string& why) {
  FunctionInfo info;
  if (program.callback) info = function_info(insns);
  for (size_t i = 0; i < insns.size(); i += bpf::records(insns[i])) {
    if (!bpf::is_ld_imm64(insns[i]) || insns[i].src() == bpf::kFuncPtr || !insns[i].src()) continue;
    const kernel::Fd& map = insns[i].imm == kArrayMap ? array_ : insns[i].imm == kHashMap ? hash_ : data_;
    insns[i].imm = map.get();
  }
  static const kernel::LoadType kTypes[] = {*kernel::load_type("sched_cls"), *kernel::load_type("xdp")};
  kernel::LoadRequest request{.insns = insns, .type = kTypes[program.xdp], .name = "random"};
  request.btf_fd = info.btf.get(), request.func_info = info.records.data();
  request.func_info_count = uint32_t(info.records.size());
  kernel::Fd fd;
  kernel::Verdict verdict = kernel::load(request, &fd);
  why = verdict.reason;
  return fd;
}

std::string KernelJudge::Run::difference(const Run& other) const {
  if (result != other.result)
    return "the kernel returns " + std::to_string(result) + " against " + std::to_string(other.result);
  if (packet != other.packet) return "the packets differ in the kernel";
  if (context != other.context) return "the contexts differ in the kernel";
  if (maps != other.maps) return "the maps differ in the kernel";
  return "";
}

std::optional<KernelJudge::Run> KernelJudge::run(const kernel::Fd& program, bool xdp,
                                                 const std::vector<uint8_t>& packet) {
  reset_maps();
  Run run{.packet = std::vector<uint8_t>(packet.size() + 512)};
  __sk_buff context{};
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = packet.data(), options.data_size_in = uint32_t(packet.size());
  options.data_out = run.packet.data(), options.data_size_out = uint32_t(run.packet.size());
  if (!xdp) options.ctx_out = &context, options.ctx_size_out = sizeof context;
  if (bpf_prog_test_run_opts(program.get(), &options)) return std::nullopt;
  run.result = options.retval;
  run.packet.resize(options.data_size_out);
  if (!xdp) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&context);
    run.context.assign(bytes, bytes + sizeof context);
  }
  run.maps = read_maps();
  return run;
}

bool KernelJudge::may_run(const RandomProgram& program, const vm::Outcome& outcome) {
  return outcome.executed <= kMaxSteps && program.insns.size() <= kMaxInsns;
}

std::optional<Mismatch> KernelJudge::judge(const RandomProgram& program, uint64_t seed, Totals& totals,
                                           const Mismatch* only) {
  static const vm::Options kOptions = [] {
    vm::Options options = vm_options();
    options.may_goto_rounds = 0;
    return options;
  }();
  auto compiler = Compiler::make(program.insns);
  if (!compiler) return Mismatch{.kind = "split", .why = compiler.error().message};
  std::vector<vm::Input> inputs;
  std::vector<vm::Outcome> expected;
  for (uint64_t n = 0; n < 4; ++n) {
    inputs.push_back({.context = program.xdp ? vm::Context::kXdp : vm::Context::kSkb,
                      .packet = random_packet(seed * 64 + n),
                      .seed = seed * 64 + n});
    expected.push_back(vm::run(compiler->program(), bpf::FunctionId{0}, inputs.back(), kOptions));
    if (!may_run(program, expected.back())) return ++totals.refused, std::nullopt;
  }
  std::string why;
  kernel::Fd before = load(program.insns, program, why);
  if (!before) {
    ++totals.refused;
    totals.reasons[why].push_back(seed);
    return std::nullopt;
  }
  std::vector<Variant> ways = variants(seed);
  Mismatch bad{.variant = only ? only->variant : ways[seed % ways.size()],
               .registers = only ? only->registers : 4 + int(seed / 3 % 7)};
  auto failed = [&](const char* kind, std::string text) {
    bad.kind = kind, bad.why = std::move(text);
    return bad;
  };
  auto code = compiler->compile(bad.variant, bad.registers);
  if (!code && code.error().code == "stack-limit") return ++totals.no_room, std::nullopt;
  if (!code) return failed("no code", code.error().message);
  bad.after = *code;
  ++totals.compilations;
  kernel::Fd after = load(*code, program, why);
  if (!after) return failed("lost acceptance", "the verifier accepts it no more: " + why);
  ++totals.programs;
  for (size_t n = 0; n < inputs.size(); ++n) {
    auto a = run(before, program.xdp, inputs[n].packet), again = run(before, program.xdp, inputs[n].packet),
         b = run(after, program.xdp, inputs[n].packet);
    if (!a || !again || !b) return failed("no run", std::string("no test run: ") + strerror(errno));
    if (!a->difference(*again).empty()) return ++totals.unstable, std::nullopt;
    ++totals.runs;
    if (std::string text = a->difference(*b); !text.empty()) return failed("kernel", text);
    // A reduced program may read stack that it never wrote, which holds something else here and there.
    vm::Input other = inputs[n];
    other.seed = ~other.seed;
    bool exact = program.exact && expected[n].finished() &&
                 vm::run(compiler->program(), bpf::FunctionId{0}, other, kOptions).r0 == expected[n].r0;
    if (!exact) continue;
    ++totals.same_as_vm;
    if (uint32_t(expected[n].r0) != a->result || expected[n].packet != a->packet)
      return failed("machine", "the virtual machine and the kernel differ on the original: " +
                                   std::to_string(uint32_t(expected[n].r0)) + " against " +
                                   std::to_string(a->result));
  }
  return std::nullopt;
}

}  // namespace epass
