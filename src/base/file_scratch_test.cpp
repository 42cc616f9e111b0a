#include "base/file_scratch.h"

#include <gtest/gtest.h>

#include <string>

#include "base/testing.h"

namespace merganser {
namespace {

TEST(ScratchFile, GivesBackWhatWasPutAside) {
  const test::TemporaryFolder folder;
  ScratchFile file(folder.path());
  const std::string first = "abc", second(100'000, 'x');
  EXPECT_EQ(file.append(std::as_bytes(std::span(first))), 0u);
  EXPECT_EQ(file.append(std::as_bytes(std::span(second))), 3u);
  std::string back(5, '?');
  file.read(1, std::as_writable_bytes(std::span(back)));
  EXPECT_EQ(back, "bcxxx");
}

TEST(ScratchFile, HasNoName) {
  const test::TemporaryFolder folder;
  const ScratchFile file(folder.path());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ScratchFile, ReadingBeyondTheEndIsAnError) {
  const test::TemporaryFolder folder;
  const ScratchFile file(folder.path());
  std::string back(1, '?');
  EXPECT_NE(
      test::complaint([&] { file.read(0, std::as_writable_bytes(std::span(back))); }).find("short"),
      std::string::npos);
}

}  // namespace
}  // namespace merganser
