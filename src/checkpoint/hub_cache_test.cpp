#include "checkpoint/hub_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "checkpoint/locate.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

const std::string kOld(40, 'a'), kNew = "abcdef0" + std::string(33, '1');

TEST(HubName, IsPlain) {
  for (const char* name : {"gpt2", "org/name", "a.b-c_d/E.1"}) EXPECT_TRUE(is_hub_name(name));
  for (const char* name : {"", "/", "a/", "/a", "a/b/c", "..", "a/..", ".a", "a/.b", "-a/b", "a b",
                           "a\\b", "a/b\n", "\xc3\xa4"}) {
    EXPECT_FALSE(is_hub_name(name)) << name;
  }
  EXPECT_FALSE(is_hub_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_hub_name(std::string(97, 'a')));
}

class Cache : public ::testing::Test {
 protected:
  Cache() {
    for (const std::string& commit : {kOld, kNew}) {
      fs::create_directories(repository / "snapshots" / commit);
    }
    test::write_file(repository / "refs/main", kNew + "\n");
    test::write_file(repository / "refs/refs/pr/1", kOld);
  }
  std::string commit_of(const std::string& revision) const {
    const auto found = find_in_cache(place.path(), "org/name", revision);
    return found ? found->commit : "";
  }

  test::TemporaryFolder place;
  fs::path repository = place / "models--org--name";
};

TEST_F(Cache, KnowsBranchesTagsAndCommits) {
  EXPECT_EQ(commit_of(""), kNew);
  EXPECT_EQ(commit_of("main"), kNew);
  EXPECT_EQ(commit_of("refs/pr/1"), kOld);
  EXPECT_EQ(commit_of(kOld), kOld);
  EXPECT_EQ(commit_of("abcdef0"), kNew);
  EXPECT_EQ(commit_of("aaaaaaa"), kOld);
  for (const char* absent : {"aaaaaa", "v1", "..", "../main", "/main", "main/", "refs"}) {
    EXPECT_EQ(commit_of(absent), "") << absent;
  }
  EXPECT_FALSE(find_in_cache(place.path(), "org/other", ""));
  EXPECT_FALSE(find_in_cache("", "org/name", ""));
}

TEST_F(Cache, RefusesARefThatIsNoCommit) {
  for (const std::string& text : {std::string(), std::string("../../x"), std::string(40, 'z')}) {
    test::write_file(repository / "refs/main", text);
    EXPECT_THAT(test::complaint([&] { commit_of("main"); }), ::testing::HasSubstr("refs/main"));
  }
}

TEST_F(Cache, BlobsNamedByTheirHash) {
  const std::string sha(64, 'e');
  const fs::path snapshot = repository / "snapshots" / kNew;
  test::write_file(repository / "blobs" / sha, "large");
  test::write_file(repository / "blobs" / kOld, "small");
  fs::create_symlink("../../blobs/" + sha, snapshot / "model.safetensors");
  fs::create_symlink("../../blobs/" + kOld, snapshot / "small.safetensors");
  fs::create_symlink("../../elsewhere/" + sha, snapshot / "other.safetensors");
  test::write_file(snapshot / "plain.safetensors", "x");
  const auto found = blob_hashes({snapshot / "model.safetensors", snapshot / "small.safetensors",
                                  snapshot / "other.safetensors", snapshot / "plain.safetensors"});
  EXPECT_THAT(
      found, ::testing::ElementsAre(std::pair<std::string, std::string>("model.safetensors", sha)));
}

}  // namespace
}  // namespace merganser
