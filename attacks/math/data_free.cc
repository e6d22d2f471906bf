#include "attacks/math/data_free.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "attacks/math/answers.h"
#include "attacks/math/extraction_params.h"
#include "attacks/math/rows.h"
#include "harness/model/generator.h"

namespace assay::attacks {
namespace {

// Batch normalisation in the generator knows too little of fewer rows.
constexpr int64_t kLeastRows = 16;

// Purposes of random numbers.
enum Stage : uint64_t { kWeights, kNoise, kDirections, kReplay };

std::vector<uint64_t> keys(int64_t n) {
  std::vector<uint64_t> result(static_cast<size_t>(n));
  std::iota(result.begin(), result.end(), uint64_t{0});
  return result;
}

// Queries that a row of an iteration costs: those of the estimate, whose point itself the surrogate
// learns, and one for each of its other steps.
int64_t cost(const DataFree& settings) { return settings.directions + settings.surrogate_steps; }

// Of both learning rates, after a share in [0, 1) of the budget.
double cosine(double share) { return (1 + std::cos(std::numbers::pi * share)) / 2; }

class Thief {
 public:
  Thief(Victim& victim, const FreshSurrogate& fresh, const Rng& rng, const DataFree& settings,
        int64_t batch)
      : victim_(victim),
        rng_(rng),
        settings_(settings),
        batch_(batch),
        surrogate_(fresh(0)),
        generator_(victim.spec(), settings.noise, settings.generator, seed_of(rng)) {}

  std::string steal() {
    const double budget = static_cast<double>(victim_.left());
    const auto rate = [&] { return cosine(1 - static_cast<double>(victim_.left()) / budget); };
    while (victim_.left() >= batch_ * cost(settings_)) {
      const double now = rate();
      teach(move_generator(now), now, /*keep=*/true);
      for (int64_t i = 1; i < settings_.surrogate_steps; ++i) teach(ask(batch_), now, true);
      for (int64_t i = 0; i < settings_.replay_steps; ++i) teach(earlier(), now, /*keep=*/false);
    }
    // The rest does not pay for another step of the generator. One row joins those before it.
    while (victim_.left() > 0) {
      const int64_t left = victim_.left();
      const double now = rate();
      teach(ask(left <= batch_ + 1 ? left : batch_), now, /*keep=*/false);
    }
    return surrogate_.save();
  }

 private:
  struct Lesson {
    at::Tensor x, aims;  // [n, ...shape], [n, K]
  };

  static uint64_t seed_of(const Rng& rng) {
    return static_cast<uint64_t>(rng.stage(kWeights).uniform(0, 0, 0) * 0x1.0p53);
  }

  at::Tensor noise(int64_t n) {
    return rng_.stage(kNoise).normal(keys(n), {settings_.noise}, 0, draws_++);
  }

  at::Tensor aims(const at::Tensor& x) {
    const at::Tensor answers = victim_.query(x);
    if (sharpness_ == 0) {
      // By the first answers, and no others: the surrogate cannot learn two scales.
      sharpness_ = sharpness_of(targets_of(answers, victim_.surface()));
      surrogate_.set_sharpness(sharpness_);
    }
    return aims_of(answers, victim_.surface(), settings_.kind, sharpness_);
  }

  Lesson ask(int64_t n) {
    const at::Tensor output = generator_.output(noise(std::max(n, kLeastRows)));
    const at::Tensor x = generator_.to_box(output.narrow(0, 0, n));
    return {x, aims(x)};
  }

  // Unit vectors [m, n, ...] like the output [n, ...].
  at::Tensor directions(const at::Tensor& output) {
    const int64_t m = settings_.directions, n = output.size(0);
    const at::Tensor u =
        rng_.stage(kDirections).normal(keys(m * n), {row_length(output)}, 0, draws_);  // [m·n, d]
    std::vector<int64_t> shape = {m};
    shape.insert(shape.end(), output.sizes().begin(), output.sizes().end());
    return u.div(u.square().sum(1, /*keepdim=*/true).sqrt_()).reshape(shape).to(output);
  }

  // Towards more disagreement. Returns the batch that it stepped on.
  Lesson move_generator(double rate) {
    Lesson lesson;
    const at::Tensor z = noise(batch_);
    generator_.step(
        z,
        [&](const at::Tensor& output) {
          const auto agreement = [&](const at::Tensor& points) {
            const at::Tensor x = generator_.to_box(points);
            const at::Tensor wanted = aims(x);
            lesson = {x.narrow(0, 0, batch_), wanted.narrow(0, 0, batch_)};
            return disagreement(settings_.kind, surrogate_.logits(x), wanted).neg();
          };
          return forward_differences(agreement, output, directions(output), settings_.difference)
              .div(static_cast<double>(batch_));
        },
        rate);
    return lesson;
  }

  void teach(Lesson lesson, double rate, bool keep) {
    if (keep && settings_.replay_steps > 0) lessons_.push_back(lesson);
    // A surrogate with batch normalisation needs two rows.
    if (lesson.x.size(0) == 1)
      lesson = {at::cat({lesson.x, lesson.x}), lesson.aims.expand({2, -1})};
    surrogate_.step(
        lesson.x,
        [&](const at::Tensor& logits) {
          if (!logits.sum().isfinite().item<bool>()) {
            throw Error("the surrogate diverged; lower learning_rate");
          }
          return disagreement_slope(settings_.kind, logits, lesson.aims)
              .div(static_cast<double>(logits.size(0)));
        },
        rate);
  }

