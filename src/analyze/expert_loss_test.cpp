#include "analyze/expert_loss.h"

#include <gtest/gtest.h>

namespace merganser::test {
namespace {

// s = (3, 2, 1), of which `known` were looked at.
ChangeSums change_of(std::size_t known) {
  ChangeSums change;
  change.squared = 14;
  change.spectrum.emplace();
  change.spectrum->s = {3, 2, 1};
  change.spectrum->s.resize(known);
  change.spectrum->squared = 14;
  change.spectrum->whole = known == 3;
  return change;
}

AnalysedTensor matrix() {
  AnalysedTensor tensor;
  tensor.shape = {5, 4};
  return tensor;
}

Carried of_rank(std::uint64_t rank) { return {.rank = rank}; }
Carried of_energy(double share) { return {.energy = share}; }

TEST(LostByExpert, FollowsFromTheSpectrum) {
  EXPECT_EQ(lost_by_expert(matrix(), change_of(3), of_rank(1)), 5);
  EXPECT_EQ(lost_by_expert(matrix(), change_of(2), of_rank(2)), 1);
  EXPECT_EQ(lost_by_expert(matrix(), change_of(3), of_rank(3)), 0);
  EXPECT_EQ(lost_by_expert(matrix(), change_of(3), Carried{}), 14);
}

TEST(LostByExpert, IsUnknownBeyondTheSpectrum) {
  EXPECT_FALSE(lost_by_expert(matrix(), change_of(2), of_rank(3)));
  ChangeSums bare;
  bare.squared = 14;
  EXPECT_FALSE(lost_by_expert(matrix(), bare, of_rank(1)));
  // What needs none is known all the same.
  EXPECT_EQ(lost_by_expert(matrix(), bare, Carried{}), 14);
  EXPECT_EQ(lost_by_expert(matrix(), bare, Carried{.whole = true}), 0);
  EXPECT_EQ(lost_by_expert(matrix(), bare, of_rank(4)), 0);  // all triples that there are
  bare.squared = 0;
  EXPECT_EQ(lost_by_expert(matrix(), bare, of_rank(1)), 0);
}

TEST(LostByExpert, ByEnergyTakesTheFewestTriples) {
  EXPECT_EQ(lost_by_expert(matrix(), change_of(3), of_energy(9.0 / 14)), 5);
  EXPECT_EQ(lost_by_expert(matrix(), change_of(3), of_energy(0.7)), 1);
  EXPECT_EQ(lost_by_expert(matrix(), change_of(3), of_energy(1)), 0);
  EXPECT_EQ(lost_by_expert(matrix(), change_of(2), of_energy(0.9)), 1);
  EXPECT_FALSE(lost_by_expert(matrix(), change_of(2), of_energy(0.99)));
  EXPECT_EQ(lost_by_expert(matrix(), change_of(3), of_energy(0)), 14);
}

}  // namespace
}  // namespace merganser::test
