// Streaming hashes of tensor bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace merganser {

enum class HashKind { none, xxh3, sha256 };  // xxh3 = XXH3-128, canonical big-endian hex

// Throws Error(usage) with the known names.
HashKind parse_hash_kind(std::string_view name);
std::string_view name_of(HashKind kind);

class Hasher {
 public:
  virtual ~Hasher() = default;
  virtual void update(std::span<const std::byte> bytes) = 0;
  virtual std::string finish() = 0;  // "xxh3:8a3f…" or "sha256:…"; once

  static std::unique_ptr<Hasher> make(HashKind kind);  // null for none
};

// Fixed 64-bit XXH3 of a text; keys random streams, so its value is part of the documented format.
std::uint64_t hash64(std::string_view text);

}  // namespace merganser
