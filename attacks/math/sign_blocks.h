// The order in which SignHunter and RayS flip blocks of a sign vector.
#pragma once

#include <algorithm>
#include <cstdint>

#include "harness/model/rng.h"

namespace assay::attacks {

/// Halves [d] entries into 1, 2, 4, … blocks of equal size, down to single entries, and hands the
/// blocks out in order. Then it starts again, with blocks that begin at a random place: the same
/// blocks again would hardly help. Each sample has its own.
class SignBlocks {
 public:
  /// Flips the entries of the next block of sign [d]. Random places are keyed by the sample.
  void flip_next(double* sign, int64_t d, uint64_t sample, const Rng& rng) {
    const int64_t size = (d + (int64_t{1} << level_) - 1) >> level_;
    ++flips_;
    first_ = position_ + shift_;
    size_ = std::min(size, d - position_);
    flip_last(sign, d);
    position_ += size_;
    if (position_ < d) return;
    position_ = 0;
    ++level_;
    if (size > 1) return;
    level_ = 0;
    ++pass_;
    shift_ = static_cast<int64_t>(rng.uniform(sample, pass_, 0) * static_cast<double>(d));
  }

  /// True if the last block was the last of its size, or one in a hundred of all.
  bool ends_part() const { return flips_ > 0 && (position_ == 0 || flips_ % 100 == 0); }

  /// Flips the block that was flipped last: undoes it.
  void flip_last(double* sign, int64_t d) const {
    for (int64_t k = first_; k < first_ + size_; ++k) sign[k % d] = -sign[k % d];
  }

 private:
  int64_t level_ = 0, position_ = 0, pass_ = 0, shift_ = 0;  // what is next
  int64_t first_ = 0, size_ = 0;                             // what was last
  int64_t flips_ = 0;                                        // blocks handed out
};

}  // namespace assay::attacks
