#include "harness/model/dataset.h"

#include <algorithm>
#include <cmath>

#include "harness/model/dataset_array.h"
#include "harness/model/dataset_source.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Where entry `i` of a [channels, height, width] sample stands in its channels-last source.
struct Order {
  int64_t channels = 1;
  int64_t plane = 1;
  size_t from(int64_t i) const { return static_cast<size_t>((i % plane) * channels + i / plane); }
};

constexpr int64_t kFewestPixels = 64;

std::string box_text(const ModelSpec& spec) {
  return std::string("[").append(value_text(spec.lo)).append(", ").append(value_text(spec.hi)) +
         "]";
}

// The position of a flat index in the sample, as the source orders it.
std::string position_text(int64_t flat, const ModelSpec& spec, bool channels_last) {
  std::vector<int64_t> shape = spec.shape;
  if (channels_last) shape = {spec.shape[1], spec.shape[2], spec.shape[0]};
  std::vector<int64_t> position(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    position[i] = flat % shape[i];
    flat /= shape[i];
  }
  return shape_text(position);
}

[[noreturn]] void outside(double value, size_t at, const Source& source, int64_t index,
                          const ModelSpec& spec) {
  std::string message = source.place(index) + ": " + value_text(value) + " at " +
                        position_text(static_cast<int64_t>(at), spec, source.channels_last()) +
                        "; expected a number in the box " + box_text(spec);
  // Of a few features none is a pixel.
  const bool pixels = spec.shape.size() > 1 || entries_of(spec.shape) >= kFewestPixels;
  if (pixels && value >= 2 && value <= 255 && spec.hi <= 1) {
    message +=
        "; only uint8 is scaled to the box: divide by 255, save uint8 where the format has it, or "
        "set model.input.range: [0, 255] if the model takes that";
  } else if (std::isfinite(value)) {
    message +=
        "; set model.input.range to the values that the model takes, or scale the data as those "
        "were that it learnt from";
  }
  throw Error(message);
}

template <typename T>
void convert_sample(const std::vector<double>& raw, const Source& source, int64_t index,
                    const ModelSpec& spec, T* out) {
  const T lo = static_cast<T>(spec.lo);
  const T hi = static_cast<T>(spec.hi);
  Order order;
  if (source.channels_last()) {
    order.channels = spec.shape[0];
    order.plane = spec.shape[1] * spec.shape[2];
  } else {
    order.plane = static_cast<int64_t>(raw.size());
  }
  const bool levels = source.levels();
  for (int64_t i = 0; i < static_cast<int64_t>(raw.size()); ++i) {
    const size_t at = order.from(i);
    const double value = raw[at];
    if (levels) {
      // Rounding must not push an end of the box outside.
      const T mapped = static_cast<T>(spec.lo + value * (spec.hi - spec.lo) / 255);
      out[i] = std::clamp(mapped, lo, hi);
      continue;
    }
    const T taken = static_cast<T>(value);
    if (!(taken >= lo && taken <= hi)) outside(value, at, source, index, spec);
    out[i] = taken;
  }
}

std::unique_ptr<Source> open_source(const DataSpec& data, const ModelSpec& spec) {
  switch (data.format) {
    case DataSpec::Format::kIdx:
    case DataSpec::Format::kNpy:
    case DataSpec::Format::kNpz:
    case DataSpec::Format::kSafetensors:
      return open_arrays(data, spec);
    case DataSpec::Format::kCsv:
      return open_csv(data, spec);
    case DataSpec::Format::kImages:
      return open_images(data, spec);
  }
  check_failed(__FILE__, __LINE__, "format", "unknown data format");
}

}  // namespace

std::pair<int64_t, int64_t> used_rows(const DataSpec& data, int64_t total,
                                      const std::string& name) {
  if (!data.rows) return {0, total};
  const auto [begin, end] = *data.rows;
  if (begin < 0 || begin >= end || end > total) {
    throw Error(data.where, "data." + data.name + ".rows: [" + std::to_string(begin) + ", " +
                                std::to_string(end) + "] of " + name + ", which holds " +
                                std::to_string(total) + " samples; expected [first, end] with 0 " +
                                "<= first < end <= " + std::to_string(total));
  }
  return {begin, end};
}

