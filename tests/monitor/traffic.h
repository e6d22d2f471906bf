// Streams of queries to watch: natural ones and attacks'.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/monitor/monitor.h"

namespace assay {

/// A detector of the table, as a suite would say it: `{ monitor: prada, delta: 0.9 }`.
inline Detector detector(const std::string& entry, const Watch& watch = {}) {
  DetectorSpec spec;
  spec.entry = parse_yaml(entry, "suite.yaml");
  spec.monitor = spec.entry.find("monitor")->scalar;
  spec.where = spec.entry.where;
  return make_detector(spec, watch);
}

inline void append(QueryStream& stream, const std::vector<float>& row, int64_t label) {
  stream.width = static_cast<int64_t>(row.size());
  stream.inputs.insert(stream.inputs.end(), row.begin(), row.end());
  stream.labels.push_back(label);
}

inline std::vector<float> row_of(const QueryStream& stream, int64_t i) {
  const std::span<const float> row = stream.view().row(i);
  return {row.begin(), row.end()};
}

inline QueryStream rows_of(const QueryStream& stream, int64_t begin, int64_t end) {
  QueryStream part;
  for (int64_t i = begin; i < end; ++i) {
    append(part, row_of(stream, i), stream.labels[static_cast<size_t>(i)]);
  }
  return part;
}

/// Uniform noise of width 64: every two queries are far from each other.
inline QueryStream scattered(int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform;
  QueryStream stream;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<float> row(64);
    for (float& value : row) value = uniform(random);
    append(stream, row, i % 3);
  }
  return stream;
}

inline std::string unpacked(const std::string& path) {
  std::string bytes;
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return bytes;
  std::vector<char> piece(1 << 20);
  for (int n = 0; (n = gzread(file, piece.data(), static_cast<unsigned>(piece.size()))) > 0;) {
    bytes.append(piece.data(), static_cast<size_t>(n));
  }
  gzclose(file);
  return bytes;
}

/// The test set of Fashion-MNIST in a random order: 10,000 images of 28 × 28 in [0, 1], with their
/// labels. Throws where it is not installed: third_party/setup.sh installs it.
inline const QueryStream& fashion() {
  static const QueryStream stream = [] {
    const char* set = std::getenv("FASHION_MNIST");
    const std::string folder = set != nullptr ? set : "/usr/share/datasets/fashion-mnist";
    const std::string images = unpacked(folder + "/t10k-images-idx3-ubyte.gz");
    const std::string labels = unpacked(folder + "/t10k-labels-idx1-ubyte.gz");
    QueryStream all;
    if (images.size() != 16 + 10000 * 784 || labels.size() != 8 + 10000) {
      throw std::runtime_error("no Fashion-MNIST in " + folder +
                               "; install dataset-fashion-mnist or set FASHION_MNIST");
    }
    std::vector<size_t> order(10000);
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::mt19937 random(1);
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) {
      std::vector<float> row(784);
      for (size_t k = 0; k < row.size(); ++k) {
        row[k] = static_cast<float>(static_cast<unsigned char>(images[16 + i * 784 + k])) / 255;
      }
      append(all, row, labels[8 + i]);
    }
    return all;
  }();
  return stream;
}

/// What Jacobian-based augmentation sends: natural seeds, then in each round every query so far
/// moved by `step` in the direction of signs, here random ones, clipped to [0, 1].
inline QueryStream augmented(const QueryStream& seeds, int64_t rounds, float step, unsigned seed) {
  std::mt19937 random(seed);
  QueryStream stream = seeds;
  for (int64_t round = 0; round < rounds; ++round) {
    const int64_t n = stream.view().size();
    for (int64_t i = 0; i < n; ++i) {
      std::vector<float> row = row_of(stream, i);
      for (float& value : row) {
        value = std::clamp(value + (random() % 2 == 0 ? step : -step), 0.0F, 1.0F);
      }
      append(stream, row, stream.labels[static_cast<size_t>(i)]);
    }
  }
  return stream;
}

/// What a query-based evasion attack sends: one image with small noise, again and again.
inline QueryStream near_duplicates(const std::vector<float>& image, int64_t n, float noise,
                                   unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, noise);
  QueryStream stream;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<float> row = image;
    for (float& value : row) value = std::clamp(value + normal(random), 0.0F, 1.0F);
    append(stream, row, 0);
  }
  return stream;
}

// Looks at all queries so far, at every tenth: alarms while the mean of their first entries is low.
inline Detector pooled() {
  return [](const QueryView& queries) {
    Alarms alarms;
    double sum = 0;
    for (int64_t i = 0; i < queries.size(); ++i) {
      sum += queries.row(i)[0];
      if (i % 10 > 0 || i < 200) continue;
      ++alarms.checks;
      if (sum / static_cast<double>(i + 1) > 0.38) continue;
      ++alarms.raised;
      alarms.queries.push_back(i);
    }
    return alarms;
  };
}

}  // namespace assay
