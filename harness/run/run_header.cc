#include "harness/run/run_header.h"

#include "harness/suite/version.h"

namespace assay {

Header run_header(const Suite& suite, const FileIdentity& model,
                  const std::vector<SampleInfo>& samples, const Platform& platform,
                  const RecordSets* sets) {
  Header header;
  header.assay = kVersion;
  header.libtorch = platform.libtorch;
  header.cpu_capability = platform.cpu_capability;
  header.device = platform.device;
  header.suite_name = suite.name;
  header.suite_sha256 = suite.sha256;
  header.seed = suite.seed;
  header.suite = suite.effective;
  header.suite_folder = suite.file.parent_path().string();
  header.model = model;
  header.class_names = suite.model.class_names;
  header.classes = suite.model.classes;
  header.shape = suite.model.shape;
  header.float64 = suite.model.dtype == ModelSpec::Dtype::kFloat64;
  header.samples = samples;
  if (sets != nullptr) {
    for (const auto& [name, records] : sets->audited) header.sets[name] = records.infos;
  }
  return header;
}

}  // namespace assay
