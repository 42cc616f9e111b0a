#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "checkpoint/foreign.h"
#include "checkpoint/header_events.h"

namespace merganser::safetensors {
namespace {

constexpr std::uint64_t kLengthSize = 8;  // little-endian length of the JSON text, before it

std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kLengthSize; ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return value;
}

Error corrupt(std::string what, const std::string& file) {
  Error error(ErrorKind::corrupt, std::move(what));
  error.in_file(file);
  return error;
}

void check_names(const std::vector<Entry>& entries, const std::string& file) {
  std::vector<const std::string*> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.push_back(&entry.info.name);
  const auto less = [](const std::string* a, const std::string* b) { return *a < *b; };
  std::ranges::sort(names, less);
  const auto twice = std::ranges::adjacent_find(names, {}, [](auto* name) { return *name; });
  if (twice != names.end()) {
    throw corrupt("the header names this tensor twice", file).in_tensor(**twice);
  }
}

// `entries` in order of their data.
void check_data(const std::vector<Entry>& entries, std::uint64_t data_size,
                const std::string& file) {
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      throw corrupt(fmt::format("data begin at byte {}, but the tensor before ends at {}: {}",
                                entry.begin, end, entry.begin < end ? "they overlap" : "a gap"),
                    file)
          .in_tensor(entry.info.name);
    }
    end = entry.end;
  }
  if (end > data_size) {
    throw corrupt(fmt::format("file is cut short: its tensors have {} bytes, it holds {} of them",
                              end, data_size),
                  file)
        .hint("copy or download it again");
  }
  if (end < data_size) {
    throw corrupt(fmt::format("file has {} bytes after its last tensor (tensors: {}, data: {})",
                              data_size - end, end, data_size),
                  file);
  }
}

}  // namespace

Header parse_header(std::string_view header_json, std::uint64_t file_size,
                    const std::string& name) {
  // The parser would skip white space or a byte-order mark; the format has neither.
  if (!header_json.starts_with('{')) throw corrupt("header does not begin with '{'", name);
  Header header;
  header.size = kLengthSize + header_json.size();
  if (file_size < header.size) {
    throw corrupt(fmt::format("file is cut short: header ends at byte {}, file has {}", header.size,
                              file_size),
                  name);
  }
  HeaderEvents events(name);
  nlohmann::json::sax_parse(header_json.begin(), header_json.end(), &events);
  header.entries = std::move(events.entries);
  header.metadata = std::move(events.metadata);

  check_names(header.entries, name);
  std::ranges::stable_sort(header.entries, {},
                           [](const Entry& entry) { return std::tie(entry.begin, entry.end); });
  check_data(header.entries, file_size - header.size, name);
  return header;
}

Header read_header(const InputFile& file) {
  const std::string name = file.path().string();
  std::array<std::byte, 512> start{};
  const auto beginning = std::span(start).first(
      static_cast<std::size_t>(std::min<std::uint64_t>(start.size(), file.size())));
  file.read(0, beginning);

  const std::uint64_t length = file.size() < kLengthSize ? 0 : little_endian(beginning);
  const bool fits = file.size() > kLengthSize && length <= file.size() - kLengthSize;
  const bool plausible = length >= 2 && length <= kMaxHeader && file.size() > kLengthSize &&
                         start[8] == std::byte{'{'};
  // Another format's magic number can be a good header length (0x0280 begins a pickle), so what
  // looks like safetensors is read as such.
  if (!plausible) refuse_foreign(file, beginning);
  if (file.size() < kLengthSize) {
    throw corrupt(fmt::format("file has {} bytes, too few for a safetensors header", file.size()),
                  name)
        .hint("copy or download it again");
  }
  if (length > kMaxHeader) {
    throw corrupt(fmt::format("header claims {} bytes, at most {} are read", length, kMaxHeader),
                  name)
        .hint("this may not be a safetensors file");
  }
  if (!fits) {
    throw corrupt(fmt::format("file is cut short: header has {} bytes, {} of them are there",
                              length, file.size() - kLengthSize),
                  name)
        .hint("copy or download it again");
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(kLengthSize, std::as_writable_bytes(std::span(text)));
  return parse_header(text, file.size(), name);
}

std::string make_header(std::span<const TensorInfo> tensors,
                        const std::map<std::string, std::string>& metadata) {
  // Text by hand rather than a tree: the key order is that of the data, and ordered_json takes
  // quadratic time to build.
  const auto quoted = [](const std::string& text) { return nlohmann::json(text).dump(); };
  std::string json = "{";
  try {
    if (!metadata.empty()) json += "\"__metadata__\":" + nlohmann::json(metadata).dump();
    std::uint64_t begin = 0;
    for (const TensorInfo& tensor : tensors) {
      const std::uint64_t end = begin + tensor.bytes();
      fmt::format_to(std::back_inserter(json),
                     "{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                     json.size() > 1 ? "," : "", quoted(tensor.name),
                     safetensors_name(tensor.dtype), fmt::join(tensor.shape, ","), begin, end);
      begin = end;
    }
  } catch (const nlohmann::json::type_error&) {
    throw Error(ErrorKind::unsupported, "a tensor's name or the metadata is not valid UTF-8");
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');  // the length before it has 8 bytes
  if (json.size() > kMaxHeader) {
    throw Error(ErrorKind::unsupported,
                fmt::format("safetensors header would have {} bytes, readers take at most {}",
                            json.size(), kMaxHeader))
        .hint("write smaller shards");
  }
  std::string header(kLengthSize, '\0');
  for (std::size_t i = 0; i < kLengthSize; ++i) {
    header[i] = static_cast<char>(json.size() >> (8 * i) & 0xff);
  }
  return header + json;
}

}  // namespace merganser::safetensors
