// Samples as image files in one folder per class.
#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/dataset_array.h"
#include "harness/model/dataset_bytes.h"
#include "harness/model/dataset_source.h"
#include "harness/model/image.h"
#include "harness/suite/error.h"
#include "harness/suite/utf8.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxFileBytes = 256u << 20;
constexpr int kMaxDepth = 16;  // of folders in a class folder; more is a loop of links

Interpolation interpolation(const std::string& name) {
  if (name == "nearest") return Interpolation::kNearest;
  if (name == "bicubic") return Interpolation::kBicubic;
  ASSAY_CHECK(name == "bilinear", "interpolation was not validated");
  return Interpolation::kBilinear;
}

bool is_hidden(const std::string& name) {
  return name.starts_with('.') || name == "Thumbs.db" || name == "desktop.ini";
}

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (!is_hidden(entry->path().filename().string())) entries.push_back(*entry);
  }
  if (error) throw Error(folder.string() + ": cannot be listed: " + error.message());
  return entries;
}

// Names go into reports and evidence, which are UTF-8.
void check_name(const fs::path& folder, const std::string& name) {
  std::string shown;
  bool valid = true;
  for (std::string_view rest = name; !rest.empty();) {
    const size_t size = utf8_character(rest);
    valid = valid && size > 0;
    if (size > 0) {
      shown += rest.substr(0, size);
    } else {
      constexpr std::string_view kDigits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(rest[0]);
      (shown += "\\x").append({kDigits[byte >> 4], kDigits[byte & 15]});
    }
    rest.remove_prefix(std::max<size_t>(size, 1));
  }
  if (!valid) {
    throw Error(folder.string() + ": the name `" + shown + "` is not UTF-8; rename it");
  }
}

// Appends the images under `folder`, relative to the data set's folder. Another file is refused:
// an image that is silently left out would change every figure.
void list_images(const fs::path& folder, const std::string& prefix, int depth,
                 std::vector<std::string>* found) {
  if (depth > kMaxDepth) {
    throw Error(folder.string() + ": folders nested more than " + std::to_string(kMaxDepth) +
                " deep; is there a loop of links?");
  }
  for (const fs::directory_entry& entry : entries_of(folder)) {
    check_name(folder, entry.path().filename().string());
    const std::string name = prefix + "/" + entry.path().filename().string();
    std::error_code error;
    if (entry.is_directory(error)) {
      list_images(entry.path(), name, depth + 1, found);
    } else if (is_image_name(entry.path())) {
      found->push_back(name);
    } else {
      throw Error(entry.path().string() +
                  ": is not named .png, .jpg or .jpeg; convert it, or move "
                  "it out of the class folder");
    }
  }
}