int64_t checked_label(double value, const ModelSpec& spec, const std::string& place) {
  const std::string found = place + ": label " + value_text(value);
  if (!std::isfinite(value) || std::floor(value) != value) {
    throw Error(found + "; expected a whole number in [0, " + std::to_string(spec.classes) + ")");
  }
  if (value < 0 || value >= static_cast<double>(spec.classes)) {
    throw Error(found + " is outside [0, " + std::to_string(spec.classes) + ")" +
                (value == static_cast<double>(spec.classes)
                     ? "; labels count from 0: subtract 1 if yours count from 1"
                     : "; set model.classes, or mend the labels"));
  }
  return static_cast<int64_t>(value);
}

struct Dataset::Impl {
  DataSpec data;
  ModelSpec spec;
  std::unique_ptr<Source> source;
};

Dataset::Dataset(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset::~Dataset() = default;

Dataset Dataset::open(const DataSpec& data, const ModelSpec& spec) {
  auto impl = std::make_unique<Impl>();
  impl->data = data;
  impl->spec = spec;
  impl->source = open_source(data, spec);
  return Dataset(std::move(impl));
}

const std::string& Dataset::name() const { return impl_->data.name; }
int64_t Dataset::size() const { return impl_->source->size(); }

std::string Dataset::id(int64_t index) const {
  ASSAY_CHECK(index >= 0 && index < size(), "sample index");
  return impl_->source->id(index);
}

int64_t Dataset::label(int64_t index) const {
  ASSAY_CHECK(index >= 0 && index < size(), "sample index");
  return impl_->source->label(index);
}

at::Tensor Dataset::read(std::span<const int64_t> indices) const {
  const ModelSpec& spec = impl_->spec;
  const bool wide = spec.dtype == ModelSpec::Dtype::kFloat64;
  std::vector<int64_t> shape = spec.shape;
  shape.insert(shape.begin(), static_cast<int64_t>(indices.size()));
  at::Tensor samples = at::empty(shape, wide ? at::kDouble : at::kFloat);  // [n, ...shape]
  const int64_t entries = entries_of(spec.shape);
  std::vector<double> raw(static_cast<size_t>(entries));
  for (size_t i = 0; i < indices.size(); ++i) {
    ASSAY_CHECK(indices[i] >= 0 && indices[i] < size(), "sample index");
    impl_->source->read(indices[i], raw);
    const int64_t at = static_cast<int64_t>(i) * entries;
    if (wide) {
      convert_sample(raw, *impl_->source, indices[i], spec, samples.data_ptr<double>() + at);
    } else {
      convert_sample(raw, *impl_->source, indices[i], spec, samples.data_ptr<float>() + at);
    }
  }
  return samples;
}

std::vector<SampleInfo> describe(const Dataset& dataset, std::span<const int64_t> indices) {
  std::vector<SampleInfo> samples;
  samples.reserve(indices.size());
  for (const int64_t index : indices) {
    // Widened to float64 and with one zero, so that equal content has equal bytes in any dtype.
    const at::Tensor x = (dataset.read({&index, 1}).to(at::kDouble) + 0.0).contiguous();
    SampleInfo info;
    info.id = dataset.id(index);
    info.label = dataset.label(index);
    const std::string label = std::to_string(info.label) + ' ';
    std::string bytes = label + shape_text({x.sizes().data(), x.sizes().size()});
    bytes.append(static_cast<const char*>(x.data_ptr()), x.nbytes());
    info.digest = sha256(bytes);
    info.content = sha256(std::string_view(bytes).substr(label.size()));
    samples.push_back(std::move(info));
  }
  return samples;
}

}  // namespace assay
