#include "report/analysis_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

namespace merganser {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string embedded_json(const std::string& page) {
  const std::string tag = R"(<script type="application/json" id="document">)";
  const std::size_t begin = page.find(tag) + tag.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

TEST(AnalysisPage, HoldsTheDocumentAndNothingIsLeftToFill) {
  const std::string page = analysis_page(R"({"document":"analysis","schema":1})");
  EXPECT_THAT(page, HasSubstr(R"({"document":"analysis","schema":1})"));
  EXPECT_FALSE(std::regex_search(page, std::regex(R"(\{\{[a-z_.3]+\}\})")));
  EXPECT_THAT(page, HasSubstr("Copyright 2020-2025 Observable, Inc."));
}

TEST(AnalysisPage, NamesInTheDocumentCannotLeaveTheirElement) {
  const std::string name = "</script><script>alert(1)</script><!-- {{page.css}}";
  const nlohmann::json document = {{"name", name}};
  const std::string page = analysis_page(document.dump());
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  EXPECT_EQ(nlohmann::json::parse(embedded_json(page))["name"], name);
}

TEST(AnalysisPage, LoadsNothing) {
  const std::string page = analysis_page("{}");
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::regex loads(R"(<(link|img|iframe|object|embed)\b|<script[^>]*\ssrc=|@import)");
  EXPECT_FALSE(std::regex_search(page.substr(0, page.find("https://d3js.org")), loads));
}

TEST(AnalysisPage, EndsAsAPageDoes) { EXPECT_TRUE(analysis_page("{}").ends_with("</html>\n")); }

}  // namespace
}  // namespace merganser
