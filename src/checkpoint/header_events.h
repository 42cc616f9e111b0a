// The events of the JSON parser while it reads a safetensors header, turned into entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"

namespace merganser::safetensors {

// A header may have 100 MB; building a JSON tree of it first would take some 16 times that. Checks
// everything but the offsets' mutual order. The interface has to keep nlohmann's names.
class HeaderEvents {
 public:
  using number_integer_t = std::int64_t;
  using number_unsigned_t = std::uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = nlohmann::json::binary_t;

  explicit HeaderEvents(std::string file) : file_(std::move(file)) {}

  std::vector<Entry> entries;  // in the order of the text
  std::map<std::string, std::string> metadata;

  bool null();
  bool boolean(bool value);
  bool number_integer(number_integer_t value);
  bool number_unsigned(number_unsigned_t value);
  bool number_float(number_float_t value, const string_t& text);
  bool string(string_t& value);
  bool binary(binary_t&) { return false; }  // not in JSON text
  bool start_object(std::size_t);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool key(string_t& name);
  bool parse_error(std::size_t position, const string_t&, const nlohmann::detail::exception& error);

 private:
  // Where the next value belongs. Three levels are all that a header has.
  enum class Place { root, top, metadata, tensor, shape, offsets };

  [[noreturn]] void fail(const std::string& what) const;  // in the tensor at hand, if any
  [[noreturn]] void unexpected(const char* what) const;

  std::string file_;
  Place place_ = Place::root;
  bool in_metadata_ = false;  // the last key of the top object was __metadata__
  bool metadata_seen_ = false;
  std::string field_;  // last key inside a tensor or the metadata
  bool dtype_seen_ = false, shape_seen_ = false, offsets_seen_ = false;
  std::vector<std::uint64_t> offsets_;
};

}  // namespace merganser::safetensors
