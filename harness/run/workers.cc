#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "harness/run/run.h"
#include "harness/suite/host_limits.h"

namespace assay {
namespace {

// The first word of a file, or "".
std::string word_of(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// CPUs that a cgroup (v2, else v1) grants, or 0 where it sets no quota.
double cgroup_cpus() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period && quota != "max" && period > 0) return std::stod(quota) / period;
  const std::string v1 = word_of("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const std::string v1_period = word_of("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1.empty() || v1.starts_with("-") || v1_period.empty()) return 0;
  return std::stod(v1) / std::stod(v1_period);
}

}  // namespace

int64_t memory_available(int64_t limit) {
  int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const std::string word = word_of(path);
    // v1 spells "no limit" as a number near 2^63.
    if (!word.empty() && word != "max" && word.size() < 18) {
      bytes = std::min<int64_t>(bytes, std::stoll(word));
    }
  }
  return limit > 0 ? std::min(bytes, limit) : bytes;
}

int default_workers(int64_t memory_limit) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  if (const double quota = cgroup_cpus(); quota > 0) {
    cpus = std::min(cpus, std::max(1, static_cast<int>(quota)));
  }
  return std::min(workers_within(memory_available(memory_limit)), std::max(cpus, 1));
}

}  // namespace assay
