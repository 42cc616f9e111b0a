#include "report/evaluation_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace merganser {
namespace {

using testing::HasSubstr;

TEST(EvaluationPage, HoldsTheDocumentAndNothingIsLeftToFill) {
  const std::string page = evaluation_page(R"({"document":"evaluation","name":"</script>"})");
  EXPECT_THAT(page, HasSubstr(R"({"document":"evaluation","name":"\u003c/script>"})"));
  EXPECT_FALSE(std::regex_search(page, std::regex(R"(\{\{[a-z_.3]+\}\})")));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
}

}  // namespace
}  // namespace merganser
