#include "analysis/unrolled.h"

#include <algorithm>

#include "analysis/shape.h"

namespace epass {
namespace {

constexpr size_t kLongestPeriod = 64;

// Where a value is made: in which copy, and as which of its values.
struct Place {
  static constexpr uint32_t kOutside = UINT32_MAX;
  uint32_t copy = kOutside, number = 0;
  bool is_inside() const { return copy != kOutside; }
};

// Blocks begin .. begin + length - 1 look like those that stand `period` behind them.
struct Run {
  size_t begin = 0, length = 0, period = 0, insts = 0;
};

class Finder {
 public:
  Finder(const Function& fn, Analyses& analyses, const UnrolledSearch& search)
      : fn_(fn),
        search_(search),
        cfg_(analyses.cfg()),
        users_(analyses.users()),
        budget_(8 * fn.insts.size()) {
    for (Block b : fn.all_blocks())
      if (cfg_.reachable(b)) order_.push_back(b);
    sizes_.push_back(0);
    for (size_t k = 0; k < order_.size(); ++k) {
      index_.at(order_[k]) = uint32_t(k);
      uint64_t hash = fn.params(order_[k]).size();
      if (search.barred[order_[k]] || fn.blocks[order_[k]].table_target != kNoOrigin) hash = ~uint64_t{k};
      size_t size = 0;
      for (Inst i : fn.insts_of(order_[k])) {
        InstData d = fn.insts[i];
        if (may_progress(d)) d.imm = 0;
        hash = (hash ^ shape_of(d)) * 1099511628211ull;
        ++size;
      }
      shapes_.push_back(hash);
      sizes_.push_back(sizes_.back() + size);
    }
  }

  std::optional<Unrolled> find() {
    std::vector<Run> runs;
    for (size_t period = 1; period <= std::min(kLongestPeriod, order_.size() / 2); ++period)
      find_runs(period, runs);
    std::ranges::stable_sort(runs, std::greater(), &Run::insts);
    for (const Run& run : runs) {
      // The copies may begin at any of the blocks of the first.
      for (size_t shift = 0; shift < run.period && shift + run.period <= run.length; ++shift) {
        const size_t copies = (run.length - shift) / run.period + 1;
        auto found = match(run.begin + shift, run.period, copies);
        if (found && found->has_joins && found->copies > search_.trips) {
          const size_t together = found->copies / search_.trips;
          found = match(index_[found->blocks[0]], run.period * together, search_.trips);
        }
        if (found && search_.accept(*found)) return found;
        if (!budget_) return {};
      }
    }
    return {};
  }

 private:
  static bool may_progress(const InstData& d) { return d.op == Opcode::Const; }

  void find_runs(size_t period, std::vector<Run>& runs) const {
    size_t length = 0;
    for (size_t k = 0; k + period <= order_.size(); ++k) {
      if (k + period < order_.size() && shapes_[k] == shapes_[k + period]) {
        ++length;
        continue;
      }
      const size_t begin = k - length;
      if (length >= period) runs.push_back({begin, length, period, sizes_[k] - sizes_[begin]});
      length = 0;
    }
  }

  Block block(size_t copy, size_t n) const { return order_[begin_ + copy * period_ + n]; }
  // The copy that the block belongs to; kOutside: none.
  uint32_t copy_of(Block b, size_t copies) const {
    const size_t at = index_[b];
    return at >= begin_ && at < begin_ + copies * period_ ? uint32_t((at - begin_) / period_)
                                                          : Place::kOutside;
  }

  std::optional<Unrolled> match(size_t begin, size_t period, size_t copies) {
    for (int attempt = 0; attempt < 4 && copies >= 2; ++attempt) {
      begin_ = begin, period_ = period;
      if (block(0, 0) == fn_.entry()) return {};
      Unrolled found;
      number_values(copies);
      found.copies = copies_alike(found, copies);
      const size_t skip = found.copies < 2 ? 0 : copies_used_outside(found.copies);
      if (found.copies >= 2 && !skip) finish(found);
      forget_values(copies);
      if (found.copies < 2) return {};
      if (!skip) return found;
      begin += skip * period, copies = found.copies - skip;
    }
    return {};
  }

  template <class Visit>
  void each_value(size_t copy, Visit visit) const {
    for (size_t n = 0; n < period_; ++n) {
      for (Value v : fn_.params(block(copy, n))) visit(v);
      for (Inst i : fn_.insts_of(block(copy, n)))
        if (fn_.insts[i].result) visit(fn_.insts[i].result);
    }
  }

  void number_values(size_t copies) {
    firsts_.clear();
    each_value(0, [&](Value v) { firsts_.push_back(v); });
    for (size_t copy = 0; copy < copies; ++copy) {
      uint32_t number = 0;
      each_value(copy, [&](Value v) { places_.at(v) = {uint32_t(copy), number++}; });
    }
  }
  void forget_values(size_t copies) {
    for (size_t copy = 0; copy < copies; ++copy) each_value(copy, [&](Value v) { places_.at(v) = {}; });
  }

  size_t copies_alike(Unrolled& found, size_t copies) {
    size_t alike = is_closed(0, copies) ? 1 : 0;
    while (alike && alike < copies && is_closed(alike, copies) && is_alike(found, alike)) {
      found.next = next_;
      ++alike;
      if (alike == copies || next_ != block(alike, 0)) break;
    }
    return alike;
  }

