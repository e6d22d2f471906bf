// Gives a block what its attack takes from elsewhere.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "harness/model/oracle.h"
#include "harness/run/run.h"

namespace assay {

/// What the blocks of a unit are supplied from.
struct Supplies {
  const Sources& sources;                            ///< outside of the run
  std::map<std::string, const UnitResult*> results;  ///< of earlier cells, by `source` as spelt
  std::map<std::string, std::shared_ptr<const Model>> stolen;  ///< surrogates among those
  std::string lost;    ///< why there is no surrogate where one is named; "" if there is
  const Store& store;  ///< has the points of the others
  const Header& header;
  std::map<uint64_t, int64_t> samples;       ///< indices into header.samples by their keys for Rng
  const std::function<std::string()>& stop;  ///< RunOptions::stop
};

/// Sets the block's `stop`, and its `source` model or `points` to what `source` names ("": none).
void supply(const Supplies& supplies, const std::string& source, Block* block);

}  // namespace assay
