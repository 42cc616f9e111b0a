#include "analyze/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "analyze/testing.h"
#include "methods/registry.h"

namespace merganser::test {
namespace {

using testing::HasSubstr;

const Descriptor& find(std::string_view name) { return require_method(name); }

constexpr std::size_t kSide = 24;
// Two layers, as a single one is not known to be repeated.
const std::string kFirst = "model.layers.0.self_attn.q_proj.weight";
const std::string kSecond = "model.layers.1.self_attn.q_proj.weight";

std::vector<double> moved(std::vector<double> from, double by, unsigned seed) {
  const std::vector<double> move = normal_numbers(from.size(), seed);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] += by * move[i];
  return from;
}

Analysis analysis_of(AnalysisInputs inputs, std::uint64_t memory) {
  Progress progress;
  AnalysisSettings settings;
  settings.memory = memory;
  std::vector<AnalysedMethod> usual = usual_methods(inputs, 0, settings.rank, find);
  return analyse(std::move(inputs), std::move(usual), settings, progress);
}

std::vector<Advice> advice_on(const std::vector<std::vector<double>>& weights) {
  TestModels models;
  for (const auto& one : weights) {
    models.add({{kFirst, {kSide, kSide}, one}, {kSecond, {kSide, kSide}, one}});
  }
  return advise(analysis_of(models.inputs(), 1 << 30));
}

// Of this topic, "level: text".
std::vector<std::string> said(const std::vector<Advice>& advice, const std::string& topic) {
  std::vector<std::string> texts;
  for (const Advice& one : advice) {
    if (one.topic == topic) texts.push_back(one.level + ": " + one.text);
  }
  return texts;
}

const std::vector<double> kBase = normal_numbers(kSide * kSide, 1);

TEST(Advise, FineTunesOfOneBase) {
  // The second has a little of the first's change in it.
  const auto second = moved(moved(kBase, 0.006, 2), 0.05, 3);
  const auto advice = advice_on({kBase, moved(kBase, 0.05, 2), second});
  EXPECT_THAT(said(advice, "base"),
              testing::ElementsAre(HasSubstr("info: All models are fine-tunes of this base")));
  EXPECT_THAT(said(advice, "conflict"), testing::ElementsAre(HasSubstr("in opposite directions")));
  EXPECT_THAT(said(advice, "method"),
              testing::ElementsAre(HasSubstr("Signs of large elements disagree"),
                                   HasSubstr("linear, plain average stays nearest"),
                                   HasSubstr("task_arithmetic, weight 1")));
  EXPECT_THAT(said(advice, "smile"), testing::SizeIs(1));
  EXPECT_THAT(said(advice, "caution"), testing::SizeIs(2));
}

TEST(Advise, WarnsOfTheBaseItself) {
  const auto advice = advice_on({kBase, kBase, moved(kBase, 0.05, 3)});
  EXPECT_THAT(said(advice, "base"),
              testing::ElementsAre(
                  HasSubstr("warning: tune1.safetensors equals the base in every tensor")));
  EXPECT_EQ(advice.front().level, "warning");
}

TEST(Advise, WarnsOfStrangers) {
  const std::vector<double> other = normal_numbers(kSide * kSide, 9);
  std::vector<double> small = other;
  for (double& x : small) x *= 0.1;
  const auto advice = advice_on({kBase, other, small});
  EXPECT_THAT(said(advice, "base"),
              testing::Contains(testing::AllOf(HasSubstr("warning: tune1"),
                                               HasSubstr("another initialisation"))));
  EXPECT_THAT(
      said(advice, "base"),
      testing::Contains(testing::AllOf(HasSubstr("warning: tune2"), HasSubstr("unrelated model"))));
}

TEST(Advise, NotesTheFarAndTheTwins) {
  const std::vector<double> far = moved(kBase, 0.8, 5);
  const auto advice = advice_on({kBase, far, moved(far, 0.01, 6)});
  EXPECT_THAT(said(advice, "base"),
              testing::Contains(HasSubstr("note: tune1.safetensors is far from the base")));
  EXPECT_THAT(said(advice, "base"), testing::Contains(HasSubstr("are nearly one (cosine")));
}

// Fine-tunes that change different elements, and such that change the same.
TEST(Advise, TellsWhichKindOfMethodSuits) {
  std::vector<double> even = kBase, odd = kBase, all = kBase;
  for (std::size_t i = 0; i < kBase.size(); ++i) (i % 2 == 0 ? even : odd)[i] += 0.1;
  even[1] += 0.1;  // one that both change, so that there is something to disagree in
  for (double& x : all) x += 0.1;
  EXPECT_THAT(said(advice_on({kBase, even, odd}), "method").front(), HasSubstr("at right angles"));
  EXPECT_THAT(said(advice_on({kBase, even, all}), "method").front(), HasSubstr("mostly agree"));
}

// Independent changes, one much longer: signs are a coin's toss, and that is no conflict.
TEST(Advise, IndependentChangesAreNoConflict) {
  const auto advice = advice_on({kBase, moved(kBase, 0.05, 2), moved(kBase, 0.2, 3)});
  EXPECT_THAT(said(advice, "conflict"), testing::ElementsAre(HasSubstr("note: ")));
  EXPECT_THAT(said(advice, "method"),
              testing::ElementsAre(HasSubstr("keeps all of each one's own direction"),
                                   HasSubstr("stays nearest"), HasSubstr("need not disturb")));
}

TEST(Advise, OfOneModelAlone) {
  const auto advice = advice_on({kBase, moved(kBase, 0.05, 2)});
  EXPECT_THAT(said(advice, "base"),
              testing::ElementsAre(HasSubstr("info: The model is a fine-tune of this base")));
  EXPECT_THAT(said(advice, "conflict"), testing::IsEmpty());
  EXPECT_THAT(said(advice, "method"), testing::IsEmpty());
}

// A matrix that memory does not hold has no spectrum: what rests on it is unknown, and no number.
TEST(Advise, SaysNothingOfWhatIsNotKnown) {
  constexpr std::size_t kWide = 300;
  const std::string wide = "model.layers.2.self_attn.q_proj.weight";
  const std::vector<double> more = normal_numbers(kWide * kWide, 7);
  TestModels models;
  for (unsigned m = 0; m < 3; ++m) {
    const double by = m == 0 ? 0 : 0.05;
    models.add({{kFirst, {kSide, kSide}, moved(kBase, by, m)},
                {kSecond, {kSide, kSide}, moved(kBase, by, 10 + m)},
                {wide, {kWide, kWide}, moved(more, by, 20 + m)}});
  }
  const Analysis analysis = analysis_of(models.inputs(), 300'000);
  ASSERT_FALSE(analysis.figures[2].changes[0].spectrum);
  ASSERT_TRUE(analysis.figures[0].changes[0].spectrum);
  EXPECT_EQ(analysis.methods.back().name, "smile");
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_FALSE(analysis.total.losses.back()[i]);
    EXPECT_TRUE(analysis.total.losses.front()[i]);
    EXPECT_TRUE(analysis.layers[0].figures.losses.back()[i]);
  }
  const auto advice = advise(analysis);
  EXPECT_THAT(said(advice, "smile"), testing::IsEmpty());
  EXPECT_THAT(said(advice, "method"), testing::Contains(HasSubstr("stays nearest")));
}

// What is said has its numbers beside it, and they are finite.
TEST(Advise, NumbersGoWithTheSentences) {
  const auto advice = advice_on({kBase, moved(kBase, 0.05, 2), moved(kBase, 0.2, 3)});
  for (const Advice& one : advice) {
    for (const auto& [name, value] : one.numbers) EXPECT_TRUE(std::isfinite(value)) << name;
  }
  const auto conflict =
      std::ranges::find_if(advice, [](const Advice& one) { return one.topic == "conflict"; });
  ASSERT_NE(conflict, advice.end());
  EXPECT_EQ(conflict->numbers[1].first, "sign_conflict_top");
}

}  // namespace
}  // namespace merganser::test
