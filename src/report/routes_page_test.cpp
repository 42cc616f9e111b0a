#include "report/routes_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace merganser {
namespace {

using testing::HasSubstr;

TEST(RoutesPage, HoldsTheDocumentAndNothingIsLeftToFill) {
  const std::string page = routes_page(R"({"document":"routes","name":"</script>"})");
  EXPECT_THAT(page, HasSubstr(R"({"document":"routes","name":"\u003c/script>"})"));
  EXPECT_FALSE(std::regex_search(page, std::regex(R"(\{\{[a-z_.3]+\}\})")));
  EXPECT_TRUE(page.ends_with("</html>\n"));
}

TEST(RoutesPage, LoadsNothing) {
  const std::string page = routes_page("{}");
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::regex loads(R"(<(link|img|iframe|object|embed)\b|<script[^>]*\ssrc=|@import)");
  EXPECT_FALSE(std::regex_search(page.substr(0, page.find("https://d3js.org")), loads));
}

}  // namespace
}  // namespace merganser
