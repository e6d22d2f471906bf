// What scoring a membership or an extraction cell needs besides logits. A shard leaves it in its
// folder, with its part of the logits, so that a merge can score without model and data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct Scoring {
  /// An audited record.
  struct Row {
    bool member = false;
    int64_t record = 0;  ///< as Score::record
  };
  /// A unit that made float64 numbers of records [begin, end).
  struct Part {
    enum class What { kLogits, kDistances, kFeatures, kTransfer };
    std::string key;
    What what = What::kLogits;
    int64_t shadow = -1;  ///< whose; -1: the candidate's; extraction: the surrogate's
    int64_t view = 0;
    int64_t begin = 0;
    int64_t end = 0;
  };

  std::string cell;
  std::string key;  ///< of the unit that scores
  int64_t entry = 0;
  int64_t classes = 0;
  int64_t views = 1;
  int64_t features = 0;                 ///< numbers per record
  std::vector<Row> rows;                ///< the audited records; the population follows them
  std::vector<int64_t> labels;          ///< of all records
  std::vector<std::string> population;  ///< ids of those that follow the audited
  std::vector<Part> parts;
  /// Keys of the units that trained each shadow; extraction: that stole each surrogate.
  std::vector<std::string> trained;
  /// By shadow, ascending: the records it was trained on.
  std::vector<std::vector<int64_t>> in;
  /// Of its training records, what a shadow has in common with another (likeness.h); 1 where they
  /// also have in common what they started from, or are surrogates, which learnt from one set of
  /// answers.
  double shared = 1;
  std::string architecture;  ///< as in Fidelity
  std::string reason;
  int64_t frozen = 0;
};

/// `scoring.json` of a run folder, and `baseline_scoring.json`: one entry for each cell with
/// scores.
void write_scoring(const std::filesystem::path& file, const std::vector<Scoring>& cells);
/// Empty where there is no such file. Throws Error for a damaged one.
std::vector<Scoring> read_scoring(const std::filesystem::path& file);

}  // namespace assay
