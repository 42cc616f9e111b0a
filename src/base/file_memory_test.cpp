#include "base/file_memory.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace merganser {
namespace {

using test::TemporaryFolder;

class FreeMemory : public ::testing::Test {
 protected:
  void write(const std::filesystem::path& name, std::string_view text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    test::write_file(root_ / name, text);
  }
  std::optional<std::uint64_t> found() const { return free_memory(root_.path()); }

  void write_table() {
    write("proc/meminfo",
          "MemTotal:       24678912 kB\nMemFree:         1000000 kB\n"
          "MemAvailable:    2000000 kB\nSwapTotal:        300 kB\nSwapFree:           100 kB\n");
  }

  TemporaryFolder root_;
};

TEST_F(FreeMemory, UnknownWithoutFiles) { EXPECT_EQ(found(), std::nullopt); }

TEST_F(FreeMemory, UnknownWhereTheKernelIsTooOld) {
  write("proc/meminfo", "MemTotal: 24678912 kB\nMemFree: 1000000 kB\n");
  EXPECT_EQ(found(), std::nullopt);
}

TEST_F(FreeMemory, AvailableAndSwap) {
  write_table();
  EXPECT_EQ(found(), 2000100u * 1024);
}

TEST_F(FreeMemory, GroupWithoutLimit) {
  write_table();
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/memory.current", "5000\n");
  EXPECT_EQ(found(), 2000100u * 1024);
}

TEST_F(FreeMemory, LimitOfTheGroup) {
  write_table();
  write("sys/fs/cgroup/memory.max", "1000000\n");
  write("sys/fs/cgroup/memory.current", "700000\n");
  EXPECT_EQ(found(), 300000u);
  write("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 200000\nactive_file 7\n");
  EXPECT_EQ(found(), 500000u);
  write("sys/fs/cgroup/memory.current", "1700000\n");
  EXPECT_EQ(found(), 0u);
}

TEST_F(FreeMemory, LimitOfAnOldGroup) {
  write_table();
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "700000\n");
  write("sys/fs/cgroup/memory/memory.stat", "cache 9\ntotal_inactive_file 1000\n");
  EXPECT_EQ(found(), 301000u);
}

TEST(FreeMemoryHere, IsLessThanThePhysicalAddresses) {
  if (const auto here = free_memory()) EXPECT_LT(*here, std::uint64_t{1} << 52);
}

}  // namespace
}  // namespace merganser
