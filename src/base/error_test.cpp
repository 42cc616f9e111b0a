#include "base/error.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace merganser {
namespace {

TEST(Error, ReadsAsOneSentence) {
  EXPECT_STREQ(Error(ErrorKind::io, "disk full").what(), "disk full");
  EXPECT_STREQ(Error(ErrorKind::corrupt, "broken").in_file("a.st").what(), "a.st: broken");
  EXPECT_STREQ(Error(ErrorKind::corrupt, "broken").in_tensor("w").what(), "tensor 'w': broken");
  EXPECT_STREQ(Error(ErrorKind::recipe, "what is this?").at(3).what(), "line 3: what is this?");
  const Error error = Error(ErrorKind::recipe, "unknown key 'densty'")
                          .in_file("r.yml")
                          .at(3, 7)
                          .in_tensor("w")
                          .hint("did you mean 'density'?");
  EXPECT_STREQ(error.what(),
               "r.yml:3:7: tensor 'w': unknown key 'densty'; did you mean 'density'?");
  EXPECT_EQ(error.kind(), ErrorKind::recipe);
  EXPECT_EQ(error.message(), "unknown key 'densty'");
  EXPECT_EQ(error.file(), "r.yml");
  EXPECT_EQ(error.tensor(), "w");
  EXPECT_EQ(error.advice(), "did you mean 'density'?");
  EXPECT_EQ(error.line(), 3u);
  EXPECT_EQ(error.column(), 7u);
}

TEST(Error, ThePlaceNearestToTheFaultIsKept) {
  Error error(ErrorKind::io, "x");
  error.in_file("inner").in_file("outer").in_tensor("a").in_tensor("b");
  EXPECT_STREQ(error.what(), "inner: tensor 'a': x");
}

TEST(Error, HostileNamesStayOnOneLine) {
  const Error error = Error(ErrorKind::corrupt, "b\nc").in_file("a\x1b[2J").in_tensor("t\r\xff");
  EXPECT_STREQ(error.what(), "a\\x1b[2J: tensor 't\\x0d\\xff': b\\nc");
}

TEST(Error, VeryLongNamesAreShortened) {
  std::string letters(1 << 20, 'x'), accents, odd = "y";
  while (accents.size() < 9000) accents += "\u00e9";  // of two bytes: none may be cut
  for (const std::string& name : {letters, accents, odd.append(accents)}) {
    const Error error = Error(ErrorKind::corrupt, "broken").in_tensor(name).hint("load it again");
    const std::string text = error.what();
    EXPECT_LE(text.size(), 4000u);
    EXPECT_TRUE(text.starts_with("tensor '" + name.substr(0, 3)));
    EXPECT_TRUE(text.ends_with("': broken; load it again"));
    EXPECT_NE(text.find(" bytes left out] "), std::string::npos);
    // What is no UTF-8 any more would be escaped.
    EXPECT_EQ(Error(ErrorKind::io, text).what(), text);
    EXPECT_EQ(error.tensor(), name);
  }
}

TEST(Error, IsCaughtAsStandardException) {
  try {
    throw Error(ErrorKind::io, "x").hint("y");
  } catch (const std::exception& error) {
    EXPECT_STREQ(error.what(), "x; y");
  }
}

TEST(Error, KindsHaveNames) {
  EXPECT_EQ(name_of(ErrorKind::usage), "usage");
  EXPECT_EQ(name_of(ErrorKind::not_found), "not_found");
  EXPECT_EQ(name_of(ErrorKind::interrupted), "interrupted");
}

}  // namespace
}  // namespace merganser
