#include "harness/gate/pairing.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "harness/gate/random.h"
#include "harness/gate/text.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

std::string field_name(const std::string& field) {
  constexpr std::string_view kPrefix = "params.";
  return field.starts_with(kPrefix) ? field.substr(kPrefix.size()) : field;
}

/// `steps 40 in the baseline, 100 here` for the first field that differs.
std::string first_difference(const CellHeader& here, const CellHeader& there) {
  std::map<std::string, std::pair<std::string, std::string>> fields;  // baseline, here
  for (const auto& [name, value] : there.key_fields) fields[name] = {brief(value), "absent"};
  for (const auto& [name, value] : here.key_fields) {
    const auto [at, added] = fields.try_emplace(name, "absent", brief(value));
    if (!added) at->second.second = brief(value);
  }
  for (const auto& [name, values] : fields) {
    const auto mine = here.key_fields.find(name);
    const auto theirs = there.key_fields.find(name);
    const bool equal = mine != here.key_fields.end() && theirs != there.key_fields.end() &&
                       mine->second == theirs->second;
    if (equal) continue;
    return field_name(name) + " " + values.first + " in the baseline, " + values.second + " here";
  }
  return "key " + brief(there.key) + " in the baseline, " + brief(here.key) + " here";
}

double drop(double here, double baseline) {
  if (here == baseline) return 0;  // both 0, or both unbroken
  if (std::isinf(baseline)) return 1;
  if (baseline == 0) return -std::numeric_limits<double>::infinity();
  return 1 - here / baseline;
}

constexpr int kResamples = 2000;
constexpr uint64_t kResamplesSeed = 0x6d656469616e;

// The places of `values` in ascending order.
std::vector<size_t> ascending(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] < values[b]; });
  return order;
}

// The median of a sample that holds each value `times` over, n in all.
double median_of(const std::vector<double>& values, const std::vector<size_t>& order,
                 const std::vector<int64_t>& times, int64_t n) {
  int64_t passed = 0;
  std::optional<double> low;
  for (const size_t place : order) {
    passed += times[place];
    if (!low && passed > (n - 1) / 2) low = values[place];
    if (passed <= n / 2) continue;
    const double high = values[place];
    return *low == high || std::isinf(high) ? high : *low + (high - *low) / 2;
  }
  ASSAY_CHECK(false, "a sample has a median");
}

}  // namespace

Pairing pair_cell(const CellHeader& here, const EvidenceView* baseline) {
  if (baseline == nullptr) return {nullptr, "there is no baseline"};
  const CellView* same_key = nullptr;
  for (const CellView& cell : baseline->cells) {
    if (cell.header->key != here.key || cell.header->family != here.family) continue;
    if (same_key == nullptr || cell.header->name == here.name) same_key = &cell;
  }
  if (same_key != nullptr) return {same_key, ""};
  const CellView* same_name = baseline->find(here.name);
  if (same_name != nullptr) return {nullptr, first_difference(here, *same_name->header)};
  std::vector<std::string> names;
  for (const CellView& cell : baseline->cells) names.push_back(cell.header->name);
  return {nullptr, "the baseline has no cell `" + here.name + "`" + suggest(here.name, names)};
}

bool is_parameter(const std::string& field) { return field.starts_with("params."); }

bool same_but(const CellHeader& a, const CellHeader& b,
              const std::function<bool(const std::string&)>& may_differ) {
  const auto differs = [&](const CellHeader& from, const CellHeader& to) {
    return std::any_of(from.key_fields.begin(), from.key_fields.end(), [&](const auto& entry) {
      if (may_differ(entry.first)) return false;
      const auto there = to.key_fields.find(entry.first);
      return there == to.key_fields.end() || there->second != entry.second;
    });
  };
  return !differs(a, b) && !differs(b, a);
}

bool same_threat(const CellHeader& a, const CellHeader& b, bool any_shares) {
  return a.threat.norm == b.threat.norm && same_but(a, b, [any_shares](const std::string& field) {
           return (any_shares && field == "sample_scale") || field == "eps" || field == "access" ||
                  field == "attack" || field == "version" || is_parameter(field);
         });
}

std::vector<int64_t> pair_samples(const std::vector<SampleInfo>& here,
                                  const std::vector<SampleInfo>& there) {
  std::map<std::pair<std::string_view, std::string_view>, std::deque<int64_t>> places;
  for (size_t i = 0; i < there.size(); ++i) {
    const SampleInfo& sample = there[i];
    places[{sample.id, sample.digest}].push_back(static_cast<int64_t>(i));
  }
  std::vector<int64_t> partners(here.size(), -1);
  for (size_t i = 0; i < partners.size(); ++i) {
    const auto at = places.find({here[i].id, here[i].digest});
    if (at == places.end() || at->second.empty()) continue;
    partners[i] = at->second.front();
    at->second.pop_front();
  }
  return partners;
}

