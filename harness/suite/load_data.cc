// data: one reader per format, told apart by `format`.
#include <algorithm>
#include <regex>

#include "harness/suite/keys.h"
#include "harness/suite/load.h"

namespace assay {
namespace {

void refuse_range(const Value& section) {
  for (const auto& [key, value] : section.map) {
    if (key.scalar != "range") continue;
    throw Error(key.where,
                "`range` is no key of a data set: `rows: [first, end]` takes part of one, and "
                "`model.input.range` says which values inputs may have");
  }
}

DataSpec::Format format_of(const Value& section, const std::string& title) {
  const Value* value = section.find("format");
  const std::vector<std::string> names = format_names();
  if (value == nullptr) {
    throw Error(section.where, title + " lacks `format`" + suggest("", names));
  }
  check_choice(*value, "format", names);
  const auto found = std::find(names.begin(), names.end(), value->scalar);
  return static_cast<DataSpec::Format>(found - names.begin());
}

std::filesystem::path path_at(const Value& section, const char* key,
                              const std::filesystem::path& folder) {
  const Value* value = section.find(key);
  return value == nullptr ? std::filesystem::path() : resolve(folder, value->scalar);
}

DataSpec load_set(const std::string& name, Value& section, const std::filesystem::path& folder) {
  const std::string title = "data set `" + name + "`";
  if (!section.is_map()) {
    throw Error(section.where, title + " is " + shown(section) + ", expected a map of keys");
  }
  refuse_range(section);
  DataSpec data;
  data.name = name;
  data.where = section.where;
  data.format = format_of(section, title);
  check_section(section, data_keys(data.format),
                title + " of format " + section.find("format")->scalar);
  data.images = path_at(section, "images", folder);
  data.labels = path_at(section, "labels", folder);
  data.path = path_at(section, "path", folder);
  data.x = text_at(section, "x", "x");
  data.y = text_at(section, "y", "y");
  data.nhwc = text_at(section, "layout") == "nhwc";
  data.label = text_at(section, "label");
  data.class_order = path_at(section, "class_order", folder);
  data.resize = integers_at(section, "resize");
  data.crop = integers_at(section, "crop");
  if (data.crop.size() == 1) data.crop.push_back(data.crop[0]);
  data.interpolation = text_at(section, "interpolation", "bilinear");
  data.antialias = boolean_at(section, "antialias", true);
  for (const auto& [key, value] : section.map) {
    const bool of_resize = key.scalar == "interpolation" || key.scalar == "antialias";
    if (of_resize && data.resize.empty()) {
      throw Error(key.where, "`" + key.scalar + "` goes with `resize`, which " + title + " lacks");
    }
  }
  if (const Value* rows = section.find("rows")) {
    const std::vector<int64_t> ends = integers_at(section, "rows");
    if (ends[0] >= ends[1]) {
      throw Error(rows->where, "`rows` is [" + std::to_string(ends[0]) + ", " +
                                   std::to_string(ends[1]) +
                                   "], expected the first row and a later end");
    }
    data.rows = {ends[0], ends[1]};
  }
  return data;
}

}  // namespace

std::map<std::string, DataSpec> load_data(Value& section, const std::filesystem::path& folder) {
  refuse_range(section);
  std::map<std::string, DataSpec> sets;
  const std::regex pattern(kNamePattern);
  for (auto& [key, value] : section.map) {
    const std::string& name = key.scalar;
    if (name.size() > 100 || !std::regex_match(name, pattern)) {
      throw Error(key.where,
                  "the data set's name is " + shown(key) + ", expected " + kNameExpected);
    }
    sets[name] = load_set(name, value, folder);
  }
  return sets;
}

}  // namespace assay
