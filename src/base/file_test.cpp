#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "base/file_internal.h"
#include "base/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using test::complaint;
using test::read_file;
using test::TemporaryFolder;
using test::write_file;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string read_part(const InputFile& file, std::uint64_t offset, std::size_t size) {
  std::string text(size, '?');
  file.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

std::size_t count(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(InputFile, ReadsAnyRange) {
  const TemporaryFolder folder;
  const InputFile file(write_file(folder / "f", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  EXPECT_EQ(file.path(), folder / "f");
  EXPECT_EQ(read_part(file, 0, 10), "0123456789");
  EXPECT_EQ(read_part(file, 9, 1), "9");
  EXPECT_EQ(read_part(file, 10, 0), "");
}

TEST(InputFile, PrematureEndNamesBothNumbers) {
  const TemporaryFolder folder;
  const InputFile file(write_file(folder / "f", "0123456789"));
  EXPECT_THAT(
      complaint([&] { read_part(file, 5, 6); }),
      AllOf(StartsWith("corrupt: "), HasSubstr((folder / "f").string()),
            HasSubstr("file ends at byte 10, needed up to byte 11"), HasSubstr("cut short")));
  fs::resize_file(folder / "f", 3);
  EXPECT_THAT(complaint([&] { read_part(file, 0, 10); }), HasSubstr("file ends at byte 3"));
}

TEST(InputFile, WhatCannotBeOpened) {
  const TemporaryFolder folder;
  const auto open = [&](const char* name) {
    return complaint([&] { InputFile file(folder / name); });
  };
  EXPECT_THAT(open("absent"), AllOf(StartsWith("not_found: "), HasSubstr("absent")));
  EXPECT_THAT(open("."), AllOf(StartsWith("io: "), HasSubstr("this is a folder, not a file")));
  fs::create_symlink(folder / "nowhere", folder / "dangling");
  EXPECT_THAT(open("dangling"), AllOf(StartsWith("not_found: "), HasSubstr("symbolic link")));
  fs::create_symlink(folder / "loop", folder / "loop");
  EXPECT_THAT(open("loop"), AllOf(StartsWith("io: "), HasSubstr("go in a circle")));
  write_file(folder / "f", "x");
  EXPECT_THAT(open("f/inside"), StartsWith("io: "));
  EXPECT_THAT(open(std::string(5000, 'n').c_str()), StartsWith("io: "));
  EXPECT_THAT(complaint([] { InputFile file("/dev/zero"); }), HasSubstr("not a regular file"));
  if (::geteuid() == 0) GTEST_SKIP() << "permissions do not bind root";
  fs::permissions(folder / "f", fs::perms::none);
  EXPECT_THAT(open("f"), AllOf(StartsWith("io: "), HasSubstr("permissions")));
}

TEST(InputFile, NamedPipeDoesNotHang) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(complaint([&] { InputFile file(folder / "pipe"); }), HasSubstr("not a regular file"));
}

TEST(InputFile, NoticesChanges) {
  const TemporaryFolder folder;
  const fs::path path = write_file(folder / "f", "0123");
  const InputFile file(path);
  EXPECT_FALSE(file.changed());
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(5));
  EXPECT_TRUE(file.changed());
  const InputFile again(path);
  write_file(folder / "g", "0123");
  fs::last_write_time(folder / "g", fs::last_write_time(path));
  fs::rename(folder / "g", path);
  EXPECT_TRUE(again.changed());
  const InputFile third(path);
  fs::remove(path);
  EXPECT_TRUE(third.changed());
}

TEST(OutputFile, DisjointRangesFromThreads) {
  const TemporaryFolder folder;
  constexpr std::size_t part = 1 << 16, parts = 64;
  {
    OutputFile file(folder / "f", part * parts);
    EXPECT_EQ(fs::file_size(folder / "f"), part * parts);
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = t; i < parts; i += 4) {
          file.write(i * part, bytes(std::string(part, static_cast<char>('A' + i))));
        }
      });
    }
    threads.clear();
    file.sync();
  }
  const std::string text = read_file(folder / "f");
  ASSERT_EQ(text.size(), part * parts);
  for (std::size_t i = 0; i < text.size(); ++i) {
    ASSERT_EQ(text[i], static_cast<char>('A' + i / part)) << i;
  }
}

