#include "tests/testing/extraction.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "harness/model/shadow.h"
#include "harness/suite/digest.h"
#include "tests/testing/attacks.h"

namespace assay::testing {

Pool pool_of(const at::Tensor& x, const at::Tensor& labels) {
  Pool pool;
  pool.labels = labels.defined() ? labels : at::zeros({x.size(0)}, at::kLong);
  const at::Tensor rows = x.contiguous();
  for (int64_t i = 0; i < x.size(0); ++i) {
    const at::Tensor row = rows[i];
    pool.ids.push_back(hash64({static_cast<const char*>(row.const_data_ptr()), row.nbytes()}));
  }
  pool.read = [rows](std::span<const int64_t> positions) {
    return rows.index_select(
        0, at::tensor(at::ArrayRef<int64_t>(positions.data(), positions.size()), at::kLong));
  };
  return pool;
}

Extraction extraction_of(const std::string& attack, const std::string& params,
                         const Surface& surface) {
  ThreatModel threat;
  threat.access = surface.kind == Surface::Kind::kLabel ? Access::kLabel : Access::kScore;
  threat.surface = surface;
  return bind_params(find_attack(attack), params, threat).extraction;
}

Heist steal(const std::string& attack, const std::string& params, const Model& model,
            const Pool& pool, int64_t budget, const Surface& surface, uint64_t seed) {
  const Extraction extraction = extraction_of(attack, params, surface);
  const ModelSpec& spec = model.spec();
  std::optional<Architecture> architecture;  // read where the attack trains
  Victim victim(model, surface, budget, seed);
  Heist heist;
  heist.theft = extraction.extract(
      victim, pool,
      [&](int64_t round) {
        if (!architecture) {
          architecture = Architecture::of(spec, spec.path, extraction.recipe.architecture);
        }
        return Surrogate(*architecture, spec, extraction.recipe,
                         seed * 1000 + static_cast<uint64_t>(round));
      },
      Rng(seed, attack, 0));
  heist.spent = victim.spent();
  heist.asked = victim.asked();
  heist.labels = victim.labels();
  return heist;
}

Model surrogate_of(const Theft& theft, const ModelSpec& spec) {
  std::string name = (std::filesystem::temp_directory_path() / "assay-surrogate-XXXXXX").string();
  const int file = mkstemp(name.data());
  close(file);
  std::ofstream(name, std::ios::binary) << theft.surrogate;
  const ModelFacts facts{.quantum = 4};  // as runs load it
  Model model = Model::load(spec, name, /*block=*/64, "cpu", &facts);
  std::filesystem::remove(name);
  return model;
}

double agreement_of(const Model& a, const Model& b, const at::Tensor& x) {
  return a.judge(x).argmax(1).eq(b.judge(x).argmax(1)).to(at::kDouble).mean().item<double>();
}

}  // namespace assay::testing
