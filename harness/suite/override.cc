// --set path=value.
#include <algorithm>

#include "harness/suite/load.h"

namespace assay {
namespace {

// Errors in an override belong to the command line, not to a line of the suite.
void place_at(Value& value, const Where& where) {
  value.where = where;
  for (Value& item : value.list) place_at(item, where);
  for (auto& [key, item] : value.map) {
    place_at(key, where);
    place_at(item, where);
  }
}

// Takes `name` off the front of `rest`; names may have dots of their own.
bool begins_with_name(std::string_view rest, std::string_view name) {
  return !name.empty() && rest.starts_with(name) &&
         (rest.size() == name.size() || rest[name.size()] == '.');
}

void drop(std::string_view& rest, size_t size) {
  rest.remove_prefix(std::min(rest.size(), size + 1));
}

std::string item_name(const Value& item) {
  const Value* name = item.is_map() ? item.find("name") : nullptr;
  return name != nullptr && name->is_scalar() ? name->scalar : "";
}

Value& step_into_list(Value& list, std::string_view& rest, const Where& where) {
  Value* found = nullptr;
  size_t longest = 0;
  std::vector<std::string> names;
  for (Value& item : list.list) {
    const std::string name = item_name(item);
    if (!name.empty()) names.push_back(name);
    if (name.size() > longest && begins_with_name(rest, name)) {
      found = &item;
      longest = name.size();
    }
  }
  if (found != nullptr) {
    drop(rest, longest);
    return *found;
  }
  const std::string segment(rest.substr(0, rest.find('.')));
  const bool index = !segment.empty() && segment.size() < 7 &&
                     segment.find_first_not_of("0123456789") == std::string::npos;
  if (!index) throw Error(where, "no item is named `" + segment + "`" + suggest(segment, names));
  const size_t position = std::stoul(segment);
  if (position >= list.list.size()) {
    throw Error(where, "there is no item " + segment + "; the list has " +
                           std::to_string(list.list.size()) + ", counted from 0");
  }
  drop(rest, segment.size());
  return list.list[position];
}

Value& step_into_map(Value& map, std::string_view& rest, const Where& where) {
  size_t longest = 0;
  Value* found = nullptr;
  for (auto& [key, value] : map.map) {
    if (key.scalar.size() > longest && begins_with_name(rest, key.scalar)) {
      found = &value;
      longest = key.scalar.size();
    }
  }
  if (found != nullptr) {
    drop(rest, longest);
    return *found;
  }
  Value key;
  key.kind = Value::Kind::kScalar;
  key.scalar = rest.substr(0, rest.find('.'));
  key.where = where;
  if (key.scalar.empty()) throw Error(where, "the path has an empty part");
  drop(rest, key.scalar.size());
  // A new key; whether it is one at all is for the validation to say.
  Value value;
  value.where = where;
  map.map.emplace_back(std::move(key), std::move(value));
  return map.map.back().second;
}

}  // namespace

void apply_set(Value& root, const std::string& assignment) {
  const Where where{"--set " + assignment};
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(where, "expected path=value, e.g. attacks.pgd.steps=10");
  }
  const std::string text = assignment.substr(equals + 1);
  Value value = parse_yaml(text, where.file);
  if (value.is_null()) throw Error(where, "has no value");
  place_at(value, where);

  std::string_view rest = std::string_view(assignment).substr(0, equals);
  Value* node = &root;
  while (!rest.empty()) {
    if (node->is_list()) {
      node = &step_into_list(*node, rest, where);
    } else if (node->is_map() || node->is_null()) {
      node->kind = Value::Kind::kMap;
      node = &step_into_map(*node, rest, where);
    } else {
      throw Error(where, "there is nothing below the value `" + node->scalar + "`");
    }
  }
  *node = std::move(value);
}

}  // namespace assay
