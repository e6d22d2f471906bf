#include "harness/run/supply.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "harness/suite/error.h"

namespace assay {
namespace {

// The adversarial that a unit of an earlier cell has of a sample, if it has one: [1, ...shape].
at::Tensor found_by(const UnitResult& unit, int64_t sample, const at::Tensor& like,
                    const Store& store) {
  for (const Verdict& row : unit.rows) {
    if (row.sample != sample || row.tensor_row < 0) continue;
    const std::string bytes = store.get_blob(row.tensors);
    const at::Tensor point = at::empty_like(like.narrow(0, 0, 1), at::MemoryFormat::Contiguous);
    const auto size = static_cast<size_t>(point.nbytes());
    const size_t begin = static_cast<size_t>(row.tensor_row) * size;
    ASSAY_CHECK(begin + size <= bytes.size(), "a blob is shorter than its unit says");
    std::memcpy(point.data_ptr(), bytes.data() + begin, size);
    return point;
  }
  return {};
}

}  // namespace

void supply(const Supplies& supplies, const std::string& source, Block* block) {
  block->stop = &supplies.stop;
  if (source.empty()) return;
  const auto earlier = supplies.results.find(source);
  const bool outside = earlier == supplies.results.end();
  const Sources& sources = supplies.sources;
  ASSAY_CHECK(!outside || (sources.model && sources.points), "a run of this suite needs sources");
  if (outside) block->source = sources.model(source);
  if (const auto stolen = supplies.stolen.find(source); stolen != supplies.stolen.end()) {
    block->source = stolen->second.get();
  }
  if (block->source != nullptr) return;
  std::vector<at::Tensor> points;
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < block->size(); ++i) {
    const int64_t sample = supplies.samples.at(block->ids[static_cast<size_t>(i)]);
    const at::Tensor known =
        outside ? sources.points(source, supplies.header.samples[static_cast<size_t>(sample)])
                : found_by(*earlier->second, sample, block->x, supplies.store);
    if (!known.defined() || known.size(0) == 0) continue;
    points.push_back(known.narrow(0, 0, std::min(known.size(0), kMostPoints)));
    rows.insert(rows.end(), static_cast<size_t>(points.back().size(0)), i);
  }
  if (points.empty()) return;
  block->points = at::cat(points, 0);
  block->point_rows = at::tensor(rows, at::kLong);
}

}  // namespace assay
