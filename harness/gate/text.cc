#include "harness/gate/text.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

namespace assay {

std::string figure(double number) {
  char text[40];
  std::snprintf(text, sizeof text, "%.5g", number == 0 ? 0.0 : number);  // never "-0"
  return text;
}

std::string percent(double share) { return figure(share * 100) + "%"; }

double round_up(double number) { return std::ceil(number * 1e4) / 1e4; }

double round_down(double number) { return std::floor(number * 1e4) / 1e4; }

std::string count(int64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

std::string brief(const std::string& value) {
  const bool digest = value.size() == 64 && std::all_of(value.begin(), value.end(), [](char c) {
                        return std::isxdigit(static_cast<unsigned char>(c)) != 0;
                      });
  return digest ? value.substr(0, 12) : value;
}

}  // namespace assay
