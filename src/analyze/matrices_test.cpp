#include "analyze/matrices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyze/elements.h"
#include "analyze/testing.h"

namespace merganser::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string query(int layer) {
  return "model.layers." + std::to_string(layer) + ".self_attn.q_proj.weight";
}

// A base and two fine-tunes: two layers of 40 x 30, two of 300 x 260, which f32 holds.
class CompareMatrices : public testing::Test {
 protected:
  CompareMatrices() {
    for (unsigned m = 0; m < 3; ++m) {
      std::vector<TestWeights> weights;
      for (unsigned layer = 0; layer < 4; ++layer) {
        const Shape shape = layer < 2 ? Shape{40, 30} : Shape{300, 260};
        weights.push_back({query(static_cast<int>(layer)), shape,
                           normal_numbers(elements(shape), 10 * m + layer)});
      }
      models_.add(weights);
    }
  }

  TestModels models_;
};

struct Found {
  std::vector<TensorFigures> figures;
  std::vector<std::string> notes;

  bool spectrum(std::size_t tensor) const {
    return figures[tensor].changes[1].spectrum.has_value();
  }
  bool zones(std::size_t tensor) const { return figures[tensor].changes[1].zones.has_value(); }
};

Found compare(const AnalysisInputs& inputs, std::uint64_t memory, bool grows,
              unsigned threads = 2) {
  Progress progress;
  Found found;
  found.figures = compare_elements(inputs, 0.2, memory, threads, progress);
  MatrixOptions options;
  options.rank = 8;
  options.memory = memory;
  options.memory_grows = grows;
  options.threads = threads;
  compare_matrices(inputs, options, found.figures, found.notes, progress);
  return found;
}

// The least memory, to some kilobytes, for which `has` holds.
template <class Has>
std::uint64_t least(const AnalysisInputs& inputs, Has has) {
  std::uint64_t low = 0, high = 1 << 30;
  while (high - low > 4096) {
    const std::uint64_t middle = (low + high) / 2;
    (has(compare(inputs, middle, false)) ? high : low) = middle;
  }
  return high;
}

TEST_F(CompareMatrices, ZonesGoBeforeSpectraWhereMemoryIsShort) {
  const AnalysisInputs inputs = models_.inputs();
  const Found all = compare(inputs, 1 << 30, false);
  for (std::size_t t = 0; t < 4; ++t) EXPECT_TRUE(all.spectrum(t) && all.zones(t)) << t;
  EXPECT_THAT(all.notes, IsEmpty());

  const std::uint64_t zones = least(inputs, [](const Found& found) { return found.zones(2); });
  const Found alone = compare(inputs, zones - 4096, false);
  EXPECT_TRUE(alone.zones(0) && alone.zones(1));
  EXPECT_TRUE(alone.spectrum(2) && alone.spectrum(3));
  EXPECT_FALSE(alone.zones(2) || alone.zones(3));
  EXPECT_TRUE(alone.figures[2].pairs[0].angles);
  EXPECT_EQ(alone.figures[2].changes[0].spectrum->s, all.figures[2].changes[0].spectrum->s);
  EXPECT_THAT(alone.notes, ElementsAre(AllOf(HasSubstr(query(2) + " and 1 more, [300, 260]"),
                                             HasSubstr("no zones, for which"))));
}

TEST_F(CompareMatrices, WhatDoesNotFitAloneIsLeftOutOrMadeRoomFor) {
  const AnalysisInputs inputs = models_.inputs();
  const std::uint64_t spectrum =
      least(inputs, [](const Found& found) { return found.spectrum(2); });
  const Found out = compare(inputs, spectrum - 4096, false);
  EXPECT_TRUE(out.spectrum(0) && !out.spectrum(2) && !out.spectrum(3) && !out.zones(2));
  EXPECT_THAT(out.notes, ElementsAre(AllOf(HasSubstr("[300, 260]"),
                                           HasSubstr("no spectrum, zones and angles"))));

  const Found grown = compare(inputs, spectrum - 4096, true);
  EXPECT_TRUE(grown.spectrum(2) && grown.spectrum(3) && !grown.zones(2));
  EXPECT_THAT(grown.notes,
              ElementsAre(HasSubstr("matrices take up to"), HasSubstr("no zones, for which")));
}

// The base is held for the zones, and every change is taken from it.
TEST_F(CompareMatrices, ReadsTheBaseOnce) {
  AnalysisInputs inputs = models_.inputs();
  std::erase_if(inputs.tensors, [](const AnalysedTensor& tensor) { return tensor.shape[0] != 40; });
  Progress progress;
  Found found;
  found.figures = compare_elements(inputs, 0.2, 0, 1, progress);
  const auto base = counted(inputs.plan.models[0]);
  MatrixOptions options;
  options.memory = 1 << 30;
  compare_matrices(inputs, options, found.figures, found.notes, progress);
  EXPECT_TRUE(found.zones(0) && found.zones(1));
  EXPECT_EQ(base->bytes(), 2 * 40 * 30 * sizeof(double));
}

TEST_F(CompareMatrices, TheSameForAnyNumberOfThreads) {
  const AnalysisInputs inputs = models_.inputs();
  const Found one = compare(inputs, 1 << 30, false, 1), four = compare(inputs, 1 << 30, false, 4);
  for (std::size_t t = 0; t < 4; ++t) {
    EXPECT_EQ(one.figures[t].changes[1].spectrum->s, four.figures[t].changes[1].spectrum->s);
    EXPECT_EQ(one.figures[t].changes[1].zones->one, four.figures[t].changes[1].zones->one);
  }
}

}  // namespace
}  // namespace merganser::test
