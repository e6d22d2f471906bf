#include "harness/record/scoring.h"

#include "harness/record/fields.h"
#include "harness/record/files.h"

namespace assay {
namespace {

constexpr int64_t kScoringVersion = 4;

Json to_json(const Scoring& cell) {
  Json json = {{"cell", cell.cell},     {"key", cell.key},
               {"entry", cell.entry},   {"classes", cell.classes},
               {"views", cell.views},   {"features", cell.features},
               {"labels", cell.labels}, {"trained", cell.trained},
               {"in", cell.in},         {"architecture", cell.architecture},
               {"reason", cell.reason}, {"population", cell.population},
               {"frozen", cell.frozen}, {"shared", cell.shared}};
  for (const Scoring::Row& row : cell.rows) json["rows"].push_back({row.member, row.record});
  for (const Scoring::Part& part : cell.parts) {
    json["parts"].push_back(
        {part.key, static_cast<int>(part.what), part.shadow, part.view, part.begin, part.end});
  }
  return json;
}

Scoring::Part::What what_of(const Json& json) {
  const int what = json.get<int>();
  if (what < 0 || what > static_cast<int>(Scoring::Part::What::kTransfer)) {
    throw Error("an unknown kind of part, " + std::to_string(what));
  }
  return static_cast<Scoring::Part::What>(what);
}

Scoring from_json(const Json& json) {
  Scoring cell;
  json.at("cell").get_to(cell.cell);
  json.at("key").get_to(cell.key);
  json.at("entry").get_to(cell.entry);
  json.at("classes").get_to(cell.classes);
  json.at("views").get_to(cell.views);
  json.at("features").get_to(cell.features);
  json.at("labels").get_to(cell.labels);
  json.at("trained").get_to(cell.trained);
  json.at("in").get_to(cell.in);
  json.at("architecture").get_to(cell.architecture);
  json.at("reason").get_to(cell.reason);
  json.at("population").get_to(cell.population);
  json.at("frozen").get_to(cell.frozen);
  json.at("shared").get_to(cell.shared);
  for (const Json& row : json.at("rows")) {
    cell.rows.push_back({row.at(0).get<bool>(), row.at(1).get<int64_t>()});
  }
  for (const Json& part : json.at("parts")) {
    cell.parts.push_back({part.at(0).get<std::string>(), what_of(part.at(1)),
                          part.at(2).get<int64_t>(), part.at(3).get<int64_t>(),
                          part.at(4).get<int64_t>(), part.at(5).get<int64_t>()});
  }
  return cell;
}

}  // namespace

void write_scoring(const std::filesystem::path& file, const std::vector<Scoring>& cells) {
  Json json = {{"assay_scoring", kScoringVersion}, {"cells", Json::array()}};
  for (const Scoring& cell : cells) json["cells"].push_back(to_json(cell));
  // What is said of a file may quote bytes of its name that are not UTF-8.
  write_durably(file, json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::vector<Scoring> read_scoring(const std::filesystem::path& file) {
  std::vector<Scoring> cells;
  if (!std::filesystem::exists(file)) return cells;
  try {
    const Json json = Json::parse(read_bytes(file));
    if (json.at("assay_scoring") != kScoringVersion)
      throw Error(file.string() + " is of another version");
    for (const Json& cell : json.at("cells")) cells.push_back(from_json(cell));
  } catch (const Json::exception& error) {
    throw Error(file.string() + " is damaged: " + error.what());
  }
  return cells;
}

}  // namespace assay
