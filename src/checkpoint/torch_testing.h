// For tests: tiny PyTorch archives, written by hand so that broken ones can be written too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace merganser::test {

inline std::string little(std::uint64_t value, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size && i < 8; ++i) {
    bytes[i] = static_cast<char>(value >> (8 * i) & 0xff);
  }
  return bytes;
}

struct ZipEntry {
  std::string name, data;
  std::uint16_t method = 0, flags = 0x808;  // sizes behind the data, as torch.save writes them
  std::string extra = {};                   // of the local header
};

// A zip file with a ZIP64 record, as PyTorch writes it; `zip64` false: without.
inline std::string zip_text(const std::vector<ZipEntry>& entries, bool zip64 = true) {
  std::string file, directory;
  for (const ZipEntry& entry : entries) {
    const std::uint64_t header = file.size(), size = entry.data.size();
    const std::uint64_t told = (entry.flags & 8) != 0 ? 0 : size;
    file += "PK\x03\x04" + little(0, 2) + little(entry.flags, 2) + little(entry.method, 2) +
            little(0, 8) + little(told, 4) + little(told, 4) + little(entry.name.size(), 2) +
            little(entry.extra.size(), 2) + entry.name + entry.extra + entry.data;
    if ((entry.flags & 8) != 0) {
      file += "PK\x07\x08" + little(0, 4) + little(size, 4) + little(size, 4);
    }
    directory += "PK\x01\x02" + little(0, 4) + little(entry.flags, 2) + little(entry.method, 2) +
                 little(0, 8) + little(size, 4) + little(size, 4) + little(entry.name.size(), 2) +
                 little(0, 12) + little(header, 4) + entry.name;
  }
  const std::uint64_t begin = file.size(), count = entries.size();
  file += directory;
  if (zip64) {
    const std::uint64_t record = file.size();
    file += "PK\x06\x06" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
            little(count, 8) + little(count, 8) + little(directory.size(), 8) + little(begin, 8);
    file += "PK\x06\x07" + little(0, 4) + little(record, 8) + little(1, 4);
  }
  return file + "PK\x05\x06" + little(0, 4) + little(count, 2) + little(count, 2) +
         little(directory.size(), 4) + little(begin, 4) + little(0, 2);
}

// Pieces of pickles, protocol 2.
namespace pickled {

inline std::string text(std::string_view text) {
  return "X" + little(text.size(), 4) + std::string(text);
}
inline std::string number(std::int64_t value) {
  return std::string("\x8a\x08") + little(static_cast<std::uint64_t>(value), 8);
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string bytes = "(";
  for (const std::string& item : items) bytes += item;
  return bytes + "t";
}
inline std::string numbers(const std::vector<std::int64_t>& values) {
  std::vector<std::string> items;
  for (const std::int64_t value : values) items.push_back(number(value));
  return tuple(items);
}
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string call(const std::string& function, const std::vector<std::string>& arguments) {
  return function + tuple(arguments) + "R";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string bytes = "}(";
  for (const auto& [key, value] : items) bytes += text(key) + value;
  return bytes + "u";
}
inline std::string whole(const std::string& value) { return "\x80\x02" + value + "."; }

struct View {
  std::string key = "0", type = "FloatStorage";
  std::int64_t count = 0, offset = 0;  // elements of the storage, first one of the view
  std::vector<std::int64_t> shape, strides;
};
inline std::string storage(const View& view) {
  return tuple({text("storage"), global("torch", view.type), text(view.key), text("cpu"),
                number(view.count)}) +
         "Q";
}
inline std::string tensor(const View& view) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage(view), number(view.offset), numbers(view.shape), numbers(view.strides),
               "\x89", call(global("collections", "OrderedDict"), {})});
}

}  // namespace pickled

// An archive in the zip form, of this pickle and these storages.
inline std::string archive_text(const std::string& pickle,
                                const std::vector<std::pair<std::string, std::string>>& storages,
                                std::string_view byteorder = "little") {
  std::vector<ZipEntry> entries = {{"a/data.pkl", pickle}, {"a/byteorder", std::string(byteorder)}};
  for (const auto& [key, data] : storages) entries.push_back({"a/data/" + key, data});
  entries.push_back({"a/version", "3\n"});
  return zip_text(entries);
}

}  // namespace merganser::test
