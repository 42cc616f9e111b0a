#include "analyze/median_rank.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace merganser::test {
namespace {

// A change with this many equal singular values, of which `known` were looked at.
Spectrum flat(std::size_t rank, std::size_t known) {
  Spectrum spectrum;
  spectrum.s.assign(std::min(rank, known), 1.0);
  spectrum.squared = static_cast<double>(rank);
  spectrum.whole = known >= rank;
  return spectrum;
}

Analysis with_spectra(const std::vector<std::optional<Spectrum>>& spectra) {
  Analysis analysis;
  for (const auto& spectrum : spectra) {
    AnalysedTensor tensor;
    tensor.part = Part::linear;
    tensor.shape = {40, 30};
    analysis.inputs.tensors.push_back(tensor);
    TensorFigures figures;
    figures.changes.resize(1);
    figures.changes[0].spectrum = spectrum;
    analysis.figures.push_back(figures);
  }
  return analysis;
}

TEST(MedianRank90, IsTheLowerOfTheTwoInTheMiddle) {
  const Analysis analysis =
      with_spectra({flat(20, 30), flat(2, 30), flat(10, 30), flat(4, 30), std::nullopt});
  const MedianRank median = median_rank_90(analysis, 0);
  EXPECT_EQ(median.matrices, 4u);
  EXPECT_EQ(median.beyond, 0u);
  EXPECT_EQ(median.rank, 4u);  // 90 % of 4 equal ones takes all of them
  EXPECT_EQ(median.full_rank, 30u);
}

// Matrices that need more than was looked at count, above all others.
TEST(MedianRank90, KnowsWhatLiesBeyond) {
  const MedianRank some =
      median_rank_90(with_spectra({flat(2, 4), flat(20, 4), flat(20, 4), flat(3, 4)}), 0);
  EXPECT_EQ(some.rank, 3u);
  EXPECT_EQ(some.beyond, 2u);
  EXPECT_FALSE(some.more());
  const MedianRank most = median_rank_90(with_spectra({flat(2, 4), flat(20, 4), flat(20, 4)}), 0);
  EXPECT_FALSE(most.rank);
  EXPECT_TRUE(most.more());
}

TEST(MedianRank90, WithoutMatricesThereIsNone) {
  const MedianRank none = median_rank_90(with_spectra({std::nullopt}), 0);
  EXPECT_EQ(none.matrices, 0u);
  EXPECT_FALSE(none.rank);
  EXPECT_FALSE(none.more());
}

}  // namespace
}  // namespace merganser::test
