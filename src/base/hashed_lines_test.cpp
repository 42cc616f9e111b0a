#include "base/hashed_lines.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/hashed_lines_testing.h"

namespace merganser {
namespace {

TEST(HashedLines, ComeBackAsWritten) {
  const Json first = {{"a", 1.0 / 3}, {"b", {-0.0, 1e-310, 1.7976931348623157e308}}};
  const Json second = {{"text", "line\nend \x1b"}};
  const std::string text = hashed_line(first) + hashed_line(second);
  std::size_t at = 0;
  EXPECT_EQ(next_hashed_line(text, at, "x"), first);
  EXPECT_EQ(at, hashed_line(first).size());
  EXPECT_EQ(next_hashed_line(text, at, "x"), second);
  EXPECT_EQ(at, text.size());
  EXPECT_EQ(next_hashed_line(text, at, "x"), std::nullopt);
  EXPECT_EQ(at, text.size());
}

TEST(HashedLines, AnyDamageIsSeen) {
  const std::string good = hashed_line({{"a", 1}, {"b", "x"}});
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int bit : {1, 2, 16, 128}) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ bit);
      std::size_t place = 0;
      EXPECT_EQ(next_hashed_line(damaged, place, "x"), std::nullopt) << at;
      EXPECT_EQ(place, 0u);
    }
    std::size_t place = 0;
    EXPECT_EQ(next_hashed_line(std::string_view(good).substr(0, at), place, "x"), std::nullopt);
  }
}

TEST(HashedLines, OnlyObjectsCount) {
  for (const std::string text : {"[1]", "1", "null", "", "{\"a\":", "{\"a\":1,\"a\":2}"}) {
    std::size_t at = 0;
    EXPECT_EQ(next_hashed_line(test::with_hash(text), at, "x"), std::nullopt) << text;
  }
}

TEST(HashedLines, CountsAreWholeNumbers) {
  EXPECT_EQ(count_of(Json::parse("18446744073709551615")), ~std::uint64_t{0});
  for (const char* text : {"-1", "0.5", "1e300", "18446744073709551616", "true", "\"1\"", "null"}) {
    EXPECT_THROW(count_of(Json::parse(text)), Json::exception) << text;
  }
}

}  // namespace
}  // namespace merganser
