// Distances between queries. Private to this room.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "harness/monitor/stream.h"

namespace assay {

/// Euclidean distance of two queries of the same width.
double distance(std::span<const float> a, std::span<const float> b);

/// Squared distances of queries [begin, end) to queries [first, last) of another stream, roughly,
/// by |a|² + |b|² − 2ab in float: to choose near ones by, not to report. Row-major
/// [end − begin, last − first]. `origin` [width] is taken off both: the nearer it lies to them, the
/// less is lost to rounding.
std::vector<float> rough_squares(const QueryView& queries, int64_t begin, int64_t end,
                                 const QueryView& others, int64_t first, int64_t last,
                                 std::span<const float> origin);

/// [width]: the mean of the queries, 0 where there are none.
std::vector<float> mean_of(const QueryView& queries);

}  // namespace assay
