#include "task/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/testing.h"

namespace merganser::rt {
namespace {

using ::testing::HasSubstr;

const std::string kData = "test: {file: d.safetensors}\n";

Task parse(const std::string& text) { return parse_task(text, "folder/polarity.yml"); }

struct Case {
  std::string text;
  std::size_t line, column;
  const char* part;
};

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    try {
      parse(c.text);
      ADD_FAILURE() << "no error, expected: " << c.part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::recipe) << error.what();
      EXPECT_EQ(error.line(), c.line) << error.what();
      EXPECT_EQ(error.column(), c.column) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(c.part));
      EXPECT_THAT(error.what(), HasSubstr("folder/polarity.yml"));
    }
  }
}

TEST(Task, ReadsEverything) {
  const Task task = parse(
      "task: digits\ntype: classification\nmetric: loss\n"
      "train: {file: a.safetensors, inputs: x, mask: m, labels: y, rows: [10, 20]}\n"
      "validation: {file: ../v.safetensors}\n"
      "test: {file: i.gz, labels: l.gz}\n"
      "head: head.safetensors\npooling: first\nnormalise: yes\noffset: 0.5\nscale: 2\n");
  EXPECT_EQ(task.name, "digits");
  EXPECT_EQ(task.kind, TaskKind::classification);
  EXPECT_EQ(task.metric, Metric::loss);
  EXPECT_EQ(task.head, "folder/head.safetensors");
  EXPECT_EQ(task.pooling, Pooling::first);
  EXPECT_TRUE(task.normalise);
  EXPECT_EQ(task.offset, 0.5);
  EXPECT_EQ(task.scale, 2);
  const SplitFile& train = task.splits.at("train");
  EXPECT_EQ(train.file, "folder/a.safetensors");
  EXPECT_EQ(train.inputs, "x");
  EXPECT_EQ(train.mask, "m");
  EXPECT_EQ(train.labels, "y");
  ASSERT_TRUE(train.rows);
  EXPECT_EQ((*train.rows)[0], 10U);
  EXPECT_EQ((*train.rows)[1], 20U);
  EXPECT_EQ(task.splits.at("validation").file, "v.safetensors");
  EXPECT_EQ(task.splits.at("validation").inputs, "ids");
  EXPECT_EQ(task.splits.at("validation").labels, "labels");
  EXPECT_EQ(task.splits.at("validation").mask, "");
  EXPECT_EQ(task.splits.at("test").labels_file, "folder/l.gz");
}

TEST(Task, Defaults) {
  const Task text = parse("type: language_modelling\n" + kData);
  EXPECT_EQ(text.name, "polarity");
  EXPECT_EQ(text.metric, Metric::loss);
  EXPECT_EQ(text.length, 128);
  EXPECT_EQ(text.windows, 0);
  EXPECT_EQ(text.splits.at("test").labels, "");
  const Task classes = parse("type: classification\n" + kData);
  EXPECT_EQ(classes.metric, Metric::accuracy);
  EXPECT_EQ(classes.pooling, Pooling::model);
  EXPECT_EQ(parse("type: classification\nhead: h.safetensors\n" + kData).pooling, Pooling::mean);
}

TEST(Task, RefusesUnknownWordsAndKeys) {
  check({
      {"type: classification\nsplits: 1\n" + kData, 2, 1, "'splits'"},
      {kData, 1, 1, "needs 'type'"},
      {"type: clasification\n" + kData, 1, 7, "did you mean 'classification'?"},
      {"type: [a]\n" + kData, 1, 7, "must be text"},
      {"type: classification\nmetric: precision\n" + kData, 2, 9, "metric 'precision' is unknown"},
      {"type: classification\nhead: h\npooling: max\n" + kData, 3, 10, "pooling 'max' is unknown"},
      {"type: classification\ntest: {file: d.safetensors, target: y}\n", 2, 29, "'target'"},
      {"- a\n", 1, 1, "a task"},
  });
}

TEST(Task, RefusesWhatDoesNotGoTogether) {
  check({
      {"type: language_modelling\nmetric: accuracy\n" + kData, 2, 1, "accuracy is a metric of"},
      {"type: classification\npooling: mean\n" + kData, 2, 1, "a head of the task's own"},
      {"type: classification\n", 1, 1, "there are no data"},
      {"type: classification\ntest:\n", 1, 1, "there are no data"},
      {"type: language_modelling\ntest: {file: images.gz, labels: l.gz}\n", 2, 8,
       "as a .safetensors file of token ids"},
      {"type: classification\ntest: {file: images.gz}\n", 2, 7, "needs 'labels'"},
      {"type: classification\ntest: {inputs: x}\n", 2, 7, "needs 'file'"},
  });
}

TEST(Task, RefusesNumbersOutOfRange) {
  const std::string text = "type: language_modelling\n" + kData;
  check({
      {text + "length: 0\n", 3, 1, "length is at least 1"},
      {text + "length: -1\n", 3, 9, "length"},
      {text + "length: 2000000000\n", 3, 9, "length is too large"},
      {text + "windows: many\n", 3, 10, "windows"},
      {text + "scale: 0\n", 3, 1, "it cannot be 0"},
      {text + "scale: .nan\n", 3, 8, "scale"},
      {text + "offset: x\n", 3, 9, "offset"},
      {"type: classification\nnormalise: 2\n" + kData, 2, 12, "normalise is true or false"},
      {"type: classification\ntest: {file: d.safetensors, rows: [1]}\n", 2, 35,
       "a first and a last"},
      {"type: classification\ntest: {file: d.safetensors, rows: [3, 3]}\n", 2, 35, "no row"},
      {"type: classification\ntest: {file: d.safetensors, rows: [-1, 3]}\n", 2, 36, "a row"},
  });
}

TEST(Task, IsOneDocument) {
  EXPECT_THROW(parse(""), Error);
  EXPECT_THROW(parse("# nothing\n"), Error);
  EXPECT_THROW(parse("type: classification\n" + kData + "---\na: b\n"), Error);
  EXPECT_THROW(parse("type: [\n"), Error);
}

TEST(Task, NamesTheSplitsThatItHas) {
  const Task task = parse("type: classification\n" + kData);
  EXPECT_EQ(split_of(task, "test").file, "folder/d.safetensors");
  const std::string said = test::complaint([&] { split_of(task, "train"); });
  EXPECT_THAT(said, HasSubstr("task 'polarity' has no split 'train'"));
  EXPECT_THAT(said, HasSubstr("it has test"));
}

TEST(Task, IsReadFromItsFile) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "t.yml", "type: classification\n" + kData);
  EXPECT_EQ(read_task(folder / "t.yml").splits.at("test").file, folder / "d.safetensors");
  EXPECT_THROW(read_task(folder / "absent.yml"), Error);
}

}  // namespace
}  // namespace merganser::rt
