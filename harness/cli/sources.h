// What a suite's attacks take from elsewhere: models, files of adversarials, the corpus.
#pragma once

#include <memory>
#include <string>

#include "harness/cli/session.h"
#include "harness/record/evidence.h"
#include "harness/record/store.h"
#include "harness/run/plan.h"
#include "harness/run/run.h"

namespace assay {

/// Opened for one subject: the corpus leaves out what that model itself was broken by.
class SourceSet {
 public:
  /// Reads the files that entries name, models apart, and looks up the corpus if an entry uses it.
  /// `store` must outlive this. Throws Error (kUsage) for what is missing or of no use.
  SourceSet(const Session& session, const std::string& model_sha256, Store* store);
  ~SourceSet();

  const Digests& digests() const;
  /// Loads the models, before a unit asks for them. Throws Error (kUsage) for one of no use.
  void load();
  /// Valid as long as this object.
  Sources sources();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Tells the corpus what broke the models of a run. Whole runs only, and both sides after both were
/// planned: what a run finds is for the next one, however this one was cut into shards or attempts.
/// So nothing of this one depends on it; a fault is told on stderr.
void keep_in_corpus(const Evidence& evidence, const Evidence* incumbent, const Store& store);

}  // namespace assay
