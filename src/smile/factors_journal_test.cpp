#include "smile/factors_journal.h"

#include <algorithm>

#include "base/hashed_lines.h"
#include "smile/testing.h"

namespace merganser::test {
namespace {

using ::testing::HasSubstr;

class FactorsJournalTest : public ::testing::Test {
 protected:
  FactorsJournalTest() {
    for (std::size_t i = 0; i < mixture_.modules.modules.size(); ++i) records_.push_back(record(i));
  }

  ModuleRecord record(std::size_t number) {
    ModuleRecord record;
    record.begin = size_;
    record.experts = mixture_.experts(number, [&](auto bytes) {
      const std::uint64_t offset = size_;
      size_ += bytes.size();
      return offset;
    });
    record.values = {3, 3};
    record.hashes = SmallMixture::hashes(number);
    record.end = size_ += record.value_bytes();
    record.bytes = "xxh3:" + std::to_string(number);
    return record;
  }

  std::string line(std::size_t number) const {
    return line_of(records_[number], mixture_.modules.modules[number]);
  }
  std::string head() const {
    return factors_identity_line(mixture_.identity) + line_of(mixture_.rest);
  }
  std::string text() const {
    std::string text = head();
    for (std::size_t i = 0; i < records_.size(); ++i) text += line(i);
    return text;
  }
  FactorsJournal parse(std::string_view text) const {
    return parse_factors_journal(text, mixture_.identity, mixture_.plan, mixture_.modules, "j");
  }
  // How many layers count where the second one's line says something else at `pointer`.
  std::size_t layers_with(const std::string& pointer, const Json& value) const {
    const std::string good = line(1);
    Json object = Json::parse(good.substr(0, good.size() - 18));
    if (value.is_discarded()) {
      object.at(Json::json_pointer(pointer).parent_pointer())
          .erase(Json::json_pointer(pointer).back());
    } else {
      object[Json::json_pointer(pointer)] = value;
    }
    return parse(head() + line(0) + hashed_line(object) + line(2)).modules.size();
  }

  void expect_as_recorded(const FactorsJournal& found) const {
    for (std::size_t i = 0; i < found.modules.size(); ++i) {
      const ModuleRecord &a = found.modules[i], &b = records_[i];
      EXPECT_EQ(a.begin, b.begin);
      EXPECT_EQ(a.end, b.end);
      EXPECT_EQ(a.bytes, b.bytes);
      EXPECT_EQ(a.values, b.values);
      expect_equal(a.hashes, b.hashes);
      ASSERT_EQ(a.experts.size(), b.experts.size());
      for (std::size_t e = 0; e < a.experts.size(); ++e) {
        expect_equal(a.experts[e], b.experts[e]);
        EXPECT_TRUE(a.experts[e].s.empty()) << "singular values are in the scratch file";
      }
    }
  }

