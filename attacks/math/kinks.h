// Where a piecewise linear function of one variable bends.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace assay::attacks {

struct Kink {
  double at = 0;    ///< in (0, 1)
  double room = 0;  ///< to the nearest other kink, unclear part or end
  at::Tensor jump;  ///< [K]: slope behind it less slope before it
};

/// Values [m, K] at m places in [0, 1], float64.
using Curve = std::function<at::Tensor(const at::Tensor& places)>;

struct KinkSearch {
  double noise = 0;    ///< by which a value may be off; what bends less is not seen
  int64_t budget = 0;  ///< most places that are asked for
};

/// The kinks of a curve, ascending. Halves every interval that bends, until the lines from its two
/// ends meet at a point of the curve (Carlini, Jagielski, Mironov, "Cryptanalytic Extraction of
/// Neural Network Models", CRYPTO 2020, arXiv:2003.04884, section 4.1). An interval that is still
/// unclear when the budget or the resolution ends is left out.
std::vector<Kink> find_kinks(const Curve& curve, const KinkSearch& search);

}  // namespace assay::attacks
