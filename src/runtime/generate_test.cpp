#include "runtime/generate.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "runtime/testing.h"

namespace merganser::rt {
namespace {

using testing::draw;
using testing::error_of;
using ::testing::HasSubstr;
using testing::ids_of;
using testing::tiny_config;
using Ids = std::vector<std::int64_t>;

const std::function<bool()> kOn = [] { return true; };

// One token more each time, without a cache.
Ids greedy(const Model& model, Ids ids, std::int64_t count) {
  Ids made;
  for (std::int64_t i = 0; i < count; ++i) {
    const at::Tensor logits = model.logits({.ids = ids_of(ids)});
    made.push_back(logits.select(1, logits.size(1) - 1).argmax().item<std::int64_t>());
    ids.push_back(made.back());
  }
  return made;
}

TEST(Generate, TakesTheLikeliestToken) {
  for (const char* type : {"llama", "mistral", "qwen2", "qwen3", "gpt2"}) {
    SCOPED_TRACE(type);
    const auto model = draw(tiny_config(type));
    EXPECT_EQ(generate(*model, Ids{4, 5, 6}, {.max_new_tokens = 15}, kOn),
              greedy(*model, {4, 5, 6}, 15));
  }
}

TEST(Generate, EndsAtAStopTokenWhichIsKept) {
  const auto model = draw(tiny_config("llama"));
  const Ids free = greedy(*model, {4, 5, 6}, 15);
  const Ids made =
      generate(*model, Ids{4, 5, 6}, {.max_new_tokens = 15, .stop = {99, free[3]}}, kOn);
  const auto first = std::find(free.begin(), free.end(), free[3]);
  EXPECT_EQ(made, Ids(free.begin(), first + 1));
}

TEST(Generate, EndsWhereItIsToldTo) {
  const auto model = draw(tiny_config("llama"));
  int left = 4;
  const Ids made = generate(*model, Ids{4}, {.max_new_tokens = 15}, [&] { return left-- > 0; });
  EXPECT_EQ(made, greedy(*model, {4}, 4));
}

TEST(Generate, SamplesByTheTokensProbabilities) {
  const auto model = draw(tiny_config("llama"));
  const double temperature = 1.7;
  const at::Tensor logits = model->logits({.ids = ids_of({4, 5})}).select(1, 1).view({-1});
  for (const std::int64_t top : {std::int64_t{0}, std::int64_t{5}}) {
    at::Tensor wide = logits.to(at::kDouble) / temperature;
    if (top > 0) {
      const at::Tensor least = std::get<0>(wide.topk(top))[top - 1];
      wide = wide.masked_fill(wide < least, -std::numeric_limits<double>::infinity());
    }
    const at::Tensor shares = wide.softmax(0);
    constexpr int kDraws = 2000;
    std::vector<double> counts(23);
    for (int i = 0; i < kDraws; ++i) {
      const GenerateOptions options{.max_new_tokens = 1,
                                    .temperature = temperature,
                                    .top_k = top,
                                    .seed = 3,
                                    .stream = static_cast<std::uint64_t>(i)};
      counts[static_cast<std::size_t>(generate(*model, Ids{4, 5}, options, kOn)[0])] += 1;
    }
    for (std::int64_t id = 0; id < 23; ++id) {
      const double p = shares[id].item<double>();
      const double bound = 5 * std::sqrt(kDraws * p * (1 - p)) + 1e-9;  // 5 standard deviations
      EXPECT_NEAR(counts[static_cast<std::size_t>(id)], kDraws * p, bound) << id;
    }
  }
}

TEST(Generate, OneSeedOneText) {
  const auto model = draw(tiny_config("gpt2"));
  const auto sampled = [&](std::uint64_t seed, std::uint64_t stream, std::int64_t top) {
    return generate(
        *model, Ids{4},
        {.max_new_tokens = 15, .temperature = 2, .top_k = top, .seed = seed, .stream = stream},
        kOn);
  };
  EXPECT_EQ(sampled(1, 0, 0), sampled(1, 0, 0));
  EXPECT_NE(sampled(1, 0, 0), sampled(2, 0, 0));
  EXPECT_NE(sampled(1, 0, 0), sampled(1, 1, 0));
  EXPECT_EQ(sampled(1, 0, 1), greedy(*model, {4}, 15));
}

TEST(Generate, RefusesWhatCannotBeDone) {
  const auto model = draw(tiny_config("llama"));  // 23 ids, 20 positions
  const auto refused = [&](const Model& which, const Ids& prompt, const GenerateOptions& options) {
    return error_of([&] { generate(which, prompt, options, kOn); });
  };
  EXPECT_THAT(refused(*model, {}, {}).what(), HasSubstr("no token"));
  EXPECT_THAT(refused(*model, {4, 23}, {.max_new_tokens = 1}).what(), HasSubstr("token 23"));
  EXPECT_THAT(refused(*model, {-1}, {.max_new_tokens = 1}).what(), HasSubstr("token -1"));
  EXPECT_THAT(refused(*model, {1, 2}, {.max_new_tokens = 19}).what(), HasSubstr("the model's 20"));
  EXPECT_THAT(
      refused(*model, {1}, {.max_new_tokens = std::numeric_limits<std::int64_t>::max()}).what(),
      HasSubstr("the model's 20"));
  EXPECT_THAT(refused(*model, {1}, {.max_new_tokens = 0}).what(), HasSubstr("one new token"));
  EXPECT_THAT(refused(*model, {1}, {.max_new_tokens = 1, .temperature = -1}).what(),
              HasSubstr("temperature"));
  EXPECT_THAT(refused(*draw(tiny_config("bert")), {1}, {}).what(), HasSubstr("bert"));
}

TEST(Generate, NumbersThatAreNotFiniteEndIt) {
  const auto model = draw(tiny_config("llama"));
  at::Tensor head = model->tensors().at("lm_head.weight");
  head[3].fill_(std::numeric_limits<float>::quiet_NaN());
  const Error error = error_of([&] { generate(*model, Ids{1}, {.max_new_tokens = 3}, kOn); });
  EXPECT_THAT(error.what(), HasSubstr("not finite"));
}

}  // namespace
}  // namespace merganser::rt