std::vector<std::string> class_folders(const fs::path& root) {
  std::error_code error;
  if (!fs::exists(root, error)) throw Error(root.string() + ": no such folder");
  if (!fs::is_directory(root, error)) {
    throw Error(root.string() + ": is a file; expected a folder with one folder per class");
  }
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries_of(root)) {
    const fs::file_status status = entry.status(error);
    const std::string path = entry.path().string();
    // A class that is passed over would change every figure; a README beside the classes none.
    if (!fs::status_known(status)) {
      throw Error(path + ": cannot be looked into: " + error.message());
    }
    if (!fs::exists(status)) {
      throw Error(path + ": is a link that leads nowhere; mend it, or remove it");
    }
    if (fs::is_directory(status)) {
      check_name(root, entry.path().filename().string());
      names.push_back(entry.path().filename().string());
    } else if (is_image_name(entry.path())) {
      throw Error(path +
                  ": is an image beside the class folders, and has no class; move it into "
                  "one, or out of " +
                  root.string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> read_class_order(const fs::path& path) {
  std::ifstream file(path);
  if (!file) {
    throw Error(path.string() +
                ": cannot be opened; expected the class folders' names, one a line");
  }
  std::vector<std::string> names;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (std::find(names.begin(), names.end(), line) != names.end()) {
      throw Error(Where{path.string(), number, 1}, "class `" + line + "` is listed twice");
    }
    names.push_back(line);
  }
  return names;
}

class ImageSource : public Source {
 public:
  ImageSource(const DataSpec& data, const ModelSpec& spec)
      : root_(data.path), data_(data), shape_(spec.shape), how_(interpolation(data.interpolation)) {
    check_size();
    std::vector<std::string> folders = class_folders(root_);
    const bool ordered = !data.class_order.empty();
    const std::vector<std::string> classes =
        ordered ? ordered_classes(folders) : std::move(folders);
    if (static_cast<int64_t>(classes.size()) != spec.classes) {
      const std::string source = ordered ? data.class_order.string() : root_.string();
      throw Error(data.where, "data." + data.name + ": " + source +
                                  (ordered ? " lists " : " has ") + std::to_string(classes.size()) +
                                  (ordered ? " classes" : " class folders") + "; expected " +
                                  std::to_string(spec.classes) + " by model.classes" +
                                  (ordered ? ""
                                           : " (`class_order: FILE` lists classes of which "
                                             "there are no images)"));
    }
    check_names(classes, spec.class_names);
    list(classes, ordered);
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  std::string id(int64_t index) const override {
    const auto i = static_cast<size_t>(index);
    return names_.substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  int64_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  std::string place(int64_t index) const override { return (root_ / id(index)).string(); }
  bool levels() const override { return true; }
  bool channels_last() const override { return shape_[0] > 1; }

  void read(int64_t index, std::span<double> out) const override {
    const Bytes file = Bytes::open(root_ / id(index));
    const std::string& name = file.name();
    if (file.size() > kMaxFileBytes) {
      throw Error(name + ": image file of " + std::to_string(file.size()) +
                  " bytes; expected at most " + std::to_string(kMaxFileBytes));
    }
    std::vector<uint8_t> bytes(file.size());
    file.read(0, bytes);
    Image image = decode_image(bytes, shape_[0], name);
    if (!data_.resize.empty()) image = resize(image, data_.resize, how_, data_.antialias, name);
    if (!data_.crop.empty()) image = center_crop(image, data_.crop[0], data_.crop[1], name);
    if (image.height != shape_[1] || image.width != shape_[2]) {
      throw Error(name + ": image of [" + std::to_string(image.height) + ", " +
                  std::to_string(image.width) + "] (height, width); expected [" +
                  std::to_string(shape_[1]) + ", " + std::to_string(shape_[2]) +
                  "] by model.input.shape; set `resize` and `crop` under data." + data_.name);
    }
    std::copy(image.pixels.begin(), image.pixels.end(), out.begin());
  }

 private:
  // What can be said of sizes before any image is read.
  void check_size() const {
    const std::string prefix = "data." + data_.name + ": ";
    if (shape_.size() != 3 || (shape_[0] != 1 && shape_[0] != 3)) {
      throw Error(data_.where, prefix + "images are [1 or 3, height, width], but " +
                                   "model.input.shape is " + shape_text(shape_));
    }
    const bool crop = !data_.crop.empty();
    const std::vector<int64_t>& last = crop ? data_.crop : data_.resize;
    if (last.size() == 2 && (last[0] != shape_[1] || last[1] != shape_[2])) {
      throw Error(data_.where, prefix + (crop ? "crop " : "resize ") + shape_text(last) +
                                   " gives another size than model.input.shape " +
                                   shape_text(shape_) + "; expected [" + std::to_string(shape_[1]) +
                                   ", " + std::to_string(shape_[2]) + "]");
    }
  }

  std::vector<std::string> ordered_classes(const std::vector<std::string>& folders) const {
    std::vector<std::string> classes = read_class_order(data_.class_order);
    for (const std::string& folder : folders) {
      if (std::find(classes.begin(), classes.end(), folder) == classes.end()) {
        throw Error((root_ / folder).string() + ": is not listed in " + data_.class_order.string() +
                    suggest(folder, classes));
      }
    }
    return classes;
  }

  // Folders named otherwise than the model's classes (`n01440764`, `tench`) tell nothing of order.
  void check_names(const std::vector<std::string>& classes,
                   const std::vector<std::string>& names) const {
    for (size_t c = 0; c < classes.size() && c < names.size(); ++c) {
      const auto at = std::find(names.begin(), names.end(), classes[c]);
      if (at == names.end() || names[c] == classes[c]) continue;
      const bool ordered = !data_.class_order.empty();
      throw Error(data_.where,
                  "data." + data_.name + ": class `" + classes[c] + "` is number " +
                      std::to_string(c) + " in " +
                      (ordered ? data_.class_order.string() : "the order of the folders' bytes") +
                      ", and " + std::to_string(at - names.begin()) + " in model.classes; " +
                      (ordered ? "write both in the model's order"
                               : "list the folders in the model's order in a `class_order` file"));
    }
  }

  void list(const std::vector<std::string>& classes, bool ordered) {
    std::vector<std::pair<std::string, int64_t>> all;
    for (size_t c = 0; c < classes.size(); ++c) {
      std::vector<std::string> found;
      std::error_code error;
      const fs::path folder = root_ / classes[c];
      if (!ordered || fs::is_directory(folder, error)) list_images(folder, classes[c], 0, &found);
      if (found.empty() && !ordered) {
        throw Error(folder.string() +
                    ": holds no images; remove the folder, or list all classes "
                    "in a `class_order` file");
      }
      std::sort(found.begin(), found.end());
      for (std::string& name : found) all.emplace_back(std::move(name), static_cast<int64_t>(c));
    }
    if (all.empty()) throw Error(root_.string() + ": holds no images");
    const auto [begin, end] = used_rows(data_, static_cast<int64_t>(all.size()), root_.string());
    for (int64_t i = begin; i < end; ++i) {
      const auto& [name, label] = all[static_cast<size_t>(i)];
      offsets_.push_back(names_.size());
      names_ += name;
      labels_.push_back(label);
    }
    offsets_.push_back(names_.size());
  }

  fs::path root_;
  DataSpec data_;
  std::vector<int64_t> shape_;
  Interpolation how_;
  std::string names_;  // one after the other: a million std::strings would take thrice as much
  std::vector<uint64_t> offsets_;
  std::vector<int64_t> labels_;
};

}  // namespace

std::unique_ptr<Source> open_images(const DataSpec& data, const ModelSpec& spec) {
  return std::make_unique<ImageSource>(data, spec);
}

}  // namespace assay
