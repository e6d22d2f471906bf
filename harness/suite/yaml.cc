// YAML text → Value, straight from yaml-cpp's events: its node tree hides duplicate keys, quotes
// and the places of keys, and expands aliases without a bound.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "harness/suite/utf8.h"
#include "harness/suite/value.h"

namespace assay {
namespace {

constexpr size_t kDeepest = 32;

// `text` counts all scalars, after aliases and ${VAR}.
struct Bounds {
  size_t bytes = size_t{4} << 20;
  size_t text = size_t{16} << 20;
  size_t nodes = 100'000;
};

// Text that this program wrote from a suite within bounds has defaults merged in and may be larger.
Bounds bounds_of(Environment environment) {
  if (environment == Environment::kExpand) return {};
  return {size_t{64} << 20, size_t{64} << 20, 2'000'000};
}

std::string mebibytes(size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

struct Size {
  size_t nodes = 0;
  size_t text = 0;
  size_t depth = 0;
};

Size measure(const Value& value) {
  Size size{1, value.scalar.size(), 1};
  const auto add = [&](const Value& child) {
    const Size inner = measure(child);
    size.nodes += inner.nodes;
    size.text += inner.text;
    size.depth = std::max(size.depth, inner.depth + 1);
  };
  for (const Value& item : value.list) add(item);
  for (const auto& [key, item] : value.map) {
    add(key);
    add(item);
  }
  return size;
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
         });
}

// The value of what stands between `${` and `}`.
std::string expand_variable(std::string_view inner, const Where& where) {
  const size_t mark = inner.find(":-");
  const std::string name(inner.substr(0, mark));
  if (!is_variable_name(name)) {
    throw Error(where, "`${" + std::string(inner) +
                           "}` is not a variable; write ${NAME} or ${NAME:-default}");
  }
  const char* found = std::getenv(name.c_str());
  if (mark != std::string_view::npos && (found == nullptr || *found == '\0')) {
    return std::string(inner.substr(mark + 2));
  }
  if (found == nullptr) {
    throw Error(where, "the environment variable `" + name + "` is not set; set it, or write ${" +
                           name + ":-default}");
  }
  return found;
}

std::string expand(const std::string& text, const Where& where) {
  std::string result;
  size_t at = 0;
  while (true) {
    const size_t open = text.find("${", at);
    result += text.substr(at, open - at);
    if (open == std::string::npos) return result;
    const size_t close = text.find('}', open);
    if (close == std::string::npos) {
      throw Error(where, "`" + text.substr(open) + "` lacks its closing brace");
    }
    const std::string_view inner = std::string_view(text).substr(open + 2, close - open - 2);
    if (inner.find("${") != std::string_view::npos) {
      throw Error(where, "`" + text + "` has a variable in another's default; they do not nest");
    }
    result += expand_variable(inner, where);
    at = close + 1;
    if (result.size() > Bounds().text) return result;  // the caller refuses it
  }
}

bool is_one_variable(std::string_view text) {
  return text.starts_with("${") && text.find('}') == text.size() - 1;
}

class Builder : public YAML::EventHandler {
 public:
  Builder(std::string file, Environment environment)
      : file_(std::move(file)), environment_(environment), bounds_(bounds_of(environment)) {}

