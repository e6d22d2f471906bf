// Recorded queries as files, and a workshop that watches them.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "harness/suite/splitmix.h"
#include "tests/cli/workshop.h"

namespace assay::testing {

using Rows = std::vector<std::vector<float>>;

inline std::string bytes_of(const Rows& rows) {
  std::string bytes;
  for (const std::vector<float>& row : rows) {
    bytes.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float));
  }
  return bytes;
}

// `shape`: of a row, such as "3, 4, 4"; as it is if "".
inline std::string npy(const Rows& rows, const std::string& shape = "") {
  std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                     std::to_string(rows.size()) + ", " +
                     (shape.empty() ? std::to_string(rows[0].size()) : shape) + "), }";
  head.resize(117, ' ');
  head += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(head.size()) + '\0' + head +
         bytes_of(rows);
}

inline std::string safetensors(const Rows& rows, const std::vector<int64_t>& labels) {
  const std::string inputs = bytes_of(rows);
  const std::string n = std::to_string(rows.size());
  const size_t after = labels.size() * sizeof(int64_t);
  std::string head = R"({"labels":{"dtype":"I64","shape":[)" + std::to_string(labels.size()) +
                     R"(],"data_offsets":[0,)" + std::to_string(after) +
                     R"(]},"x":{"dtype":"F32","shape":[)" + n + ',' +
                     std::to_string(rows[0].size()) + R"(],"data_offsets":[)" +
                     std::to_string(after) + ',' + std::to_string(after + inputs.size()) + "]}}";
  std::string bytes(8, '\0');
  const uint64_t length = head.size();
  std::memcpy(bytes.data(), &length, 8);
  bytes += head;
  bytes.append(reinterpret_cast<const char*>(labels.data()), after);
  return bytes + inputs;
}

// Numbers in [0, 1) by a hash, so that rows are as far from each other as chance has them.
inline Rows scattered(size_t n, uint64_t seed, size_t width = 64) {
  Rows rows(n, std::vector<float>(width));
  uint64_t state = seed;
  for (std::vector<float>& row : rows) {
    for (float& value : row) {
      value = static_cast<float>(mix64(state += kGolden) >> 40) * 0x1p-24F;
    }
  }
  return rows;
}

inline std::string labels_csv(size_t n) {
  std::string csv = "time,label\n";
  for (size_t i = 0; i < n; ++i) csv += "noon," + std::to_string(i % 3) + '\n';
  return csv;
}

class Monitor : public Workshop {
 protected:
  // Writes log.npy and out.csv, and watches them.
  Ended watch(const Rows& rows, std::vector<std::string> more = {}) {
    write("log.npy", npy(rows));
    write("out.csv", labels_csv(rows.size()));
    std::vector<std::string> args = {"monitor", "log.npy", "--outputs", "out.csv"};
    args.insert(args.end(), more.begin(), more.end());
    return assay(args);
  }
};

}  // namespace assay::testing
