// Signals, full disks, and terminals that are there or not.
#include <csignal>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Interruptions : public Workshop {
 protected:
  // A run of minutes, for something to happen to.
  void write_long_suite() {
    SuiteParts parts = image_parts();
    parts.model = "slow_cnn.pt";
    parts.attacks = "- { name: pgd, attack: pgd, eps: 0.000001, steps: 40, restarts: 5 }";
    parts.rules = "- { cell: pgd, metric: robust_accuracy, at_least: 0.05 }";
    parts.more = "run: { block: 4 }";
    write_suite(parts);
  }
};

TEST_F(Interruptions, SignalsEndARunWithReports) {
  write_long_suite();
  for (const auto& [signal, name] :
       {std::pair{SIGINT, "SIGINT"}, std::pair{SIGTERM, "SIGTERM"}, std::pair{SIGHUP, "SIGHUP"}}) {
    const std::string out = std::string("by-") + name;
    Program program(invocation({"run", "suite.yaml", "--out", out, "--workers", "1"}));
    // Evidence without verdicts is written when the run begins.
    while (program.running() && !exists(out + "/evidence.jsonl")) usleep(1000);
    program.send(signal);  // as timeout(1) does: itself, then all of the group
    program.send(signal);
    program.send_to_children(signal);
    const Ended ended = program.wait();
    expect_end(ended, 3, {});
    EXPECT_THAT(ended.err, Not(HasSubstr("did not end")));
    EXPECT_THAT(ended.out, HasSubstr(name));
    EXPECT_EQ(decision(out), "incomplete");
    for (const char* report : kReports) EXPECT_TRUE(exists(out + "/" + report)) << report;
  }
}

// The clean pass ends in a model call that does not.
TEST_F(Interruptions, ASecondSignalDoesNotWaitForTheModelAndLeavesReports) {
  write_suite({.model = "loops_on_one.pt"});
  // One that comes before the model is asked ends the run by itself: then it is given longer.
  for (int pause_ms = 200; pause_ms < 10000; pause_ms *= 4) {
    const std::string out = "out" + std::to_string(pause_ms);
    Program program(invocation({"run", "suite.yaml", "--out", out, "--workers", "1"}));
    while (program.running() && !exists(out + "/evidence.jsonl")) usleep(1000);
    usleep(pause_ms * 1000);
    program.send(SIGTERM);
    usleep(1500000);
    if (!program.running()) continue;
    program.send(SIGTERM);
    const Ended ended = program.wait();
    expect_end(ended, 3,
               {"stopped by a second SIGTERM", "did not end: the clean pass on samples 0 to "});
    EXPECT_LT(ended.seconds, 25) << "it was the grace that ended it";
    EXPECT_EQ(decision(out), "incomplete");
    for (const char* report : kReports) EXPECT_TRUE(exists(out + "/" + report)) << report;
    return;
  }
  FAIL() << "the model does not loop";
}

// What ended before is kept, and the cell that loops is named.
TEST_F(Interruptions, ALoopingModelEndsSoonAfterTheTimeLimitOrASignal) {
  write_suite({.model = "loops_under_attack.pt",
               .attacks = "- { name: fgsm, attack: fgsm, eps: [8/255, 0.1] }",
               .rules = "- { cell: \"fgsm@0.1\", metric: robust_accuracy, at_least: 0.3 }"});
  Program limited(invocation({"run", "suite.yaml", "--out", "limited", "--store", "a", "--workers",
                              "1", "--set", "run.time_limit=8s"}));
  Program signalled(
      invocation({"run", "suite.yaml", "--out", "signalled", "--store", "b", "--workers", "1"}));
  usleep(8000000);
  signalled.send(SIGTERM);
  for (auto& [program, out, why] :
       {std::tuple<Program&, std::string, std::string>{limited, "limited", "the time limit of 8 s"},
        {signalled, "signalled", "stopped by SIGTERM"}}) {
    const Ended ended = program.wait();
    expect_end(ended, 3, {why, "did not end: fgsm@0.1 on samples", "--resume"});
    EXPECT_EQ(decision(out), "incomplete");
    for (const char* report : kReports) EXPECT_TRUE(exists(out + "/" + report)) << report;
    EXPECT_EQ(cell(out, "fgsm@8/255")["status"], "complete");
    EXPECT_EQ(cell(out, "fgsm@0.1")["status"], "incomplete");
    EXPECT_THAT(assay({"gate", out, "--cell", "fgsm@0.1"}).out, HasSubstr(why));
  }
}

