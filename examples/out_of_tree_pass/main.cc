// strip_printk IN OUT: the program IN without its debug output, optimised. Shows how to run a pass of one's
// own: put it into the options, and name it in the pipeline.

#include <cstdio>

#include "driver/compile_file.h"
#include "driver/files.h"

epass::Result<epass::Changed> strip_printk(epass::Function& fn, epass::PassContext& context);

static epass::Result<epass::driver::CompiledFile> run(const char* in, const char* out) {
  auto input = epass::driver::read_input(in);
  if (!input) return epass::fail(input.error());
  epass::driver::FileOptions options;
  options.pipeline.passes = {{.name = "strip-printk",
                              .summary = "remove debug output",
                              .options = "",
                              .levels = "",
                              .run = strip_printk}};
  options.pipeline.text = "strip-printk,O1";
  auto file = epass::driver::compile_file(std::move(*input), options);
  if (!file) return file;
  if (auto written = epass::driver::write_file(out, file->bytes, in); !written)
    return epass::fail(written.error());
  return file;
}

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: strip_printk IN OUT\n", stderr), 2;
  auto file = run(argv[1], argv[2]);
  if (!file) return std::fprintf(stderr, "strip_printk: %s\n", file.error().message.c_str()), 1;
  for (const auto& [name, count] : file->passes.counters)
    if (name == "strip-printk.calls") std::printf("%lu calls removed\n", static_cast<unsigned long>(count));
  for (const auto& out : file->compiled.functions)
    std::printf("%s: %u instructions, were %u%s\n", file->program().functions[out.id].name.c_str(),
                out.insns_out, out.insns_in, out.kept ? " (kept)" : "");
  return 0;
}