  // Rows of lessons so far, each as likely as the other.
  Lesson earlier() {
    const int64_t all = static_cast<int64_t>(lessons_.size()) * batch_;
    const at::Tensor picks = rng_.stage(kReplay).integers(keys(batch_), all, {}, 0, draws_++);
    std::vector<at::Tensor> x, aims;
    for (int64_t i = 0; i < batch_; ++i) {
      const int64_t pick = picks.const_data_ptr<int64_t>()[i];
      const Lesson& lesson = lessons_[static_cast<size_t>(pick / batch_)];
      x.push_back(lesson.x[pick % batch_]);
      aims.push_back(lesson.aims[pick % batch_]);
    }
    return {at::stack(x), at::stack(aims)};
  }

  Victim& victim_;
  const Rng rng_;
  const DataFree& settings_;
  const int64_t batch_;
  Surrogate surrogate_;
  Generator generator_;
  std::vector<Lesson> lessons_;
  int64_t draws_ = 0;
  double sharpness_ = 0;  // of aims; 0: nothing was asked yet
};

}  // namespace

at::Tensor aims_of(const at::Tensor& answers, const Surface& surface, Disagreement kind,
                   double sharpness) {
  const at::Tensor targets = targets_of(answers, surface);
  if (kind == Disagreement::kKl) return sharpened(targets, sharpness);
  if (surface.kind == Surface::Kind::kLogits) return centred(answers).mul(sharpness);
  const double unit = surface.kind == Surface::Kind::kRounded
                          ? std::pow(10.0, -static_cast<double>(surface.decimals)) / 2
                          : 1e-16;
  return centred(targets.clamp_min(std::max(unit, surface.noise)).log()).mul(sharpness);
}

at::Tensor disagreement(Disagreement kind, const at::Tensor& logits, const at::Tensor& aims) {
  const at::Tensor s = logits.to(at::kDouble);
  if (kind == Disagreement::kL1) return centred(s).sub(aims).abs().mean(1);
  return aims.clamp_min(1e-300).log().sub(s.log_softmax(1)).mul(aims).sum(1);
}

at::Tensor disagreement_slope(Disagreement kind, const at::Tensor& logits, const at::Tensor& aims) {
  const at::Tensor s = logits.to(at::kDouble);
  if (kind == Disagreement::kKl) return s.softmax(1).sub(aims);
  return centred(centred(s).sub(aims).sign()).div(static_cast<double>(s.size(1)));
}

at::Tensor forward_differences(const std::function<at::Tensor(const at::Tensor& points)>& f,
                               const at::Tensor& x, const at::Tensor& directions, double step) {
  const int64_t m = directions.size(0), n = x.size(0);
  const at::Tensor points = directions.mul(step).add(x);  // [m, n, ...]
  const at::Tensor values = f(at::cat({x, points.flatten(0, 1)}));
  const at::Tensor here = values.narrow(0, 0, n);  // [n]
  const at::Tensor rises = values.narrow(0, n, m * n).reshape({m, n}).sub(here).div(step);
  std::vector<int64_t> shape(static_cast<size_t>(directions.dim()), 1);
  shape[0] = m;
  shape[1] = n;
  return directions.mul(rises.reshape(shape)).mean(0).mul(static_cast<double>(row_length(x)));
}

Extraction data_free(Params& params, std::vector<int64_t> budgets, const Recipe& recipe,
                     DataFree settings) {
  Extraction extraction = stepwise_params(params, std::move(budgets), recipe,
                                          "at first; falls as a cosine over the budget");
  settings.generator.learning_rate =
      params.number("generator_learning_rate", settings.generator.learning_rate, {1e-12, 1e6},
                    "at first; falls as the surrogate's does");
  settings.directions = params.integer("directions", settings.directions, {1, 10000},
                                       "of forward differences; a query for each and for the "
                                       "input itself");
  settings.difference = params.number("difference", settings.difference, {1e-9, 1},
                                      "length of their step, before the generator's tanh");
  settings.surrogate_steps = params.integer("surrogate_steps", settings.surrogate_steps, {1, 1000},
                                            "for each step of the generator");
  settings.replay_steps =
      params.integer("replay_steps", settings.replay_steps, {0, 1000},
                     "of the surrogate on earlier queries, for each step of the generator");
  settings.iterations =
      params.integer("iterations", settings.iterations, {1, 1e6},
                     "steps of the generator that a budget should allow: the batch shrinks for "
                     "them, at most to 16");
  const int64_t most = extraction.recipe.batch;
  extraction.extract = [settings, most](Victim& victim, const Pool&, const FreshSurrogate& fresh,
                                        const Rng& rng) {
    const int64_t shrunk = victim.left() / (settings.iterations * cost(settings));
    const int64_t batch = std::min(most, std::max(kLeastRows, shrunk));
    return Theft{.surrogate = Thief(victim, fresh, rng, settings, batch).steal(), .findings = {}};
  };
  return extraction;
}

}  // namespace assay::attacks
