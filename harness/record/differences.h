// Where two runs differ, in words.
#pragma once

#include <string>

#include "harness/record/evidence.h"

namespace assay {

/// The first difference between the suites of two runs in what suites are known by, as
/// "attacks[pgd].steps: `3` against `4`"; "" if there is none.
std::string suite_difference(const Header& a, const Header& b);

}  // namespace assay
