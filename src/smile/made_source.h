// The tensors of a mixture that no checkpoint has, read from what the decomposition put aside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file_scratch.h"
#include "plan/plan.h"
#include "source/source.h"

namespace merganser {

// Rows [rows, cols] of a tensor; parts stand one below the other.
struct MadePart {
  enum class Kind {
    rows,     // as they lie in the scratch file
    columns,  // there as [present, rows]
    zeros,
    difference,  // expert - base, of tensors as they are stored; without a base the expert
  };

  Kind kind = Kind::zeros;
  std::uint64_t rows = 0, cols = 0;
  std::uint64_t offset = 0;   // of rows and columns
  std::uint64_t present = 0;  // of columns: those that are there; the others are zeros
  PlanInput expert;           // of a difference
  std::optional<PlanInput> base;
};

struct MadeTensor {
  TensorInfo info;  // f32 or f64, which the scratch file holds
  std::vector<MadePart> parts;
};

class MadeSource final : public Source {
 public:
  // `models`: of the plan that the parts' inputs speak of.
  MadeSource(std::shared_ptr<const ScratchFile> file, std::vector<PlanModel> models,
             std::vector<MadeTensor> tensors);

  std::string label() const override { return "experts"; }
  const std::vector<TensorInfo>& headers() const override { return headers_; }
  void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const override;
  std::uint64_t bytes_to_read(std::size_t) const override { return 0; }

 private:
  template <class T>
  void read_part(const MadePart& part, std::uint64_t first, std::span<T> out) const;

  std::shared_ptr<const ScratchFile> file_;
  std::vector<PlanModel> models_;
  std::vector<MadeTensor> tensors_;
  std::vector<TensorInfo> headers_;
};

}  // namespace merganser
