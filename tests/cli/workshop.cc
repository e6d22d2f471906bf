#include "tests/cli/workshop.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace assay::testing {
namespace {

namespace fs = std::filesystem;

fs::path fresh_workshop() {
  std::string name = (fs::temp_directory_path() / "assay_cli_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
  return name;
}

}  // namespace

fs::path prepared(const std::string& name) { return fs::path(ASSAY_CLI_INPUTS) / name; }

SuiteParts image_parts() {
  SuiteParts parts;
  parts.name = "images";
  parts.model = "cnn.pt";
  parts.shape = "[1, 8, 8]";
  parts.classes = "4";
  parts.data = "{ format: idx, images: " + prepared("images.idx").string() +
               ", labels: " + prepared("labels.idx").string() + " }";
  parts.attacks =
      "- { name: fgsm, attack: fgsm, eps: 0.02 }\n"
      "  - { name: pgd, attack: pgd, eps: [0.01, 0.03], steps: 5, restarts: 2 }";
  parts.rules = "- { cell: \"pgd@0.03\", metric: robust_accuracy, at_least: 0.05 }";
  parts.more = "run: { block: 16 }";
  return parts;
}

SuiteParts audit_parts() {
  const std::string set = "{ format: csv, path: samples.csv, label: label";
  SuiteParts parts;
  parts.data = set + " }\n  in: " + set + ", rows: [0, 40] }\n  out: " + set + ", rows: [40, 90] }";
  parts.attacks =
      "- { name: mia, attack: loss, members: in, non_members: out }\n"
      "  - { name: pgd, attack: pgd, eps: [0.1], steps: 3 }";
  parts.rules = "- { cell: mia, metric: auc, at_most: 1 }";
  return parts;
}

Workshop::Workshop() : folder_(fresh_workshop()) {
  std::ostringstream csv;
  csv << "x0,x1,label\n";
  for (int i = 0; i < 100; ++i) {
    const double away = i < 50 ? 0.3 : 0.05;
    csv << (i % 2 == 1 ? 0.5 + away : 0.5 - away) << ',' << i / 100.0 << ',' << i % 2 << '\n';
  }
  write("samples.csv", csv.str());
}

Workshop::~Workshop() {
  if (HasFailure()) {
    GTEST_LOG_(INFO) << "the files are kept in " << folder_;
    return;
  }
  std::error_code error;
  fs::permissions(folder_, fs::perms::owner_all, error);
  fs::remove_all(folder_, error);
}

std::string Workshop::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  EXPECT_TRUE(file.good()) << "no file " << path(name);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Workshop::write(const std::string& name, const std::string& bytes) const {
  fs::create_directories(path(name).parent_path());
  std::ofstream file(path(name), std::ios::binary);
  file << bytes;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path(name).string());
}

nlohmann::json Workshop::json(const std::string& name) const {
  const nlohmann::json json = nlohmann::json::parse(read(name), nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << name << " is not JSON";
  return json.is_discarded() ? nlohmann::json::object() : json;
}

void Workshop::write_suite(const SuiteParts& parts, const std::string& name) const {
  const std::string model =
      parts.model.find('/') == std::string::npos ? prepared(parts.model).string() : parts.model;
  std::ostringstream text;
  text << "assay: 1\nname: " << parts.name << "\nseed: 1\nmodel:\n  path: " << model
       << "\n  input: { shape: " << parts.shape << ", range: [0, 1] }\n  classes: " << parts.classes
       << '\n';
  if (!parts.model_more.empty()) text << "  " << parts.model_more << '\n';
  text << "data:\n  test: " << parts.data << "\ndefaults: { norm: linf }\nattacks:\n  "
       << parts.attacks << "\ngate:\n  rules:\n    " << parts.rules << '\n';
  if (!parts.more.empty()) text << parts.more << '\n';
  write(name, text.str());
}

Invocation Workshop::invocation(std::vector<std::string> args) const {
  Invocation invocation;
  invocation.args = std::move(args);
  invocation.folder = folder_;
  return invocation;
}

Ended Workshop::assay(std::vector<std::string> args) const {
  return run_program(invocation(std::move(args)));
}

Ended Workshop::run(const std::string& out, const std::vector<std::string>& more) const {
  std::vector<std::string> args = {"run", "suite.yaml", "--out", out};
  args.insert(args.end(), more.begin(), more.end());
  return assay(std::move(args));
}

std::string Workshop::decision(const std::string& run) const {
  return json(run + "/report.json").value("decision", "");
}

std::vector<std::string> Workshop::flags(const std::string& run) const {
  std::vector<std::string> ids;
  const nlohmann::json report = json(run + "/report.json");
  for (const nlohmann::json& flag : report.at("flags")) {
    ids.push_back(flag.at("id"));
  }
  return ids;
}

nlohmann::json Workshop::cell(const std::string& run, const std::string& name) const {
  const nlohmann::json report = json(run + "/report.json");
  for (const nlohmann::json& each : report.at("cells")) {
    if (each.at("name") == name) return each;
  }
  ADD_FAILURE() << run << " has no cell " << name;
  return nlohmann::json::object();
}

void expect_end(const Ended& ended, int code, const std::vector<std::string>& says) {
  EXPECT_EQ(ended.signal, 0) << ended.err;
  EXPECT_EQ(ended.code, code) << ended.err;
  for (const std::string& text : says) EXPECT_THAT(ended.err, ::testing::HasSubstr(text));
}

size_t widest_line(const std::string& text) {
  size_t widest = 0, width = 0;
  for (const char c : text) {
    if (c == '\n') width = 0;
    if (c != '\n' && c != '\r' && (static_cast<unsigned char>(c) & 0xC0) != 0x80) ++width;
    widest = std::max(widest, width);
  }
  return widest;
}

}  // namespace assay::testing