TEST_F(Interruptions, AKillForWantOfMemoryLeavesReportsAndARunThatGoesOn) {
  SuiteParts parts = image_parts();
  parts.model = "slow_cnn.pt";
  write_suite(parts);
  Program program(invocation({"run", "suite.yaml", "--out", "out", "--workers", "1"}));
  while (program.running() && !exists("out/evidence.jsonl")) usleep(1000);
  program.send_to_children(SIGKILL);  // as the kernel does
  const Ended ended = program.wait();
  expect_end(ended, 3, {"SIGKILL", "memory", "--resume"});
  EXPECT_EQ(decision("out"), "incomplete");
  for (const char* report : kReports) EXPECT_TRUE(exists(std::string("out/") + report)) << report;
  EXPECT_THAT(assay({"gate", "out"}).out, HasSubstr("SIGKILL"));
  EXPECT_EQ(run("out", {"--resume"}).code, 0);
  EXPECT_EQ(run("whole", {"--store", "other"}).code, 0);
  EXPECT_TRUE(read("out/evidence.jsonl") == read("whole/evidence.jsonl"));
}

TEST_F(Interruptions, AnInterruptedRunGoesOnToTheSameBytes) {
  SuiteParts parts = image_parts();
  parts.model = "slow_cnn.pt";
  write_suite(parts);
  Program program(invocation({"run", "suite.yaml", "--out", "out"}));
  while (program.running() && !exists("out/evidence.jsonl")) usleep(1000);
  program.send(SIGINT);
  EXPECT_EQ(program.wait().code, 3);
  EXPECT_EQ(run("out", {"--resume"}).code, 0);
  EXPECT_EQ(run("whole", {"--store", "other"}).code, 0);
  EXPECT_TRUE(read("out/samples.csv") == read("whole/samples.csv"));
  EXPECT_TRUE(read("out/evidence.jsonl") == read("whole/evidence.jsonl"));
}

TEST_F(Interruptions, AFullDiskIsIncompleteAndNamesThePath) {
  write_suite(image_parts());
  ASSERT_EQ(run("filled", {"--store", "filled-store"}).code, 0);
  const auto run_full = [this](const std::string& out, const std::string& store, long limit) {
    Invocation full =
        invocation({"run", "suite.yaml", "--out", out, "--store", store, "--workers", "1"});
    full.file_limit = limit;
    full.out = Invocation::Stdout::kClosed;  // else it would be full as well
    full.terminal = true;
    return run_program(full);
  };
  // Wherever the space ends: in the store's first file, between its units, in the run folder.
  for (const long limit : {0L, 4096L, 20000L, 65536L, 150000L}) {
    const std::string n = std::to_string(limit);
    SCOPED_TRACE("limit " + n);
    expect_end(run_full("out" + n, "store" + n, limit), 3, {"assay: ", "store" + n});
  }
  // With nothing left to compute: in the store's journal or in the run folder.
  const Ended ended = run_full("out", "filled-store", 40000);
  expect_end(ended, 3, {"assay: "});
  EXPECT_THAT(ended.err, ::testing::AnyOf(HasSubstr("out/"), HasSubstr("filled-store")));
}

TEST_F(Interruptions, ARunGoesOnOnceThereIsSpaceAgain) {
  write_suite(image_parts());
  Invocation full = invocation({"run", "suite.yaml", "--out", "out", "--workers", "1"});
  full.file_limit = 65536;
  full.out = Invocation::Stdout::kClosed;
  full.terminal = true;
  ASSERT_EQ(run_program(full).code, 3);
  EXPECT_EQ(run("out", {"--resume"}).code, 0);
  EXPECT_EQ(run("whole", {"--store", "other"}).code, 0);
  EXPECT_TRUE(read("out/evidence.jsonl") == read("whole/evidence.jsonl"));
}

