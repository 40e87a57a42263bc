// `epass run`: executes a program in user space, in a world that the seed decides.

#include <algorithm>

#include "base/format.h"
#include "driver/compile.h"
#include "driver/files.h"
#include "driver/listing.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/opt_report.h"
#include "tool/source_place.h"
#include "vm/vm.h"

namespace epass::tool {

namespace {

// Bytes from an option: hexadecimal digits, or @FILE.
Result<std::vector<uint8_t>> read_bytes(std::string_view option, const std::string& value) {
  if (value.starts_with('@')) return driver::read_file(value.substr(1));
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at < value.size(); at += 2) {
    const int high = digit(value[at]), low = at + 1 < value.size() ? digit(value[at + 1]) : -1;
    if (high < 0 || low < 0)
      return usage_error(format("`{}` takes pairs of hexadecimal digits, or @FILE", option),
                         format("`{} 5254001234560200`", option));
    bytes.push_back(static_cast<uint8_t>(high * 16 + low));
  }
  return bytes;
}

vm::Context context_of(const std::string& type) {
  if (type == "xdp") return vm::Context::kXdp;
  constexpr std::string_view kSkbTypes[] = {"sched_cls",  "sched_act", "socket_filter",
                                            "cgroup_skb", "lwt_in",    "lwt_out",
                                            "lwt_xmit",   "sk_skb",    "lwt_seg6local"};
  return std::ranges::find(kSkbTypes, type) != std::end(kSkbTypes) ? vm::Context::kSkb : vm::Context::kRaw;
}

Result<vm::Input> read_world(const Arguments& arguments) {
  vm::Input world;
  if (arguments.has("packet") && arguments.has("ctx"))
    return usage_error("`--packet` and `--ctx` both say what the program gets",
                       "`--packet` for xdp and socket buffers, `--ctx` for everything else");
  for (const char* option : {"packet", "ctx"}) {
    if (!arguments.has(option)) continue;
    auto bytes = read_bytes(format("--{}", option), arguments.get(option));
    if (!bytes) return fail(bytes.error());
    world.packet = std::move(*bytes);
  }
  const struct {
    const char* option;
    uint64_t* value;
  } numbers[] = {{"seed", &world.seed}, {"budget", &world.budget}};
  for (const auto& [option, value] : numbers) {
    if (!arguments.has(option)) continue;
    auto number = parse_number(format("--{}", option), arguments.get(option), 0, UINT64_MAX);
    if (!number) return fail(number.error());
    *value = *number;
  }
  return world;
}

std::string result_text(const bpf::Function& fn, uint64_t r0) {
  constexpr std::string_view kXdp[] = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"};
  std::string text = format("{:#x}", r0);
  if (fn.type == "xdp" && r0 < std::size(kXdp)) text += format(" ({})", kXdp[r0]);
  return text;
}

std::string json_line(const driver::CodeFile& file, const bpf::Function& fn, const vm::Outcome& out) {
  JsonLine line = program_line(file.name, fn.section, fn.name, fn.type);
  const bool ended = out.error.empty();
  if (ended)
    line.hex("result", out.r0);
  else
    line.raw("result", "null");
  line.number("insns_executed", static_cast<int64_t>(out.executed)).text_or_null("error", out.error);
  return line.line();
}

// Records are counted in their section, so the function is looked up by its stretch of it.
std::string trace_text(const driver::CodeFile& file, bpf::FunctionId entry, const vm::Outcome& out) {
  const bpf::Program& program = file.program();
  std::string text;
  bpf::FunctionId current = entry;
  auto covers = [&](bpf::FunctionId id, uint32_t record) {
    const bpf::Function& fn = program.functions[id];
    return record >= fn.section_insn && record - fn.section_insn < fn.insns.size();
  };
  for (uint32_t record : out.visited) {
    if (!covers(current, record))
      for (uint32_t i = 0; i < program.functions.size(); ++i)
        if (covers(bpf::FunctionId{i}, record)) current = bpf::FunctionId{i};
    if (!covers(current, record)) continue;
    const bpf::Function& fn = program.functions[current];
    const uint32_t insn = record - fn.section_insn;
    text += format("{:>4}  {}{}\n", insn, driver::insn_text(file, current, insn),
                   current == entry ? "" : "   ; " + fn.name);
  }
  return text;
}

int run_program(Job& job, const driver::CodeFile& file, bpf::FunctionId id, vm::Input world,
                std::string& json) {
  const bpf::Function& fn = file.program().functions[id];
  world.context = job.arguments.has("ctx") ? vm::Context::kRaw : context_of(fn.type);
  if (job.arguments.has("packet") && world.context == vm::Context::kRaw) world.context = vm::Context::kXdp;
  if (world.packet.empty() && world.context != vm::Context::kRaw) world.packet.resize(64);
  vm::Options options{.trace = job.arguments.has("trace")};
  if (file.object)
    for (const object::Map& map : file.object->maps())
      options.maps[map.name] = {map.type, map.key_size, map.value_size, map.max_entries};
  const vm::Outcome out = vm::run(file.program(), id, world, options);
  if (job.arguments.has("json"))
    json += json_line(file, fn, out);
  else if (!job.ui.quiet)
    job.ui.report(trace_text(file, id, out));
  if (!out.error.empty()) {
    Diagnostic d{.error = {.message = format("`{}` stopped: {}", fn.name, out.error), .code = "run"}};
    show_place(d, file, id, 0);
    d.insn_text.clear(), d.source.clear(), d.file.clear(), d.error.where.insn = -1;
    d.error.help = "`--trace` shows the way there";
    job.diagnostics.add(d);
    return kNo;
  }
  if (!job.arguments.has("json"))
    job.ui.report(format("{}r0 = {}; {} instruction{}{}\n",
                         fn.name == "main" ? "" : printable(fn.name) + ": ", result_text(fn, out.r0),
                         with_commas(out.executed), out.executed == 1 ? "" : "s",
                         out.read_undefined ? "; it read a register that was never written" : ""));
  return kDone;
}

}  // namespace

int run_execute(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.size() != 1)
    return job.fail(
        usage_error(arguments.inputs.empty() ? "no input is given" : "`epass run` takes one input",
                    "`epass run IN`")
            .error());
  auto format = read_format(arguments);
  if (!format) return job.fail(format.error());
  auto world = read_world(arguments);
  if (!world) return job.fail(world.error());
  auto input = driver::read_input(arguments.inputs[0], *format);
  if (!input) return job.fail(input.error());
  auto file = driver::read_code(std::move(*input));
  if (!file) return job.fail(file.error());
  if (file->module) {
    Error error{.message = "`.epir` text holds no bytecode", .code = "input-format"};
    error.where.object = file->name;
    error.help = "`epass lower` makes bytecode of it";
    return job.fail(error);
  }
  auto selected = driver::select_functions(file->program(), arguments.all("prog"), false);
  if (!selected) return job.fail(selected.error());
  int status = kDone;
  std::string json;
  for (uint32_t i = 0; i < file->program().functions.size(); ++i) {
    const bpf::FunctionId id{i};
    if (!(*selected)[i] || !file->program().functions[id].is_entry) continue;
    status = std::max(status, run_program(job, *file, id, *world, json));
  }
  if (arguments.get("json").empty()) {
    job.ui.output(json);
    return status;
  }
  auto done =
      driver::write_file(arguments.get("json"), {reinterpret_cast<const uint8_t*>(json.data()), json.size()});
  return done ? status : job.fail(done.error());
}

}  // namespace epass::tool
