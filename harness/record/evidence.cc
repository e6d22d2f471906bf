#include "harness/record/evidence.h"

#include <unordered_set>

#include "harness/record/encoding.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using Keys = std::unordered_set<std::string_view>;

Keys keys_of(const std::vector<UnitResult>& units) {
  Keys keys;
  for (const UnitResult& unit : units) keys.insert(unit.key);
  return keys;
}

bool has_all(const Keys& keys, const std::vector<std::string>& expected) {
  for (const std::string& key : expected) {
    if (!keys.contains(key)) return false;
  }
  return true;
}

size_t checked_sample(const Verdict& row, size_t samples) {
  ASSAY_CHECK(row.sample >= 0 && static_cast<size_t>(row.sample) < samples,
              "a row names a sample that the header lacks");
  return static_cast<size_t>(row.sample);
}

/// Entries of one input.
int64_t size_of(const std::vector<int64_t>& shape) {
  int64_t size = 1;
  for (const int64_t side : shape) size *= side;
  return size;
}

/// A minimum-norm row at a radius: what lies beyond it is no adversarial there, and no doubt. The
/// distances stay, because medians and curves need them.
Verdict read_at_radius(Verdict row, double radius) {
  if (row.doubt_distance > radius) row.doubt = Doubt::kNone;
  if (row.status != Status::kBroken || row.distance <= radius) return row;
  row.status = Status::kRobust;
  row.adversarial = -1;
  row.breaking_attack.clear();
  row.tensors.clear();
  row.tensor_row = -1;
  return row;
}

}  // namespace

std::string_view to_string(Status status) {
  switch (status) {
    case Status::kRobust:
      return "robust";
    case Status::kBroken:
      return "broken";
    case Status::kMisclassified:
      return "misclassified";
    case Status::kInvalid:
      return "invalid";
    case Status::kUnconfirmed:
      return "unconfirmed";
    case Status::kError:
      return "error";
  }
  check_failed(__FILE__, __LINE__, "Status", "unknown status");
}

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "";
    case Cause::kCandidate:
      return "candidate";
    case Cause::kHost:
      return "host";
  }
  check_failed(__FILE__, __LINE__, "Cause", "unknown cause");
}

std::string_view to_string(Doubt doubt) {
  switch (doubt) {
    case Doubt::kNone:
      return "";
    case Doubt::kBlind:
      return "blind";
    case Doubt::kChance:
      return "chance";
  }
  check_failed(__FILE__, __LINE__, "Doubt", "unknown doubt");
}

Diagnosis& Diagnosis::operator+=(const Diagnosis& other) {
  for (const DiagnosisField& field : kDiagnosisFields) this->*field.field += other.*field.field;
  return *this;
}

const UnitResult* Evidence::find(std::string_view key) const {
  for (const UnitResult& unit : units) {
    if (unit.key == key) return &unit;
  }
  return nullptr;
}

bool Evidence::complete() const {
  const Keys keys = keys_of(units);
  if (!has_all(keys, header.clean_units)) return false;
  for (const CellHeader& cell : header.cells) {
    if (!has_all(keys, cell.units)) return false;
  }
  return true;
}

std::vector<int64_t> Evidence::clean_labels() const {
  const Keys expected(header.clean_units.begin(), header.clean_units.end());
  std::vector<int64_t> labels(header.samples.size(), -1);
  for (const UnitResult& unit : units) {
    if (!expected.contains(unit.key)) continue;
    for (const Verdict& row : unit.rows) labels[checked_sample(row, labels.size())] = row.clean;
  }
  return labels;
}

std::vector<std::optional<Verdict>> Evidence::rows(const CellHeader& cell) const {
  const Keys expected(cell.units.begin(), cell.units.end());
  const bool at_radius = cell.minimum_norm && cell.threat.eps.has_value();
  const double radius =
      at_radius ? ball_radius(cell.threat, size_of(header.shape), header.float64) : 0;
  std::vector<std::optional<Verdict>> rows(header.samples.size());
  for (const UnitResult& unit : units) {
    if (!expected.contains(unit.key)) continue;
    for (const Verdict& row : unit.rows) {
      rows[checked_sample(row, rows.size())] = at_radius ? read_at_radius(row, radius) : row;
    }
  }
  return rows;
}

}  // namespace assay
