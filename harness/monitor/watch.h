// A log's alarms held against those of benign traffic: are there more than benign users raise?
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/monitor/monitor.h"

namespace assay {

/// Checks of a monitor, and how many of them raised its alarm.
struct AlarmRate {
  int64_t checks = 0;
  int64_t raised = 0;
};

/// Queries [begin, end) of a log, and what a monitor's checks of them came to.
struct Window {
  int64_t begin = 0;
  int64_t end = 0;
  AlarmRate rate;
};

/// One monitor's word on a log.
struct WatchResult {
  std::string name;
  std::string reason;  ///< why there is no verdict; "" if there is one
  Alarms alarms;       ///< of the log
  AlarmRate benign;    ///< of benign traffic
  /// Chance of as many alarms or more in the log were it benign traffic: the least of up to three
  /// p-values times their number. Of the whole log, Fisher's exact test of the two rates,
  /// one-sided, so that the benign rate is as uncertain as its traffic is short; of a log in parts,
  /// the least of its parts times their number (Bonferroni); and of windows of many lengths the
  /// least times their number, so that a burst is not lost among what others asked before and after
  /// it.
  std::optional<double> p_value;
  std::optional<Window> window;  ///< which window that is, where its p-value is the least
  bool alarm = false;            ///< at the level that was asked for
};

/// Judges a log by the alarms that a detector raises on it and on benign traffic. Alarms depend on
/// how many queries came before, so both are judged in streams of one length: the log as a whole,
/// or in equal parts where there is less benign traffic than that, and in those that lie half in
/// one part and half in the next, so that none cuts a burst in two; each starts from nothing.
/// Windows are of 32, 64, 128, … queries where the detector judges queries one by one
/// (Alarms::beyond), each held against benign queries that had as many before them or more;
/// else of 500 queries or a little more, 1,000, 2,000, …, shorter than the parts, each from
/// nothing and half over the next. A window
/// counts where more of it is beyond the threshold than of any benign window of its length. A check
/// counts as independent of others. That holds for monitors that judge queries one by one; the
/// checks of prada, which follow one growing set, go together, so that it is exact only where
/// benign traffic raises none. `alpha`: chance that benign traffic is an alarm; where no part of
/// the log could be one at that level, there is no p-value. Without benign traffic there is none
/// either, and no `reason` only where a detector that judges queries one by one raised no alarm at
/// all: of others that means little, as a long log may hide a burst. Detectors calibrated with a
/// reference must have no query of it in common with `benign`.
WatchResult watch_log(const std::string& name, const Detector& detector, const QueryView& log,
                      const QueryView& benign, double alpha);

/// P(X ≥ raised) for X hypergeometric: of the log's and the benign checks together as many raised
/// an alarm as did, and chance says which.
double fisher_p_value(const AlarmRate& log, const AlarmRate& benign);

}  // namespace assay
