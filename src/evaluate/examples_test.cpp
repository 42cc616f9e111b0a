#include "evaluate/examples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "checkpoint/testing.h"
#include "evaluate/model_testing.h"

namespace merganser::rt {
namespace {

using merganser::test::bytes_of;
using merganser::test::TestTensor;
using ::testing::HasSubstr;

class ExamplesTest : public ::testing::Test {
 protected:
  Task task(const std::vector<TestTensor>& tensors, const std::string& split = "") {
    merganser::test::write_safetensors(folder_ / "d.safetensors", tensors);
    return parse_task("type: classification\ntest: {file: d.safetensors, " + split + "}\n",
                      folder_ / "t.yml");
  }
  Task language(const std::vector<TestTensor>& tensors, const std::string& more = "",
                const std::string& split = "") {
    merganser::test::write_safetensors(folder_ / "d.safetensors", tensors);
    return parse_task("type: language_modelling\nlength: 4\n" + more +
                          "test: {file: d.safetensors, " + split + "}\n",
                      folder_ / "t.yml");
  }
  static Examples load(const Task& task) { return load_examples(task, "test"); }
  static std::string refusal(const Task& task) {
    return merganser::test::complaint([&] { load(task); });
  }
  static TestTensor ids(const std::vector<std::int32_t>& values, Shape shape) {
    return {"ids", DType::i32, std::move(shape), bytes_of(values)};
  }
  static TestTensor labels(const std::vector<std::int64_t>& values) {
    return {"labels", DType::i64, {values.size()}, bytes_of(values)};
  }
  static TestTensor mask(const std::vector<std::uint8_t>& values, Shape shape) {
    return {"mask", DType::u8, std::move(shape), bytes_of(values)};
  }

