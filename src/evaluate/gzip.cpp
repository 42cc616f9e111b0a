#include "evaluate/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace merganser::rt {
namespace {

constexpr std::size_t kPiece = 1 << 16;
constexpr std::uint64_t kMostRatio = 1032;  // zlib's technical notes
constexpr int kGzip = 16 + MAX_WBITS;       // the gzip form alone

}  // namespace

struct UnpackedFile::State {
  explicit State(const std::filesystem::path& path) : file(path) {
    std::array<std::byte, 2> magic{};
    if (file.size() >= magic.size()) file.read(0, magic);
    packed = magic == std::array{std::byte{0x1f}, std::byte{0x8b}};
    if (packed && inflateInit2(&stream, kGzip) != Z_OK) {
      throw Error(ErrorKind::io, "there is no memory to unpack it").in_file(path.string());
    }
  }
  ~State() {
    if (packed) inflateEnd(&stream);
  }

  // Of the file itself; 0 at its end.
  std::size_t take(std::span<std::byte> out) {
    const std::size_t count = std::min<std::uint64_t>(out.size(), file.size() - at);
    if (count > 0) file.read(at, out.first(count));
    at += count;
    return count;
  }

  void refill() {
    if (stream.avail_in > 0) return;
    stream.avail_in = static_cast<uInt>(take(piece));
    stream.next_in = reinterpret_cast<Bytef*>(piece.data());
  }

  Error broken(const char* what) const {
    return Error(ErrorKind::corrupt, what).in_file(file.path().string()).hint("get it again");
  }

  std::size_t unpack(std::span<std::byte> out) {
    std::size_t done = 0;
    while (done < out.size()) {
      refill();
      if (ended) {
        if (stream.avail_in == 0) break;
        inflateReset(&stream);  // a gzip file may have several members
        ended = false;
      }
      if (stream.avail_in == 0) throw broken("its gzip data are cut short");
      const std::size_t room =
          std::min<std::size_t>(out.size() - done, std::numeric_limits<uInt>::max());
      stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
      stream.avail_out = static_cast<uInt>(room);
      const int code = inflate(&stream, Z_NO_FLUSH);
      done += room - stream.avail_out;
      if (code == Z_STREAM_END) {
        ended = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        throw broken("its gzip data are broken");
      }
    }
    return done;
  }

  InputFile file;
  std::uint64_t at = 0;
  bool packed = false, ended = false;
  z_stream stream{};
  std::array<std::byte, kPiece> piece;
};

UnpackedFile::UnpackedFile(const std::filesystem::path& path)
    : state_(std::make_unique<State>(path)) {}

UnpackedFile::~UnpackedFile() = default;

std::size_t UnpackedFile::read(std::span<std::byte> out) {
  return state_->packed ? state_->unpack(out) : state_->take(out);
}

std::uint64_t UnpackedFile::most() const {
  const std::uint64_t size = state_->file.size();
  return state_->packed ? size * kMostRatio : size;
}

}  // namespace merganser::rt