  // Whether the copy is entered by its first block only, and that only from outside or from the copy before.
  bool is_closed(size_t copy, size_t copies) const {
    for (size_t n = 0; n < period_; ++n) {
      for (Edge e : cfg_.incoming(block(copy, n))) {
        const uint32_t from = copy_of(cfg_.source(e), copies);
        if (n == 0 && (copy == 0 ? from != Place::kOutside : from != copy - 1)) return false;
        if (n > 0 && from != copy) return false;
      }
    }
    return true;
  }

  bool is_alike(Unrolled& found, size_t copy) {
    at_ = progress_at_ = 0;
    next_ = {};
    for (size_t n = 0; n < period_; ++n) {
      const Block first = block(0, n), other = block(copy, n);
      if (fn_.params(first).size() != fn_.params(other).size()) return false;
      Inst i = fn_.blocks[first].first, k = fn_.blocks[other].first;
      for (; i && k; i = fn_.next(i), k = fn_.next(k))
        if (!is_same_inst(found, copy, i, k) || !are_same_edges(found, copy, i, k)) return false;
      if (i || k) return false;
    }
    return next_ && at_ == found.carried.size() && progress_at_ == found.progressions.size();
  }

  bool is_same_inst(Unrolled& found, size_t copy, Inst first, Inst other) {
    InstData a = fn_.insts[first], b = fn_.insts[other];
    if (budget_ == 0) return false;
    --budget_;
    if (a.core != kNoCore || b.core != kNoCore) return false;
    if (may_progress(a) && a.op == b.op && a.imm != b.imm) {
      // Modulo 2^64, as the program counts.
      const auto distance = int64_t(uint64_t(b.imm) - uint64_t(a.imm));
      const int64_t step = distance / int64_t(copy);
      if (step * int64_t(copy) != distance) return false;
      if (copy == 1) found.progressions.push_back({first, step});
      if (progress_at_ >= found.progressions.size()) return false;
      if (found.progressions[progress_at_].inst != first || found.progressions[progress_at_].step != step)
        return false;
      ++progress_at_;
      a.imm = b.imm;
    }
    if (shape_of(a) != shape_of(b)) return false;
    for (uint32_t n = 0; n < a.operand_count; ++n)
      if (!is_same_use(found, copy, {first, {}, n}, fn_.operand(first, n), fn_.operand(other, n)))
        return false;
    return true;
  }

  bool are_same_edges(Unrolled& found, size_t copy, Inst first, Inst other) {
    const uint8_t count = fn_.insts[first].edge_count;
    if (count != fn_.insts[other].edge_count) return false;
    for (uint8_t n = 0; n < count; ++n) {
      const Edge e = fn_.edge(first, n), f = fn_.edge(other, n);
      const Block to = fn_.edges[e].to, other_to = fn_.edges[f].to;
      if (to == block(1, 0)) {
        if (next_ && next_ != other_to) return false;
        next_ = other_to;
      } else if (copy_of(to, 1) == 0) {
        if (index_[other_to] != index_[to] + copy * period_) return false;
      } else if (to != other_to || copy_of(to, copy + 1) != Place::kOutside) {
        return false;
      }
      const auto args = fn_.args(e), other_args = fn_.args(f);
      if (args.size() != other_args.size()) return false;
      for (uint32_t k = 0; k < args.size(); ++k)
        if (!is_same_use(found, copy, {first, e, k}, fn_.resolve(args[k]), fn_.resolve(other_args[k])))
          return false;
    }
    return true;
  }

  bool is_same_use(Unrolled& found, size_t copy, UseSite site, Value first, Value other) {
    const Place a = places_[first], b = places_[other];
    if (b.is_inside() && b.copy == copy) return a.copy == 0 && a.number == b.number;
    if (!b.is_inside()) return first == other;
    if (a.is_inside() || b.copy != copy - 1) return false;
    if (copy == 1) found.carried.push_back({site, first, firsts_[b.number]});
    if (at_ >= found.carried.size()) return false;
    const Carried& c = found.carried[at_++];
    return c.site == site && c.made == firsts_[b.number];
  }

  // One more than the last copy, but for the very last, whose values are used outside of the copies; 0: none.
  size_t copies_used_outside(size_t copies) const {
    for (size_t copy = copies - 1; copy-- > 0;) {
      bool used = false;
      each_value(copy, [&](Value v) {
        for (Inst i : users_.of(v)) used |= copy_of(fn_.insts[i].block, copies) == Place::kOutside;
      });
      if (used) return copy + 1;
    }
    return 0;
  }

  void finish(Unrolled& found) const {
    found.period = period_;
    for (size_t n = 0; n < found.copies * period_; ++n) found.blocks.push_back(order_[begin_ + n]);
    for (size_t k = 1; k <= period_; ++k) found.has_joins |= cfg_.incoming(order_[begin_ + k]).size() > 1;
    size_t n = 0;
    each_value(found.copies - 1, [&](Value v) { found.last_to_first.push_back({v, firsts_[n++]}); });
  }

  const Function& fn_;
  const UnrolledSearch& search_;
  const Cfg& cfg_;
  const Users& users_;
  size_t budget_;
  std::vector<Block> order_;
  SideTable<Block, uint32_t> index_;
  std::vector<uint64_t> shapes_;
  std::vector<size_t> sizes_;  // instructions before each block of order_
  // Of the copies that are being looked at.
  size_t begin_ = 0, period_ = 0;
  SideTable<Value, Place> places_;
  std::vector<Value> firsts_;        // the values of the first copy
  size_t at_ = 0, progress_at_ = 0;  // how many carried uses and progressions came by
  Block next_ = {};                  // where this copy goes on
};

}  // namespace

std::optional<Unrolled> find_unrolled(const Function& fn, Analyses& analyses, const UnrolledSearch& search) {
  return Finder(fn, analyses, search).find();
}

}  // namespace epass
