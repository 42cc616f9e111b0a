#include "base/file_scratch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

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

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ScratchFile, WithANameIsGoneOnWith) {
  const test::TemporaryFolder folder;
  {
    const auto file = ScratchFile::named(folder / "kept");
    EXPECT_EQ(file->size(), 0u);
    EXPECT_EQ(file->append(bytes("abcdef")), 0u);
    file->sync();
  }
  EXPECT_EQ(test::read_file(folder / "kept"), "abcdef");
  const auto file = ScratchFile::named(folder / "kept");
  EXPECT_EQ(file->size(), 6u);
  file->cut(4);
  EXPECT_EQ(file->append(bytes("xy")), 4u);
  EXPECT_EQ(test::read_file(folder / "kept"), "abcdxy");
  std::string back(3, '?');
  file->read(3, std::as_writable_bytes(std::span(back)));
  EXPECT_EQ(back, "dxy");
}

TEST(ScratchFile, WithANameIsAnOrdinaryFile) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "elsewhere", "precious");
  std::filesystem::create_symlink(folder / "elsewhere", folder / "link");
  std::filesystem::create_directory(folder / "folder");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const char* name : {"link", "folder", "pipe", "absent/file"}) {
    EXPECT_THAT(test::complaint([&] { ScratchFile::named(folder / name); }),
                ::testing::HasSubstr((folder / name).string()))
        << name;
  }
  EXPECT_EQ(test::read_file(folder / "elsewhere"), "precious");
}

}  // namespace
}  // namespace merganser
