// Fetches a number at once that is put together from bytes.
//
//     v1 = load.u8 v0+0
//     v2 = load.u8 v0+1
//     v3 = shl v1, 8               v5 = load.u16 v0+0
//     v4 = or v3, v2        =>     v4 = be16 v5
//
// Compilers do this to packed structures. The wide load stands where the first narrow one was, so all bytes
// have been checked; only where the verifier allows any width: packets, map values, aligned stack. Where the
// range of the number matters, a mask tells the verifier that it has only 16 or 32 bits.

#include <array>

#include "analysis/range_use.h"
#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/wide_value.h"

namespace epass {
namespace {

class Combiner {
 public:
  Combiner(Function& fn, PassContext& context)
      : fn_(fn), context_(context), cfg_(context.analyses.cfg()), memory_(context.analyses.memory()) {}

  Changed run() {
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      for (Inst i = fn_.blocks[b].last; i; i = fn_.insts[i].prev) {
        if (fn_.insts[i].op != Opcode::Or || !combine(i)) continue;
        context_.count("combine-loads.loads");
        changed = Changed::kInstructions;
      }
    }
    return changed;
  }

 private:
  bool combine(Inst i) {
    std::array<ByteSource, 8> bytes;
    size_t used = 0;
    for (unsigned n = 0; n < 8; ++n) {
      bytes[n] = byte_source(fn_, fn_.insts[i].result, n);
      if (bytes[n] != ByteSource{}) used = n + 1;
    }
    if (used != 2 && used != 4 && used != 8) return false;
    const char* why = nullptr;
    const auto run = find_load_run(fn_, memory_, order_, std::span(bytes).first(used), alignment_, &why);
    if (why) context_.missed(fn_, i, why);
    if (!run) return false;
    Value v = WideValue{fn_, memory_, order_, alignment_}.load(*run, i);
    // Verifiers know the range of bytes that are put together, but not of one whose order is changed.
    const bool is_known = !run->swapped || used == 8;
    if (!is_known && RangeUse(fn_, context_.analyses.users()).is_needed(fn_.insts[i].result))
      v = used == 4 ? Builder::before(fn_, i).zext32(v)
                    : Builder::before(fn_, i).binary(Opcode::And, Width::k64, v, 0xffff);
    fn_.values[v].home = fn_.home(fn_.insts[i].result);
    replace_keeping_home(fn_, i, v);
    return true;
  }

  Function& fn_;
  PassContext& context_;
  const Cfg& cfg_;
  const MemoryModel& memory_;
  const Alignment alignment_ = alignment_of(context_);
  SideTable<Inst, uint32_t> order_ = number_insts(fn_);
};

}  // namespace

Result<Changed> combine_loads(Function& fn, PassContext& context) { return Combiner(fn, context).run(); }

}  // namespace epass
