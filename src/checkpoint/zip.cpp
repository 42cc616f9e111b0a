#include "checkpoint/zip.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace merganser::zip {
namespace {

constexpr std::string_view kEndMark{"PK\5\6", 4}, kEnd64Mark{"PK\6\6", 4},
    kLocatorMark{"PK\6\7", 4}, kCentralMark{"PK\1\2", 4}, kLocalMark{"PK\3\4", 4};
constexpr std::uint64_t kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20, kCentralSize = 46,
                        kLocalSize = 30;
constexpr std::uint64_t kLongestComment = 0xffff, kSaturated16 = 0xffff, kSaturated32 = 0xffffffff;
constexpr std::uint64_t kLargestDirectory = std::uint64_t{256} << 20;  // bytes
constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 21;

// A piece of the file, read field by field at offsets within it.
class Record {
 public:
  Record(const ByteSource& file, std::uint64_t offset, std::uint64_t size)
      : bytes_(static_cast<std::size_t>(size), '\0') {
    file.read(offset, std::as_writable_bytes(std::span(bytes_)));
  }
  std::uint64_t number(std::uint64_t offset, std::size_t size) const {
    return little_endian(std::as_bytes(std::span(text(offset, size))));
  }
  std::string_view text(std::uint64_t offset, std::uint64_t size) const {
    return std::string_view(bytes_).substr(static_cast<std::size_t>(offset),
                                           static_cast<std::size_t>(size));
  }
  bool begins(std::uint64_t offset, std::string_view mark) const {
    return text(offset, mark.size()) == mark;
  }
  std::uint64_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

Error unsupported(const ByteSource& file, const std::string& what) {
  return Error(ErrorKind::unsupported, "zip archive: " + what)
      .in_file(file.name)
      .hint("PyTorch writes its archives without that; save it again with torch.save");
}

struct Place {
  std::uint64_t begin = 0, size = 0, count = 0;  // of the central directory
};

struct Central {
  std::string name;
  std::uint64_t flags = 0, method = 0, size = 0, header = 0;
};

class Reader {
 public:
  explicit Reader(const ByteSource& file) : file_(file) {}

  Directory run() {
    const Place place = find_directory();
    std::vector<Central> centrals = read_central(place);
    std::ranges::sort(centrals, {}, &Central::header);
    Directory directory;
    std::uint64_t end = 0;  // of the entry before
    for (Central& central : centrals) {
      Entry entry = read_local(central, place.begin);
      if (central.header < end) {
        throw corrupt(fmt::format("the entry '{}' begins at byte {}, inside of another one",
                                  entry.name, central.header));
      }
      end = entry.begin + entry.size;
      directory.entries.push_back(std::move(entry));
    }
    std::ranges::sort(directory.entries, {}, &Entry::name);
    const auto twice = std::ranges::adjacent_find(directory.entries, {}, &Entry::name);
    if (twice != directory.entries.end()) {
      throw corrupt(fmt::format("the entry '{}' is there twice", twice->name));
    }
    return directory;
  }

 private:
  Error corrupt(std::string what) const {
    return Error(ErrorKind::corrupt, "zip archive: " + std::move(what))
        .in_file(file_.name)
        .hint("copy or download it again");
  }
  Error unsupported(std::string what) const { return merganser::zip::unsupported(file_, what); }

  // The end record lies before a comment whose length it states.
  Place find_directory() const {
    const std::uint64_t tail = std::min(file_.size, kEndSize + kLongestComment);
    if (tail < kEndSize) throw corrupt("the file is too short to hold a directory");
    const Record record(file_, file_.size - tail, tail);
    for (std::uint64_t at = tail - kEndSize + 1; at-- > 0;) {
      if (record.begins(at, kEndMark) && at + kEndSize + record.number(at + 20, 2) == tail) {
        return read_end(record, at, file_.size - tail + at);
      }
    }
    throw corrupt("it has no directory at its end: the file is cut short");
  }

  // The end record stands at `at` in `record` and at `position` in the file.
  Place read_end(const Record& record, std::uint64_t at, std::uint64_t position) const {
    std::uint64_t parts = record.number(at + 4, 2) | record.number(at + 6, 2);
    Place place = {record.number(at + 16, 4), record.number(at + 12, 4), record.number(at + 10, 2)};
    const bool saturated = place.begin == kSaturated32 || place.size == kSaturated32 ||
                           place.count == kSaturated16 || parts == kSaturated16;
    std::uint64_t end = position;
    const auto locator = locator_before(position);
    if (locator) {
      if (*locator > position || position - *locator < kEnd64Size + kLocatorSize) {
        throw corrupt("its ZIP64 record lies outside of the file");
      }
      const Record big(file_, *locator, kEnd64Size);
      if (!big.begins(0, kEnd64Mark)) throw corrupt("its ZIP64 record is not where it should be");
      parts = big.number(16, 4) | big.number(20, 4);
      place = {big.number(48, 8), big.number(40, 8), big.number(32, 8)};
      end = *locator;
    } else if (saturated) {
      throw corrupt("its ZIP64 record is missing");
    }
    if (parts != 0) throw unsupported("it consists of several parts");
    if (place.begin > end || place.size > end - place.begin) {
      throw corrupt("its directory lies outside of the file: the file is cut short or has grown");
    }
    if (place.size > kLargestDirectory || place.count > kMostEntries) {
      throw unsupported(
          fmt::format("its directory has {} entries in {} bytes; at most {} in {} "
                      "are read",
                      place.count, place.size, kMostEntries, kLargestDirectory));
    }
    if (place.count > place.size / kCentralSize) {
      throw corrupt(
          fmt::format("its directory of {} bytes cannot hold {} entries", place.size, place.count));
    }
    return place;
  }

