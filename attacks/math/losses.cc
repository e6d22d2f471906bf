#include "attacks/math/losses.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "attacks/math/rows.h"
#include "harness/suite/error.h"

namespace assay::attacks {
namespace {

struct Row {
  std::span<const double> z;  // [K]
  std::span<double> c;        // [K], all 0 on entry
  double value = 0;
  double scale = 1;
};

// Index of the largest logit other than `excluded`; the first one of equals.
size_t best_other(std::span<const double> z, size_t excluded) {
  size_t best = excluded == 0 ? 1 : 0;
  for (size_t j = best + 1; j < z.size(); ++j) {
    if (j != excluded && z[j] > z[best]) best = j;
  }
  return best;
}

// Indices of the four largest logits, in order; the first one of equals. K ≥ 4.
std::array<size_t, 4> top_four(std::span<const double> z) {
  std::array<size_t, 4> top{};
  size_t known = 0;
  for (size_t j = 0; j < z.size(); ++j) {
    size_t place = known;
    while (place > 0 && z[j] > z[top[place - 1]]) --place;
    if (place == top.size()) continue;
    for (size_t i = std::min(known, top.size() - 1); i > place; --i) top[i] = top[i - 1];
    top[place] = j;
    known = std::min(known + 1, top.size());
  }
  return top;
}

// −log softmax(z)_y. With S = Σ_{j≠y} exp(z_j), the derivative is S/(S + exp z_y) times
// (softmax over j ≠ y) − e_y, whose entries neither cancel nor underflow.
void cross_entropy(Row& row, size_t y) {
  const std::span<const double> z = row.z;
  const double largest = z[best_other(z, y)];
  double sum = 0;
  for (size_t j = 0; j < z.size(); ++j) {
    if (j == y) continue;
    row.c[j] = std::exp(z[j] - largest);
    sum += row.c[j];
  }
  for (size_t j = 0; j < z.size(); ++j) row.c[j] /= sum;
  row.c[y] = -1;
  const double gap = largest + std::log(sum) - z[y];  // log-odds of leaving y
  row.value = std::max(gap, 0.0) + std::log1p(std::exp(-std::abs(gap)));
  row.scale = gap > 0 ? 1 / (1 + std::exp(-gap)) : std::exp(gap) / (1 + std::exp(gap));
}

// z_a − z_b.
void difference(Row& row, size_t a, size_t b) {
  row.value = row.z[a] - row.z[b];
  row.c[a] += 1;
  row.c[b] -= 1;
}

// (z_a − z_b) / (z_first − Σ weight·z_j) over `rest`; false and untouched where the denominator
// is 0. The derivative, times the denominator, is e_a − e_b − value·(e_first − Σ weight·e_j).
bool ratio(Row& row, size_t a, size_t b, size_t first, std::span<const size_t> rest) {
  const double weight = 1.0 / static_cast<double>(rest.size());
  double denominator = row.z[first];
  for (const size_t j : rest) denominator -= weight * row.z[j];
  const double value = (row.z[a] - row.z[b]) / denominator;
  if (!(denominator > 0) || !std::isfinite(value)) return false;
  row.value = value;
  row.c[a] += 1;
  row.c[b] -= 1;
  row.c[first] -= row.value;
  for (const size_t j : rest) row.c[j] += weight * row.value;
  row.scale = 1 / denominator;
  return true;
}

void leave(LossKind kind, Row& row, size_t y) {
  if (kind == LossKind::kCe) return cross_entropy(row, y);
  const size_t other = best_other(row.z, y);
  if (kind == LossKind::kDlr && row.z.size() >= 4) {
    const std::array<size_t, 4> top = top_four(row.z);
    if (ratio(row, other, y, top[0], std::span(top).subspan(2, 1))) return;
  }
  difference(row, other, y);
}

// Ascends to z_t, under dlr over z_rival.
void reach(LossKind kind, Row& row, size_t t, size_t rival) {
  if (kind == LossKind::kCe) {
    cross_entropy(row, t);
    row.value = -row.value;
    for (double& c : row.c) c = -c;
    return;
  }
  if (kind == LossKind::kDlr && row.z.size() >= 4) {
    const std::array<size_t, 4> top = top_four(row.z);
    if (ratio(row, t, rival, top[0], std::span(top).subspan(2, 2))) return;
  }
  difference(row, t, best_other(row.z, t));
}

// Brings the largest magnitude of the direction to 1.
void normalise(Row& row) {
  double largest = 0;
  for (const double c : row.c) largest = std::max(largest, std::abs(c));
  if (largest == 0 || largest == 1) return;
  for (double& c : row.c) c /= largest;
  row.scale *= largest;
}

// Calls fill(row, i) for every row with finite logits.
template <typename Fill>
Loss loss_by_row(const at::Tensor& logits, Fill fill) {
  const int64_t n = logits.size(0);
  const int64_t classes = logits.size(1);
  ASSAY_CHECK(classes >= 2, "a loss needs two classes");
  const at::Tensor z = logits.to(at::kDouble).contiguous();  // [n, K]
  const at::Tensor direction = at::zeros({n, classes}, at::kDouble);
  Loss loss{at::empty({n}, at::kDouble), direction, at::zeros({n}, at::kDouble)};
  for (int64_t i = 0; i < n; ++i) {
    const auto width = static_cast<size_t>(classes);
    Row row{{z.const_data_ptr<double>() + i * classes, width},
            {direction.data_ptr<double>() + i * classes, width}};
    if (std::all_of(row.z.begin(), row.z.end(), [](double v) { return std::isfinite(v); })) {
      fill(row, i);
      normalise(row);
    } else {
      row.value = std::numeric_limits<double>::quiet_NaN();
      row.scale = 0;
    }
    loss.value.data_ptr<double>()[i] = row.value;
    loss.scale.data_ptr<double>()[i] = row.scale;
  }
  loss.direction = direction.to(logits.scalar_type());
  return loss;
}

// Labels as indices, checked: [n] int64.
class Labels {
 public:
  Labels(const at::Tensor& labels, const at::Tensor& logits)
      : labels_(labels.contiguous()), classes_(logits.size(1)) {
    ASSAY_CHECK(labels.dim() == 1 && labels.size(0) == logits.size(0), "one label for each row");
  }
  size_t operator[](int64_t i) const {
    const int64_t label = labels_.const_data_ptr<int64_t>()[i];
    ASSAY_CHECK(label >= 0 && label < classes_, "a label that is not a class");
    return static_cast<size_t>(label);
  }

