// What no text can say: functions damaged by hand. The rest of the validator's checks are filetests.

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/verify.h"

namespace epass {
namespace {

struct Fixture {
  Function fn;
  Block entry = fn.add_block(), on = fn.add_block();
  Value arg = fn.add_param(entry, Home::reg(1));
  Inst add, jump, end;

  Fixture() {
    Value sum = Builder::at_end(fn, entry).binary(Opcode::Add, Width::k64, arg, 5);
    add = fn.def(sum);
    Builder::at_end(fn, entry).jump(on);
    jump = fn.terminator(entry);
    Builder::at_end(fn, on).ret(sum);
    end = fn.terminator(on);
  }
  std::string fault() const {
    auto ok = verify(fn);
    return ok ? "" : ok.error().message;
  }
};

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST(IrVerify, AcceptsWhatIsValid) { EXPECT_EQ(Fixture().fault(), ""); }

TEST(IrVerify, FindsDamage) {
  const struct {
    void (*damage)(Fixture&);
    const char* message;
  } cases[] = {
      {[](Fixture& f) { f.fn.remove(f.end); }, "is empty"},
      {[](Fixture& f) { f.fn.remove(f.jump); }, "ends of blocks stand last"},
      {[](Fixture& f) { f.fn.remove(f.add); }, "which was removed"},
      {[](Fixture& f) { f.fn.insts[f.add].block = f.on; }, "does not know its block"},
      {[](Fixture& f) { f.fn.insts[f.add].prev = {}; }, "is linked wrongly"},
      {[](Fixture& f) { f.fn.set_operands(f.add, std::span(&f.arg, 1)); }, "wrong number of operands"},
      {[](Fixture& f) { f.fn.insts[f.add].result = {}; }, "result does not match"},
      {[](Fixture& f) { f.fn.insts[f.add].result = f.arg; }, "belongs to another"},
      {[](Fixture& f) { f.fn.insts[f.jump].edge_count = 0; }, "wrong number of edges"},
      {[](Fixture& f) { f.fn.operands(f.end)[0] = Value{4000}; }, "does not exist"},
      {[](Fixture& f) { f.fn.add_arg(f.fn.edge(f.jump, 0), f.arg); }, "do not match the parameters"},
      {[](Fixture& f) { f.fn.edges[f.fn.edge(f.jump, 0)].to = f.entry; }, "jumps to the entry"},
      {[](Fixture& f) { f.fn.remove_block(f.on); }, "jumps to a removed block"},
      {[](Fixture& f) { f.fn.values[f.arg].home = Home::reg(11); }, "no such home"},
      {[](Fixture& f) { f.fn.values[f.fn.insts[f.add].result].home = Home::stack(-12); }, "no such home"},
      {[](Fixture& f) { f.fn.slots.add({.size = 16, .place = -8}); }, "does not lie in the stack frame"},
      {[](Fixture& f) {
         f.fn.move_before(f.add, f.end), f.fn.operands(f.end)[0] = f.arg;
         f.fn.append(f.on, {.op = Opcode::Undef});
       },
       "ends of blocks stand last"},
  };
  for (const auto& c : cases) {
    Fixture f;
    c.damage(f);
    EXPECT_TRUE(contains(f.fault(), c.message)) << "wanted " << c.message << ", got " << f.fault();
  }
  EXPECT_TRUE(contains(verify(Function()).error().message, "without blocks"));
}

}  // namespace
}  // namespace epass
