// Regressed samples: clean, adversarial and amplified difference.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/suite/error.h"
#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

constexpr int kSmall = 128;          // images below this many pixels are shown with hard edges
constexpr size_t kMostFeatures = 8;  // of a row of features, those that changed most

/// A picture's layout: [C, H, W], [H, W], or no image at all.
struct Layout {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  bool is_image() const { return channels > 0 && height > 0 && width > 0; }
};

Layout layout_of(const Picture& picture) {
  const auto& shape = picture.shape;
  if (shape.size() == 3) return {shape[0], shape[1], shape[2]};
  if (shape.size() == 2) return {1, shape[0], shape[1]};
  return {};
}

bool is_whole(const Picture& picture) {
  const int64_t size =
      std::accumulate(picture.shape.begin(), picture.shape.end(), int64_t{1}, std::multiplies<>());
  return size > 0 && picture.clean.size() == static_cast<size_t>(size) &&
         picture.adversarial.size() == static_cast<size_t>(size);
}

uint8_t to_byte(double share) {
  if (!(share > 0)) return 0;  // also NaN
  return static_cast<uint8_t>(std::lround(std::min(share, 1.0) * 255));
}

/// Other than three channels become their mean.
Bitmap bitmap_of(const std::vector<float>& values, const Layout& layout, double lo, double hi) {
  const int64_t plane = layout.height * layout.width;
  const int channels = layout.channels == 3 ? 3 : 1;
  Bitmap bitmap{static_cast<int>(layout.width), static_cast<int>(layout.height), channels, {}};
  bitmap.pixels.reserve(static_cast<size_t>(plane * channels));
  for (int64_t p = 0; p < plane; ++p) {
    double sum = 0;
    for (int64_t c = 0; c < layout.channels; ++c) {
      const double share = (values[static_cast<size_t>(c * plane + p)] - lo) / (hi - lo);
      sum += share;
      if (channels == 3) bitmap.pixels.push_back(to_byte(share));
    }
    if (channels == 1) bitmap.pixels.push_back(to_byte(sum / static_cast<double>(layout.channels)));
  }
  return bitmap;
}

std::vector<float> difference_of(const Picture& picture) {
  std::vector<float> difference(picture.clean.size());
  std::transform(picture.adversarial.begin(), picture.adversarial.end(), picture.clean.begin(),
                 difference.begin(), std::minus<>());
  return difference;
}

/// The largest round factor that keeps the amplified difference within half of the box.
int64_t amplification(const std::vector<float>& difference, double range) {
  double most = 0;
  for (const float value : difference) most = std::max<double>(most, std::abs(value));
  int64_t best = 1;
  for (const int64_t factor : {1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000}) {
    if (static_cast<double>(factor) * most <= range * 0.5 * (1 + 1e-6)) best = factor;
  }
  return best;
}

/// Colours show changes around mid-grey; grey ones as blue (darker) and red (brighter) on paper.
Bitmap difference_bitmap(const std::vector<float>& difference, const Layout& layout, double range,
                         int64_t factor) {
  const double scale = static_cast<double>(factor);
  if (layout.channels == 3) {
    const double half = range / (2 * scale);
    return bitmap_of(difference, layout, -half, half);
  }
  const double half = range / (2 * scale);
  const Bitmap signed_grey = bitmap_of(difference, layout, -half, half);
  static constexpr double kPaper[3] = {0.955, 0.955, 0.945};
  static constexpr double kDarker[3] = {0.13, 0.35, 0.75};
  static constexpr double kBrighter[3] = {0.80, 0.20, 0.14};
  Bitmap bitmap{signed_grey.width, signed_grey.height, 3, {}};
  bitmap.pixels.reserve(signed_grey.pixels.size() * 3);
  for (const uint8_t value : signed_grey.pixels) {
    const double change = std::clamp((value - 127.5) / 127.5, -1.0, 1.0);
    const double weight = std::abs(change) < 0.005 ? 0 : std::abs(change);  // 127 and 128 are zero
    for (int c = 0; c < 3; ++c) {
      const double target = change < 0 ? kDarker[c] : kBrighter[c];
      bitmap.pixels.push_back(to_byte(kPaper[c] + (target - kPaper[c]) * weight));
    }
  }
  return bitmap;
}

std::string shot(const Bitmap& bitmap, std::string_view what, const std::string& label,
                 bool wrong) {
  const bool small = bitmap.width < kSmall && bitmap.height < kSmall;
  std::string out = wrong ? "<figure class=\"wrong\">" : "<figure>";
  out += "<img" + std::string(small ? " class=\"pixelated\"" : "") + " width=\"" +
         std::to_string(bitmap.width) + "\" height=\"" + std::to_string(bitmap.height) +
         "\" alt=\"" + escape(what) + "\" src=\"" + png_data_uri(bitmap) + "\">";
  return out + "<figcaption>" + escape(what) + element("b", "", escape(label)) +
         "</figcaption></figure>";
}

std::string image_shots(const Picture& picture, const Layout& layout, double lo, double hi,
                        const std::string& before, const std::string& after, bool wrong) {
  const std::vector<float> difference = difference_of(picture);
  const int64_t factor = amplification(difference, hi - lo);
  return "<div class=\"shots\">" +
         shot(bitmap_of(picture.clean, layout, lo, hi), "clean", before, false) +
         shot(bitmap_of(picture.adversarial, layout, lo, hi), "adversarial", after, wrong) +
         shot(difference_bitmap(difference, layout, hi - lo, factor), "difference",
              "×" + std::to_string(factor), false) +
         "</div>";
}

