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

// Names that entries go by: of earlier entries, those of them whose points are the corpus', of
// earlier extraction entries, of all.
struct Names {
  std::vector<std::string> known = {"baseline"};
  std::vector<std::string> corpus;
  std::vector<std::string> stolen;
  std::vector<std::string> all;
};

// True if points of the corpus are claimed as they are, by the entry or a stage of it.
bool tries_corpus(const AttackSpec& spec) {
  return spec.attack == kCorpus ||
         std::any_of(spec.stages.begin(), spec.stages.end(), tries_corpus);
}

bool names_cell_of(const std::string& source, const AttackSpec& spec) {
  const std::vector<std::string> names = source_names(spec);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return selects(source, name); });
}

void link(AttackSpec& spec, const Names& names) {
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
    // What stands in for shadow models is stolen in the same run.
    const bool reference = field == &AttackSpec::references;
    const std::vector<std::string>& known = reference ? names.stolen : names.known;
    // A later cell, or its own, is a mistake even where it looks like a file.
    const auto named = [&](const std::string& name) { return selects(*text, name); };
    const bool later = std::any_of(names.all.begin(), names.all.end(), named);
    const bool file = text->find_first_of("./") != std::string::npos && !later && !reference;
    const auto cells = std::count_if(known.begin(), known.end(), named);
    if (std::any_of(names.corpus.begin(), names.corpus.end(), named)) {
      throw Error(place_of(spec, key),
                  "`" + std::string(key) + "` names `" + *text +
                      "`, whose points come from the corpus; only `init: corpus` of pgd or apgd "
                      "hands them on, or an entry of its own with `attack: corpus`");
    }
    if (cells == 1 || (cells == 0 && file)) continue;
    if (cells > 1) {
      throw Error(place_of(spec, key), "`" + std::string(key) + "` names several cells: `" + *text +
                                           "`; name one of them");
    }
    throw Error(place_of(spec, key),
                "`" + std::string(key) + "` names no " +
                    (reference ? "earlier extraction entry" : "cell of an earlier entry") + ": `" +
                    *text + "`" + suggest(*text, known) + (reference ? "" : ", or a file"));
  }
}

}  // namespace

void link_sources(std::vector<AttackSpec>& specs) {
  Names names;
  for (const AttackSpec& spec : specs) {
    for (std::string& name : source_names(spec)) names.all.push_back(std::move(name));
  }
  for (AttackSpec& spec : specs) {
    link(spec, names);
    for (AttackSpec& stage : spec.stages) link(stage, names);
    for (std::string& name : source_names(spec)) {
      if (spec.family == Family::kExtraction) names.stolen.push_back(name);
      if (tries_corpus(spec)) names.corpus.push_back(name);
      names.known.push_back(std::move(name));
    }
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

void name_baseline(Suite& suite, const std::filesystem::path& folder) {
  if (suite.baseline.empty() || suite.baseline == "none") return;
  const auto rename = [&](AttackSpec& spec) {
    if (spec.source.empty() || spec.family != Family::kEvasion) return;
    const bool cell =
        std::any_of(suite.attacks.begin(), suite.attacks.end(),
                    [&](const AttackSpec& other) { return names_cell_of(spec.source, other); });
    if (cell) return;
    const std::filesystem::path file = std::filesystem::absolute(resolve(folder, spec.source));
    const std::filesystem::path baseline = std::filesystem::absolute(suite.baseline);
    std::error_code error;
    const bool same = file.lexically_normal() == baseline.lexically_normal() ||
                      std::filesystem::equivalent(file, baseline, error);
    if (same && !error) spec.source = "baseline";
  };
  for (AttackSpec& spec : suite.attacks) {
    rename(spec);
    for (AttackSpec& stage : spec.stages) rename(stage);
  }
}

bool favours_one(const Suite& suite, const AttackSpec& spec) {
  if (uses_corpus(spec) || spec.source == "baseline") return true;
  const auto favours = [&](const AttackSpec& other) { return favours_one(suite, other); };
  if (std::any_of(spec.stages.begin(), spec.stages.end(), favours)) return true;
  if (spec.source.empty()) return false;
  // Sources are cells of earlier entries, so that the chain ends.
  for (const AttackSpec& other : suite.attacks) {
    if (names_cell_of(spec.source, other)) return favours(other);
  }
  // Points in a file broke some model, and nobody knows which.
  return std::filesystem::path(spec.source).extension() == ".safetensors";
}

bool uses_corpus(const AttackSpec& spec) {
  return source_of(spec) == kCorpus ||
         std::any_of(spec.stages.begin(), spec.stages.end(), uses_corpus);
}

}  // namespace assay
