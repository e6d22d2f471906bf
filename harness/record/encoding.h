// The bodies of evidence lines as JSON text; evidence files and the store share them (evidence.md).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/evidence.h"

namespace assay {

/// `value` as the shortest JSON number that reads back to the same bits; infinity as null.
std::string json_number(double value);

/// `text` as a JSON string. Throws Error if it is not UTF-8.
std::string json_string(std::string_view text);

/// Free text that may quote bytes of a model or a file: what is not UTF-8 becomes U+FFFD.
std::string lossy_string(std::string_view text);

/// A JSON array of what `spell` makes of each item.
template <typename List, typename Spell>
std::string list_text(const List& list, Spell spell) {
  std::string text = "[";
  for (const auto& item : list) {
    if (text.size() > 1) text += ',';
    text += spell(item);
  }
  text += ']';
  return text;
}

/// A JSON object whose keys stand in the order they were added.
class ObjectText {
 public:
  void raw(std::string_view key, std::string_view json);
  void text(std::string_view key, std::string_view value) { raw(key, json_string(value)); }
  void integer(std::string_view key, int64_t value) { raw(key, std::to_string(value)); }
  void number(std::string_view key, double value) { raw(key, json_number(value)); }
  void boolean(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
  /// Closes the object and returns it.
  std::string close();

 private:
  std::string text_ = "{";
};

/// First 16 hexadecimal digits of SHA-256 over `previous` and `body`: guards against damage and,
/// as each line's sum goes into the next, against lines lost, doubled or moved.
std::string line_sum(std::string_view previous, std::string_view body);

/// The lines of evidence.jsonl in order, each with its checksum and its end.
void each_line(const Evidence& evidence, const std::function<void(std::string_view)>& take);

/// Header without what only its host knows (model path, suite folder).
std::string header_text(const Header& header);
/// Verdicts by column; a column in which every row has the default is left out.
std::string rows_text(const std::vector<Verdict>& rows);
/// A unit without its cost.
std::string unit_text(const UnitResult& unit);
std::string cost_text(const Cost& cost);
/// What an extraction cell's unit holds. Both entries are objects and lists of objects, which a
/// unit's other entries are not.
std::string extraction_text(const UnitResult& unit);

/// The counts of a diagnosis in the order they are written; zeros are left out.
struct DiagnosisField {
  const char* name;
  int64_t Diagnosis::*field;
};
inline constexpr std::array<DiagnosisField, 22> kDiagnosisFields = {{
    {"gradients", &Diagnosis::gradients},
    {"zero_gradients", &Diagnosis::zero_gradients},
    {"nonfinite_gradients", &Diagnosis::nonfinite_gradients},
    {"standing", &Diagnosis::standing},
    {"blinded", &Diagnosis::blinded},
    {"traced", &Diagnosis::traced},
    {"unfinished", &Diagnosis::unfinished},
    {"hasty", &Diagnosis::hasty},
    {"stalled", &Diagnosis::stalled},
    {"averaged", &Diagnosis::averaged},
    {"turned", &Diagnosis::turned},
    {"flat", &Diagnosis::flat},
    {"unguided", &Diagnosis::unguided},
    {"unstarted", &Diagnosis::unstarted},
    {"broken", &Diagnosis::broken},
    {"silent", &Diagnosis::silent},
    {"boxed", &Diagnosis::boxed},
    {"withstood", &Diagnosis::withstood},
    {"surrounded", &Diagnosis::surrounded},
    {"unstable", &Diagnosis::unstable},
    {"approached", &Diagnosis::approached},
    {"cliffs", &Diagnosis::cliffs},
}};
static_assert(sizeof(Diagnosis) == kDiagnosisFields.size() * sizeof(int64_t),
              "every count of a diagnosis is written");

// The way back. Each throws Error, without a place, for anything that is not to the letter.
Header parse_header(std::string_view text);
UnitResult parse_unit(std::string_view text);
Cost parse_cost(std::string_view text);

/// The last line of an evidence file.
struct EndLine {
  int64_t units = 0;
  std::string ended_early;
  std::string interrupted;
};
std::string end_text(const EndLine& end);
EndLine parse_end(std::string_view text);

/// What costs.json holds: the facts of the machine.
struct HostFacts {
  std::string suite_folder;
  std::string model_path;
  std::map<std::string, Cost> costs;  ///< by unit key
};
std::string host_text(const HostFacts& facts);
HostFacts parse_host(std::string_view text);

/// The first difference between two headers as "field: A against B", or "" if they are equal.
std::string header_difference(const Header& a, const Header& b);
/// The first difference between the verdicts of one unit, naming sample and field; "" if equal.
std::string rows_difference(const std::vector<Verdict>& a, const std::vector<Verdict>& b);

}  // namespace assay
