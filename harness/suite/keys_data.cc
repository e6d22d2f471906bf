// The keys of data sets, which depend on the format.
#include "harness/suite/keys.h"

namespace assay {
namespace {

using Type = Key::Type;

Key path_key(const char* name, const char* help) {
  return {.name = name, .help = help, .required = true};
}

void add_layout(std::vector<Key>& keys) {
  keys.push_back(
      {.name = "layout", .help = "order of axes; nchw by default", .choices = {"nchw", "nhwc"}});
}

void add_image_keys(std::vector<Key>& keys) {
  keys.push_back(path_key("path", "a folder with one folder of images per class"));
  keys.push_back({.name = "class_order",
                  .help = "a file with one class folder a line, in the order of labels; by default "
                          "folders are sorted bytewise"});
  keys.push_back({.name = "resize",
                  .type = Type::kIntegerOrList,
                  .help = "the shorter side, or [height, width]",
                  .limits = {1, 65536},
                  .most_items = 2});
  keys.push_back({.name = "crop",
                  .type = Type::kIntegerOrList,
                  .help = "centre crop: a side, or [height, width]",
                  .limits = {1, 65536},
                  .most_items = 2});
  keys.push_back({.name = "interpolation",
                  .help = "of resize; bilinear by default",
                  .choices = {"nearest", "bilinear", "bicubic"}});
  keys.push_back(
      {.name = "antialias",
       .type = Type::kBoolean,
       .help = "smooth when resize makes an image smaller, as PIL does; true by default"});
}

}  // namespace

std::vector<std::string> format_names() {
  return {"idx", "npy", "npz", "safetensors", "csv", "images"};
}

std::vector<Key> data_keys(DataSpec::Format format) {
  std::vector<Key> keys = {
      {.name = "format", .help = "how it is stored", .required = true, .choices = format_names()}};
  switch (format) {
    case DataSpec::Format::kIdx:
      keys.push_back(path_key("images", "idx file of the inputs, .gz too"));
      keys.push_back(path_key("labels", "idx file of the labels, .gz too"));
      break;
    case DataSpec::Format::kNpy:
      keys.push_back(path_key("images", "npy file of the inputs"));
      keys.push_back(path_key("labels", "npy file of the labels"));
      add_layout(keys);
      break;
    case DataSpec::Format::kNpz:
    case DataSpec::Format::kSafetensors:
      keys.push_back(path_key("path", "the file"));
      keys.push_back({.name = "x", .help = "key of the inputs; x by default"});
      keys.push_back({.name = "y", .help = "key of the labels; y by default"});
      add_layout(keys);
      break;
    case DataSpec::Format::kCsv:
      keys.push_back(path_key("path", "the file; its first line names the columns"));
      keys.push_back(path_key("label", "the column with the label; all others are features"));
      break;
    case DataSpec::Format::kImages:
      add_image_keys(keys);
      break;
  }
  keys.push_back({.name = "rows",
                  .type = Type::kIntegers,
                  .help = "takes part of the set: [first, end], the end not included",
                  .limits = {0, 9e15},
                  .least_items = 2,
                  .most_items = 2});
  return keys;
}

}  // namespace assay
