// Points that come from elsewhere: the corpus, or a file.
#pragma once

#include <vector>

#include "attacks/math/projection.h"
#include "harness/model/oracle.h"

namespace assay::attacks {

/// The place of each of the block's points among those of its sample: [p] int64, from 0.
inline at::Tensor point_places(const Block& block) {
  std::vector<int64_t> next(static_cast<size_t>(block.size()), 0);
  const at::Tensor places = at::empty_like(block.point_rows);
  const int64_t* rows = block.point_rows.const_data_ptr<int64_t>();
  int64_t* out = places.data_ptr<int64_t>();
  for (int64_t i = 0; i < places.size(0); ++i) out[i] = next[static_cast<size_t>(rows[i])]++;
  return places;
}

/// Replaces the starts x [m, ...] of the samples behind `rows` [m] by the first point of each that
/// has one, projected into the ball.
inline void start_at_points(const Block& block, const Ball& ball, const at::Tensor& rows,
                            at::Tensor* x) {
  if (!block.points.defined()) return;
  const at::Tensor first = point_places(block).eq(0).nonzero().squeeze(1);
  const at::Tensor owners = block.point_rows.index_select(0, first);
  const at::Tensor points =
      project(block.points.index_select(0, first), block.x.index_select(0, owners), ball);
  *x = block.x.index_copy(0, rows, *x).index_copy(0, owners, points).index_select(0, rows);
}

/// Declares `init`: true if the first run starts at the corpus' points.
inline bool read_init(Params& params) {
  return params.choice("init", "none", {"none", "corpus"},
                       "corpus: the first run starts at what earlier runs found of the sample on "
                       "other models") == "corpus";
}

/// Tries the first `most` of each sample's points in their order, projected into the ball, until
/// one breaks it. Label access; at most as many queries per sample.
inline void try_points(Oracle& oracle, const Block& block, const Ball& ball,
                       int64_t most = kMostPoints) {
  if (!block.points.defined()) return;
  const at::Tensor places = point_places(block);
  for (int64_t place = 0; place < most; ++place) {
    const at::Tensor these = places.eq(place).nonzero().squeeze(1);
    if (these.size(0) == 0) return;
    const at::Tensor left =
        these.index_select(0, oracle.undecided(block.point_rows.index_select(0, these)));
    if (left.size(0) == 0) continue;
    const at::Tensor rows = block.point_rows.index_select(0, left);
    const at::Tensor x0 = block.x.index_select(0, rows);
    oracle.labels(project(block.points.index_select(0, left), x0, ball), rows);
  }
}

}  // namespace assay::attacks
