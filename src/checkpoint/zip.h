// The directory of a zip file whose entries are stored as they are, as torch.save writes them
// (PKWARE's APPNOTE.TXT 6.3.10, with ZIP64). Nothing is ever inflated, and the checksums of the
// entries are not compared: that would read all data once more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/byte_source.h"

namespace merganser::zip {

struct Entry {
  std::string name;
  std::uint64_t begin = 0, size = 0;  // of its data, in the file
  bool stored = true;                 // as they are; false: compressed, then nothing reads them
};

struct Directory {
  std::vector<Entry> entries;  // sorted by name

  const Entry* find(std::string_view name) const;
};

// Reads the directory and the header of each entry. Throws Error(corrupt): no directory, headers
// that contradict it, entries beyond the file, over each other or twice, names that lead elsewhere;
// Error(unsupported): encrypted, in several parts, too many.
Directory read_directory(const ByteSource& file);

// Throws Error(unsupported) naming the first compressed entry, if there is any.
void refuse_compressed(const Directory& directory, const ByteSource& file);

}  // namespace merganser::zip