  std::optional<std::uint64_t> locator_before(std::uint64_t position) const {
    if (position < kLocatorSize) return std::nullopt;
    const Record record(file_, position - kLocatorSize, kLocatorSize);
    if (!record.begins(0, kLocatorMark)) return std::nullopt;
    return record.number(8, 8);
  }

  std::vector<Central> read_central(const Place& place) const {
    const Record record(file_, place.begin, place.size);
    std::vector<Central> centrals;
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < place.count; ++i) {
      if (record.size() - at < kCentralSize || !record.begins(at, kCentralMark)) {
        throw corrupt(fmt::format("entry {} of its directory is broken", i));
      }
      const std::uint64_t name = record.number(at + 28, 2), extra = record.number(at + 30, 2),
                          comment = record.number(at + 32, 2);
      const std::uint64_t whole = kCentralSize + name + extra + comment;
      if (record.size() - at < whole) {
        throw corrupt(fmt::format("entry {} of its directory is cut short", i));
      }
      Central central;
      central.name = record.text(at + kCentralSize, name);
      check_name(central.name);
      central.flags = record.number(at + 8, 2);
      central.method = record.number(at + 10, 2);
      std::uint64_t packed = record.number(at + 20, 4);
      central.size = record.number(at + 24, 4);
      central.header = record.number(at + 42, 4);
      widen(record.text(at + kCentralSize + name, extra), {&central.size, &packed, &central.header},
            central.name);
      check_storing(central, packed);
      centrals.push_back(std::move(central));
      at += whole;
    }
    return centrals;
  }

  // Fields that 32 bits cannot hold stand in the extra field 1, in this order.
  void widen(std::string_view extra, std::initializer_list<std::uint64_t*> fields,
             const std::string& name) const {
    std::string_view wide;
    const auto number = [](std::string_view text) {
      return little_endian(std::as_bytes(std::span(text)));
    };
    while (extra.size() >= 4) {
      const std::uint64_t kind = number(extra.substr(0, 2)), size = number(extra.substr(2, 2));
      if (size > extra.size() - 4) break;
      if (kind == 1) wide = extra.substr(4, static_cast<std::size_t>(size));
      extra.remove_prefix(static_cast<std::size_t>(4 + size));
    }
    for (std::uint64_t* field : fields) {
      if (*field != kSaturated32) continue;
      if (wide.size() < 8) throw corrupt(fmt::format("the sizes of '{}' are missing", name));
      *field = number(wide.substr(0, 8));
      wide.remove_prefix(8);
    }
  }

  void check_name(const std::string& name) const {
    const bool plain =
        !name.empty() && name.front() != '/' && std::ranges::all_of(name, [](unsigned char c) {
          return c >= 0x20 && c != 0x7f && c != '\\';
        });
    const auto parts = split(name, '/');
    if (!plain || std::ranges::any_of(parts, [](auto part) { return part == ".."; })) {
      throw corrupt(fmt::format("'{}' is no plain name of an entry", name));
    }
  }

  void check_storing(Central& central, std::uint64_t packed) const {
    if ((central.flags & 1) != 0) {
      throw unsupported(fmt::format("the entry '{}' is encrypted", central.name));
    }
    if (central.method != 0) {
      central.size = packed;  // what it takes of the file
    } else if (packed != central.size) {
      throw corrupt(fmt::format("the entry '{}' is not compressed, but its sizes are {} and {}",
                                central.name, packed, central.size));
    }
  }

  // Where the data begin is known from the local header alone: its extra field (padding, with
  // torch.save) is not the directory's.
  Entry read_local(Central& central, std::uint64_t limit) const {
    const std::uint64_t fixed = kLocalSize + central.name.size();
    if (central.header > limit || limit - central.header < fixed) {
      throw corrupt(fmt::format("the entry '{}' lies outside of the file", central.name));
    }
    const Record record(file_, central.header, fixed);
    const std::uint64_t described = record.number(6, 2) & 8;  // sizes follow the data instead
    const auto size_fits = [&](std::uint64_t size) {
      return size == central.size || size == kSaturated32 || (described != 0 && size == 0);
    };
    if (!record.begins(0, kLocalMark) || record.number(8, 2) != central.method ||
        record.number(26, 2) != central.name.size() ||
        record.text(kLocalSize, central.name.size()) != central.name ||
        !size_fits(record.number(18, 4)) ||
        (central.method == 0 && !size_fits(record.number(22, 4)))) {
      throw corrupt(
          fmt::format("the header of the entry '{}' contradicts the directory", central.name));
    }
    const std::uint64_t begin = central.header + fixed + record.number(28, 2);
    if (begin > limit || central.size > limit - begin) {
      throw corrupt(
          fmt::format("the data of the entry '{}' reach beyond byte {}, where the "
                      "directory begins",
                      central.name, limit));
    }
    return {std::move(central.name), begin, central.size, central.method == 0};
  }

  const ByteSource& file_;
};

}  // namespace

const Entry* Directory::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(
      entries, name, {}, [](const Entry& entry) { return std::string_view(entry.name); });
  return at != entries.end() && at->name == name ? &*at : nullptr;
}

void refuse_compressed(const Directory& directory, const ByteSource& file) {
  const auto at = std::ranges::find(directory.entries, false, &Entry::stored);
  if (at == directory.entries.end()) return;
  throw unsupported(file, fmt::format("the entry '{}' is compressed", at->name));
}

Directory read_directory(const ByteSource& file) { return Reader(file).run(); }

}  // namespace merganser::zip