  Value take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) throw Error(at(mark), "a second YAML document; a suite is one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Value value;
    value.where = at(mark);
    grow(Size{1, 0, 1}, value.where);
    place(std::move(value), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Error(at(mark), "an alias stands inside its own anchor");
    const Value& target = found->second;
    grow(measure(target), at(mark));
    // Errors in an alias's content belong where the content is written.
    place(target, YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Value value;
    value.kind = Value::Kind::kScalar;
    value.where = at(mark);
    value.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!value.quoted) refuse_tag(tag, value.where);
    const bool is_key = !frames_.empty() && frames_.back().value.is_map() && !frames_.back().key;
    const bool expands = environment_ == Environment::kExpand && !is_key;
    value.scalar = expands ? expand(text, value.where) : text;
    // In [ ] and { } a variable has to be quoted; what stands for it may be a number all the same.
    if (expands && is_one_variable(text)) value.quoted = false;
    grow(Size{1, value.scalar.size(), 1}, value.where);
    place(std::move(value), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(Value::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(Value::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Value value;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<Value> key;                       // waits for its value
    std::unordered_map<std::string, Where> places;  // of the keys so far
  };

  Where at(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  static void refuse_tag(const std::string& tag, const Where& where) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Error(where, "the tag `" + tag + "` is not supported; write the value without it");
  }

  void grow(const Size& size, const Where& where) {
    nodes_ += size.nodes;
    text_ += size.text;
    if (nodes_ > bounds_.nodes) {
      throw Error(where, "more than " + std::to_string(bounds_.nodes) +
                             " values, aliases expanded; a suite may have no more");
    }
    if (text_ > bounds_.text) {
      throw Error(where, "more than " + mebibytes(bounds_.text) +
                             " of text, aliases and variables expanded; a suite may have no more");
    }
    if (frames_.size() + size.depth > kDeepest) {
      throw Error(where,
                  "nested deeper than " + std::to_string(kDeepest) + " levels; a suite may not be");
    }
  }

  void open(Value::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    Frame frame;
    frame.value.kind = kind;
    frame.value.where = at(mark);
    frame.anchor = anchor;
    refuse_tag(tag, frame.value.where);
    grow(Size{1, 0, 1}, frame.value.where);
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    place(std::move(frame.value), frame.anchor);
  }

  void place(Value value, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      // The copy counts too: nested anchors would multiply what is held otherwise.
      grow(measure(value), value.where);
      anchors_[anchor] = value;
    }
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.value.is_list()) {
      frame.value.list.push_back(std::move(value));
    } else if (frame.key) {
      frame.value.map.emplace_back(std::move(*frame.key), std::move(value));
      frame.key.reset();
    } else {
      check_key(frame, value);
      frame.key = std::move(value);
    }
  }

  static void check_key(Frame& frame, const Value& key) {
    if (!key.is_scalar()) throw Error(key.where, "a key must be a plain text");
    if (key.scalar == "<<") {
      throw Error(key.where,
                  "merge keys (`<<`) are refused; use `defaults`, or an anchor for a whole value");
    }
    const auto [first, fresh] = frame.places.emplace(key.scalar, key.where);
    if (!fresh) {
      throw Error(key.where, "the key `" + key.scalar + "` stands twice; first in line " +
                                 std::to_string(first->second.line));
    }
  }

  std::string file_;
  Environment environment_;
  Bounds bounds_;
  Value root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Value> anchors_;
  size_t nodes_ = 0;
  size_t text_ = 0;
  int documents_ = 0;
};

// Refused here, where the place is known.
void check_utf8(std::string_view text, const std::string& file) {
  int line = 1, column = 1;
  while (!text.empty()) {
    const size_t size = utf8_character(text);
    if (size == 0) {
      throw Error(Where{file, line, column}, "not UTF-8; save the suite as UTF-8 text");
    }
    const bool ends_line = text[0] == '\n';
    line += ends_line ? 1 : 0;
    column = ends_line ? 1 : column + 1;
    text.remove_prefix(size);
  }
}

// Which of a line, counted from 1, and the one before is indented with a tab; 0: none.
int tabbed_line(std::string_view text, int last) {
  for (int line = 1; line <= last && !text.empty(); ++line) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    const size_t indent = std::min(whole.find_first_not_of(" \t"), whole.size());
    if (line >= last - 1 && whole.substr(0, indent).find('\t') != std::string_view::npos) {
      return line;
    }
    text.remove_prefix(std::min(whole.size() + 1, text.size()));
  }
  return 0;
}

// What most often mends what the YAML parser stumbled over, or "".
std::string cure_of(const YAML::Exception& fault, std::string_view text) {
  // It stumbles over a tab in that line, or over the next one.
  if (const int line = tabbed_line(text, fault.mark.line + 1); line > 0) {
    return "; line " + std::to_string(line) + " is indented with a tab: use blanks";
  }
  const bool star = fault.msg.find("alias") != std::string::npos ||
                    fault.msg.find("anchor is not defined") != std::string::npos;
  if (star) return "; a glob is quoted, as in \"*\"";
  const bool variable = text.find("${") != std::string_view::npos;
  return variable ? "; inside [ ] and { } quote \"${…}\"" : "";
}

}  // namespace

Value parse_yaml(std::string_view text, const std::string& file, Environment environment) {
  const size_t most = bounds_of(environment).bytes;
  if (text.size() > most) {
    throw Error(Where{file}, "is " + std::to_string(text.size()) +
                                 " bytes long; a suite may have " + mebibytes(most) + " at most");
  }
  if (text.find('\0') != std::string_view::npos) {
    throw Error(Where{file}, "contains a zero byte; a suite is a text in UTF-8");
  }
  check_utf8(text, file);
  std::istringstream stream{std::string(text)};
  Builder builder(file, environment);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& fault) {
    const bool placed = fault.mark.line >= 0;
    const std::string message = "not valid YAML: " + fault.msg + cure_of(fault, text);
    throw Error(Where{file, placed ? fault.mark.line + 1 : 0, placed ? fault.mark.column + 1 : 0},
                message);
  }
  return builder.take();
}

Value parse_yaml(std::string_view text, const std::string& file) {
  return parse_yaml(text, file, Environment::kExpand);
}

}  // namespace assay