TEST(OutputFile, WritesPastTheWriteBackStep) {
  const TemporaryFolder folder;
  OutputFile file(folder / "f", 70 << 20);
  const std::string part(10 << 20, 'x');
  for (std::size_t i = 0; i < 7; ++i) file.write(i * part.size(), bytes(part));
  file.sync();
  EXPECT_EQ(fs::file_size(folder / "f"), std::uintmax_t{70} << 20);
}

TEST(OutputFile, NeverTouchesAnExistingFile) {
  const TemporaryFolder folder;
  write_file(folder / "f", "precious");
  EXPECT_THAT(complaint([&] { OutputFile file(folder / "f", 3); }), StartsWith("io: "));
  EXPECT_EQ(read_file(folder / "f"), "precious");
  fs::create_symlink(folder / "elsewhere", folder / "link");
  EXPECT_THAT(complaint([&] { OutputFile file(folder / "link", 3); }), StartsWith("io: "));
  EXPECT_FALSE(fs::exists(folder / "elsewhere"));
  EXPECT_THAT(complaint([&] { OutputFile file(folder / "no" / "f", 3); }),
              StartsWith("not_found: "));
}

TEST(OutputFile, MoreThanTheDiskHoldsLeavesNoFile) {
  const TemporaryFolder folder;
  const std::uint64_t size = free_space(folder.path()) + (std::uint64_t{100} << 30);
  const std::string error = complaint([&] { OutputFile file(folder / "f", size); });
  EXPECT_THAT(error, AllOf(StartsWith("io: "), HasSubstr((folder / "f").string())));
  EXPECT_FALSE(fs::exists(folder / "f"));
}

TEST(OutputFile, FullDeviceNamesWhatIsNeeded) {
  // /dev/full can be opened only as an existing file; a link to it is refused by O_EXCL, so the
  // message is tested by itself.
  const TemporaryFolder folder;
  EXPECT_THAT(no_space(folder / "f", 2'000'000'000).what(),
              AllOf(HasSubstr("no space left: needs 2.00 GB, "), HasSubstr(" free")));
}

TEST(Files, ReadTextHasALimit) {
  const TemporaryFolder folder;
  write_file(folder / "f", "0123456789");
  EXPECT_EQ(read_text(folder / "f", 10), "0123456789");
  EXPECT_THAT(complaint([&] { read_text(folder / "f", 9); }),
              AllOf(StartsWith("unsupported: "), HasSubstr("file has 10 B, at most 9 B are read")));
  EXPECT_EQ(read_text(write_file(folder / "empty", ""), 10), "");
}

TEST(Files, WriteTextCreatesAndReplaces) {
  const TemporaryFolder folder;
  write_text(folder / "f", "one");
  EXPECT_EQ(read_file(folder / "f"), "one");
  write_text(folder / "f", "");
  EXPECT_EQ(read_file(folder / "f"), "");
  EXPECT_EQ(count(folder.path()), 1u);
  fs::create_directory(folder / "d");
  EXPECT_THAT(complaint([&] { write_text(folder / "d", "x"); }), StartsWith("io: "));
  EXPECT_EQ(count(folder.path()), 2u);  // no leftover
}

TEST(Files, CopyKeepsBytesAndPermissions) {
  const TemporaryFolder folder;
  std::string text(3'000'000, 'x');
  text[2'500'000] = '\0';
  write_file(folder / "f", text);
  fs::permissions(folder / "f", fs::perms(0750));
  merganser::copy_file(folder / "f", folder / "g");
  EXPECT_EQ(read_file(folder / "g"), text);
  EXPECT_EQ(fs::status(folder / "g").permissions(), fs::perms(0750));
  EXPECT_THAT(complaint([&] { merganser::copy_file(folder / "f", folder / "g"); }),
              StartsWith("io: "));
  EXPECT_EQ(read_file(folder / "g"), text);
  write_file(folder / "empty", "");
  merganser::copy_file(folder / "empty", folder / "empty2");
  EXPECT_EQ(read_file(folder / "empty2"), "");
}

TEST(Files, SyncFolder) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(sync_folder(folder.path()));
  EXPECT_THAT(complaint([&] { sync_folder(folder / "no"); }), StartsWith("not_found: "));
}

