// The modules of an adapter in the making: their vectors on the disk, what ranks are chosen by in
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "base/file_scratch.h"
#include "lora/terms.h"

namespace merganser {

inline constexpr const char* kPeftPrefix = "base_model.model.";  // of the tensors' names

// One module of the output, as PEFT stores it: A [r, in...], B [out, r, 1...], with m = out and n
// the product of `in` (of an embedding: vocab as `in`, dim as `out`).
struct LoraModule {
  AdapterModule::Kind kind = AdapterModule::Kind::linear;
  std::string name;
  std::uint64_t out = 0;
  Shape in;                  // {in}, {vocab}, {in, k...}
  DType dtype = DType::f32;  // of both factors

  std::uint64_t columns() const { return elements(in); }
  std::uint64_t term_bytes() const { return (out + columns()) * size_of(dtype); }
  TensorInfo a(std::uint64_t rank) const;  // under the name it is stored by
  TensorInfo b(std::uint64_t rank) const;
};

class TermStore {
 public:
  struct Entry {
    LoraModule module;
    std::vector<double> s;
    double energy = 0;
    std::size_t terms = 0;
    std::uint64_t left = 0, right = 0;  // offsets of the vectors
    std::size_t rank = 0;               // chosen: terms that are written
  };

  // The folder's disk takes the vectors until the store goes.
  explicit TermStore(const std::filesystem::path& folder) : file_(folder) {}

  // All of its terms are chosen, until somebody chooses fewer.
  Entry& add(LoraModule module, const Terms& terms);
  std::vector<Entry>& entries() { return entries_; }
  const std::vector<Entry>& entries() const { return entries_; }
  // By the singular values, or all terms where there are none.
  void choose(const RankRule& rule);

  // A and B of the chosen terms, in the module's dtype. With `distribute` both take the square root
  // of the singular values, else A takes them.
  std::vector<std::byte> a(const Entry& entry, bool distribute) const;
  std::vector<std::byte> b(const Entry& entry, bool distribute) const;

 private:
  Matrix<double> vectors(std::uint64_t offset, std::size_t count, std::size_t length) const;

  ScratchFile file_;
  std::vector<Entry> entries_;
};

}  // namespace merganser
