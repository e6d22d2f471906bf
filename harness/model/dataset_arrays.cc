// Samples and labels in arrays: idx, npy, npz and safetensors.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "harness/model/dataset_array.h"
#include "harness/model/dataset_source.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using Shape = std::vector<int64_t>;

Shape without_ones(const Shape& shape) {
  Shape rest;
  for (const int64_t dimension : shape) {
    if (dimension != 1) rest.push_back(dimension);
  }
  return rest;
}

// Equal but for dimensions of 1, or one flat and the other a single plane: only one order of the
// entries is possible. A flat row of several channels is refused, as nothing tells their order.
bool same_entries(const Shape& found, const Shape& wanted) {
  const Shape a = without_ones(found);
  const Shape b = without_ones(wanted);
  if (a == b) return true;
  const auto count = [](const Shape& shape) {
    int64_t product = 1;
    for (const int64_t dimension : shape) product *= dimension;
    return product;
  };
  return a.size() <= 2 && b.size() <= 2 && std::min(a.size(), b.size()) <= 1 &&
         count(a) == count(b);
}

std::string cure(const Shape& found, const DataSpec& data, const ModelSpec& spec) {
  const Shape& wanted = spec.shape;
  if (found.size() == 3 && wanted.size() == 3) {
    const Shape last{wanted[1], wanted[2], wanted[0]};
    if (!data.nhwc && found == last) return "; its channels come last: set `layout: nhwc`";
    if (data.nhwc && found == wanted) return "; its channels come first: leave out `layout: nhwc`";
  }
  if (found.empty()) return ", and not one number each; are images and labels exchanged?";
  if (entries_of(found) == entries_of(spec.shape)) {
    return "; reshape the array to [n, " + shape_text(wanted).substr(1);
  }
  return "; if the model takes " + shape_text(found) + ", set model.input.shape to it";
}

// Throws where a sample cannot be the model's input; true where its channels come last.
bool fit_shape(const Shape& found, const Array& x, const DataSpec& data, const ModelSpec& spec) {
  Shape wanted = spec.shape;
  bool last = false;
  if (data.nhwc) {
    if (wanted.size() != 3) {
      throw Error(data.where, "data." + data.name + ": `layout: nhwc` is for images, but " +
                                  "model.input.shape is " + shape_text(wanted) +
                                  "; expected [channels, height, width]");
    }
    wanted = {spec.shape[1], spec.shape[2], spec.shape[0]};
    last = spec.shape[0] > 1;
  }
  if (found == wanted || (!last && same_entries(found, wanted))) return last;
  throw Error(data.where, "data." + data.name + ": " + x.data.name() + " holds samples of shape " +
                              shape_text(found) + "; expected " + shape_text(wanted) +
                              (data.nhwc ? " (layout: nhwc)" : "") + " by model.input.shape" +
                              cure(found, data, spec));
}

class ArraySource : public Source {
 public:
  ArraySource(Array x, const Array& y, const DataSpec& data, const ModelSpec& spec)
      : x_(std::move(x)), entries_(entries_of(spec.shape)) {
    check_samples(data, spec);
    check_labels(y, spec);
    const auto [begin, end] = used_rows(data, x_.shape[0], x_.data.name());
    begin_ = begin;
    read_labels(y, end - begin, spec);
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  std::string id(int64_t index) const override { return std::to_string(begin_ + index); }
  int64_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  std::string place(int64_t index) const override {
    return x_.data.name() + ": row " + std::to_string(begin_ + index);
  }
  void read(int64_t index, std::span<double> out) const override {
    read_elements(x_, static_cast<uint64_t>((begin_ + index) * entries_), out);
  }
  bool levels() const override { return x_.type == ElementType::kU8; }
  bool channels_last() const override { return channels_last_; }

 private:
  void check_samples(const DataSpec& data, const ModelSpec& spec) {
    if (x_.shape.empty()) {
      throw Error(x_.data.name() + ": holds a single number; expected an array of samples [n, " +
                  shape_text(spec.shape).substr(1));
    }
    if (x_.shape[0] == 0)
      throw Error(x_.data.name() + ": holds no samples (shape " + shape_text(x_.shape) + ")");
    channels_last_ = fit_shape(Shape(x_.shape.begin() + 1, x_.shape.end()), x_, data, spec);
  }

  void check_labels(const Array& y, const ModelSpec& spec) const {
    const std::string& name = y.data.name();
    if (y.shape.size() == 2 && y.shape[1] == spec.classes && spec.classes > 1) {
      throw Error(name + ": holds one-hot labels of shape " + shape_text(y.shape) +
                  "; expected class numbers [n]: save np.argmax(y, axis=1)");
    }
    if (y.shape.empty() || y.shape.size() > 2 || (y.shape.size() == 2 && y.shape[1] != 1)) {
      throw Error(name + ": holds labels of shape " + shape_text(y.shape) +
                  "; expected class numbers [n]; are images and labels exchanged?");
    }
    if (y.shape[0] != x_.shape[0]) {
      throw Error(name + ": holds " + std::to_string(y.shape[0]) + " labels, but " +
                  x_.data.name() + " holds " + std::to_string(x_.shape[0]) +
                  " samples; expected as many");
    }
  }

  void read_labels(const Array& y, int64_t count, const ModelSpec& spec) {
    constexpr int64_t kPiece = 1 << 16;
    labels_.reserve(static_cast<size_t>(count));
    std::vector<double> piece;
    for (int64_t done = 0; done < count; done += kPiece) {
      piece.resize(static_cast<size_t>(std::min(kPiece, count - done)));
      read_elements(y, static_cast<uint64_t>(begin_ + done), piece);
      for (size_t i = 0; i < piece.size(); ++i) {
        const int64_t number = begin_ + done + static_cast<int64_t>(i);
        labels_.push_back(
            checked_label(piece[i], spec, y.data.name() + ": row " + std::to_string(number)));
      }
    }
  }

  Array x_;
  int64_t entries_;
  int64_t begin_ = 0;
  bool channels_last_ = false;
  std::vector<int64_t> labels_;
};

}  // namespace

std::unique_ptr<Source> open_arrays(const DataSpec& data, const ModelSpec& spec) {
  const auto make = [&](Array x, const Array& y) {
    return std::make_unique<ArraySource>(std::move(x), y, data, spec);
  };
  // Samples before labels, so that with both at fault the same one is named by every compiler.
  switch (data.format) {
    case DataSpec::Format::kIdx: {
      Array x = open_idx(data.images);
      return make(std::move(x), open_idx(data.labels));
    }
    case DataSpec::Format::kNpy: {
      Array x = open_npy(data.images);
      return make(std::move(x), open_npy(data.labels));
    }
    case DataSpec::Format::kNpz: {
      Array x = open_npz(data.path, data.x);
      return make(std::move(x), open_npz(data.path, data.y));
    }
    case DataSpec::Format::kSafetensors: {
      Array x = open_safetensors(data.path, data.x);
      return make(std::move(x), open_safetensors(data.path, data.y));
    }
    case DataSpec::Format::kCsv:
    case DataSpec::Format::kImages:
      break;
  }
  check_failed(__FILE__, __LINE__, "format", "not a format of arrays");
}

}  // namespace assay
