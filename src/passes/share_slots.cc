// Lets objects on the stack share a place if one is not needed while the other is.
//
//     store.u64 s0+8, v1                         store.u64 s0+8, v1
//     v2 = load.u32 s0+8                         v2 = load.u32 s0+8
//     store.u32 s0+0, v3              =>         store.u32 s0+8, v3
//     v4 = load.u8 s0+0                          v4 = load.u8 s0+8
//
// and 8 bytes of the frame are used instead of 16. An object is words that some access or some helper touches
// together. It is needed from the first access to the last, on every way. It moves only if all who touch it
// are known, with the bytes that they touch, and if no byte is read that was not written before: what was
// there would be another. So objects whose address a helper gets without a size (keys and values of maps)
// stay, and all above them.

#include <bit>

#include "pass/pass.h"
#include "passes/frame_lives.h"

namespace epass {
namespace {

int depth_of(Words words) { return 64 - std::countl_zero(words); }

class Sharer {
 public:
  Sharer(Function& fn, FrameUses uses, const std::array<Words, 64>& conflicts)
      : fn_(fn), uses_(std::move(uses)), conflicts_(conflicts) {}

  Changed run(PassContext& context) {
    for (const FrameUse& use : uses_.list) all_ |= use.words();
    find_objects();
    const int before = depth_of(all_ | uses_.fixed);
    std::vector<Words> places = objects_;
    for (size_t n = objects_.size(); n-- > 0;) places[n] = place(n, places);
    Words now = uses_.fixed;
    for (Words w : places) now |= w;
    if (depth_of(now) >= before) return Changed::kNothing;
    for (const FrameUse& use : uses_.list) {
      for (size_t n = 0; n < objects_.size(); ++n)
        if (use.words() & objects_[n] && places[n] != objects_[n])
          move(use, 8 * (depth_of(objects_[n]) - depth_of(places[n])));
    }
    context.count("share-slots.functions");
    return Changed::kInstructions;
  }

 private:
  // Words that are touched together, those nearest to the frame pointer first. They lie side by side.
  void find_objects() {
    for (int n = 0; n < 64; ++n)
      if (all_ >> n & 1) objects_.push_back(Words{1} << n);
    for (const FrameUse& use : uses_.list) {
      Words joined = use.words();
      std::erase_if(objects_, [&](Words w) { return w & use.words() ? joined |= w, true : false; });
      objects_.push_back(joined);
    }
    std::ranges::sort(objects_);
  }

  // The place nearest to the frame pointer where nothing lies that is needed while object `n` is.
  Words place(size_t n, const std::vector<Words>& places) const {
    const Words object = objects_[n];
    Words conflicts = uses_.fixed;
    if (object & uses_.fixed) return object;
    for (size_t m = 0; m < objects_.size(); ++m)
      if (m != n && is_needed_with(object, objects_[m])) conflicts |= places[m];
    for (int by = std::countr_zero(object); by > 0; --by)
      if (!((object >> by) & conflicts)) return object >> by;
    return object;
  }

  bool is_needed_with(Words object, Words other) const {
    for (size_t n = 0; n < 64; ++n)
      if (object >> n & 1 && conflicts_[n] & other) return true;
    return false;
  }

  void move(const FrameUse& use, int by) {
    const InstData& d = fn_.insts[use.inst];
    const Slot slot{0};
    const Value old = fn_.operand(use.inst, use.operand);
    const InstData address{.op = Opcode::SlotAddr,
                           .imm = use.offset + by - fn_.slots[slot].place,
                           .origin = d.origin,
                           .slot = slot};
    const Home home = is_call(d.op) ? fn_.home(old) : Home{};
    const Value now = fn_.insts[fn_.insert_before(use.inst, address, {}, home)].result;
    if (!is_call(d.op)) fn_.insts[use.inst].offset = 0;
    fn_.operands(use.inst)[use.operand] = now;
  }

  Function& fn_;
  FrameUses uses_;
  Words all_ = 0;
  std::vector<Words> objects_;
  const std::array<Words, 64> conflicts_;
};

}  // namespace

Result<Changed> share_slots(Function& fn, PassContext& context) {
  // One frame that ends at the frame pointer: an inlined function has its own.
  if (fn.slots.size() != 1 || fn.slots[Slot{0}].place != -int(fn.slots[Slot{0}].size))
    return Changed::kNothing;
  auto uses = find_frame_uses(fn, context.analyses.cfg(), context.analyses.stack());
  if (!uses || uses->list.empty()) return Changed::kNothing;
  uses->fixed |= find_unwritten(fn, context.analyses.cfg(), *uses);
  const auto conflicts = find_conflicts(fn, context.analyses.cfg(), *uses);
  return Sharer(fn, std::move(*uses), conflicts).run(context);
}

}  // namespace epass
