// Which samples a run attacks.
#include <algorithm>
#include <fstream>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "harness/model/dataset.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {

uint64_t draw_key(uint64_t seed, const std::string& id) {
  return hash64(std::to_string(seed) + ":" + id);
}

namespace {

void check_enough(int64_t wanted, const Dataset& dataset, const char* key, const Where& where) {
  if (wanted >= 1 && wanted <= dataset.size()) return;
  throw Error(where, std::string("sample.") + key + ": " + std::to_string(wanted) +
                         " samples of data." + dataset.name() + ", which holds " +
                         std::to_string(dataset.size()) + "; expected 1 to " +
                         std::to_string(dataset.size()));
}

// Indices by ascending hash(seed, id).
std::vector<int64_t> shuffled(const Dataset& dataset, uint64_t seed) {
  std::vector<std::pair<uint64_t, int64_t>> keyed;
  keyed.reserve(static_cast<size_t>(dataset.size()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    keyed.emplace_back(draw_key(seed, dataset.id(i)), i);
  }
  std::sort(keyed.begin(), keyed.end());
  std::vector<int64_t> order;
  order.reserve(keyed.size());
  for (const auto& [hash, index] : keyed) order.push_back(index);
  return order;
}

// Interleaves classes in proportion: the sample of rank r among its class's n stands at
// (r + 1/2) / n. Every beginning of this order is proportional (Sainte-Laguë), and being the
// beginning of one order, a smaller sample is part of a larger one, which quotas with largest
// remainders do not keep.
std::vector<int64_t> stratify(const Dataset& dataset, const std::vector<int64_t>& order) {
  std::map<int64_t, int64_t> sizes;
  for (const int64_t index : order) ++sizes[dataset.label(index)];
  struct Place {
    int64_t twice_rank_plus_1;
    int64_t size;
    int64_t label;
    int64_t index;
  };
  std::vector<Place> places;
  places.reserve(order.size());
  std::map<int64_t, int64_t> ranks;
  for (const int64_t index : order) {
    const int64_t label = dataset.label(index);
    places.push_back({2 * ranks[label]++ + 1, sizes[label], label, index});
  }
  // Exact: both factors are below 2^32 for any data set whose labels fit in memory.
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    const auto left = static_cast<uint64_t>(a.twice_rank_plus_1) * static_cast<uint64_t>(b.size);
    const auto right = static_cast<uint64_t>(b.twice_rank_plus_1) * static_cast<uint64_t>(a.size);
    if (left != right) return left < right;
    return a.label < b.label;
  });
  std::vector<int64_t> result;
  result.reserve(places.size());
  for (const Place& place : places) result.push_back(place.index);
  return result;
}

std::vector<int64_t> read_ids(const Dataset& dataset, const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw Error(path.string() + ": cannot be opened; expected sample ids, one a line");
  std::unordered_map<std::string, int64_t> known;
  known.reserve(static_cast<size_t>(dataset.size()));
  for (int64_t i = 0; i < dataset.size(); ++i) known.emplace(dataset.id(i), i);
  std::unordered_map<int64_t, int> lines;
  std::vector<int64_t> indices;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // byte order mark
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    const Where where{path.string(), number, 1};
    const auto found = known.find(line);
    if (found == known.end()) {
      throw Error(where, "no sample `" + line.substr(0, 200) + "` in data." + dataset.name() +
                             " (" + std::to_string(dataset.size()) + " samples, `" + dataset.id(0) +
                             "` to `" + dataset.id(dataset.size() - 1) + "`)");
    }
    const auto [earlier, fresh] = lines.emplace(found->second, number);
    if (!fresh) {
      throw Error(where, "sample `" + line + "` is listed twice, first in line " +
                             std::to_string(earlier->second));
    }
    indices.push_back(found->second);
  }
  if (indices.empty()) throw Error(path.string() + ": lists no sample ids; expected one a line");
  return indices;
}

}  // namespace

std::vector<int64_t> draw(const Dataset& dataset, const SampleSpec& sample) {
  std::vector<int64_t> indices;
  if (!sample.ids.empty()) {
    indices = read_ids(dataset, sample.ids);
  } else if (sample.first) {
    check_enough(*sample.first, dataset, "first", sample.where);
    indices.resize(static_cast<size_t>(*sample.first));
    std::iota(indices.begin(), indices.end(), 0);
  } else if (sample.count) {
    check_enough(*sample.count, dataset, "count", sample.where);
    indices = shuffled(dataset, sample.seed);
    if (sample.stratified) indices = stratify(dataset, indices);
    indices.resize(static_cast<size_t>(*sample.count));
  } else {
    indices.resize(static_cast<size_t>(dataset.size()));
    std::iota(indices.begin(), indices.end(), 0);
  }
  std::sort(indices.begin(), indices.end());
  return indices;
}

}  // namespace assay
