#include "layout/output_folder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "base/testing.h"
#include "layout/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

TEST(OutputFolder, VanishesWithAllItHolds) {
  const test::TemporaryFolder place;
  {
    const OutputFolder folder(place / "out", false);
    EXPECT_EQ(fs::weakly_canonical(folder.path().parent_path()), fs::canonical(place.path()));
    EXPECT_THAT(folder.path().filename().string(), StartsWith(".out.merganser-"));
    EXPECT_EQ(folder.title(), "out");
    test::write_file(folder.path() / "a/b/c", "x");
  }
  EXPECT_THAT(test::names_in(place.path()), IsEmpty());
}

TEST(OutputFolder, BecomesTheTarget) {
  const test::TemporaryFolder place;
  {
    OutputFolder folder(place / "out/", false);
    test::write_file(folder.path() / "model.safetensors", "x");
    folder.install(false);
  }
  EXPECT_THAT(test::names_in(place.path()), ElementsAre("out"));
  EXPECT_EQ(test::read_file(place / "out/model.safetensors"), "x");
}

TEST(OutputFolder, HasOrdinaryPermissions) {
  const test::TemporaryFolder place;
  const mode_t mask = ::umask(027);
  OutputFolder folder(place / "out", false);
  folder.install(false);
  ::umask(mask);
  struct stat status {};
  ASSERT_EQ(::stat((place / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0750u);
}

TEST(OutputFolder, ReplacesOnlyWhenAsked) {
  const test::TemporaryFolder place;
  test::write_file(place / "out/old", "old");
  {
    OutputFolder folder(place / "out", false);
    test::write_file(folder.path() / "new", "new");
    EXPECT_THAT(test::complaint([&] { folder.install(false); }), StartsWith("usage"));
  }
  EXPECT_THAT(test::names_in(place / "out"), ElementsAre("old"));
  {
    OutputFolder folder(place / "out", false);
    test::write_file(folder.path() / "new", "new");
    folder.install(true);
  }
  EXPECT_THAT(test::names_in(place / "out"), ElementsAre("new"));
  EXPECT_THAT(test::names_in(place.path()), ElementsAre("out"));
}

TEST(OutputFolder, LinkStaysALink) {
  const test::TemporaryFolder place;
  fs::create_directories(place / "disk/real");
  fs::create_directory_symlink(place / "disk/real", place / "out");
  {
    OutputFolder folder(place / "out", false);
    test::write_file(folder.path() / "new", "new");
    folder.install(true);
  }
  EXPECT_TRUE(fs::is_symlink(place / "out"));
  EXPECT_THAT(test::names_in(place / "disk/real"), ElementsAre("new"));
}

TEST(OutputFolder, SingleFile) {
  const test::TemporaryFolder place;
  {
    OutputFolder folder(place / "m.safetensors", true);
    EXPECT_TRUE(fs::is_directory(folder.path()));
    test::write_file(folder.path() / "model.safetensors", "weights");
    test::write_file(folder.path() / "merganser_provenance.json", "{}");
    folder.install(false);
  }
  EXPECT_THAT(test::names_in(place.path()),
              UnorderedElementsAre("m.safetensors", "m.merganser.json"));
  EXPECT_EQ(test::read_file(place / "m.safetensors"), "weights");
  OutputFolder again(place / "m.safetensors", true);
  test::write_file(again.path() / "model.safetensors", "second");
  EXPECT_THAT(test::complaint([&] { again.install(false); }), StartsWith("usage"));
  again.install(true);
  EXPECT_EQ(test::read_file(place / "m.safetensors"), "second");
}

TEST(OutputFolder, SecondRunIsTurnedAway) {
  const test::TemporaryFolder place;
  std::optional<OutputFolder> first(std::in_place, place / "out", false);
  test::write_file(first->path() / "half", "x");
  EXPECT_THAT(test::complaint([&] { OutputFolder second(place / "out", false); }),
              AllOf(StartsWith("usage"), HasSubstr("another run is writing to")));
  EXPECT_TRUE(fs::exists(first->path() / "half"));
  const OutputFolder other(place / "out2", false);  // another target
  first.reset();
  const OutputFolder third(place / "out", false);
}

TEST(OutputFolder, OneOfManyThreadsHasIt) {
  const test::TemporaryFolder place;
  std::atomic<int> inside{0}, won{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        try {
          const OutputFolder folder(place / "out", false);
          EXPECT_EQ(++inside, 1);
          EXPECT_TRUE(fs::exists(folder.path()));
          --inside;
          ++won;
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(won, 0);
  EXPECT_THAT(test::names_in(place.path()), IsEmpty());
}

TEST(OutputFolder, KilledRunDoesNotStopTheNext) {
  const test::TemporaryFolder place;
  const pid_t child = ::fork();
  if (child == 0) {
    OutputFolder* folder = new OutputFolder(place / "out", false);
    test::write_file(folder->path() / "half", "x");
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(test::names_in(place.path()).size(), 2u);  // the lock and the half
  {
    const OutputFolder folder(place / "out", false);
    EXPECT_EQ(test::names_in(place.path()).size(), 2u);  // those of this run
    EXPECT_THAT(test::names_in(folder.path()), IsEmpty());
  }
  EXPECT_THAT(test::names_in(place.path()), IsEmpty());
}

// What a killed run with these files left; the folder.
fs::path unfinished(const fs::path& place, const std::vector<std::string>& names) {
  fs::path folder = place / ".out.merganser-7-0";
  fs::create_directory(folder);
  for (const std::string& name : names) test::write_file(folder / name, name + '\n');
  return folder;
}

TEST(OutputFolder, AJournalOfFactorsIsEnoughToGoOn) {
  const test::TemporaryFolder place;
  const fs::path left = unfinished(
      place.path(), {"merganser_factors", "merganser_factors_journal", "model.safetensors"});
  {
    OutputFolder folder(place / "out", false, true);
    EXPECT_TRUE(folder.resumed());
    EXPECT_EQ(test::read_file(folder.factors()), "merganser_factors\n");
    folder.clear({}, {});
    EXPECT_THAT(test::names_in(folder.path()),
                UnorderedElementsAre("merganser_factors", "merganser_factors_journal"));
  }
  EXPECT_TRUE(fs::exists(left / "merganser_factors")) << "it has not been gone on with";
  {
    OutputFolder folder(place / "out", false, true);
    test::write_file(folder.path() / "model.safetensors", "x");
    folder.install(false);
  }
  EXPECT_THAT(test::names_in(place / "out"), ElementsAre("model.safetensors"));
  EXPECT_THAT(test::names_in(place.path()), ElementsAre("out"));
}

TEST(OutputFolder, FactorsAloneSayNothing) {
  const test::TemporaryFolder place;
  unfinished(place.path(), {"merganser_factors"});
  const OutputFolder folder(place / "out", false, true);
  EXPECT_FALSE(folder.resumed());
  EXPECT_THAT(test::names_in(folder.path()), IsEmpty());
}

// A run that was killed, or whose disk was full, before the first line was there.
TEST(OutputFolder, JournalsWithoutAWholeLineAreAbsent) {
  for (const std::string& text :
       {std::string(), std::string("{\"merganser"), std::string(100'000, 'x')}) {
    const test::TemporaryFolder place;
    const fs::path left = unfinished(place.path(), {"merganser_factors_journal", "weights"});
    test::write_file(left / "merganser_journal", text);
    {
      const OutputFolder folder(place / "out", false, true);
      EXPECT_TRUE(folder.resumed());
      EXPECT_THAT(test::names_in(folder.path()),
                  UnorderedElementsAre("merganser_factors_journal", "weights"));
    }
    test::write_file(left / "merganser_factors_journal", text);
    const OutputFolder folder(place / "out", false, true);
    EXPECT_FALSE(folder.resumed()) << "nothing says of which merge it is";
    EXPECT_THAT(test::names_in(folder.path()), IsEmpty());
  }
}

TEST(OutputFolder, LinksInAnUnfinishedRunAreRemoved) {
  const test::TemporaryFolder place;
  const fs::path left = unfinished(place.path(), {"merganser_journal"});
  const fs::path victim = test::write_file(place / "victim", "precious");
  fs::create_symlink(victim, left / "merganser_factors");
  fs::create_symlink(victim, left / "merganser_factors_journal");
  const OutputFolder folder(place / "out", false, true);
  EXPECT_TRUE(folder.resumed());
  EXPECT_THAT(test::names_in(folder.path()), ElementsAre("merganser_journal"));
  EXPECT_EQ(test::read_file(victim), "precious");
}

// Names that look alike belong to others.
TEST(OutputFolder, RemovesOnlyItsOwnLeftovers) {
  const test::TemporaryFolder place;
  const std::vector<std::string> kept = {
      ".out.merganser-7-x",  ".out.merganser-7",     ".out.merganser-7-0.merganser-1-0",
      ".out2.merganser-7-0", ".out.merganser--0",    ".out.merganser-7-",
      "out.merganser-7-0",   ".out.merganser-7-0-0",
  };
  for (const std::string& name : kept) test::write_file(place / name / "f", "x");
  test::write_file(place / ".out.merganser-7-0" / "f", "x");
  fs::create_directory_symlink(place / ".out2.merganser-7-0", place / ".out.merganser-8-0");
  { const OutputFolder folder(place / "out", false); }
  EXPECT_THAT(test::names_in(place.path()), ::testing::UnorderedElementsAreArray(kept));
  EXPECT_TRUE(fs::exists(place / ".out2.merganser-7-0/f"));  // behind the link
}

TEST(OutputFolder, LongName) {
  const test::TemporaryFolder place;
  const fs::path target = place / std::string(255, 'n');
  {
    OutputFolder folder(target, false);
    folder.install(false);
  }
  EXPECT_TRUE(fs::exists(target));
  EXPECT_EQ(test::names_in(place.path()).size(), 1u);
}

TEST(OutputFolder, LockMayNotBeALink) {
  const test::TemporaryFolder place;
  const fs::path victim = test::write_file(place / "victim", "x");
  fs::create_symlink(victim, place / ".out.merganser-lock");
  EXPECT_THAT(test::complaint([&] { OutputFolder folder(place / "out", false); }),
              StartsWith("io"));
  EXPECT_EQ(test::read_file(victim), "x");
}

TEST(ProvenanceBeside, Names) {
  EXPECT_EQ(provenance_beside("a/x.safetensors"), "a/x.merganser.json");
  EXPECT_EQ(provenance_beside("a/x.v2"), "a/x.v2.merganser.json");
}

}  // namespace
}  // namespace merganser
