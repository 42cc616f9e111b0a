#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings given(std::size_t models, double lambda = 1) {
  return settings_of("emr", {{"lambda", lambda}}, std::vector<Settings::Table>(models));
}

TEST(Emr, WrittenOut) {
  // Deltas: both up; signs differ, the larger wins the sum; equal and opposite elects minus.
  const Made<float> made({1, 1, 1, 0}, {{3, 4, 3, 0}, {2, 0, -1, 0}}, given(2));
  EXPECT_EQ(merge_one<float>("emr", made), (std::vector<float>{3, 4, -1, 0}));
}

TEST(Emr, HalfOfTheUnifiedVector) {
  const Made<float> made({0, 0}, {{4, -1}, {2, -6}}, given(2, 0.5));
  EXPECT_EQ(merge_one<float>("emr", made), (std::vector<float>{2, -3}));
}

TEST(Emr, OneModelIsItself) {
  const auto base = normal<float>(5000, 1);
  const auto model = tuned(base, 2);
  const auto out = merge_one<float>("emr", Made<float>(base, {model}, given(1)));
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(out[i], base[i] + (model[i] - base[i]));  // f32 throughout
  }
}

TEST(Emr, ZeroVectorsKeepTheBase) {
  const auto base = normal<double>(130, 3);
  EXPECT_EQ(merge_one<double>("emr", Made<double>(base, {base, base}, given(2))), base);
  EXPECT_TRUE(merge_one<float>("emr", Made<float>({}, {{}}, given(1))).empty());
}

TEST(Emr, MasksAndMass) {
  const auto base = normal<float>(3001, 4);
  const std::vector<std::vector<float>> models = {tuned(base, 5), tuned(base, 6)};
  MergeTensor tensor{"w", {3001}, 3001, given(2), {1, 2}};
  MergeGroup group;
  group.tensors.push_back(tensor);
  const auto merger = require_method("emr").make_f32(std::move(group));
  ASSERT_TRUE(merger->next_pass());
  std::vector<std::unique_ptr<Partial>> partials;
  partials.push_back(merger->partial(0));
  std::vector<std::uint8_t> bits[2];
  Exact own[2] = {}, unified[2] = {};
  const auto each_block = [&](auto act) {
    for (std::size_t first = 0; first < base.size(); first += kBlock) {
      const std::size_t size = std::min(kBlock, base.size() - first);
      std::vector<std::vector<float>> deltas;
      std::vector<float*> pointers;
      for (const auto& model : models) deltas.push_back(delta(model, base));
      for (auto& values : deltas) pointers.push_back(values.data() + first);
      act(Block<float>{0, 0, first, size, base.data() + first, pointers});
    }
  };
  each_block([&](const Block<float>& block) { merger->reduce(block, *partials[0]); });
  merger->fold(0, partials);
  merger->end_pass();
  EXPECT_FALSE(merger->next_pass());
  each_block([&](const Block<float>& block) {
    std::vector<std::uint8_t> a((block.size + 7) / 8, 0xff), b = a;
    std::uint8_t* both[] = {a.data(), b.data()};
    merger->masks(block, both);
    bits[0].insert(bits[0].end(), a.begin(), a.end());
    bits[1].insert(bits[1].end(), b.begin(), b.end());
  });
  const auto d0 = delta(models[0], base), d1 = delta(models[1], base);
  for (std::size_t e = 0; e < base.size(); ++e) {
    const bool up = d0[e] + d1[e] > 0;
    const float parts[2] = {up ? d0[e] : -d0[e], up ? d1[e] : -d1[e]};
    const float largest = std::max({0.0f, parts[0], parts[1]});
    for (int i = 0; i < 2; ++i) {
      const bool keeps = parts[i] > 0;
      EXPECT_EQ(bits[i][e / 8] >> (e % 8) & 1, keeps) << e;
      own[i] += std::abs(i == 0 ? d0[e] : d1[e]);
      if (keeps) unified[i] += largest;
    }
  }
  for (const Fact& fact : merger->facts(0)) {
    for (int i = 0; i < 2; ++i) {
      const Exact wanted = fact.name == kTaskMass ? own[i] : unified[i];
      // Sums of 3001 f64 terms.
      EXPECT_NEAR(fact.values[i], wanted, 1e-12 * wanted) << fact.name;
    }
  }
  EXPECT_EQ(merger->facts(0).size(), 2u);
}

}  // namespace
}  // namespace merganser::test
