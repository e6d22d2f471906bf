#include "harness/cli/adversarials.h"

#include <algorithm>
#include <cstring>
#include <iostream>

#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPictures = 12;

// The rows of one cell whose adversarials are to be saved, as indices of samples.
std::vector<int64_t> rows_to_save(const CellHeader& cell, const Evidence& evidence,
                                  const Decision& decision, Save save) {
  std::vector<int64_t> chosen;
  if (save == Save::kNone) return chosen;
  if (save == Save::kRegressed) {
    for (const CellResult& result : decision.cells) {
      if (result.name == cell.name) return result.regressed;
    }
    return chosen;
  }
  for (const std::optional<Verdict>& row : evidence.rows(cell)) {
    if (row && row->status == Status::kBroken) chosen.push_back(row->sample);
  }
  return chosen;
}

std::string array_name(const CellHeader& cell, const Evidence& evidence, int64_t sample) {
  return cell.name + "/" + evidence.header.samples[static_cast<size_t>(sample)].id;
}

// A place in the store.
struct Source {
  size_t blob = 0;
  size_t begin = 0;
};

using Pair = std::pair<const CellHeader*, int64_t>;

// One pair of each cell in turn, so that every cell shows some.
std::vector<Pair> interleave(const std::vector<std::vector<Pair>>& by_cell) {
  std::vector<Pair> pairs;
  for (size_t i = 0; true; ++i) {
    const size_t before = pairs.size();
    for (const std::vector<Pair>& cell : by_cell) {
      if (i < cell.size()) pairs.push_back(cell[i]);
    }
    if (pairs.size() == before) return pairs;
  }
}

// Which (cell, sample) pairs to show: the regressed ones first, then others that broke, of those
// that `is_at_hand`.
std::vector<Pair> pairs_to_show(const Evidence& evidence, const Decision& decision,
                                const std::function<bool(const Pair&)>& is_at_hand) {
  std::map<std::string, std::vector<int64_t>> regressed;
  for (const CellResult& cell : decision.cells) regressed[cell.name] = cell.regressed;
  std::vector<std::vector<Pair>> first, second;
  const auto add = [&](std::vector<Pair>* to, const CellHeader& cell, int64_t sample) {
    if (to->size() < kPictures && is_at_hand({&cell, sample})) to->emplace_back(&cell, sample);
  };
  for (const CellHeader& cell : evidence.header.cells) {
    first.emplace_back();
    second.emplace_back();
    const std::vector<int64_t>& lost = regressed[cell.name];
    for (const int64_t sample : lost) add(&first.back(), cell, sample);
    const std::set<int64_t> known(lost.begin(), lost.end());
    for (const std::optional<Verdict>& row : evidence.rows(cell)) {
      if (!row || row->status != Status::kBroken || known.contains(row->sample)) continue;
      add(&second.back(), cell, row->sample);
    }
  }
  std::vector<Pair> pairs = interleave(first);
  const std::vector<Pair> others = interleave(second);
  pairs.insert(pairs.end(), others.begin(), others.end());
  if (pairs.size() > kPictures) pairs.resize(kPictures);
  return pairs;
}

std::vector<float> to_floats(const at::Tensor& x) {
  const at::Tensor flat = x.to(at::kFloat).flatten().contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

template <typename T>
std::vector<double> numbers_in(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return std::vector<double>(values.begin(), values.end());
}

}  // namespace

Adversarials adversarials_of(const Evidence& evidence, const Decision& decision, const Store& store,
                             Save save) {
  const Header& header = evidence.header;
  const std::string dtype = header.float64 ? "F64" : "F32";
  const auto width = static_cast<size_t>(entries_of(header.shape) * dtype_size(dtype));
  Adversarials all;
  std::vector<std::string> blobs;
  std::vector<Source> sources;  // of the arrays
  for (const CellHeader& cell : header.cells) {
    const std::vector<std::optional<Verdict>> rows = evidence.rows(cell);
    for (const int64_t sample : rows_to_save(cell, evidence, decision, save)) {
      const std::optional<Verdict>& row = rows[static_cast<size_t>(sample)];
      if (!row || row->tensors.empty() || !store.has_blob(row->tensors)) continue;
      if (blobs.empty() || blobs.back() != row->tensors) blobs.push_back(row->tensors);
      all.arrays.push_back({array_name(cell, evidence, sample), dtype, header.shape, 0, 0});
      sources.push_back({blobs.size() - 1, static_cast<size_t>(row->tensor_row) * width});
    }
  }
  all.bytes_of = [&store, blobs = std::move(blobs), sources = std::move(sources), width,
                  name = std::string(), blob = std::string()](size_t i) mutable {
    if (blobs[sources[i].blob] != name) {
      name = blobs[sources[i].blob];
      blob = store.get_blob(name);
    }
    return blob.substr(sources[i].begin, width);
  };
  return all;
}

