#include "checkpoint/header_events.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/json_text.h"

namespace merganser::safetensors {
namespace {

constexpr std::size_t kLongestName = 4096;  // bytes
constexpr std::size_t kMostDimensions = 64;
constexpr std::string_view kMetadata = "__metadata__";

}  // namespace

void HeaderEvents::fail(const std::string& what) const {
  Error error(ErrorKind::corrupt, what);
  error.in_file(file_);
  const bool inside = place_ == Place::tensor || place_ == Place::shape || place_ == Place::offsets;
  if (inside) error.in_tensor(entries.back().info.name);
  throw error;
}

void HeaderEvents::unexpected(const char* what) const {
  switch (place_) {
    case Place::root:
      fail(fmt::format("header is {}, not an object", what));
    case Place::top:
      fail(fmt::format("header entry '{}' is {}, not an object",
                       in_metadata_ ? kMetadata : entries.back().info.name, what));
    case Place::metadata:
      fail(fmt::format("{} '{}' is {}, not a string", kMetadata, field_, what));
    case Place::tensor:
      fail(fmt::format("'{}' is {}", field_, what));
    case Place::shape:
      fail(fmt::format("a dimension is {}, not a whole number", what));
    case Place::offsets:
      fail(fmt::format("a data offset is {}, not a whole number", what));
  }
  fail("header is malformed");
}

bool HeaderEvents::null() {
  // The reference library reads a null here as no metadata.
  if (place_ != Place::top || !in_metadata_) unexpected("null");
  return true;
}

bool HeaderEvents::boolean(bool) { unexpected("a boolean"); }

bool HeaderEvents::number_integer(number_integer_t value) {
  // The parser gives non-negative numbers to number_unsigned.
  unexpected(value < 0 ? "a negative number" : "a number");
}

bool HeaderEvents::number_float(number_float_t, const string_t&) {
  unexpected("a fraction or out of range");
}

bool HeaderEvents::number_unsigned(number_unsigned_t value) {
  if (place_ == Place::shape) {
    Shape& shape = entries.back().info.shape;
    if (shape.size() == kMostDimensions) {
      fail(fmt::format("shape has more than {} dimensions", kMostDimensions));
    }
    shape.push_back(value);
  } else if (place_ == Place::offsets) {
    if (offsets_.size() == 2) fail("'data_offsets' has more than two numbers");
    offsets_.push_back(value);
  } else {
    unexpected("a number");
  }
  return true;
}

bool HeaderEvents::string(string_t& value) {
  if (place_ == Place::metadata) {
    if (!metadata.emplace(field_, std::move(value)).second) {
      fail(fmt::format("{} has the key '{}' twice", kMetadata, field_));
    }
    return true;
  }
  if (place_ != Place::tensor || field_ != "dtype") unexpected("a string");
  const auto dtype = from_safetensors_name(value);
  if (!dtype) {
    throw Error(ErrorKind::unsupported,
                fmt::format("element type '{}' is not one this program reads",
                            value.size() > 40 ? value.substr(0, 40) + "…" : value))
        .in_file(file_)
        .in_tensor(entries.back().info.name)
        .hint("save the checkpoint in BF16, F16 or F32");
  }
  entries.back().info.dtype = *dtype;
  return true;
}

bool HeaderEvents::start_object(std::size_t) {
  if (place_ == Place::root) {
    place_ = Place::top;
  } else if (place_ == Place::top) {
    place_ = in_metadata_ ? Place::metadata : Place::tensor;
    dtype_seen_ = shape_seen_ = offsets_seen_ = false;
    offsets_.clear();
  } else {
    unexpected("an object");
  }
  return true;
}

bool HeaderEvents::end_object() {
  if (place_ == Place::tensor) {
    for (const auto& [seen, name] : {std::pair{dtype_seen_, "dtype"},
                                     {shape_seen_, "shape"},
                                     {offsets_seen_, "data_offsets"}}) {
      if (!seen) fail(fmt::format("'{}' is missing", name));
    }
    Entry& entry = entries.back();
    entry.begin = offsets_[0];
    entry.end = offsets_[1];
    if (entry.begin > entry.end) {
      fail(fmt::format("data begin at byte {} and end before, at {}", entry.begin, entry.end));
    }
    std::uint64_t bytes = 0;
    try {
      bytes = entry.info.bytes();
    } catch (const Error& error) {
      fail(error.message());
    }
    if (entry.end - entry.begin != bytes) {
      fail(fmt::format("{} {} needs {} bytes, its data have {}", safetensors_name(entry.info.dtype),
                       to_string(entry.info.shape), bytes, entry.end - entry.begin));
    }
  }
  place_ = place_ == Place::top ? Place::root : Place::top;
  return true;
}

bool HeaderEvents::start_array(std::size_t) {
  if (place_ != Place::tensor || field_ == "dtype") unexpected("an array");
  place_ = field_ == "shape" ? Place::shape : Place::offsets;
  return true;
}

bool HeaderEvents::end_array() {
  if (place_ == Place::offsets && offsets_.size() != 2) {
    fail(fmt::format("'data_offsets' has {} numbers, not two", offsets_.size()));
  }
  place_ = Place::tensor;
  return true;
}

bool HeaderEvents::key(string_t& name) {
  if (place_ == Place::tensor) {
    bool* seen = name == "dtype"          ? &dtype_seen_
                 : name == "shape"        ? &shape_seen_
                 : name == "data_offsets" ? &offsets_seen_
                                          : nullptr;
    if (seen == nullptr) fail(fmt::format("key '{}' is unknown", name));
    if (std::exchange(*seen, true)) fail(fmt::format("key '{}' occurs twice", name));
    field_ = name;
    return true;
  }
  if (place_ == Place::metadata) {
    field_ = std::move(name);
    return true;
  }
  in_metadata_ = name == kMetadata;
  if (in_metadata_) {
    if (std::exchange(metadata_seen_, true)) fail(fmt::format("{} occurs twice", kMetadata));
    return true;
  }
  if (name.empty()) fail("a tensor has an empty name");
  if (name.size() > kLongestName) {
    fail(fmt::format("a tensor's name has {} bytes, at most {} are read", name.size(),
                     kLongestName));
  }
  entries.emplace_back().info.name = std::move(name);
  return true;
}

bool HeaderEvents::parse_error(std::size_t position, const string_t&,
                               const nlohmann::detail::exception& error) {
  throw Error(ErrorKind::corrupt, fmt::format("header is not valid JSON (byte {}): {}", position,
                                              json_complaint(error.what())))
      .in_file(file_);
}

}  // namespace merganser::safetensors
