// Blacklight: Li, Shan, Wenger, Zhang, Zheng & Zhao, Blacklight: Scalable Defense for Neural
// Networks against Query-Based Black-Box Attacks, USENIX Security 2022, arXiv:2006.14042,
// section 5. Reference: huiyingli/blacklight, probabilistic_fingerprint.py, InputTracker. Inputs
// are scaled to 0…255, shifted by a secret salt modulo 255 and rounded (half to even) to multiples
// of 50; every window of 20 consecutive entries is hashed; the 50 largest distinct hashes are the
// query's fingerprint. A query is an alarm where an earlier one shares 25 of them or more. Windows
// of 20 are the paper's for 28×28 and 32×32 images, 50 for ImageNet. Deviations: windows run along
// rows of a channel, as inputs are [channels, height, width] here. Hashes are a seeded polynomial
// modulo 2^61 − 1, which slides in constant time, scrambled to 64 bits, where the reference takes
// SHA-256: which windows are kept and which match has the same distribution, and no attack that is
// replayed here was made with the salt in view. A service that hashes what adversaries send wants a
// one-way hash. Cost: linear in the input, plus one step for each hash shared with an earlier
// query.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "harness/monitor/monitor.h"
#include "harness/monitor/random.h"

namespace assay {
namespace {

constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;
constexpr double kWhite = 255;

struct Options {
  int64_t window = 20;
  int64_t step = 1;
  double quantum = 50;
  int64_t hashes = 50;
  int64_t threshold = 25;
};

__extension__ typedef unsigned __int128 Wide;

uint64_t multiply(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<Wide>(a) * b % kPrime);
}

class Fingerprints {
 public:
  Fingerprints(const Options& options, const Watch& watch)
      : options_(options),
        lo_(watch.lo),
        scale_(kWhite / (watch.hi - watch.lo)),
        seed_(watch.seed),
        base_(random_bits(watch.seed, ~uint64_t{0}) % (kPrime - 1) + 1) {
    for (int64_t i = 0; i < options.window; ++i) leaving_ = multiply(leaving_, base_);
  }

  // The largest distinct hashes of a query's windows, descending.
  std::vector<uint64_t> of(std::span<const float> query) const {
    const std::vector<uint64_t> levels = quantised(query);
    const auto window = static_cast<size_t>(options_.window);
    std::vector<uint64_t> found;
    uint64_t rolling = 0;
    for (size_t end = 1; end <= levels.size(); ++end) {
      rolling = (multiply(rolling, base_) + levels[end - 1]) % kPrime;
      if (end < window) continue;
      if (end > window) {
        rolling = (rolling + kPrime - multiply(leaving_, levels[end - 1 - window])) % kPrime;
      }
      const bool taken = (end - window) % static_cast<size_t>(options_.step) == 0;
      if (taken) found.push_back(mix64(rolling + seed_));
    }
    std::sort(found.begin(), found.end(), std::greater<>());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    found.resize(std::min(found.size(), static_cast<size_t>(options_.hashes)));
    return found;
  }

 private:
  std::vector<uint64_t> quantised(std::span<const float> query) const {
    std::vector<uint64_t> levels(query.size());
    for (size_t i = 0; i < query.size(); ++i) {
      const double salt = kWhite * random_uniform(seed_, i);
      const double shifted =
          std::fmod((static_cast<double>(query[i]) - lo_) * scale_ + salt, kWhite);
      const double level = std::nearbyint(std::max(0.0, shifted) / options_.quantum);
      levels[i] = static_cast<uint64_t>(level) + 1;
    }
    return levels;
  }

  Options options_;
  double lo_;
  double scale_;
  uint64_t seed_;
  uint64_t base_;
  uint64_t leaving_ = 1;  // base^window: the weight of the entry that leaves the window
};

std::string too_wide(const Options& options, int64_t width) {
  return "monitor `blacklight` looks at windows of " + std::to_string(options.window) +
         " entries, and a query has " + std::to_string(width) + "; give it a smaller `window`";
}

Alarms watch_fingerprints(const QueryView& queries, const Options& options,
                          const Fingerprints& fingerprints) {
  if (queries.size() > 0 && queries.width < options.window) {
    throw Error(too_wide(options, queries.width));
  }
  Alarms alarms;
  alarms.threshold = static_cast<double>(options.threshold);
  alarms.checks = std::max<int64_t>(0, queries.size() - 1);
  std::unordered_map<uint64_t, std::vector<int64_t>> holders;  // by hash, ascending
  std::vector<int64_t> shared(
      static_cast<size_t>(queries.size()));  // hashes, with each earlier one
  for (int64_t i = 0; i < queries.size(); ++i) {
    const std::vector<uint64_t> hashes = fingerprints.of(queries.row(i));
    int64_t most = 0;
    for (const uint64_t hash : hashes) {
      for (const int64_t j : holders[hash]) most = std::max(most, ++shared[static_cast<size_t>(j)]);
    }
    for (const uint64_t hash : hashes) {
      std::vector<int64_t>& earlier = holders[hash];
      for (const int64_t j : earlier) shared[static_cast<size_t>(j)] = 0;
      earlier.push_back(i);
    }
    if (most >= options.threshold) alarms.queries.push_back(i);
    alarms.beyond.push_back(i == 0 ? -1 : static_cast<int8_t>(most >= options.threshold));
  }
  alarms.raised = static_cast<int64_t>(alarms.queries.size());
  return alarms;
}

}  // namespace

Monitor blacklight() {
  Monitor monitor;
  monitor.info.name = "blacklight";
  monitor.info.summary = "does a query share most of its fingerprint with an earlier one?";
  monitor.info.paper =
      "Li, Shan, Wenger, Zhang, Zheng, Zhao: Blacklight: Scalable Defense for Neural Networks "
      "against Query-Based Black-Box Attacks, USENIX Security 2022, arXiv:2006.14042";
  monitor.bind = [](Params& params, int64_t width) {
    Options options;
    options.window = params.integer("window", options.window, {1, 1e6},
                                    "consecutive entries that are hashed together");
    options.step =
        params.integer("step", options.step, {1, 1e6}, "entries from one window to the next");
    options.quantum = params.number("quantum", options.quantum, {1e-3, 255},
                                    "entries are rounded to multiples of this, of 0 to 255");
    options.hashes =
        params.integer("hashes", options.hashes, {1, 1e6}, "largest hashes that are kept");
    options.threshold =
        params.integer("threshold", options.threshold, {1, 1e6},
                       "alarm where an earlier query shares so many hashes, or more");
    if (width > 0 && width < options.window) params.fail("window", too_wide(options, width));
    if (options.threshold > options.hashes) {
      params.fail("threshold", "`threshold` is " + std::to_string(options.threshold) +
                                   ", more than the `hashes` that are kept, " +
                                   std::to_string(options.hashes));
    }
    return Prepared{.make = [options](const Watch& given) -> Detector {
      const Fingerprints fingerprints(options, given);
      return [options, fingerprints](const QueryView& queries) {
        return watch_fingerprints(queries, options, fingerprints);
      };
    }};
  };
  return monitor;
}

}  // namespace assay