PairedCounts count_pairs(const std::vector<Fact>& here, const std::vector<Fact>& there,
                         const std::vector<int64_t>& partners) {
  PairedCounts counts;
  for (size_t i = 0; i < partners.size() && i < here.size(); ++i) {
    if (partners[i] < 0 || here[i] == Fact::kUnknown) continue;
    const size_t partner = static_cast<size_t>(partners[i]);
    if (partner >= there.size() || there[partner] == Fact::kUnknown) continue;
    const bool yes_here = here[i] == Fact::kYes;
    const bool yes_there = there[partner] == Fact::kYes;
    ++counts.n;
    counts.here += yes_here ? 1 : 0;
    counts.baseline += yes_there ? 1 : 0;
    if (yes_there && !yes_here) counts.regressed.push_back(static_cast<int64_t>(i));
    if (yes_here && !yes_there) counts.repaired.push_back(static_cast<int64_t>(i));
  }
  return counts;
}

std::vector<std::vector<int64_t>> regressed_so_far(const Evidence& candidate,
                                                   const Evidence& baseline) {
  const EvidenceView here = view_evidence(candidate);
  const EvidenceView there = view_evidence(baseline);
  const std::vector<int64_t> partners =
      pair_samples(candidate.header.samples, baseline.header.samples);
  std::vector<std::vector<int64_t>> regressed;
  for (const CellView& cell : here.cells) {
    regressed.emplace_back();
    if (cell.header->family != Family::kEvasion) continue;
    const Pairing pairing = pair_cell(*cell.header, &there);
    if (pairing.cell == nullptr) continue;
    regressed.back() =
        count_pairs(robust_facts(cell), robust_facts(*pairing.cell), partners).regressed;
  }
  return regressed;
}

std::vector<DistancePair> pair_distances(const EvidenceView& here, const CellView& cell,
                                         const EvidenceView& baseline,
                                         const CellView& baseline_cell,
                                         const std::vector<int64_t>& partners) {
  const std::vector<std::optional<double>> mine = distances(here, cell);
  const std::vector<std::optional<double>> theirs = distances(baseline, baseline_cell);
  std::vector<DistancePair> pairs;
  for (size_t i = 0; i < partners.size() && i < mine.size(); ++i) {
    if (partners[i] < 0 || !counts(cell, i)) continue;
    const size_t partner = static_cast<size_t>(partners[i]);
    if (partner >= theirs.size() || !theirs[partner]) continue;
    pairs.push_back({mine[i].value_or(0), *theirs[partner]});
  }
  return pairs;
}

MedianDrop median_drop(const std::vector<DistancePair>& pairs, double confidence) {
  ASSAY_CHECK(!pairs.empty(), "a median needs a value");
  const auto n = static_cast<int64_t>(pairs.size());
  std::vector<double> here, baseline;
  for (const DistancePair& pair : pairs) {
    here.push_back(pair.here);
    baseline.push_back(pair.baseline);
  }
  const std::vector<size_t> order = ascending(here), order_before = ascending(baseline);
  const std::vector<int64_t> once(pairs.size(), 1);
  MedianDrop found;
  found.here = median_of(here, order, once, n);
  found.baseline = median_of(baseline, order_before, once, n);
  found.value = drop(found.here, found.baseline);
  // With fewer, not even the extremes bound a median.
  if (std::pow(0.5, static_cast<double>(n)) > 1 - confidence) return found;
  Draws draws(kResamplesSeed);
  std::vector<double> drops;
  std::vector<int64_t> times(pairs.size());
  for (int resample = 0; resample < kResamples; ++resample) {
    std::fill(times.begin(), times.end(), 0);
    for (int64_t i = 0; i < n; ++i) {
      ++times[static_cast<size_t>(draws.uniform() * static_cast<double>(n))];
    }
    drops.push_back(
        drop(median_of(here, order, times, n), median_of(baseline, order_before, times, n)));
  }
  std::sort(drops.begin(), drops.end());
  const auto beyond = static_cast<size_t>((1 - confidence) * (kResamples + 1));
  found.lower = drops[std::max<size_t>(beyond, 1) - 1];
  found.upper = drops[drops.size() - std::max<size_t>(beyond, 1)];
  return found;
}

}  // namespace assay
