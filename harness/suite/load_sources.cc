// What attacks take from elsewhere: `source` and `references` are parameters of those that chain.
// Each names a cell of an earlier entry, `baseline`, or a file.
#include <algorithm>

#include "harness/suite/load.h"

namespace assay {
namespace {

Where place_of(const AttackSpec& spec, const char* key) {
  const Value* value = spec.entry.find(key);
  return value != nullptr ? value->where : spec.where;
}

void link(AttackSpec& spec, const std::vector<std::string>& known,
          const std::vector<std::string>& all) {
  for (const auto& [key, field] : {std::pair("source", &AttackSpec::source),
                                   std::pair("references", &AttackSpec::references)}) {
    const auto bound = spec.params.find(key);
    const auto* text =
        bound == spec.params.end() ? nullptr : std::get_if<std::string>(&bound->second);
    if (text == nullptr) continue;
    if (text->empty()) {
      if (spec.family != Family::kEvasion) continue;
      throw Error(spec.where, "attack `" + spec.attack + "` needs `" + key +
                                  "`: where its points come from, `baseline` or a file");
    }
    spec.*field = *text;
    // A later cell, or its own, is a mistake even where it looks like a file.
    const bool later = std::any_of(all.begin(), all.end(),
                                   [&](const std::string& name) { return selects(*text, name); });
    const bool file = text->find_first_of("./") != std::string::npos && !later;
    const auto cells = std::count_if(known.begin(), known.end(),
                                     [&](const std::string& name) { return selects(*text, name); });
    if (cells == 1 || (cells == 0 && file)) continue;
    if (cells > 1) {
      throw Error(place_of(spec, key), "`" + std::string(key) + "` names several cells: `" + *text +
                                           "`; name one of them");
    }
    throw Error(place_of(spec, key), "`" + std::string(key) + "` names no cell of an earlier " +
                                         "entry: `" + *text + "`" + suggest(*text, known) +
                                         ", or a file");
  }
}

}  // namespace

void link_sources(std::vector<AttackSpec>& specs) {
  std::vector<std::string> known = {"baseline"};
  std::vector<std::string> all;
  for (const AttackSpec& spec : specs) {
    for (std::string& name : source_names(spec)) all.push_back(std::move(name));
  }
  for (AttackSpec& spec : specs) {
    link(spec, known, all);
    for (AttackSpec& stage : spec.stages) link(stage, known, all);
    for (std::string& name : source_names(spec)) known.push_back(std::move(name));
  }
}

std::vector<std::string> source_names(const AttackSpec& spec) {
  std::vector<std::string> names;
  for (const Cell& cell : make_cells({spec})) names.push_back(cell.name);
  if (spec.family != Family::kExtraction) return names;
  for (const int64_t budget : budgets_of(spec.params)) {
    names.push_back(spec.name + "@" + std::to_string(budget));
  }
  return names;
}

std::string source_of(const AttackSpec& spec) {
  const auto init = spec.params.find("init");
  const bool starts_there =
      init != spec.params.end() && init->second == ParamValue(std::string(kCorpus));
  return spec.attack == kCorpus || starts_there ? kCorpus : spec.source;
}

bool uses_corpus(const AttackSpec& spec) {
  return source_of(spec) == kCorpus ||
         std::any_of(spec.stages.begin(), spec.stages.end(), uses_corpus);
}

}  // namespace assay
