#include "base/hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <array>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace merganser {
namespace {

std::string hex(std::span<const unsigned char> bytes) {
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

class Xxh3Hasher final : public Hasher {
 public:
  Xxh3Hasher() : state_(XXH3_createState()) {
    if (!state_) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }
  void update(std::span<const std::byte> bytes) override {
    if (!bytes.empty()) XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }
  std::string finish() override {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    return "xxh3:" + hex(canonical.digest);
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

class Sha256Hasher final : public Hasher {
 public:
  Sha256Hasher() : context_(EVP_MD_CTX_new()) {
    if (!context_) throw std::bad_alloc();
    check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  }
  void update(std::span<const std::byte> bytes) override {
    check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
  }
  std::string finish() override {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    check(EVP_DigestFinal_ex(context_.get(), digest.data(), &size));
    return "sha256:" + hex(std::span(digest).first(size));
  }

 private:
  static void check(int ok) {
    // Fails only where the system's policy has switched the algorithm off.
    if (ok != 1) {
      throw Error(ErrorKind::unsupported, "OpenSSL refuses SHA-256 on this machine")
          .hint("use --hash xxh3");
    }
  }
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace

HashKind parse_hash_kind(std::string_view name) {
  for (const HashKind kind : {HashKind::none, HashKind::xxh3, HashKind::sha256}) {
    if (name == name_of(kind)) return kind;
  }
  const std::vector<std::string> known = {"none", "xxh3", "sha256"};
  throw Error(ErrorKind::usage, fmt::format("hash '{}' is unknown", name))
      .hint(fmt::format("known: {}", join(known, ", ")));
}

std::string_view name_of(HashKind kind) {
  switch (kind) {
    case HashKind::none:
      return "none";
    case HashKind::xxh3:
      return "xxh3";
    case HashKind::sha256:
      return "sha256";
  }
  return "none";
}

std::unique_ptr<Hasher> Hasher::make(HashKind kind) {
  switch (kind) {
    case HashKind::none:
      return nullptr;
    case HashKind::xxh3:
      return std::make_unique<Xxh3Hasher>();
    case HashKind::sha256:
      return std::make_unique<Sha256Hasher>();
  }
  return nullptr;
}

std::uint64_t hash64(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace merganser
