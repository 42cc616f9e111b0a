#include "base/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

namespace merganser {
namespace {

// The event interface has to keep nlohmann's names and signatures.
class Builder {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  Builder(std::string_view text, std::string_view file, const JsonOptions& options)
      : text_(text), file_(file), options_(options) {}

  Json take() { return std::move(root_); }

  bool null() { return add(Json(nullptr)) != nullptr; }
  bool boolean(bool value) { return add(Json(value)) != nullptr; }
  bool number_integer(number_integer_t value) { return add(Json(value)) != nullptr; }
  bool number_unsigned(number_unsigned_t value) { return add(Json(value)) != nullptr; }
  bool number_float(number_float_t value, const string_t&) { return add(Json(value)) != nullptr; }
  bool string(string_t& value) { return add(Json(std::move(value))) != nullptr; }
  bool binary(binary_t&) { return false; }  // not in JSON text

  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    Level& level = levels_.back();
    Json::object_t& object = level.value->get_ref<Json::object_t&>();
    const auto [place, fresh] = level.keys.try_emplace(name, object.size());
    if (!fresh && !options_.allow_repeats) {
      throw Error(ErrorKind::corrupt, fmt::format("key '{}' occurs twice in one object", name))
          .in_file(file_);
    }
    // Straight into the vector below the ordered map: its own insertion is a linear search.
    if (fresh) static_cast<Json::object_t::Container&>(object).emplace_back(name, nullptr);
    slot_ = &std::next(object.begin(), static_cast<std::ptrdiff_t>(place->second))->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) {
    const std::string_view before = text_.substr(0, position == 0 ? 0 : position - 1);
    const std::size_t line = 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    throw Error(ErrorKind::corrupt,
                fmt::format("not valid JSON (byte {}): {}", position, json_complaint(error.what())))
        .in_file(file_)
        .at(line, column);
  }

 private:
  struct Level {
    Json* value;
    std::unordered_map<std::string, std::size_t> keys;  // place in the object
  };

  Json* add(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json* parent = levels_.back().value;
    if (parent->is_array()) {
      auto& items = parent->get_ref<Json::array_t&>();
      items.push_back(std::move(value));
      return &items.back();
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool open(Json container) {
    if (levels_.size() >= options_.depth) {
      throw Error(ErrorKind::corrupt,
                  fmt::format("JSON is nested more than {} levels deep", options_.depth))
          .in_file(file_);
    }
    // A parent's storage does not grow while its child is open, so the pointer stays good.
    levels_.push_back({add(std::move(container)), {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_, file_;
  const JsonOptions& options_;
  Json root_;
  std::vector<Level> levels_;
  Json* slot_ = nullptr;  // where the value of the last key goes
};

}  // namespace

Json parse_json(std::string_view text, std::string_view file, const JsonOptions& options) {
  Builder builder(text, file, options);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

std::string json_complaint(std::string_view what) {
  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing
  // object key - unexpected end of input; expected string literal"
  for (const std::string_view lead : {" - ", ": ", "] "}) {
    const std::size_t at = what.find(lead);
    if (at != std::string_view::npos) {
      what.remove_prefix(at + lead.size());
      break;
    }
  }
  // "last read: '…'" quotes the token, which may be as long as the file.
  constexpr std::size_t most = 160;
  if (what.size() <= most) return std::string(what);
  return std::string(what.substr(0, most)) + "…";
}

}  // namespace merganser
