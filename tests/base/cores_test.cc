#include "base/cores.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "support/temp_folder.h"

namespace falconer {
namespace {

/// A system's files, as far as usable_cores() looks at them.
struct System {
  test::TempFolder root;
  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root / path;
    std::filesystem::create_directories(file.parent_path());
    write_file(file, text);
  }
  int cores() const { return usable_cores(root / ""); }
};

TEST(UsableCores, AreThoseOfTheProcessWhereNothingLimitsThem) {
  const System bare;
  const int all = bare.cores();
  EXPECT_GE(all, 1);
  EXPECT_LE(usable_cores(), all);
  const System unlimited;
  unlimited.put("proc/self/cgroup", "4:cpu,cpuacct:/a\n0::/b\n");
  unlimited.put("sys/fs/cgroup/b/cpu.max", "max 100000\n");
  unlimited.put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  unlimited.put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(unlimited.cores(), all);
  const System more;
  more.put("proc/self/cgroup", "0::/\n");
  more.put("sys/fs/cgroup/cpu.max", "99900000 100000\n");
  EXPECT_EQ(more.cores(), all);
  const System damaged;
  damaged.put("proc/self/cgroup", "\n::\nnothing\n0::/x\n3:cpu\n");
  damaged.put("sys/fs/cgroup/x/cpu.max", "many\n");
  EXPECT_EQ(damaged.cores(), all);
}

TEST(UsableCores, AreNoMoreThanTheQuotaOfTheCgroupOrOfOneAboveIt) {
  const System second;
  second.put("proc/self/cgroup", "0::/user.slice/run.scope\n");
  second.put("sys/fs/cgroup/user.slice/cpu.max", "100000 100000\n");
  second.put("sys/fs/cgroup/user.slice/run.scope/cpu.max", "max 100000\n");
  EXPECT_EQ(second.cores(), 1);
  const System half;  // rounded up
  half.put("proc/self/cgroup", "0::/\n");
  half.put("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(half.cores(), 1);
  const System first;  // of version 1, in a container: the path is the host's
  first.put("proc/self/cgroup", "9:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n");
  first.put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
  first.put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(first.cores(), 1);
  const System alone;  // mounted under the controller's own name
  alone.put("proc/self/cgroup", "4:cpu,cpuacct:/a\n");
  alone.put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000\n");
  alone.put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(alone.cores(), 1);
}

TEST(DefaultThreadCount, IsTheEnvironmentsWhereItIsANumber) {
  const char* before = std::getenv("OMP_NUM_THREADS");
  const std::string kept = before == nullptr ? "" : before;
  for (const auto& [text, count] : std::vector<std::pair<const char*, int>>{
           {"3", 3}, {"5,2", 5}, {"", 0}, {"0", 0}, {"-4", 0}, {"many", 0}, {"99999999999", 0}}) {
    ::setenv("OMP_NUM_THREADS", text, 1);
    EXPECT_EQ(default_thread_count(), count > 0 ? count : usable_cores()) << text;
  }
  if (before == nullptr)
    ::unsetenv("OMP_NUM_THREADS");
  else
    ::setenv("OMP_NUM_THREADS", kept.c_str(), 1);
}

}  // namespace
}  // namespace falconer
