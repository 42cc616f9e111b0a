#include "base/hashed_lines.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_text.h"

namespace merganser {
namespace {

constexpr std::size_t kTail = 18;  // " ", 16 hex digits, newline

}  // namespace

std::string hashed_line(const Json& object) {
  const std::string text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("{} {:016x}\n", text, hash64(text));
}

std::optional<Json> next_hashed_line(std::string_view text, std::size_t& at,
                                     std::string_view name) {
  const std::size_t end = text.find('\n', at);
  if (end == text.npos || end + 1 - at < kTail) return std::nullopt;
  const std::string_view json = text.substr(at, end + 1 - at - kTail);
  const std::string_view tail = text.substr(at + json.size(), kTail);
  if (tail != fmt::format(" {:016x}\n", hash64(json))) return std::nullopt;
  try {
    Json value = parse_json(json, name);
    if (!value.is_object()) return std::nullopt;
    at = end + 1;
    return value;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::uint64_t count_of(const Json& value) {
  return value.get_ref<const Json::number_unsigned_t&>();
}

}  // namespace merganser
