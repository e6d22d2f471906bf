// A malformed suite and what its error must say.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "tests/suite/fakes.h"

namespace assay {

struct Case {
  const char* name;
  std::string text;
  std::string place;  // line:column, or "" where the whole file is at fault
  std::vector<std::string> parts;
};

inline void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

// The small suite with its attacks in line 5, and what follows them.
inline std::string suite(const std::string& attacks, const std::string& rest = "") {
  return kSmall + attacks + "\n" + rest;
}

inline const std::string kAttack = "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]";

inline void expect_told(const Case& test) {
  const std::string message = fault(test.text);
  ASSERT_NE(message, "") << "loaded:\n" << test.text;
  const std::string place = test.place.empty() ? "suite.yaml: " : "suite.yaml:" + test.place + ": ";
  EXPECT_THAT(message, testing::HasSubstr(place)) << test.text;
  for (const std::string& part : test.parts) EXPECT_THAT(message, testing::HasSubstr(part));
  EXPECT_NE(message.back(), '.');
}

}  // namespace assay