Adversarials read_adversarials(const fs::path& file) {
  Adversarials all;
  if (!fs::exists(file)) return all;
  all.arrays = read_safetensors_index(file);
  std::sort(all.arrays.begin(), all.arrays.end(),
            [](const ArrayInfo& a, const ArrayInfo& b) { return a.name < b.name; });
  all.bytes_of = [file, arrays = all.arrays](size_t i) { return read_array(file, arrays[i]); };
  return all;
}

Adversarials unite(std::vector<Adversarials> parts) {
  Adversarials all;
  std::set<std::string> names;
  std::vector<std::pair<size_t, size_t>> sources;  // part, its array
  for (size_t part = 0; part < parts.size(); ++part) {
    for (size_t i = 0; i < parts[part].arrays.size(); ++i) {
      const ArrayInfo& array = parts[part].arrays[i];
      if (!names.insert(array.name).second) continue;
      all.arrays.push_back(array);
      sources.emplace_back(part, i);
    }
  }
  all.bytes_of = [parts = std::move(parts), sources = std::move(sources)](size_t i) {
    return parts[sources[i].first].bytes_of(sources[i].second);
  };
  return all;
}

void write_adversarials(const fs::path& file, Adversarials adversarials) {
  const size_t all = adversarials.arrays.size();
  const size_t fitting = arrays_that_fit(adversarials.arrays);
  if (fitting < all) {
    std::cerr << "assay: " << fitting << " of " << all << " adversarials are saved, as many as "
              << file.string() << " can hold" << std::endl;
    adversarials.arrays.resize(fitting);
  }
  write_safetensors(file, adversarials.arrays, adversarials.bytes_of);
}

std::vector<double> values_of(const Adversarials& adversarials, size_t i) {
  const std::string bytes = adversarials.bytes_of(i);
  return adversarials.arrays[i].dtype == "F64" ? numbers_in<double>(bytes)
                                               : numbers_in<float>(bytes);
}

std::map<std::string, int64_t> places_of(const Dataset& dataset, const std::set<std::string>& ids) {
  std::map<std::string, int64_t> places;
  for (int64_t i = 0; i < dataset.size() && !ids.empty(); ++i) {
    std::string id = dataset.id(i);
    if (ids.contains(id)) places[std::move(id)] = i;
  }
  return places;
}

std::vector<Picture> choose_pictures(const Evidence& evidence, const Decision& decision,
                                     const Adversarials& adversarials, const Dataset& dataset) {
  std::vector<Picture> pictures;
  if (adversarials.arrays.empty()) return pictures;
  const Header& header = evidence.header;
  std::map<std::string_view, size_t> saved;
  for (size_t i = 0; i < adversarials.arrays.size(); ++i) {
    const ArrayInfo& array = adversarials.arrays[i];
    const bool fits =
        array.shape == header.shape && array.dtype == (header.float64 ? "F64" : "F32");
    if (fits) saved.emplace(array.name, i);
  }
  const std::vector<Pair> pairs = pairs_to_show(evidence, decision, [&](const Pair& pair) {
    return saved.contains(array_name(*pair.first, evidence, pair.second));
  });
  std::set<std::string> ids;
  for (const Pair& pair : pairs) ids.insert(header.samples[static_cast<size_t>(pair.second)].id);
  const std::map<std::string, int64_t> places = places_of(dataset, ids);
  for (const auto& [cell, sample] : pairs) {
    const SampleInfo& info = header.samples[static_cast<size_t>(sample)];
    const auto place = places.find(info.id);
    if (place == places.end()) continue;
    const std::span<const int64_t> one(&place->second, 1);
    if (describe(dataset, one).front().digest != info.digest) continue;
    const std::vector<double> moved =
        values_of(adversarials, saved.at(array_name(*cell, evidence, sample)));
    pictures.push_back({cell->name, sample, header.shape, to_floats(dataset.read(one)),
                        std::vector<float>(moved.begin(), moved.end())});
  }
  return pictures;
}

}  // namespace assay
