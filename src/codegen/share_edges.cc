// Code on edges exists once for each block and each thing to do there.
//
//     if r2 == 0 goto A                     if r2 == 0 goto A
//     r3 = *(u64 *)(r0 + 16)                r3 = *(u64 *)(r0 + 16)
//     r0 = 0                        =>
//     goto B                             A: r0 = 0
//  A: r0 = 0                             B: exit
//  B: exit

#include <algorithm>
#include <vector>

#include "codegen/tidy.h"

namespace epass {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr size_t kMostEdges = 64;  // of one block that are compared with each other

class Sharing {
 public:
  Sharing(const MFunction& mf, std::vector<Chunk>& chunks, const bpf::NewCode& code)
      : mf_(mf), chunks_(chunks), code_(code) {}

  void run() {
    std::vector<uint32_t> before(mf_.blocks.size(), kNone);  // in the layout
    for (uint32_t b = 0, last = kNone; b < mf_.blocks.size(); ++b)
      if (mf_.blocks[b].block) before[b] = last, last = b;
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b) {
      std::vector<uint32_t> edges;
      for (MBlock p : mf_.preds(b))
        if (is_edge(p.index)) edges.push_back(p.index);
      if (edges.empty() || edges.size() > kMostEdges) continue;
      // Edges that are jumped to can stand in front of their block.
      std::ranges::stable_partition(edges, [&](uint32_t e) { return is_jumped_to(e); });
      std::vector<uint32_t> kept;
      for (uint32_t e : edges) {
        auto same =
            std::ranges::find_if(kept, [&](uint32_t k) { return size(k) == size(e) && ends_like(e, k); });
        if (same == kept.end()) {
          kept.push_back(e);
          continue;
        }
        chunks_[e].begin = chunks_[e].end - 1;
        chunks_[e].on_with = *same;
      }
      share_with_blocks(b, kept, before[b]);
    }
  }

 private:
  uint32_t size(uint32_t b) const { return chunks_[b].end - chunks_[b].begin - 1; }

  // A block on an edge that does something, and that may be left out.
  bool is_edge(uint32_t b) const {
    const Chunk& chunk = chunks_[b];
    if (mf_.blocks[b].block || chunk.end - chunk.begin < 2 || chunk.on_with != kNone) return false;
    if (chunks_[mf_.preds(b)[0].index].ends_with == MKind::kGotoX) return false;
    for (uint32_t n = chunk.begin; n + 1 < chunk.end; ++n)
      if (bpf::is_ld_imm64(code_.insns[n]) ||
          std::ranges::binary_search(code_.core, n, {}, &bpf::CoreRecord::insn))
        return false;
    return true;
  }
  bool is_jumped_to(uint32_t e) const { return mf_.succs(mf_.preds(e)[0].index)[0].index == e; }

  // Whether block `b` does last what edge `e` does, before its jump.
  bool ends_like(uint32_t b, uint32_t e) const {
    const uint32_t count = size(e), end = chunks_[b].end - 1;
    if (size(b) < count) return false;
    for (uint32_t k = 0; k < count; ++k) {
      const uint32_t n = end - count + k;
      if (code_.insns[n] != code_.insns[chunks_[e].begin + k] ||
          std::ranges::binary_search(code_.core, n, {}, &bpf::CoreRecord::insn) ||
          std::ranges::binary_search(code_.attachments, n, {}, &bpf::Attachment::insn))
        return false;
    }
    // The first of them must not be the second half of an ld_imm64.
    return code_.insns[end - count].code != 0;
  }

  void share_with_blocks(uint32_t b, const std::vector<uint32_t>& edges, uint32_t before) {
    for (MBlock p : mf_.preds(b)) {
      const uint32_t x = p.index;
      if (!mf_.blocks[x].block || chunks_[x].ends_with != MKind::kJump || chunks_[x].on_with != kNone)
        continue;
      for (uint32_t e : edges) {
        if (!ends_like(x, e)) continue;
        // What went on without a jump needs one, unless the edge can come between.
        if (x == before && !(is_jumped_to(e) && e == edges.front())) break;
        chunks_[x].end -= size(e);
        chunks_[x].on_with = e;
        break;
      }
    }
  }

  const MFunction& mf_;
  std::vector<Chunk>& chunks_;
  const bpf::NewCode& code_;
};

}  // namespace

void share_edges(const MFunction& mf, std::vector<Chunk>& chunks, const bpf::NewCode& code) {
  Sharing(mf, chunks, code).run();
}

}  // namespace epass
