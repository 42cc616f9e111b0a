#include "checkpoint/torch_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "checkpoint/pickle.h"
#include "checkpoint/torch_objects.h"
#include "checkpoint/zip.h"

namespace merganser::torch_archive {
namespace {

using pickle::Id;
using pickle::Kind;
using pickle::Values;
using torch_objects::Storage;

// torch.serialization.MAGIC_NUMBER 0x1950a86a20f9469cfc6c, little-endian, and PROTOCOL_VERSION.
constexpr std::string_view kMagic{"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10};
constexpr std::string_view kMagicDigits = "119547037146038801333356";  // with pickle protocol 1
constexpr std::int64_t kProtocol = 1001;
constexpr std::size_t kShownKey = 80;  // bytes of a storage's key in a message

Error corrupt(const ByteSource& file, std::string what) {
  return Error(ErrorKind::corrupt, std::move(what))
      .in_file(file.name)
      .hint("copy or download it again");
}
Error unsupported(const ByteSource& file, std::string what, std::string_view advice) {
  return Error(ErrorKind::unsupported, std::move(what)).in_file(file.name).hint(advice);
}
Error big_endian(const ByteSource& file) {
  return unsupported(file, "the archive's numbers are big-endian",
                     "save it again on a little-endian machine");
}

// A storage's place in the file: `size` bytes from `begin`.
struct Place {
  std::uint64_t begin = 0, size = 0;
};
using Locate = std::function<std::optional<Place>(const Storage&)>;

Contents locate_all(torch_objects::StateDict state, const ByteSource& file, const Locate& locate) {
  Contents contents;
  contents.notes = std::move(state.notes);
  for (torch_objects::Tensor& tensor : state.tensors) {
    const Storage& storage = tensor.storage;
    const auto place = locate(storage);
    if (!place) {
      throw corrupt(file, fmt::format("its storage '{}' is not in the archive",
                                      storage.key.substr(0, kShownKey)))
          .in_tensor(tensor.info.name);
    }
    const std::uint64_t claimed = storage.count * storage.element_size;
    if (place->size != claimed) {
      throw corrupt(file, fmt::format("its storage '{}' should have {} bytes, {} are there",
                                      storage.key.substr(0, kShownKey), claimed, place->size))
          .in_tensor(tensor.info.name);
    }
    contents.tensors.push_back(
        {std::move(tensor.info), place->begin + tensor.begin, std::move(tensor.strides)});
  }
  return contents;
}

std::string small_entry(const ByteSource& file, const zip::Entry& entry) {
  std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(entry.size, 16)), '\0');
  file.read(entry.begin, std::as_writable_bytes(std::span(text)));
  return text;
}

// All entries of an archive lie in one folder, which is named like the file or "archive".
std::string folder_of(const zip::Directory& directory, const ByteSource& file) {
  std::optional<std::string> folder;
  for (const zip::Entry& entry : directory.entries) {
    const std::size_t slash = entry.name.find('/');
    if (slash == std::string::npos) continue;
    const std::string_view rest = std::string_view(entry.name).substr(slash + 1);
    if (rest == "constants.pkl" || rest.starts_with("code/")) {
      throw unsupported(file, "this is a TorchScript program, not a state dict",
                        "load it with torch.jit.load and save its state_dict()");
    }
    if (rest != "data.pkl") continue;
    if (folder) throw corrupt(file, "the archive has two pickles (data.pkl)");
    folder = entry.name.substr(0, slash + 1);
  }
  if (!folder) {
    throw unsupported(file, "this is a zip file, but no PyTorch archive (it has no data.pkl)",
                      "give a checkpoint: safetensors, or what torch.save writes");
  }
  return *folder;
}

Contents read_zip(const ByteSource& file) {
  const zip::Directory directory = zip::read_directory(file);
  const std::string folder = folder_of(directory, file);
  zip::refuse_compressed(directory, file);
  if (const zip::Entry* order = directory.find(folder + "byteorder")) {
    const std::string text = small_entry(file, *order);
    if (text == "big") throw big_endian(file);
    if (text != "little") throw corrupt(file, "the archive's byte order is neither little nor big");
  }
  const zip::Entry& data = *directory.find(folder + "data.pkl");
  Values values;
  pickle::Input input(file, data.begin, data.begin + data.size);
  const Id root = pickle::read(input, values);
  return locate_all(torch_objects::read_state_dict(values, root, file.name), file,
                    [&](const Storage& storage) -> std::optional<Place> {
                      const zip::Entry* entry =
                          directory.find(fmt::format("{}data/{}", folder, storage.key));
                      if (entry == nullptr) return std::nullopt;
                      return Place{entry->begin, entry->size};
                    });
}

// Three small pickles before that of the object: the magic number, the protocol's, the system's.
void read_legacy_start(const ByteSource& file, pickle::Input& input) {
  Values values;
  const Id magic = pickle::read(input, values);
  const std::string_view number = values.text(magic);
  if (!values.is(magic, Kind::big_integer) || (number != kMagic && number != kMagicDigits)) {
    throw unsupported(file,
                      "this is a pickle, but no PyTorch archive (its magic number is missing)",
                      "load it in Python and save the tensors with torch.save or as safetensors");
  }
  if (values.integer(pickle::read(input, values)) != kProtocol) {
    throw unsupported(file, "this PyTorch archive is of an unknown version",
                      "load it in PyTorch and save it again");
  }
  const std::vector<Id> system = values.items(pickle::read(input, values));
  for (std::size_t i = 0; i + 1 < system.size(); i += 2) {
    if (values.text(system[i]) == "little_endian" && system[i + 1] == Values::kFalse) {
      throw big_endian(file);
    }
  }
}

// Behind the pickles each storage stands as its number of elements (8 bytes) and the elements. How
// large these are is known from where the object mentions it first, as in PyTorch.
std::unordered_map<std::string, Place> walk_storages(const ByteSource& file, pickle::Input& input,
                                                     const Values& object) {
  std::unordered_map<std::string_view, Storage> mentioned;
  for (Id id = 0; id < object.size(); ++id) {
    if (!object.is(id, Kind::persistent)) continue;
    if (const auto storage = torch_objects::storage_of(object, id)) {
      mentioned.emplace(storage->key, *storage);
    }
  }
  Values values;
  const Id keys = pickle::read(input, values);
  if (!values.is(keys, Kind::list)) throw corrupt(file, "the archive has no list of storages");
  std::unordered_map<std::string, Place> places;
  std::uint64_t at = input.position();
  for (const Id id : values.items(keys)) {
    const std::string key(values.text(id));
    const auto shown = std::string_view(key).substr(0, kShownKey);
    const auto storage = mentioned.find(key);
    if (storage == mentioned.end()) {
      throw corrupt(file, fmt::format("the storage '{}' is listed, but nothing uses it", shown));
    }
    std::array<std::byte, 8> number{};
    if (at > file.size || file.size - at < number.size()) {
      throw corrupt(file, fmt::format("file is cut short before the storage '{}'", shown));
    }
    file.read(at, number);
    at += number.size();
    const std::uint64_t count = little_endian(number);
    if (count != storage->second.count) {
      throw corrupt(file, fmt::format("the storage '{}' should have {} elements, it says {}", shown,
                                      storage->second.count, count));
    }
    const std::uint64_t size = count * storage->second.element_size;
    if (size > file.size - at) {
      throw corrupt(file, fmt::format("file is cut short: the storage '{}' has {} bytes, {} of "
                                      "them are there",
                                      shown, size, file.size - at));
    }
    if (!places.emplace(key, Place{at, size}).second) {
      throw corrupt(file, fmt::format("the storage '{}' is listed twice", shown));
    }
    at += size;
  }
  return places;
}

Contents read_legacy(const ByteSource& file) {
  pickle::Input input(file, 0, file.size);
  read_legacy_start(file, input);
  Values values;
  const Id root = pickle::read(input, values);
  torch_objects::StateDict state = torch_objects::read_state_dict(values, root, file.name);
  const auto places = walk_storages(file, input, values);
  return locate_all(std::move(state), file, [&](const Storage& storage) -> std::optional<Place> {
    const auto at = places.find(std::string(storage.key));
    if (at == places.end()) return std::nullopt;
    return at->second;
  });
}

}  // namespace

Form form_of(std::span<const std::byte> beginning) {
  const std::string_view bytes(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  // Each of these can be the length of a safetensors header; that goes on with a brace.
  if (bytes.size() > 8 && bytes[8] == '{') return Form::none;
  if (bytes.starts_with("PK\x03\x04")) return Form::zip;
  const bool pickle =
      bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5 && bytes[2] != 0;
  const bool in_digits =
      bytes.size() > 12 && bytes[0] == 'L' && kMagicDigits.starts_with(bytes.substr(1, 11));
  return pickle || in_digits ? Form::legacy : Form::none;
}

Form form_of_file(const InputFile& file) {
  std::array<std::byte, 16> start{};
  const auto beginning = std::span(start).first(
      static_cast<std::size_t>(std::min<std::uint64_t>(start.size(), file.size())));
  file.read(0, beginning);
  return form_of(beginning);
}

Contents read_archive(const ByteSource& file, Form form) {
  return form == Form::zip ? read_zip(file) : read_legacy(file);
}

}  // namespace merganser::torch_archive
