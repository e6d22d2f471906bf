#include "attacks/math/kinks.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace assay::attacks {
namespace {

constexpr double kMiddle = 0.47;    // of an interval: not a place where symmetric curves meet
constexpr double kEnd = 1.0 / 32;   // of an interval: where slopes are taken
constexpr double kLeast = 1e-6;     // intervals below are not looked into
constexpr double kSide = 4 / kEnd;  // tolerances by which lines differ beside their meeting
constexpr double kSure = 8;         // times the noise: what is certainly not noise

struct Interval {
  double begin, end;
  at::Tensor first, last;  // [K]: values at both
  double length() const { return end - begin; }
};

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

class Search {
 public:
  Search(const Curve& curve, const KinkSearch& search)
      : curve_(curve), tolerance_(kSure * search.noise), left_(search.budget) {}

  std::vector<Kink> run() {
    const at::Tensor ends = ask({0, 1});
    std::vector<Interval> open;
    if (ends.defined()) open.push_back({0, 1, ends[0], ends[1]});
    while (!open.empty()) open = halve(open);
    std::sort(kinks_.begin(), kinks_.end(),
              [](const Kink& a, const Kink& b) { return a.at < b.at; });
    std::vector<double> walls = {0, 1};
    for (const Kink& kink : kinks_) walls.push_back(kink.at);
    for (const auto& [begin, end] : unclear_) walls.insert(walls.end(), {begin, end});
    for (Kink& kink : kinks_) {
      kink.room = 1;
      for (const double wall : walls) {
        if (wall != kink.at) kink.room = std::min(kink.room, std::abs(wall - kink.at));
      }
    }
    return std::move(kinks_);
  }

 private:
  // Undefined where that is more than may be asked.
  at::Tensor ask(const std::vector<double>& places) {
    if (static_cast<int64_t>(places.size()) > left_) return {};
    left_ -= static_cast<int64_t>(places.size());
    return curve_(at::tensor(places, at::kDouble));
  }

  void give_up(const std::vector<Interval>& open) {
    for (const Interval& part : open) unclear_.emplace_back(part.begin, part.end);
  }

  // Asks once for places of all intervals; returns what is still open.
  std::vector<Interval> halve(const std::vector<Interval>& open) {
    std::vector<double> places;
    for (const Interval& part : open) places.push_back(part.begin + kMiddle * part.length());
    const at::Tensor middles = ask(places);
    if (!middles.defined()) return give_up(open), std::vector<Interval>{};
    std::vector<Interval> bent;
    std::vector<at::Tensor> middle;  // [K] each
    places.clear();
    for (size_t i = 0; i < open.size(); ++i) {
      const Interval& part = open[i];
      const at::Tensor value = middles[static_cast<int64_t>(i)];
      if (largest(value.sub(part.first.lerp(part.last, kMiddle))) <= tolerance_) continue;
      bent.push_back(part);
      middle.push_back(value);
      places.insert(places.end(),
                    {part.begin + kEnd * part.length(), part.end - kEnd * part.length()});
    }
    if (bent.empty()) return {};
    const at::Tensor near_ends = ask(places);
    if (!near_ends.defined()) return give_up(bent), std::vector<Interval>{};
    return resolve(bent, middle, near_ends);
  }

  struct Meeting {
    double at;
    double side;                // as near to it as noise lets the lines be told apart
    at::Tensor before, behind;  // [K]: slopes
  };

  // Where the lines from both ends meet, if they do inside.
  bool meet(const Interval& part, const at::Tensor& near_first, const at::Tensor& near_last,
            Meeting* meeting) const {
    const double step = kEnd * part.length();
    meeting->before = near_first.sub(part.first).div(step);
    meeting->behind = part.last.sub(near_last).div(step);
    const at::Tensor jump = meeting->behind.sub(meeting->before);
    // first + before · s = last + behind · (s − length)
    const at::Tensor gap = part.first.sub(part.last).add(meeting->behind, part.length());
    const double square = jump.square().sum().item<double>();
    if (!(square > 0)) return false;
    const double s = jump.mul(gap).sum().item<double>() / square;
    meeting->at = part.begin + s;
    meeting->side = std::min(step, kSide * tolerance_ / std::sqrt(square));
    // A kink within a step of an end bends that end's slope, and the lines meet at the step.
    return s > 1.5 * step && s < part.length() - 1.5 * step;
  }

  std::vector<Interval> resolve(const std::vector<Interval>& bent,
                                const std::vector<at::Tensor>& middle,
                                const at::Tensor& near_ends) {
    std::vector<Meeting> meetings(bent.size());
    std::vector<int64_t> row(bent.size(), -1);  // of the answers on both sides of the meetings
    std::vector<double> places;
    for (size_t i = 0; i < bent.size(); ++i) {
      const auto at = static_cast<int64_t>(2 * i);
      if (!meet(bent[i], near_ends[at], near_ends[at + 1], &meetings[i])) continue;
      row[i] = static_cast<int64_t>(places.size());
      places.insert(places.end(),
                    {meetings[i].at - meetings[i].side, meetings[i].at + meetings[i].side});
    }
    const at::Tensor sides = places.empty() ? at::Tensor() : ask(places);
    std::vector<Interval> open;
    for (size_t i = 0; i < bent.size(); ++i) {
      const Interval& part = bent[i];
      if (row[i] >= 0 && sides.defined() &&
          confirms(part, meetings[i], middle[i], sides[row[i]], sides[row[i] + 1])) {
        kinks_.push_back({meetings[i].at, 0, meetings[i].behind.sub(meetings[i].before)});
      } else if (part.length() < kLeast) {
        unclear_.emplace_back(part.begin, part.end);
      } else {
        const double cut = part.begin + kMiddle * part.length();
        open.push_back({part.begin, cut, part.first, middle[i]});
        open.push_back({cut, part.end, middle[i], part.last});
      }
    }
    return open;
  }

  // The curve runs along both lines: in the middle, and right before and behind the meeting, since
  // with one output the lines around two kinks may meet on the curve.
  bool confirms(const Interval& part, const Meeting& meeting, const at::Tensor& middle,
                const at::Tensor& before, const at::Tensor& behind) const {
    // Slopes are off by two values' noise over kEnd of the length.
    const double tolerance = tolerance_ / kEnd;
    const double cut = part.begin + kMiddle * part.length();
    const auto on_first = [&](double at, const at::Tensor& value) {
      return largest(value.sub(part.first.add(meeting.before, at - part.begin))) <= tolerance;
    };
    const auto on_last = [&](double at, const at::Tensor& value) {
      return largest(value.sub(part.last.add(meeting.behind, at - part.end))) <= tolerance;
    };
    return (cut < meeting.at ? on_first(cut, middle) : on_last(cut, middle)) &&
           on_first(meeting.at - meeting.side, before) &&
           on_last(meeting.at + meeting.side, behind);
  }

  const Curve& curve_;
  const double tolerance_;
  int64_t left_;
  std::vector<Kink> kinks_;
  std::vector<std::pair<double, double>> unclear_;
};

}  // namespace

std::vector<Kink> find_kinks(const Curve& curve, const KinkSearch& search) {
  return Search(curve, search).run();
}

}  // namespace assay::attacks
