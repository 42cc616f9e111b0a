#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout/output_folder.h"
#include "layout/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Target : public ::testing::Test {
 protected:
  std::string verdict(const fs::path& target, bool replace = false) {
    return test::complaint([&] { check_target(plan_, target, replace); });
  }

  test::Models models_;
  Plan plan_ = models_.plan();
};

TEST_F(Target, NewNameIsFine) {
  EXPECT_EQ(verdict(models_.out()), "no error");
  EXPECT_EQ(verdict(models_.out() / ""), "no error");
  EXPECT_EQ(verdict(models_.base() / ".." / "new"), "no error");
  EXPECT_EQ(verdict(models_.folder / "base2"), "no error");  // not inside "base"
}

TEST_F(Target, InputsAreSafe) {
  const fs::path top = models_.folder.path();
  fs::create_directory_symlink(models_.base(), top / "link");
  fs::create_directory_symlink(top, top / "up");
  fs::create_directory(top / "there");
  for (const bool replace : {false, true}) {
    for (const fs::path& place :
         {models_.base(), models_.tune(), models_.base() / ".", models_.base() / "", top / "link",
          top / "there/../base", top / "absent/../base", top / "absent/../link", top / "up/tune"}) {
      EXPECT_THAT(verdict(place, replace), AllOf(StartsWith("usage"), HasSubstr("is the input")))
          << place;
    }
    for (const fs::path& place : {models_.base() / "in", models_.base() / "a/b", top / "link/in",
                                  top / "there/../base/in"}) {
      EXPECT_THAT(verdict(place, replace), HasSubstr("lies in the input")) << place;
    }
    for (const fs::path& place : {top, top / ".", top / "base/..", top / "up"}) {
      EXPECT_THAT(verdict(place, replace), HasSubstr("holds the input")) << place;
    }
    EXPECT_THAT(verdict("/", replace), HasSubstr("root"));
  }
}

TEST_F(Target, RelativePaths) {
  const fs::path before = fs::current_path();
  fs::current_path(models_.folder.path());
  const std::string found = verdict("base"), inside = verdict("base/x", true),
                    around = verdict(".");
  const std::string fresh = verdict("out");
  fs::create_directories("standing/here");
  fs::current_path("standing/here");
  const std::string standing = verdict("..", true);
  fs::current_path(before);
  EXPECT_THAT(found, HasSubstr("is the input"));
  EXPECT_THAT(inside, HasSubstr("lies in"));
  EXPECT_THAT(around, HasSubstr("holds"));
  EXPECT_EQ(fresh, "no error");
  EXPECT_THAT(standing, HasSubstr("working folder"));
}

// As in the hub's cache: the folder holds links to blobs elsewhere.
TEST(TargetOfLinks, BlobsAreInputs) {
  const test::Models models;
  fs::create_directory(models.folder / "blobs");
  fs::rename(models.base() / "model.safetensors", models.folder / "blobs/one");
  fs::create_symlink("../blobs/one", models.base() / "model.safetensors");
  const Plan plan = models.plan();
  EXPECT_THAT(test::complaint([&] { check_target(plan, models.folder / "blobs", true); }),
              HasSubstr("holds the input"));
}

TEST_F(Target, ExistingNeedsReplace) {
  test::write_file(models_.out() / "thesis.txt", "x");
  EXPECT_THAT(verdict(models_.out()), AllOf(StartsWith("usage"), HasSubstr("--force")));
  EXPECT_EQ(verdict(models_.out(), true), "no error");
  // A link that leads nowhere is there, too.
  fs::create_symlink("nowhere", models_.folder / "dangling");
  EXPECT_THAT(verdict(models_.folder / "dangling"), HasSubstr("exists"));
}

TEST_F(Target, KindMustFit) {
  const fs::path file = test::write_file(models_.folder / "file", "x");
  EXPECT_THAT(verdict(file, true), AllOf(StartsWith("usage"), HasSubstr("is a file")));
  EXPECT_THAT(verdict(models_.folder / "x.safetensors"), HasSubstr("name of a file"));
  const fs::path pipe = models_.folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(verdict(pipe, true), HasSubstr("neither"));

  const test::Files files;
  const Plan plan = files.plan();
  ASSERT_TRUE(plan.single_file);
  const auto check = [&](const fs::path& target, bool replace) {
    return test::complaint([&] { check_target(plan, target, replace); });
  };
  fs::create_directory(files.folder / "there");
  EXPECT_THAT(check(files.folder / "there", true), HasSubstr("is a folder"));
  EXPECT_THAT(check(files.folder / "new/", true), HasSubstr("is a folder"));
  EXPECT_THAT(check(files.folder / "b.safetensors", true), HasSubstr("is the input"));
  EXPECT_THAT(check(files.folder / "new.pt", false), HasSubstr("name a .safetensors file"));
  EXPECT_EQ(check(files.folder / "new.safetensors", false), "no error");
  test::write_file(files.folder / "new.merganser.json", "{}");
  EXPECT_THAT(check(files.folder / "new.safetensors", false), HasSubstr("exists"));
  EXPECT_EQ(check(files.folder / "new.safetensors", true), "no error");
}

TEST_F(Target, ParentMustBeThere) {
  EXPECT_THAT(verdict(models_.folder / "no/such/out"),
              AllOf(StartsWith("usage"), HasSubstr("no folder")));
  const fs::path file = test::write_file(models_.folder / "file", "x");
  EXPECT_THAT(verdict(file / "out"), ::testing::Not("no error"));
  EXPECT_THAT(verdict(""), StartsWith("usage"));
  if (::getuid() != 0) {
    fs::create_directory(models_.folder / "locked");
    fs::permissions(models_.folder / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_THAT(verdict(models_.folder / "locked/out"),
                AllOf(StartsWith("io"), HasSubstr("locked")));
  }
}

TEST_F(Target, LoopOfLinks) {
  fs::create_symlink("loop", models_.folder / "loop");
  EXPECT_THAT(verdict(models_.folder / "loop/out"), StartsWith("io"));
}

TEST_F(Target, DiskTooSmall) {
  plan_.bytes_written = std::uint64_t{1} << 60;
  EXPECT_THAT(verdict(models_.out()), AllOf(StartsWith("io"), HasSubstr("disk space"),
                                            HasSubstr("1.15 EB"), HasSubstr("free")));
}

TEST_F(Target, WhatIsPutAsideTakesRoom) {
  const auto with = [&](std::uint64_t aside) {
    return test::complaint([&] { check_target(plan_, models_.out(), false, aside); });
  };
  EXPECT_EQ(with(0), "no error");
  EXPECT_THAT(with(std::uint64_t{1} << 60), AllOf(StartsWith("io"), HasSubstr("disk space")));
}

TEST_F(Target, CompanionsTakeRoom) {
  const std::uint64_t before = companion_bytes(plan_);
  test::write_file(models_.base() / "big.txt", std::string(1'000'000, 'x'));
  EXPECT_GE(companion_bytes(plan_), before + 1'000'000);
}

}  // namespace
}  // namespace merganser
