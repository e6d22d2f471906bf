#include "harness/suite/error.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace assay {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// Edits between two words, case ignored; swapping two neighbours counts as one edit, because that
// is how people mistype (`pdg`).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

constexpr size_t kLongestWord = 64;  // beyond it nothing is a typing error
constexpr size_t kFarthest = 3;

// Distance for suggestions; kFarthest + 1 where the words are not near. A word that another one
// begins with (`epsilon`, `eps`) is near whatever the length of the rest.
size_t nearness(std::string_view name, std::string_view candidate) {
  const size_t shorter = std::min(name.size(), candidate.size());
  if (shorter == 0 || std::max(name.size(), candidate.size()) > kLongestWord) return kFarthest + 1;
  // One edit in a word of two letters makes another word (l2, l3).
  const size_t allowed = std::min(name.size() / 3, kFarthest);
  const size_t distance = edit_distance(name, candidate);
  if (distance <= allowed && distance < shorter) return distance;
  if (shorter >= 3 && name.substr(0, shorter) == candidate.substr(0, shorter)) return kFarthest;
  return kFarthest + 1;
}

constexpr size_t kMostListed = 12;

}  // namespace

std::string to_prefix(const Where& where) {
  std::string prefix = where.file;
  if (where.line > 0) {
    if (prefix.empty())
      prefix = "line ";
    else
      prefix += ':';
    prefix += std::to_string(where.line);
    if (where.column > 0) prefix += ':' + std::to_string(where.column);
  }
  if (!prefix.empty()) prefix += ": ";
  return prefix;
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  std::string best;
  size_t least = kFarthest + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = nearness(name, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::string suggest(std::string_view name, std::span<const std::string> candidates) {
  std::string text;
  const std::string near = nearest(name, candidates);
  if (!near.empty()) text += "; did you mean `" + near + "`?";
  if (candidates.empty()) return text;
  text += "; one of ";
  for (size_t i = 0; i < std::min(candidates.size(), kMostListed); ++i) {
    if (i > 0) text += ", ";
    text += candidates[i];
  }
  if (candidates.size() > kMostListed) {
    text += " and " + std::to_string(candidates.size() - kMostListed) + " more";
  }
  return text;
}

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "%s:%d: this is a bug in assay: %s (%s)\n", file, line, message.c_str(),
               condition);
  std::abort();
}

}  // namespace assay
