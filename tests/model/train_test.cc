#include "harness/model/train.h"

#include <sys/resource.h>
#include <unistd.h>

#include <system_error>

#include "tests/model/dataset_files.h"

namespace assay {
namespace {

class TrainingDeathTest : public testing::WithFolder {};

// A started thread that waits for one that will never start would wait for ever.
TEST_F(TrainingDeathTest, EndsWhereTheSystemStartsTooFewThreads) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become a user with no other threads";
  write("x", testing::big(0x803, 4) + testing::big(8, 4) + testing::big(4, 4) + testing::big(4, 4) +
                 std::string(8 * 16, '\x40'));
  write("y", testing::big(0x801, 4) + testing::big(8, 4) + std::string(8, '\1'));
  ModelSpec spec;
  spec.shape = {1, 4, 4};
  spec.classes = 2;
  DataSpec data;
  data.format = DataSpec::Format::kIdx;
  data.images = folder_ / "x";
  data.labels = folder_ / "y";
  const Dataset dataset = Dataset::open(data, spec);
  TrainOptions options;
  options.workers = 4;
  const auto try_to = [&] {
    alarm(60);
    const rlimit two{2, 2};  // this thread and one more
    if (setrlimit(RLIMIT_NPROC, &two) != 0 || setuid(0x41535359) != 0) _exit(3);
    try {
      train(dataset, spec, options, folder_ / "out.pt", [](const EpochReport&) {});
    } catch (const std::system_error&) {
      _exit(0);
    } catch (...) {
      _exit(2);
    }
    _exit(1);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a process without LibTorch's threads
  EXPECT_EXIT(try_to(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace assay