/// Rows of features: those that changed most, with a bar relative to the largest change.
std::string feature_table(const Picture& picture, const std::string& before,
                          const std::string& after) {
  const std::vector<float> difference = difference_of(picture);
  std::vector<size_t> order(difference.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::abs(difference[a]) > std::abs(difference[b]);
  });
  const double most = order.empty() ? 0 : std::abs(difference[order[0]]);
  std::string out = element("p", "strong", escape(before + " → " + after));
  out +=
      "<table class=\"features\"><thead><tr><th>feature</th><th class=\"right\">clean</th>"
      "<th class=\"right\">adversarial</th><th class=\"bar-cell\">change</th></tr></thead>";
  for (size_t i = 0; i < order.size() && i < kMostFeatures; ++i) {
    const size_t at = order[i];
    const double share = most > 0 ? std::abs(difference[at]) / most * 100 : 0;
    out += "<tr><td>" + std::to_string(at) + "</td><td class=\"right\">" +
           show(picture.clean[at], Unit::kNumber) + "</td><td class=\"right\">" +
           show(picture.adversarial[at], Unit::kNumber) +
           "</td><td class=\"bar-cell\"><span class=\"bar" + (difference[at] < 0 ? " fall" : "") +
           "\" style=\"width:" + coordinate(share) + "%\" title=\"" +
           show(difference[at], Unit::kNumber) + "\"></span></td></tr>";
  }
  out += "</table>";
  if (order.size() > kMostFeatures) {
    out += element("p", "small soft",
                   "the " + std::to_string(kMostFeatures) + " of " + std::to_string(order.size()) +
                       " features that changed most");
  }
  return out;
}

std::string card(const Report& report, const Picture& picture,
                 const std::vector<std::optional<Verdict>>& rows) {
  const Header& header = report.evidence->header;
  const auto at = static_cast<size_t>(picture.sample);
  const std::optional<Verdict> row = at < rows.size() ? rows[at] : std::nullopt;
  const int64_t label = at < header.samples.size() ? header.samples[at].label : -1;
  const std::string before = class_name(report, row && row->clean >= 0 ? row->clean : label);
  const std::string after =
      row && row->adversarial >= 0 ? class_name(report, row->adversarial) : std::string("unknown");
  const Layout layout = layout_of(picture);
  const double lo = report.suite->model.lo, hi = report.suite->model.hi;
  const bool wrong = row && row->status != Status::kRobust;
  std::string out = "<article class=\"card\">";
  out += layout.is_image() && hi > lo ? image_shots(picture, layout, lo, hi, before, after, wrong)
                                      : feature_table(picture, before, after);
  std::string meta =
      "<span>sample <code>" +
      escape(at < header.samples.size() ? header.samples[at].id : std::to_string(picture.sample)) +
      "</code></span><span>cell <code>" + escape(picture.cell) + "</code></span>";
  if (label >= 0) meta += "<span>label " + escape(class_name(report, label)) + "</span>";
  const CellHeader* cell = header_of(report.evidence, picture.cell);
  if (row && cell && std::isfinite(row->distance)) {
    meta += "<span>" + std::string(to_string(cell->threat.norm)) + " distance " +
            escape(show(row->distance, Unit::kNumber)) + "</span>";
  }
  if (row && !row->breaking_attack.empty()) {
    meta += "<span>broken by <code>" + escape(row->breaking_attack) + "</code></span>";
  }
  return out + element("div", "meta", meta) + "</article>\n";
}

}  // namespace

std::string samples_section(const Report& report) {
  if (!report.evidence || report.pictures.empty()) return "";
  std::map<std::string, std::vector<std::optional<Verdict>>> rows;
  std::string regressed, others;
  size_t shown = 0;
  for (const Picture& picture : report.pictures) {
    const CellHeader* cell = header_of(report.evidence, picture.cell);
    if (!cell || picture.sample < 0 || !is_whole(picture)) continue;
    if (!rows.contains(picture.cell)) rows[picture.cell] = report.evidence->rows(*cell);
    const auto& cells = report.decision->cells;
    const bool worse = std::any_of(cells.begin(), cells.end(), [&](const CellResult& result) {
      return result.name == picture.cell &&
             std::find(result.regressed.begin(), result.regressed.end(), picture.sample) !=
                 result.regressed.end();
    });
    shown += worse ? 1 : 0;
    (worse ? regressed : others) += card(report, picture, rows[picture.cell]);
  }
  size_t total = 0;
  for (const CellResult& cell : report.decision->cells) total += cell.regressed.size();
  std::string out;
  if (!regressed.empty()) {
    const std::string lead = "The baseline withstands these attacks, the candidate does not. " +
                             show_count(static_cast<int64_t>(shown)) + " of " +
                             show_count(static_cast<int64_t>(total)) +
                             " shown; samples.csv lists all.";
    out += section("regressed", "Regressed samples", lead, element("div", "grid", regressed));
  }
  if (!others.empty()) {
    out += section("samples", regressed.empty() ? "Broken samples" : "Other broken samples", "",
                   element("div", "grid", others));
  }
  return out;
}

}  // namespace assay::reports