TEST_F(Interruptions, AClosedStdoutChangesNeitherVerdictNorFiles) {
  write_suite({.rules = kFail});
  ASSERT_EQ(run("plain").code, 1);
  for (const auto out :
       {Invocation::Stdout::kClosed, Invocation::Stdout::kFull, Invocation::Stdout::kBrokenPipe}) {
    const std::string n = std::to_string(static_cast<int>(out));
    Invocation muted = invocation({"run", "suite.yaml", "--out", "out" + n, "--store", "st" + n});
    muted.out = out;
    const Ended ended = run_program(muted);
    expect_end(ended, 1, {});
    const bool told = ended.err.find("standard output: No space left") != std::string::npos;
    EXPECT_EQ(told, out == Invocation::Stdout::kFull) << ended.err;
    EXPECT_TRUE(read("plain/samples.csv") == read("out" + n + "/samples.csv"));
    EXPECT_EQ(json("plain/report.json")["rules"], json("out" + n + "/report.json")["rules"]);
    EXPECT_EQ(read("out" + n + "/evidence.jsonl"), read("plain/evidence.jsonl"));
    EXPECT_EQ(run("again" + n, {"--store", "st" + n}).code, 1) << "the store was written into";
  }
}

TEST_F(Interruptions, AListThatCannotBePrintedIsNotASuccessUnlessItsReaderLeft) {
  write_suite({});
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"schema"},
                                             {"attacks"},
                                             {"plan", "suite.yaml", "--cells"},
                                             {"validate", "suite.yaml"},
                                             {"run", "--help"}}) {
    Invocation cut = invocation(args);
    cut.out = Invocation::Stdout::kFull;
    expect_end(run_program(cut), 2, {"standard output"});
    cut.out = Invocation::Stdout::kBrokenPipe;
    const Ended left = run_program(cut);
    EXPECT_EQ(left.code, 0) << args[0];
    EXPECT_EQ(left.err, "") << args[0];
  }
}

TEST_F(Interruptions, ABarIsDrawnOnATerminalOnly) {
  write_suite(image_parts());
  Invocation plain = invocation({"run", "suite.yaml", "--out", "plain", "--store", "a"});
  const Ended quiet = run_program(plain);
  EXPECT_EQ(quiet.code, 0);
  EXPECT_THAT(quiet.err, Not(AnyOf(HasSubstr("\r"), HasSubstr("\x1b"))));
  EXPECT_THAT(quiet.err, HasSubstr("100 %"));
  Invocation drawn = invocation({"run", "suite.yaml", "--out", "drawn", "--store", "b"});
  drawn.terminal = true;
  drawn.set = {{"TERM", "xterm"}};
  const Ended bar = run_program(drawn);
  EXPECT_EQ(bar.code, 0);
  EXPECT_THAT(bar.err, HasSubstr("\r"));
  EXPECT_THAT(bar.err, HasSubstr("100 %"));
  EXPECT_LT(widest_line(bar.err.substr(bar.err.rfind('\r', bar.err.size() - 3))), 80U);
}

TEST_F(Interruptions, ColourNeedsATerminalThatWantsIt) {
  write_suite({});
  Invocation coloured = invocation({"run", "suite.yaml", "--out", "coloured"});
  coloured.terminal = coloured.terminal_out = true;
  coloured.set = {{"TERM", "xterm"}};
  coloured.unset = {"NO_COLOR"};
  EXPECT_THAT(run_program(coloured).err, HasSubstr("\x1b["));
  Invocation no_colour = invocation({"gate", "coloured"});
  no_colour.terminal = no_colour.terminal_out = true;
  no_colour.set = {{"TERM", "xterm"}, {"NO_COLOR", "1"}};
  EXPECT_THAT(run_program(no_colour).err, Not(HasSubstr("\x1b[")));
  Invocation no_term = invocation({"run", "suite.yaml", "--out", "no-term", "--store", "c"});
  no_term.terminal = no_term.terminal_out = true;
  no_term.unset = {"TERM", "NO_COLOR"};
  const Ended ended = run_program(no_term);
  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.err, Not(HasSubstr("\x1b[")));
  EXPECT_THAT(ended.err, HasSubstr("pgd@0.1"));
}

}  // namespace
}  // namespace assay::testing
