// For tests: a mixture of two fine-tunes that can be decomposed, and layers' experts made up for
// it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "plan/testing.h"
#include "smile/expert_store.h"

namespace merganser::test {

// Weights have [6, 4] or [4, 4] elements; two triples of each expert are kept, one router vector.
struct SmallMixture {
  Bench bench;
  Plan plan = make();
  SmileModules modules = find_smile_modules(plan);
  RunIdentity identity{"sha256:merge", input_identities(plan)};
  RestRecord rest{{0.5, 1.0 / 3}, {0, 7}, {{{0, 0}, "xxh3:rest"}}};
  KeptFactors kept{bench.path() / "factors", bench.path() / "journal", identity};

  // Puts made-up factors aside that only this layer has, through append(bytes) -> offset.
  template <class Append>
  std::vector<Expert> experts(std::size_t number, Append append) const {
    const SmileModule& module = modules.modules[number];
    float next = static_cast<float>(100 * number);
    const auto put = [&](std::size_t rows, std::size_t cols) {
      std::vector<float> values(rows * cols);
      for (float& value : values) value = ++next;
      return append(std::as_bytes(std::span(values)));
    };
    std::vector<Expert> experts(2);
    for (Expert& expert : experts) {
      expert.rank = 2;
      expert.router = 1;
      expert.vectors = put(1, module.in);
      expert.u = put(2, module.out);
      expert.sv = put(2, module.in);
      expert.s = {2 + 1.0 / 3, 0.1, 1e-300};
      expert.energy = 6.0 + static_cast<double>(number) / 7;
      expert.changed = true;
      expert.way = SvdWay::exact;
    }
    experts[1].excess = std::numeric_limits<double>::infinity();
    experts[1].router_resolved = false;
    return experts;
  }

  // As a decomposition does that is stopped after `count` layers, behind those that were taken
  // over.
  void decompose(ExpertStore& store, std::size_t count) const {
    if (!store.rest()) store.add(rest);
    for (std::size_t i = store.taken().size(); i < count; ++i) {
      const auto append = [&](auto bytes) { return store.append(bytes); };
      store.add(modules.modules[i], experts(i, append), hashes(i));
    }
  }
  static std::vector<InputHash> hashes(std::size_t number) {
    return {{{0, number}, "xxh3:base"}, {{2, number}, "xxh3:b"}};
  }

 private:
  Plan make() {
    for (const char* name : {"base", "a", "b"}) bench.llama_model(name, 2);
    return bench.plan(
        "{merge_method: smile, base_model: base, models: [{model: a}, {model: b}],"
        " parameters: {rank_of_expert: 2, rank_of_router: 1}}");
  }
};

inline void expect_equal(const std::vector<InputHash>& a, const std::vector<InputHash>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].input.model, b[i].input.model);
    EXPECT_EQ(a[i].input.tensor, b[i].input.tensor);
    EXPECT_EQ(a[i].hash, b[i].hash);
  }
}

// All that a later run goes by, to the last bit; singular values are compared by the caller.
inline void expect_equal(const Expert& a, const Expert& b) {
  EXPECT_EQ(a.changed, b.changed);
  EXPECT_EQ(a.dtype, b.dtype);
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.router, b.router);
  EXPECT_EQ(a.u, b.u);
  EXPECT_EQ(a.sv, b.sv);
  EXPECT_EQ(a.vectors, b.vectors);
  EXPECT_EQ(a.dense, b.dense);
  EXPECT_EQ(a.energy, b.energy);
  EXPECT_EQ(a.excess, b.excess);
  EXPECT_EQ(a.router_resolved, b.router_resolved);
  EXPECT_EQ(a.way, b.way);
}

}  // namespace merganser::test