 private:
  at::Tensor labels_;
  int64_t classes_;
};

}  // namespace

at::Tensor Loss::gradient() const { return direction.to(at::kDouble).mul(scale.unsqueeze(1)); }

std::vector<std::string> loss_names() { return {"ce", "margin", "dlr"}; }

LossKind loss_kind(std::string_view name) {
  if (name == "ce") return LossKind::kCe;
  if (name == "margin") return LossKind::kMargin;
  ASSAY_CHECK(name == "dlr", "a loss that loss_names() does not list");
  return LossKind::kDlr;
}

Loss leave_loss(LossKind kind, const at::Tensor& logits, const at::Tensor& y) {
  const Labels labels(y, logits);
  return loss_by_row(logits, [&](Row& row, int64_t i) { leave(kind, row, labels[i]); });
}

Loss reach_loss(LossKind kind, const at::Tensor& logits, const at::Tensor& t) {
  const Labels targets(t, logits);
  return loss_by_row(logits, [&](Row& row, int64_t i) {
    reach(kind, row, targets[i], best_other(row.z, targets[i]));
  });
}

Loss pass_loss(LossKind kind, const at::Tensor& logits, const at::Tensor& y, const at::Tensor& t) {
  const Labels labels(y, logits);
  const Labels targets(t, logits);
  return loss_by_row(logits, [&](Row& row, int64_t i) { reach(kind, row, targets[i], labels[i]); });
}

}  // namespace assay::attacks
