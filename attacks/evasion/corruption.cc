// Corruption: what happens to images without an adversary, at one of five severities.
//
// Paper: Hendrycks, Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
// Perturbations", ICLR 2019, arXiv:1903.12261; rotation and translation: Mu, Gilmer, "MNIST-C",
// 2019, arXiv:1906.02337.
// Reference: hendrycks/robustness make_cifar_c.py, with the constants of CIFAR-10-C, for all but
// rotation and translation; google-research/mnist-c corruptions.py for these.
// Deviations: lengths in pixels grow with the shorter side, blur and (only upwards) defocus from
// 32, translation from 28; what blurs repeats the edges; only JPEG rounds to 8 bits; without three
// channels brightness adds to each; what comes in from beyond the edges is the box's lower end.
// Noise and the directions of rotation and translation are drawn once for each sample and kind, at
// all severities alike. Cost per sample: one forward for each kind; the kinds in order, until one
// breaks it.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "attacks/math/filters.h"
#include "attacks/math/motion.h"
#include "harness/model/attack.h"
#include "harness/model/image.h"

namespace assay::attacks::corruption {
namespace {

// The image to be corrupted, its box mapped to [0, 1], and its own random numbers.
struct Shot {
  at::Tensor u;  // [C, H, W] float64
  uint64_t id;
  const Rng& rng;
  int64_t step;  // of rng: the kind's
  int64_t height() const { return u.size(1); }
  int64_t width() const { return u.size(2); }
  double side() const { return static_cast<double>(std::min(height(), width())); }
};

// Corrupts by the constant of a severity: → [C, H, W] float64, not yet clipped.
using Corrupt = at::Tensor (*)(const Shot& shot, double constant);

struct Kind {
  std::string name;
  std::array<double, 5> constants;
  Corrupt corrupt;
};

at::Tensor add_noise(const Shot& shot, double deviation) {
  std::vector<int64_t> sizes = shot.u.sizes().vec();
  const at::Tensor z = shot.rng.normal(std::array{shot.id}, sizes, 0, shot.step).squeeze(0);
  return shot.u.add(z.mul(deviation));
}

at::Tensor blur(const Shot& shot, double deviation) {
  deviation *= shot.side() / 32;
  return filter(filter(shot.u, 1, gaussian_taps(shot.height(), deviation)), 2,
                gaussian_taps(shot.width(), deviation));
}

// By a disc of this radius; small discs differ in how the reference softens their edges.
at::Tensor defocus(const Shot& shot, double radius) {
  const double softness = radius < 0.5 ? radius + 0.1 : radius < 1 ? 0.6 : radius < 1.5 ? 0.2 : 0.1;
  return filter(shot.u, disc(radius * std::max(1.0, shot.side() / 32), softness));
}

at::Tensor lower_contrast(const Shot& shot, double factor) {
  const at::Tensor mean = shot.u.mean({1, 2}, /*keepdim=*/true);
  return shot.u.sub(mean).mul(factor).add(mean);
}

// Adds to the value of HSV, the largest channel: at equal hue and saturation the others follow.
at::Tensor brighten(const Shot& shot, double amount) {
  if (shot.u.size(0) != 3) return shot.u.add(amount);
  const at::Tensor value = shot.u.amax(0, /*keepdim=*/true);
  const at::Tensor raised = value.add(amount).clamp_max(1);
  return at::where(value.gt(0), shot.u.mul(raised).div(value), raised);
}

// Through a JPEG file and back, in RGB; other numbers of channels as a grey file each.
at::Tensor compress(const Shot& shot, double quality) {
  const int64_t channels = shot.u.size(0) == 3 ? 3 : 1;
  const at::Tensor bytes = shot.u.mul(255).round().to(at::kByte);  // [C, H, W]
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : bytes.split(channels)) {
    const at::Tensor rows = part.permute({1, 2, 0}).contiguous();  // [H, W, 1 or 3]
    const auto* pixels = rows.const_data_ptr<uint8_t>();
    const Image image{shot.height(), shot.width(), channels, {pixels, pixels + rows.numel()}};
    Image decoded =
        decode_jpeg(encode_jpeg(image, static_cast<int>(quality)), "a JPEG just written");
    parts.push_back(
        at::from_blob(decoded.pixels.data(), rows.sizes(), at::kByte).permute({2, 0, 1}).clone());
  }
  return at::cat(parts).to(at::kDouble).div(255);
}

at::Tensor pixelate(const Shot& shot, double share) {
  return filter(filter(shot.u, 1, box_taps(shot.height(), share)), 2,
                box_taps(shot.width(), share));
}

double sign_of(const Shot& shot, int64_t axis) {
  return shot.rng.uniform(shot.id, axis, shot.step) < 0.5 ? -1 : 1;
}

at::Tensor rotate(const Shot& shot, double radians) {
  const double degrees = radians * 180 / std::numbers::pi;
  return moved(shot.u, std::array{Motion{sign_of(shot, 0) * degrees, 0, 0}}, 0).squeeze(0);
}

at::Tensor translate(const Shot& shot, double pixels) {
  const double length = pixels * shot.side() / 28;
  const Motion motion{0, sign_of(shot, 0) * length, sign_of(shot, 1) * length};
  return moved(shot.u, std::array{motion}, 0).squeeze(0);
}

std::vector<Kind> kinds() {
  return {
      {"noise", {0.04, 0.06, 0.08, 0.09, 0.10}, add_noise},
      {"blur", {0.4, 0.6, 0.7, 0.8, 1}, blur},
      {"defocus", {0.3, 0.4, 0.5, 1, 1.5}, defocus},
      {"contrast", {0.75, 0.5, 0.4, 0.3, 0.15}, lower_contrast},
      {"brightness", {0.05, 0.1, 0.15, 0.2, 0.3}, brighten},
      {"jpeg", {80, 65, 58, 50, 40}, compress},
      {"pixelate", {0.95, 0.9, 0.85, 0.75, 0.65}, pixelate},
      {"rotation", {0.2, 0.4, 0.6, 0.8, 1}, rotate},
      {"translation", {1, 2, 3, 4, 5}, translate},
  };
}

Candidates run(Oracle& oracle, const Rng& rng, const std::string& chosen, size_t level) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const double width = threat.hi - threat.lo;
  std::vector<std::string> kind_of(static_cast<size_t>(block.size()));
  int64_t step = -1;
  for (const Kind& kind : kinds()) {
    ++step;
    const at::Tensor rows = oracle.undecided(at::arange(block.size(), at::kLong));  // [m]
    if (rows.size(0) == 0) break;
    if (chosen != "all" && chosen != kind.name) continue;
    at::Tensor x = block.x.index_select(0, rows);  // [m, C, H, W]
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const uint64_t id = block.ids[static_cast<size_t>(rows[i].item<int64_t>())];
      const Shot shot{x[i].to(at::kDouble).sub(threat.lo).div(width), id, rng, step};
      const at::Tensor u = kind.corrupt(shot, kind.constants[level]).clamp(0, 1);
      x[i].copy_(u.mul(width).add(threat.lo));
    }
    oracle.labels(x.clamp_(threat.lo, threat.hi), rows);
    const at::Tensor found = oracle.found();
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const int64_t row = rows[i].item<int64_t>();
      if (found[row].item<bool>()) kind_of[static_cast<size_t>(row)] = kind.name;
    }
  }
  Candidates candidates = oracle.best();
  candidates.by = std::move(kind_of);
  return candidates;
}

Bound bind(Params& params, const ThreatModel&) {
  std::vector<std::string> names = {"all"};
  for (const Kind& kind : kinds()) names.push_back(kind.name);
  const auto count = static_cast<int64_t>(names.size()) - 1;
  const std::string kind =
      params.choice("kind", "all", names, "what happens to the image; all: the worst of them");
  const int64_t severity =
      params.integer("severity", 3, {1, 5}, "how badly, from 1 to 5; constants of CIFAR-10-C");
  return {[kind, severity](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, kind, static_cast<size_t>(severity - 1));
          },
          {.queries = kind == "all" ? count : 1}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "corruption",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {},
      .unbounded = true,
      .images = true,
      .targeted = true,
      .summary =
          "noise, blur, defocus, contrast, brightness, JPEG, pixels, rotation or translation at "
          "a severity",
      .paper =
          "Hendrycks, Dietterich: Benchmarking Neural Network Robustness to Common Corruptions "
          "and Perturbations, ICLR 2019, arXiv:1903.12261",
      .cost = "one forward for each kind",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::corruption
