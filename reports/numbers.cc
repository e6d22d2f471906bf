// Numbers as people read them.
#include <cmath>
#include <cstdio>

#include "reports/view.h"

namespace assay::reports {
namespace {

std::string print(const char* format, int decimals, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, decimals, value);
  std::string text = buffer;
  // "-0.0" is a rounded zero.
  if (text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

std::string with_unit(std::string number, Unit unit) {
  switch (unit) {
    case Unit::kPercent:
      return number + " %";
    case Unit::kPoints:
      return number + (number == "1" || number == "1.0" ? " point" : " points");
    case Unit::kNumber:
      break;
  }
  return number;
}

}  // namespace

std::string show(double value, Unit unit, int decimals) {
  if (std::isnan(value)) return "—";
  if (std::isinf(value)) return value > 0 ? "infinite" : "-infinite";
  if (unit == Unit::kNumber) return print("%.*g", decimals + 3, value);
  return with_unit(print("%.*f", decimals, value * 100), unit);
}

std::string show(const std::optional<double>& value, Unit unit) {
  return value ? show(*value, unit) : "—";
}

std::string show_against(double value, double limit, Unit unit) {
  int decimals = 1;
  while (decimals < 8 && value != limit &&
         show(value, unit, decimals) == show(limit, unit, decimals)) {
    ++decimals;
  }
  return show(value, unit, decimals);
}

std::string show_limit(double limit, Unit unit) {
  return with_unit(print("%.*g", 6, unit == Unit::kNumber ? limit : limit * 100), unit);
}

std::string show_count(int64_t count) {
  std::string text = std::to_string(count);
  const size_t first = text[0] == '-' ? 1 : 0;
  for (size_t at = text.size(); at > first + 3;) text.insert(at -= 3, ",");
  return text;
}

std::string show_time(double seconds) {
  if (!(seconds >= 0) || std::isinf(seconds)) return "—";
  if (seconds < 1) return print("%.*f ms", 0, seconds * 1000);
  if (seconds < 60) return print("%.*f s", 1, seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) {
    return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  }
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string show_moment(const std::string& text) {
  const bool iso = text.size() >= 17 && text[4] == '-' && text[7] == '-' && text[10] == 'T' &&
                   text[13] == ':' && text.back() == 'Z';
  return iso ? text.substr(0, 10) + " " + text.substr(11, 5) + " UTC" : text;
}

std::string show_plural(int64_t count, std::string_view noun) {
  const std::string one(noun);
  if (count == 1) return show_count(count) + " " + one;
  return show_count(count) + " " +
         (one.ends_with('y') ? one.substr(0, one.size() - 1) + "ies" : one + "s");
}

}  // namespace assay::reports
