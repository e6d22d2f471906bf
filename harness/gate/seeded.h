// Bounds of a figure measured on the same records with several seeds (contracts §3, extraction).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace assay {

/// What a figure is made of: num / den, or, where two models are compared,
/// num / den - other_num / other_den. The second part is absent where other_den is 0.
struct Terms {
  double num = 0;
  double den = 0;
  double other_num = 0;
  double other_den = 0;
  Terms& operator+=(const Terms& more);
};

/// A figure's terms, summed over all records for each seed and over all seeds for each record.
struct SeededTerms {
  std::vector<Terms> seeds;  ///< den > 0 in each
  std::vector<Terms> records;
  Terms high;  ///< a record, over all seeds, that raises the figure as much as one can
  Terms low;   ///< and one that lowers it
  double least = 0;
  double most = 1;  ///< the figure lies in [least, most]; may be infinite
};

/// `lower` and `upper` are absent with fewer than two seeds, which show no spread.
struct SeededBounds {
  double value = 0;
  std::optional<double> lower;
  std::optional<double> upper;
  double seed_error = 0;    ///< standard error of the value that comes with the seeds
  double record_error = 0;  ///< and with the records
};

/// One-sided bounds of what the figure is on average over seeds and records like these; confidence
/// in (0.5, 1). Two-stage bootstrap, derived in seeded.cc. Equal for equal arguments; `draws_seed`
/// starts its random numbers.
SeededBounds seeded_bounds(const SeededTerms& terms, double confidence, uint64_t draws_seed);

/// Seeds, more than `seeds` and at most `most`, with which the bound on that side would lie between
/// the value and `limit` if the errors hold; 0 if there is no such number. `bounds` are of `seeds`
/// at this confidence, and have ends.
int64_t seeds_for_limit(const SeededBounds& bounds, int64_t seeds, double limit, double confidence,
                        int64_t most);

/// Records with which it would if the errors hold and the seeds added none; infinite where the
/// value is the limit. `bounds` are of `seeds` and `records`.
double records_for_limit(const SeededBounds& bounds, int64_t seeds, int64_t records, double limit,
                         double confidence);

}  // namespace assay
