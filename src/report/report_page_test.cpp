#include "report/report_page.h"

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

class EveryPage : public testing::TestWithParam<ReportPage> {};

TEST_P(EveryPage, HoldsTheDocumentAndNothingIsLeftToFill) {
  const std::string page = report_page(GetParam(), R"({"document":"report","schema":1})");
  EXPECT_THAT(page, HasSubstr(R"({"document":"report","schema":1})"));
  EXPECT_FALSE(std::regex_search(page, std::regex(R"(\{\{[a-z_.3]+\}\})")));
  EXPECT_THAT(page, HasSubstr("Copyright 2020-2025 Observable, Inc."));
  EXPECT_TRUE(page.ends_with("</html>\n"));
}

TEST_P(EveryPage, NamesInTheDocumentCannotLeaveTheirElement) {
  const std::string name = "</script><script>alert(1)</script><!-- {{page.css}}";
  const nlohmann::json document = {{"name", name}};
  const std::string page = report_page(GetParam(), document.dump());
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  EXPECT_EQ(nlohmann::json::parse(embedded_json(page))["name"], name);
}

TEST_P(EveryPage, LoadsNothing) {
  const std::string page = report_page(GetParam(), "{}");
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::regex loads(R"(<(link|img|iframe|object|embed)\b|<script[^>]*\ssrc=|@import)");
  EXPECT_FALSE(std::regex_search(page.substr(0, page.find("https://d3js.org")), loads));
}

INSTANTIATE_TEST_SUITE_P(Report, EveryPage,
                         testing::Values(ReportPage::analysis, ReportPage::barrier,
                                         ReportPage::evaluation, ReportPage::routes));

TEST(ReportPage, PagesDiffer) {
  EXPECT_NE(report_page(ReportPage::analysis, "{}"), report_page(ReportPage::evaluation, "{}"));
}

}  // namespace
}  // namespace merganser