TEST(Install, NewTarget) {
  const TemporaryFolder folder;
  write_file(folder / "made" / "a", "1");
  install(folder / "made", folder.path() / "out/",
          false);  // with a slash, as a person may write it
  EXPECT_EQ(read_file(folder / "out" / "a"), "1");
  EXPECT_EQ(count(folder.path()), 1u);
}

TEST(Install, ExistingTargetNeedsLeave) {
  const TemporaryFolder folder;
  write_file(folder / "made" / "a", "1");
  fs::create_directory(folder / "out");  // even an empty one
  EXPECT_THAT(complaint([&] { install(folder / "made", folder / "out", false); }),
              AllOf(StartsWith("usage: "), HasSubstr("exists already"), HasSubstr("--force")));
  EXPECT_TRUE(fs::exists(folder / "made" / "a"));
  EXPECT_TRUE(fs::is_empty(folder / "out"));
}

TEST(Install, MissingMadeOrParent) {
  const TemporaryFolder folder;
  EXPECT_THAT(complaint([&] { install(folder / "made", folder / "out", true); }),
              StartsWith("not_found: "));
  write_file(folder / "made", "1");
  EXPECT_THAT(complaint([&] { install(folder / "made", folder / "no" / "out", false); }),
              StartsWith("not_found: "));
}

// Exchanged where the file system can, else by way of a second name: the same to see.
class Replace : public testing::TestWithParam<bool> {
 protected:
  void replace(const fs::path& made, const fs::path& target) const {
    if (GetParam()) {
      install(made, target, true);
    } else {
      install_by_second_name(made, target);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Install, Replace, testing::Bool());

TEST_P(Replace, FolderByFolder) {
  const TemporaryFolder folder;
  write_file(folder / "made" / "new", "1");
  write_file(folder / "out" / "old" / "deep", "2");
  replace(folder / "made", folder / "out");
  EXPECT_EQ(read_file(folder / "out" / "new"), "1");
  EXPECT_FALSE(fs::exists(folder / "out" / "old"));
  EXPECT_EQ(count(folder.path()), 1u);
}

TEST_P(Replace, FileByFolderAndBack) {
  const TemporaryFolder folder;
  write_file(folder / "made" / "new", "1");
  write_file(folder / "out", "2");
  replace(folder / "made", folder / "out");
  EXPECT_EQ(read_file(folder / "out" / "new"), "1");
  write_file(folder / "made", "3");
  replace(folder / "made", folder / "out");
  EXPECT_EQ(read_file(folder / "out"), "3");
  EXPECT_EQ(count(folder.path()), 1u);
}

TEST_P(Replace, LinkIsReplacedNotFollowed) {
  const TemporaryFolder folder;
  write_file(folder / "kept" / "a", "1");
  fs::create_directory_symlink(folder / "kept", folder / "out");
  write_file(folder / "made" / "new", "2");
  replace(folder / "made", folder / "out");
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(folder / "out")));
  EXPECT_EQ(read_file(folder / "kept" / "a"), "1");
}

TEST_P(Replace, FailureLeavesTheOldOne) {
  const TemporaryFolder folder;
  write_file(folder / "out", "old");
  EXPECT_THAT(complaint([&] { replace(folder / "absent", folder / "out"); }),
              StartsWith("not_found: "));
  EXPECT_EQ(read_file(folder / "out"), "old");
  EXPECT_EQ(count(folder.path()), 1u);
}

TEST(InstallText, AppearsWholeAndReplacesOnlyWhenAsked) {
  const TemporaryFolder folder;
  install_text(folder / "page", "one", false);
  EXPECT_EQ(read_file(folder / "page"), "one");
  EXPECT_THAT(complaint([&] { install_text(folder / "page", "two", false); }),
              StartsWith("usage: "));
  EXPECT_EQ(read_file(folder / "page"), "one");
  install_text(folder / "page", "two", true);
  EXPECT_EQ(read_file(folder / "page"), "two");
  EXPECT_THAT(complaint([&] { install_text(folder / "no" / "page", "x", true); }),
              StartsWith("not_found: "));
  write_file(folder / "pages" / "one", "precious");
  EXPECT_THAT(complaint([&] { install_text(folder / "pages", "x", true); }), StartsWith("io: "));
  EXPECT_EQ(read_file(folder / "pages" / "one"), "precious");
  EXPECT_EQ(count(folder.path()), 2u);  // nothing hidden is left behind
}

}  // namespace
}  // namespace merganser
