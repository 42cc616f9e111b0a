// Files: whole reads and writes with exact lengths, and errors that name the file.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace merganser {

// What tells one content of a file from another without reading it.
struct FileIdentity {
  std::filesystem::path path;
  std::uint64_t size = 0, inode = 0, device = 0;
  std::int64_t mtime_ns = 0;
};

// Read-only, by position; thread-safe. The file is never mapped: one cut short under a map would
// kill the process.
class InputFile {
 public:
  // Throws Error(not_found) or Error(io). Refuses anything but a regular file (after links).
  explicit InputFile(const std::filesystem::path& path);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  std::uint64_t size() const { return identity_.size; }  // when opened
  const std::filesystem::path& path() const { return identity_.path; }
  const FileIdentity& identity() const { return identity_; }  // when opened
  // Fills `out` from `offset`, or throws: Error(corrupt) at a premature end.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  // True if size, inode or modification time differ from when it was opened.
  bool changed() const;

 private:
  FileIdentity identity_;
  int fd_ = -1;
};

// Written by position; thread-safe for disjoint ranges. Never truncates an existing file.
class OutputFile {
 public:
  enum class Creation {
    fresh,   // the file must not exist
    reopen,  // the file exists with this size, or Error(corrupt): an unfinished run left it
  };

  // Reserves `size` bytes on the disk where the file system can (a full disk shows here), and sets
  // the length.
  OutputFile(const std::filesystem::path& path, std::uint64_t size,
             Creation creation = Creation::fresh);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(std::uint64_t offset, std::span<const std::byte> data);  // throws Error(io)
  void sync();

 private:
  void reopen(std::uint64_t size);
  void start_write_back(std::size_t added);

  std::filesystem::path path_;
  int fd_ = -1;
  std::atomic<std::uint64_t> written_{0};
};

// Text of a small file; at most `limit` bytes, else Error(unsupported).
std::string read_text(const std::filesystem::path& path, std::uint64_t limit);
// Creates or replaces, synced, by way of a hidden name beside it: a reader, or a crash, sees the
// old text or the new one, never half.
void write_text(const std::filesystem::path& path, std::string_view text);
// The same, and the name is durable too. `replace` false: Error(usage) if the file exists.
void install_text(const std::filesystem::path& path, std::string_view text, bool replace);
// Bytes and permission bits of an ordinary file; the copy must not exist.
void copy_file(const std::filesystem::path& from, const std::filesystem::path& to);
std::uint64_t free_space(const std::filesystem::path& folder);  // for this user, bytes
void sync_folder(const std::filesystem::path& folder);

// Puts `made` in the place of `target`: a rename where the target is absent, an atomic exchange
// (or a rename by way of a second name where the file system cannot exchange) where it exists; the
// replaced one is then removed. `replace` false: Error(usage) if the target exists.
void install(const std::filesystem::path& made, const std::filesystem::path& target, bool replace);

}  // namespace merganser
