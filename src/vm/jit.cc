// Where compiled code lives: one mapping with the data in front, which stays writable, and the code behind
// it, which is written first and executed afterwards, never both.

#include "vm/jit.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/format.h"
#include "vm/jit_data.h"
#if defined(__x86_64__)
#include "vm/jit_compiler.h"
#endif

namespace epass::vm {

#if defined(__x86_64__)

namespace {

constexpr size_t kPage = 4096;
constexpr size_t round_up(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// The longest operation, with its stubs, is a signed division.
constexpr size_t kBytesPerOp = 256, kBytesPerFunction = 256, kShared = 4096;

}  // namespace

Result<std::unique_ptr<Jit>> Jit::compile(Machine& machine) {
  const Executable& executable = machine.executable();
  std::unique_ptr<Jit> jit(new Jit);
  jit->executable_ = &executable;
  jit->checked_ = machine.settings().checked;
  jit->metered_ = machine.settings().budget != UINT64_MAX;
  jit->context_ = machine.settings().context;
  uint64_t sites = 0, tables = 0;
  for (const Op& op : executable.ops()) sites += op.code >= OpCode::kLoad1 && op.code <= OpCode::kAtomic;
  for (const Executable::Function& fn : executable.functions()) {
    const auto begin = executable.ops().begin() + fn.begin;
    tables +=
        fn.table_targets.size() *
        size_t(std::count_if(begin, begin + fn.size, [](const Op& op) { return op.code == OpCode::kGotox; }));
  }
  if (!jit->checked_) sites = 0;
  jit->data_size_ = round_up(sizeof(JitData) + sites * sizeof(JitSite) + tables * 8);
  const size_t room = round_up(kShared + executable.ops().size() * kBytesPerOp +
                               executable.functions().size() * kBytesPerFunction);
  if (room > (size_t{1} << 30)) return fail("jit", "the program is too large to be compiled");
  jit->memory_size_ = jit->data_size_ + room;
  void* memory = mmap(nullptr, jit->memory_size_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return fail("jit", format("no memory for code: {}", std::strerror(errno)));
  jit->memory_ = static_cast<uint8_t*>(memory);
  jit->data_ = new (memory) JitData{};
  jit->data_->jit = jit.get();
  jit->data_->sites = sites, jit->data_->tables = tables;
  uint8_t* code = jit->memory_ + jit->data_size_;
  JitPlan plan;
  for (bool again = true; again;) {
    Xbyak::ClearError();
    JitCompiler compiler(*jit, machine, code, room, plan);
    compiler.compile();
    if (const int error = Xbyak::GetError())
      return fail("jit", format("the program cannot be compiled: {}", Xbyak::ConvertErrorToString(error)));
    if (machine.stopped())
      return fail("jit", "the program refers to something that the machine does not know");
    jit->code_size_ = compiler.getSize();
    again = compiler.settle();
  }
  if (mprotect(code, room, PROT_READ | PROT_EXEC))
    return fail("jit", format("the system allows no generated code: {}", std::strerror(errno)));
  return jit;
}

#else

Result<std::unique_ptr<Jit>> Jit::compile(Machine&) {
  return fail("jit", "code is compiled for x86-64 only; the interpreter runs every program");
}

#endif

Jit::~Jit() {
  if (!memory_) return;
  if (data_->machine && data_->machine->jit_ == this) (void)data_->machine->use(nullptr);
  munmap(memory_, memory_size_);
}

std::span<const uint8_t> Jit::code() const { return {memory_ + data_size_, code_size_}; }

}  // namespace epass::vm
