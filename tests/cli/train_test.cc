// `assay train`.
#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

class Training : public Workshop {
 protected:
  Ended train(const std::string& out, std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"train",
                                     "--images",
                                     prepared("images.idx").string(),
                                     "--labels",
                                     prepared("labels.idx").string(),
                                     "--out",
                                     out,
                                     "--shape",
                                     "1",
                                     "8",
                                     "8",
                                     "--classes",
                                     "4",
                                     "--epochs",
                                     "2",
                                     "--batch",
                                     "32"};
    args.insert(args.end(), more.begin(), more.end());
    return assay(args);
  }
};

TEST_F(Training, GivesTheSameBytesForAnyNumberOfWorkersAndLoads) {
  const Ended first = train("one.pt", {"--workers", "1", "--eps", "0.05"});
  expect_end(first, 0, {"epoch 2/2"});
  EXPECT_EQ(first.out, "one.pt\n");
  expect_end(train("again.pt", {"--workers", "1", "--eps", "0.05"}), 0, {});
  expect_end(train("two.pt", {"--workers", "2", "--eps", "0.05"}), 0, {});
  EXPECT_TRUE(read("one.pt") == read("again.pt"));
  EXPECT_TRUE(read("one.pt") == read("two.pt"));
  expect_end(train("other.pt", {"--seed", "9", "--eps", "0.05"}), 0, {});
  EXPECT_FALSE(read("one.pt") == read("other.pt"));
  SuiteParts parts = image_parts();
  parts.model = "./one.pt";
  // Steps enough to tell that the attack has converged.
  parts.attacks =
      "- { name: fgsm, attack: fgsm, eps: 0.02 }\n"
      "  - { name: pgd, attack: pgd, eps: [0.01, 0.03], steps: 20, restarts: 2 }";
  parts.rules = "- { cell: fgsm, metric: clean_accuracy, at_least: 0.0 }";
  write_suite(parts);
  const Ended ended = run("out");
  EXPECT_EQ(ended.code, 0) << ended.err << ended.out;
  EXPECT_THAT(flags("out"), ::testing::IsEmpty());
}

TEST_F(Training, RefusesWhatCannotBeTrainedOn) {
  expect_end(train("x.pt", {"--rows", "0", "1000"}), 2, {"1000", "256"});
  expect_end(assay({"train", "--images", prepared("images.idx").string(), "--labels",
                    prepared("labels.idx").string(), "--out", "x.pt", "--batch", "30"}),
             2, {"--batch", "multiple of 4"});
  expect_end(train("x.pt", {"--epochs", "0"}), 2, {"--epochs"});
  write("blocked", "a file");
  expect_end(train("blocked/x.pt"), 2, {"blocked"});
  expect_end(assay({"train", "--images", "gone.idx", "--labels", prepared("labels.idx").string(),
                    "--out", "x.pt"}),
             2, {"gone.idx"});
  EXPECT_FALSE(exists("x.pt"));
}

}  // namespace
}  // namespace assay::testing