  SmallMixture mixture_;
  std::uint64_t size_ = 0;
  std::vector<ModuleRecord> records_;
};

TEST_F(FactorsJournalTest, ComesBackAsWritten) {
  const FactorsJournal found = parse(text());
  ASSERT_TRUE(found.rest);
  EXPECT_EQ(found.rest->biases, mixture_.rest.biases);
  EXPECT_EQ(found.rest->rest, mixture_.rest.rest);
  expect_equal(found.rest->hashes, mixture_.rest.hashes);
  ASSERT_EQ(found.modules.size(), 4u);
  expect_as_recorded(found);
  EXPECT_EQ(found.valid_bytes(), text().size());
  EXPECT_EQ(found.head, head().size());
  EXPECT_EQ(found.ends[0], head().size() + line(0).size());
}

TEST_F(FactorsJournalTest, AnyDamageEndsIt) {
  const std::string whole = text();
  const std::size_t first = whole.find('\n') + 1;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    if (at < first) {
      EXPECT_THROW(parse(damaged), Error) << at;
      EXPECT_THROW(parse(whole.substr(0, at)), Error) << at;
      continue;
    }
    for (const std::string& changed : {damaged, whole.substr(0, at)}) {
      const FactorsJournal found = parse(changed);
      EXPECT_LT(found.modules.size(), 4u) << at;
      EXPECT_LE(found.valid_bytes(), at);
      expect_as_recorded(found);
    }
  }
}

TEST_F(FactorsJournalTest, OfAnotherRunIsRefused) {
  RunIdentity other = mixture_.identity;
  const auto refused = [&] {
    return complaint(
        [&] { parse_factors_journal(text(), other, mixture_.plan, mixture_.modules, "j"); });
  };
  other.merge = "sha256:other";
  EXPECT_THAT(refused(), HasSubstr("another merge"));
  other = mixture_.identity;
  ++other.inputs[2].mtime_ns;
  EXPECT_THAT(refused(), AllOf(HasSubstr(other.inputs[2].path.string()), HasSubstr("changed")));
  // Nor is the journal of tensors one of factors.
  EXPECT_THAT(complaint([&] { parse(identity_line(mixture_.identity, "merganser_journal")); }),
              HasSubstr("no journal of this program"));
}

TEST_F(FactorsJournalTest, LayersCountInTheirOrder) {
  EXPECT_EQ(parse(head() + line(1)).modules.size(), 0u);
  EXPECT_EQ(parse(head() + line(0) + line(2)).modules.size(), 1u);
  EXPECT_EQ(parse(head() + line(0) + line(0)).modules.size(), 1u);
  EXPECT_EQ(parse(text() + line(3)).modules.size(), 4u);
  const std::string start = factors_identity_line(mixture_.identity);
  const FactorsJournal without = parse(start + line(0));
  EXPECT_FALSE(without.rest);
  EXPECT_TRUE(without.modules.empty());
  EXPECT_EQ(without.valid_bytes(), start.size());
}

TEST_F(FactorsJournalTest, RecordsThatDoNotFitEndIt) {
  const std::uint64_t begin = records_[1].begin, end = records_[1].end, most = ~std::uint64_t{0};
  EXPECT_EQ(layers_with("/bytes", "xxh3:1"), 3u) << "the record as it is";
  EXPECT_EQ(layers_with("/experts/0/energy", 0.0), 3u);
  const std::vector<std::pair<std::string, Json>> wrong = {
      {"/module", "model.layers.0.mlp.up_proj"},
      {"/module", 1},
      {"/end", begin},
      {"/end", begin - 1},
      {"/end", -1},
      {"/end", 0.5},
      {"/bytes", 1},
      {"/experts", Json::array()},
      {"/experts", "x"},
      {"/experts/2", Json::object()},
      {"/experts/0/values", 5},
      {"/experts/0/values", 1},
      {"/experts/0/values", most},
      {"/experts/0/rank", 3},
      {"/experts/0/rank", most},
      {"/experts/0/rank", 1e300},
      {"/experts/0/router", 2},
      {"/experts/0/router", most},
      {"/experts/0/u", begin - 4},
      {"/experts/0/u", end},
      {"/experts/0/u", most},
      {"/experts/1/sv", end - 2 * 3 * 8 - 4 * 4},
      {"/experts/1/vectors", most - 8},
      {"/experts/0/dense", begin},
      {"/experts/0/energy", -1.0},
      {"/experts/0/energy", "1"},
      {"/experts/0/energy", nullptr},
      {"/experts/0/excess", -1.0},
      {"/experts/0/excess", true},
      {"/experts/0/resolved", 1},
      {"/experts/0/way", "magic"},
      {"/experts/0/way", 0},
      {"/hashes/0", {3, 0, "x"}},
      {"/hashes/0", {0, 9, "x"}},
      {"/hashes/0", {0, -1, "x"}},
      {"/hashes/0", {0, 0, 7}},
      {"/hashes/0", {0}},
      {"/hashes/0", "x"},
  };
  for (const auto& [pointer, value] : wrong) {
    EXPECT_EQ(layers_with(pointer, value), 1u) << pointer << " " << value;
  }
  const Json gone(Json::value_t::discarded);
  for (const char* pointer : {"/module", "/end", "/bytes", "/experts", "/hashes", "/experts/0/u",
                              "/experts/1/excess", "/experts/1/values"}) {
    EXPECT_EQ(layers_with(pointer, gone), 1u) << pointer;
  }
}

TEST_F(FactorsJournalTest, WholeDifferencesBelongToLayersThatHaveThem) {
  SmileModule& module = mixture_.modules.modules[1];
  module.dense = module.transposed = true;
  const std::uint64_t bytes = module.out * module.in * 4;
  EXPECT_EQ(parse(text()).modules.size(), 1u) << "without them";
  ModuleRecord& record = records_[1];
  for (Expert& expert : record.experts) expert.dense = record.end - record.value_bytes() - bytes;
  EXPECT_EQ(parse(text()).modules.size(), 4u);
  expect_as_recorded(parse(text()));
  *record.experts[0].dense += 4;
  EXPECT_EQ(parse(text()).modules.size(), 1u);
}

TEST_F(FactorsJournalTest, WhatWasMeasuredFirstHasToFit) {
  const std::string start = factors_identity_line(mixture_.identity);
  const auto counts = [&](RestRecord rest) {
    return parse(start + line_of(rest) + line(0)).modules.size() == 1;
  };
  EXPECT_TRUE(counts(mixture_.rest));
  RestRecord rest = mixture_.rest;
  rest.biases.push_back(0);
  EXPECT_FALSE(counts(rest));
  rest = mixture_.rest;
  rest.rest[0] = -1;
  EXPECT_FALSE(counts(rest));
  rest = mixture_.rest;
  rest.hashes[0].input.tensor = 1000;
  EXPECT_FALSE(counts(rest));
}

}  // namespace
}  // namespace merganser::test
