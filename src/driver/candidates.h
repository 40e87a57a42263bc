#pragma once
// Several ways to make code of one function; the cheapest is taken.

#include <functional>
#include <limits>
#include <span>
#include <string>

#include "base/result.h"
#include "codegen/lower.h"
#include "ir/function.h"
#include "pass/pass.h"

namespace epass::driver {

// What is to be small. kBalanced: records and machine code; a record less than
// in the input may cost a byte of machine code more, but not two.
enum class Objective : uint8_t { kBalanced, kSize, kSpeed, kVerifier };

enum class Effort : uint8_t {
  kNone,    // as the passes left it
  kFew,     // a handful of ways
  kSearch,  // a hundred, from where the best one so far ended
};

struct Selection {
  Effort effort = Effort::kNone;
  Objective objective = Objective::kBalanced;
  // PipelineOptions::filter, if there is one: which passes may run on a function.
  const std::function<bool(const Function&, const PassInfo&)>* filter = nullptr;
};

// The code that was there before, as far as it is known: records, bytes of machine code (bpf/x86_size.h), and
// what the verifier walks (bpf/verifier_work.h).
struct CodeSize {
  uint32_t insns = 0, x86 = 0;
  uint64_t work = 0;
};

CodeSize size_of(std::span<const bpf::Insn> insns, std::span<const bpf::Attachment> attachments);

// What code costs under an objective: less is better. `was` is what it stands for. Where it is not below
// `limit`, the result may be anything from there on.
double cost_of(const bpf::NewCode& code, Objective objective, CodeSize was,
               double limit = std::numeric_limits<double>::infinity());

// Whether to take code of that size in place of the input's. Only kBalanced ever says no: to code whose fewer
// records take too many bytes of machine code, and to code that takes the verifier much longer. Else empty.
std::string why_not(CodeSize now, CodeSize was, const Selection& selection);

// Lowers `fn`, which has been through its passes, in several ways. The result does not depend on anything but
// its arguments. Errors: those of the first way, if no other has a result either.
Result<bpf::NewCode> lower_best(Function&& fn, CodeSize was, const Symbols& symbols,
                                const LowerOptions& options, const Selection& selection);

}  // namespace epass::driver
