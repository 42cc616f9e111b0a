// JSON from untrusted text: linear time, bounded depth, errors with a position.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace merganser {

struct JsonOptions {
  std::size_t depth = 256;     // of nested arrays and objects; more is Error(corrupt)
  bool allow_repeats = false;  // a key twice in one object: the last one wins; else Error(corrupt)
};

// `file` is for messages. Throws Error(corrupt) with line and column. Unlike Json::parse this takes
// linear time for objects of any width (ordered_json's own insertion compares with every key).
Json parse_json(std::string_view text, std::string_view file, const JsonOptions& options = {});

// What nlohmann's parser says (`what`) about the byte before `position`, shortened to its
// substance: "unexpected end of input; expected '}'".
std::string json_complaint(std::string_view what);

}  // namespace merganser
