// What keys of units and cells are made of. Private to this room.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "harness/run/plan.h"
#include "harness/suite/suite.h"

namespace assay {

/// One field of a digest; lengths keep neighbouring fields apart.
void add_field(std::string* text, std::string_view name, std::string_view value);

std::string digest_of(const std::map<std::string, std::string>& fields);

/// Digest of the code through which every query and verdict goes.
std::string judging_version();

/// Digest of the code that makes a membership cell's scores of outputs.
std::string scoring_version();

/// Digest of the code that runs a theft and says what it came to.
std::string theft_version();

/// All of the suite's model section that outputs depend on, besides the file.
std::string model_text(const ModelSpec& spec);

/// Digest of the share of eps that each sample may use, [samples].
std::string scale_digest(const std::vector<SampleInfo>& samples, const std::vector<double>& shares);

template <typename T>
std::string joined(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) {
    if (!text.empty()) text += ' ';
    if constexpr (std::is_same_v<T, double>) {
      text += number_text(value);
    } else {
      text += std::to_string(value);
    }
  }
  return text;
}

/// Adds to the header the flags of cells that a plan sees by itself: eps_scale and few_classes.
void flag_cells(const Suite& suite, Header* header);

/// Plans the cell's units after those that are there, and fills in what its header says of them.
/// `model_key` stands for model and platform; `stolen` is the extraction cell that `references`
/// names, or null.
void plan_audit(const Suite& suite, const AttackSpec& spec, const Inference& inference,
                const std::vector<Attack>& attacks, const AuditInputs& inputs,
                const std::string& model_key, const Platform& platform, const CellHeader* stolen,
                Plan* plan, CellHeader* cell);

/// The same of an extraction cell.
void plan_heist(const Suite& suite, const AttackSpec& spec, const Extraction& extraction,
                const std::vector<Attack>& attacks, const AuditInputs& inputs,
                const std::string& model_key, const Platform& platform, Plan* plan,
                CellHeader* cell);

/// Keys of the units that steal the surrogates which `source` names in an extraction cell, one for
/// each seed; none if it names none.
std::vector<std::string> stolen_units(const CellHeader& cell, const std::string& source);

/// The surrogate that `source` names there, whatever model it is stolen from and whatever else the
/// cell measures.
std::string stolen_text(const CellHeader& cell, const std::string& source);

/// Adds units to a cell and to the plan; units that another cell has planned already are shared by
/// their key.
class CellPlanner {
 public:
  CellPlanner(size_t entry, Plan* plan, CellHeader* cell)
      : entry_(entry), plan_(plan), cell_(cell) {}
  /// A unit of the cell, of the last of Plan::audits, with the digest of `text` as key.
  Unit make(Unit::Kind kind, const std::string& text) const;
  void add(Unit unit);

 private:
  size_t entry_;
  Plan* plan_;
  CellHeader* cell_;
};

/// Of the digests of records [begin, end).
std::string content_digest(const std::vector<RecordRef>& records, int64_t begin, int64_t end);
/// Of the digests of a whole set, in whatever order.
std::string set_digest(const Records& records);

/// What outputs on records are known by, whatever cell asks for them. `model` is the key of the
/// model, or of the unit that trains or steals it; `content` the records' digest.
std::string outputs_text(const Suite& suite, const std::string& model, int64_t view,
                         const std::string& content);

/// Records per unit of outputs: by the inputs' size alone, so that they take 64 MiB at most.
int64_t chunk_size(const Suite& suite);

}  // namespace assay
