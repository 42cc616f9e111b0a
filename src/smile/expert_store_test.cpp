#include "smile/expert_store.h"

#include <cmath>
#include <limits>
#include <memory>

#include "smile/testing.h"

namespace merganser::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ExpertStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<ExpertStore> open() {
    auto store = std::make_unique<ExpertStore>(mixture_.kept, mixture_.plan, mixture_.modules);
    store->take_over(progress_);
    return store;
  }
  // A run that is stopped after so many of the four layers.
  void decompose(std::size_t layers) { mixture_.decompose(*open(), layers); }

  std::string factors() const { return read_file(mixture_.kept.factors); }
  std::string journal() const { return read_file(mixture_.kept.journal); }
  std::uint64_t end_of(std::size_t layer) { return open()->taken()[layer].end; }

  // A later run finds `layers` of them; with the rest decomposed all is as without the damage.
  void expect_mended(std::size_t layers) {
    {
      const auto store = open();
      EXPECT_EQ(store->taken().size(), layers);
      EXPECT_EQ(store->kept(), layers);
      mixture_.decompose(*store, 4);
      EXPECT_EQ(store->kept(), 4u);
    }
    EXPECT_EQ(factors(), whole_factors_);
    EXPECT_EQ(journal(), whole_journal_);
  }
  void decompose_all() {
    decompose(4);
    whole_factors_ = factors();
    whole_journal_ = journal();
  }

  SmallMixture mixture_;
  Progress progress_;
  std::string whole_factors_, whole_journal_;
};

TEST_F(ExpertStoreTest, TakesOverWhatIsThere) {
  decompose(3);
  const auto store = open();
  EXPECT_EQ(store->rest()->rest, mixture_.rest.rest);
  ASSERT_EQ(store->taken().size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const ModuleRecord& record = store->taken()[i];
    const std::vector<Expert> wanted = mixture_.experts(i, [](auto) { return 0; });
    expect_equal(record.hashes, SmallMixture::hashes(i));
    for (std::size_t e = 0; e < 2; ++e) {
      EXPECT_EQ(record.experts[e].s, wanted[e].s);
      EXPECT_EQ(record.experts[e].energy, wanted[e].energy);
      // The last row of the input side; numbers run through the layer.
      std::vector<float> row(4);
      store->file()->read(record.experts[e].sv + 16, std::as_writable_bytes(std::span(row)));
      const std::size_t out = mixture_.modules.modules[i].out;
      EXPECT_EQ(row[3], static_cast<float>(100 * i + (e + 1) * (4 + 2 * out + 8)));
    }
  }
}

TEST_F(ExpertStoreTest, GoesOnBehindIt) {
  decompose_all();
  for (const std::size_t layers : {0u, 1u, 3u, 4u}) {
    std::filesystem::remove(mixture_.kept.factors);
    std::filesystem::remove(mixture_.kept.journal);
    decompose(layers);
    expect_mended(layers);
  }
}

TEST_F(ExpertStoreTest, HalfALayerIsCutOff) {
  decompose_all();
  write_file(mixture_.kept.factors, whole_factors_ + "half a layer");
  expect_mended(4);
  write_file(mixture_.kept.journal, whole_journal_ + "{\"module\": \"half");
  expect_mended(4);
  write_file(mixture_.kept.journal, whole_journal_.substr(0, whole_journal_.size() - 1));
  expect_mended(3);
}

TEST_F(ExpertStoreTest, DamagedBytesEndIt) {
  decompose_all();
  for (std::size_t layer = 0; layer < 4; ++layer) {
    const std::uint64_t begin = layer == 0 ? 0 : end_of(layer - 1), end = end_of(layer);
    for (const std::uint64_t at : {begin, (begin + end) / 2, end - 1}) {
      std::string damaged = whole_factors_;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
      write_file(mixture_.kept.factors, damaged);
      expect_mended(layer);
      write_file(mixture_.kept.factors, whole_factors_.substr(0, at));
      expect_mended(layer);
    }
  }
}

TEST_F(ExpertStoreTest, OneFileWithoutTheOther) {
  decompose_all();
  std::filesystem::remove(mixture_.kept.factors);
  expect_mended(0);
  std::filesystem::remove(mixture_.kept.journal);
  expect_mended(0);
}

TEST_F(ExpertStoreTest, RefusingLeavesTheWork) {
  decompose_all();
  KeptFactors other = mixture_.kept;
  other.identity.merge = "sha256:other";
  EXPECT_THAT(complaint([&] { ExpertStore store(other, mixture_.plan, mixture_.modules); }),
              HasSubstr("another merge"));
  write_file(mixture_.kept.journal, "garbage");
  EXPECT_THAT(complaint([&] { open(); }), HasSubstr("no journal"));
  EXPECT_EQ(factors(), whole_factors_);
  write_file(mixture_.kept.journal, whole_journal_);
  expect_mended(4);
}

TEST_F(ExpertStoreTest, OnlySingularValuesAreTakenOver) {
  decompose_all();
  // With true hashes, as a decomposition would never have written them.
  const double infinity = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& s :
       {std::vector<double>{1, 2, 3}, {-1, -2, -3}, {infinity, 1, 0}, {NAN, 1, 0}}) {
    std::filesystem::remove(mixture_.kept.factors);
    std::filesystem::remove(mixture_.kept.journal);
    {
      const auto store = open();
      mixture_.decompose(*store, 1);
      auto experts = mixture_.experts(1, [&](auto bytes) { return store->append(bytes); });
      experts[1].s = s;
      store->add(mixture_.modules.modules[1], experts, SmallMixture::hashes(1));
    }
    expect_mended(1);
  }
}

TEST_F(ExpertStoreTest, WithoutAPlaceForTheJournalNothingIsKept) {
  mixture_.kept.journal = mixture_.bench.path() / "absent/journal";
  const auto store = open();
  mixture_.decompose(*store, 4);
  EXPECT_EQ(store->kept(), 0u);
  EXPECT_GT(store->file()->size(), 0u) << "this merge has its factors all the same";
}

TEST_F(ExpertStoreTest, WithoutANameNothingIsKept) {
  const std::filesystem::path folder = mixture_.bench.path() / "empty";
  std::filesystem::create_directory(folder);
  ExpertStore store(folder);
  mixture_.decompose(store, 4);
  EXPECT_EQ(store.kept(), 0u);
  EXPECT_FALSE(store.rest());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(ExpertStoreTest, CheckingCanBeStopped) {
  decompose_all();
  ExpertStore store(mixture_.kept, mixture_.plan, mixture_.modules);
  progress_.stop();
  const auto error = error_of([&] { store.take_over(progress_); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::interrupted);
  EXPECT_EQ(store.kept(), 4u) << "nothing is lost by it";
  EXPECT_EQ(factors(), whole_factors_);
  EXPECT_EQ(journal(), whole_journal_);
}

}  // namespace
}  // namespace merganser::test
