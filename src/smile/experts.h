// What the decomposition of all layers leaves: vectors in a scratch file, numbers in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file_scratch.h"
#include "base/hash.h"
#include "base/progress.h"
#include "linalg/truncated_svd.h"
#include "smile/module.h"

namespace merganser {

// One expert of one layer: W - W_0 = U S V^T.
struct Expert {
  bool changed = false;                // the difference is not zero
  DType dtype = DType::f32;            // of the numbers in the scratch file
  std::size_t rank = 0;                // triples that are there
  std::size_t router = 0;              // router vectors that are there
  std::uint64_t u = 0;                 // offset of U^T, [rank, m]
  std::uint64_t sv = 0;                // of S V^T, [rank, n]
  std::uint64_t vectors = 0;           // of the router's, [router, n]
  std::optional<std::uint64_t> dense;  // of the difference, [m, n], where its weight lies [n, m]

  std::vector<double> s;  // singular values, descending
  double energy = 0;      // squared norm of the difference
  double excess = 0;      // bound of the error beyond the best possible, relative
  bool router_resolved = true;
  SvdWay way = SvdWay::none;

  // |difference - its first `rank` triples| / |difference|; 0 where nothing changed.
  double residual(std::uint64_t rank) const;
};

class ExpertStore;

struct Experts {
  std::shared_ptr<const ScratchFile> file;
  std::vector<std::vector<Expert>> of_module;  // [module][expert]
  // Of each expert: squared norms of what changed in the upscaled weights, in their biases, and in
  // all other tensors.
  std::vector<double> weights, biases, rest;
  // By (model, tensor); of products of LoRA factors nothing is read but the factors.
  std::map<std::pair<std::size_t, std::size_t>, std::string> hashes;
  std::uint64_t bytes_read = 0;
};

// Bytes that decompose() reads, in all and for one job; that it puts aside on the disk at most; and
// private memory that it takes at most.
std::uint64_t bytes_to_decompose(const Plan& plan);
std::uint64_t bytes_to_decompose(const Plan& plan, const PlanJob& job);
std::uint64_t scratch_bytes(const Plan& plan, const SmileModules& modules);
std::uint64_t decompose_memory(const Plan& plan, const SmileModules& modules);

// Gives the modules their ranks, where they follow the singular values; whole differences where
// those are smaller.
void choose_ranks(SmileModules& modules, const Experts& experts);

// `plan`: the one that the modules were found in. What the store has taken over is not read again;
// the other layers are put aside there. Throws Error: NaN or infinity; a tensor that differs under
// rest: error; interrupted.
Experts decompose(const Plan& plan, const SmileModules& modules, ExpertStore& store, HashKind hash,
                  Progress& progress);

}  // namespace merganser
