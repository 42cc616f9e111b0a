#include "recipe/scalar.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace merganser {
namespace {

TEST(Scalar, Numbers) {
  const struct {
    const char* text;
    double value;
  } rows[] = {{"0", 0},  {"-1", -1},    {"+1", 1},      {"010", 10},  {"1e-5", 1e-5}, {".5", 0.5},
              {"5.", 5}, {"1E3", 1000}, {"-.5e+1", -5}, {"0.1", 0.1}, {"007.5", 7.5}};
  for (const auto& row : rows) EXPECT_EQ(to_number(row.text), row.value) << row.text;
}

TEST(Scalar, NotNumbers) {
  for (const char* text : {"", "-", ".", "e5", "1e", "1e+", "0x10", "1_000", "1:30", "inf", "nan",
                           "--1", "1 ", " 1", "1f", "+", "1.2.3", "1e5.0", "-e1"}) {
    EXPECT_EQ(to_number(text), std::nullopt) << text;
  }
}

TEST(Scalar, NumbersThatNoDoubleHolds) {
  for (const char* text : {".inf", "-.inf", "+.Inf", ".nan", ".NaN", "1e999", "-1e999"}) {
    ASSERT_TRUE(to_number(text)) << text;
    EXPECT_FALSE(std::isfinite(*to_number(text))) << text;
  }
}

TEST(Scalar, FlagsAreYaml11Words) {
  for (const char* text : {"true", "True", "TRUE", "yes", "Yes", "on", "ON"}) {
    EXPECT_EQ(to_flag(text), true) << text;
  }
  for (const char* text : {"false", "False", "no", "NO", "off", "Off"}) {
    EXPECT_EQ(to_flag(text), false) << text;
  }
  for (const char* text : {"", "y", "n", "tRUE", "1", "0", "none"}) {
    EXPECT_EQ(to_flag(text), std::nullopt) << text;
  }
}

TEST(Scalar, Conversions) {
  using T = ParameterType;
  EXPECT_EQ(as_type(true, T::number), Value(1.0));
  EXPECT_EQ(as_type(std::string("1e-5"), T::number), Value(1e-5));
  EXPECT_EQ(as_type(std::string("inf"), T::number), std::nullopt);
  EXPECT_EQ(as_type(std::string(".inf"), T::number), std::nullopt);
  EXPECT_EQ(as_type(0.0, T::flag), Value(false));
  EXPECT_EQ(as_type(1.0, T::flag), Value(true));
  EXPECT_EQ(as_type(0.5, T::flag), std::nullopt);
  EXPECT_EQ(as_type(std::string("off"), T::flag), Value(false));
  EXPECT_EQ(as_type(std::string("maybe"), T::flag), std::nullopt);
  EXPECT_EQ(as_type(std::string("mass"), T::choice), Value(std::string("mass")));
  EXPECT_EQ(as_type(2.0, T::choice), Value(std::string("2")));
  EXPECT_EQ(as_type(false, T::choice), std::nullopt);
}

}  // namespace
}  // namespace merganser