  const TestTensor six_ = ids({1, 2, 3, 4, 5, 6}, {2, 3});
  merganser::test::TemporaryFolder folder_;
};

TEST_F(ExamplesTest, ReadsIdsMasksAndLabels) {
  const Examples found =
      load(task({six_, labels({0, 1}), mask({1, 1, 1, 1, 0, 0}, {2, 3})}, "mask: mask"));
  EXPECT_EQ(found.size(), 2);
  EXPECT_EQ(found.lengths[1].item<std::int64_t>(), 1);
  const auto batches = found.batches(1);
  ASSERT_EQ(batches.size(), 2U);  // the short row first, and without its padding
  EXPECT_EQ(batches[0].item<std::int64_t>(), 1);
  EXPECT_EQ(found.batch(batches[0], {}).ids.size(1), 1);
  const Batch both = found.batch(at::tensor({0, 1}, at::kLong), {});
  EXPECT_EQ(both.mask.sum().item<std::int64_t>(), 4);
}

TEST_F(ExamplesTest, RowsAreARange) {
  const Examples found = load(task({six_, labels({0, 1})}, "rows: [1, 2]"));
  EXPECT_EQ(found.size(), 1);
  EXPECT_EQ(found.ids[0][0].item<std::int64_t>(), 4);
  EXPECT_THAT(refusal(task({six_, labels({0, 1})}, "rows: [1, 3]")),
              HasSubstr("rows up to 3 are asked for, it has 2"));
}

TEST_F(ExamplesTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(refusal(task({six_})), HasSubstr("tensor 'labels': there is no such tensor"));
  EXPECT_THAT(refusal(task({labels({0})})), HasSubstr("tensor 'ids': there is no such tensor"));
  EXPECT_THAT(refusal(task({six_, labels({0, 1, 2})})), HasSubstr("as many labels"));
  EXPECT_THAT(refusal(task({six_, labels({0, -1})})), HasSubstr("a label is negative, in row 1"));
  EXPECT_THAT(refusal(task({six_, {"labels", DType::f32, {2}}})), HasSubstr("it holds floats"));
  EXPECT_THAT(refusal(task({ids({}, {0, 3}), labels({})})), HasSubstr("no rows"));
  EXPECT_THAT(refusal(task({ids({}, {2, 0}), labels({0, 1})})), HasSubstr("no rows"));
  EXPECT_THAT(refusal(task({ids({1, 2}, {2}), labels({0, 1})})), HasSubstr("no rows"));
  EXPECT_THAT(refusal(task({ids({1, 2}, {2, 1, 1}), labels({0, 1})})),
              HasSubstr("token ids are [rows, length]"));
}

TEST_F(ExamplesTest, MasksAreRunsOfOnes) {
  const auto with = [&](const std::vector<std::uint8_t>& values, Shape shape) {
    return refusal(task({six_, labels({0, 1}), mask(values, std::move(shape))}, "mask: mask"));
  };
  EXPECT_THAT(with({1, 0, 1, 1, 1, 1}, {2, 3}), HasSubstr("ones, then zeros"));
  EXPECT_THAT(with({0, 1, 1, 1, 1, 1}, {2, 3}), HasSubstr("ones, then zeros"));
  EXPECT_THAT(with({0, 0, 0, 1, 1, 1}, {2, 3}), HasSubstr("with a token at least"));
  EXPECT_THAT(with({1, 1, 1, 1}, {2, 2}), HasSubstr("not the shape"));
}

TEST_F(ExamplesTest, TextIsCutIntoWindowsThatShareATokenWithTheNext) {
  const TestTensor text = ids({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {10});
  const Examples found = load(language({text}));
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found.ids[1][0].item<std::int64_t>(), 4);
  EXPECT_EQ(found.ids[1][4].item<std::int64_t>(), 8);
  EXPECT_EQ(load(language({text}, "windows: 1\n")).size(), 1);
  EXPECT_EQ(load(language({text}, "", "rows: [5, 10]")).ids[0][0].item<std::int64_t>(), 5);
  EXPECT_THAT(refusal(language({text}, "", "rows: [6, 10]")), HasSubstr("no window of 5"));
  EXPECT_THAT(refusal(language({text}, "", "rows: [0, 11]")), HasSubstr("rows up to 11"));
  EXPECT_THAT(refusal(language({six_})), HasSubstr("one row of token ids"));
  EXPECT_THAT(refusal(language({{"ids", DType::f32, {10}}})), HasSubstr("it holds floats"));
}

TEST_F(ExamplesTest, HaveToFitTheModel) {
  const auto said = [](const Examples& examples, const Task& wanted, const Model& model) {
    return merganser::test::complaint([&] { check_fit(examples, wanted, model); });
  };
  const test::Bigram decoder(at::zeros({6, 6}));
  const test::Echo network(3);
  const Task texts = task({six_, labels({0, 1})});
  EXPECT_THAT(said(load(texts), texts, decoder),
              HasSubstr("row 1 has token 6, the model's vocabulary ends at 5"));
  EXPECT_THAT(said(load(texts), texts, network), HasSubstr("the model takes arrays"));
  const Task negative = task({ids({0, -1}, {1, 2}), labels({0})});
  EXPECT_THAT(said(load(negative), negative, decoder), HasSubstr("row 0 has token -1"));
  const Task lengthy = task({ids({0, 0, 0, 0, 0, 0, 0}, {1, 7}), labels({0})});
  EXPECT_THAT(said(load(lengthy), lengthy, decoder), HasSubstr("7 tokens, the model takes 6"));
  const Task arrays = task({{"ids", DType::f32, {2, 4}}, labels({0, 1})});
  EXPECT_THAT(said(load(arrays), arrays, network), HasSubstr("[4], the model takes [3]"));
  EXPECT_THAT(said(load(arrays), arrays, decoder), HasSubstr("the model takes token ids"));
  const Task fits = task({{"ids", DType::f32, {2, 3}}, labels({0, 1})});
  EXPECT_NO_THROW(check_fit(load(fits), fits, network));
}

}  // namespace
}  // namespace merganser::rt
