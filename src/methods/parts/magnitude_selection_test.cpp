#include "methods/parts/magnitude_selection.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "methods/testing.h"

namespace merganser::methods {
namespace {

using test::normal;

// How a stream is cut and sampled.
struct Cut {
  std::size_t chunk = 5000;
  std::size_t runs = 64, run = 256;
  bool evenly = true;  // else the sample is the beginning of the stream
};

template <class T>
struct Selected {
  T threshold = 0;
  std::vector<std::vector<T>> kept;  // trimmed tensors
  unsigned full_passes = 0;
};

template <class T>
Selected<T> select(const std::vector<std::vector<T>>& tensors, std::uint64_t keep, const Cut& cut,
                   typename MagnitudeSelection<T>::Limits limits = {}) {
  using Pass = typename MagnitudeSelection<T>::Pass;
  using Found = typename MagnitudeSelection<T>::Found;
  std::vector<std::uint64_t> sizes;
  for (const auto& tensor : tensors) sizes.push_back(tensor.size());
  MagnitudeSelection<T> selection(sizes, keep, limits);
  Selected<T> result;
  const auto chunks = [&](std::size_t size) {
    return std::max<std::size_t>(1, (size + cut.chunk - 1) / cut.chunk);
  };
  while (const auto pass = selection.next_pass()) {
    if (*pass == Pass::full && ++result.full_passes > 40) {
      ADD_FAILURE() << "does not end";
      return result;
    }
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      const T* x = tensors[t].data();
      const std::size_t size = tensors[t].size();
      std::vector<Found> found(*pass == Pass::sample ? 1 : chunks(size));
      if (*pass == Pass::sample) {
        const std::size_t runs = std::min(cut.runs, (size + cut.run - 1) / cut.run);
        for (std::size_t r = 0; r < runs; ++r) {
          const std::size_t first = cut.evenly ? size / runs * r : r * cut.run;
          selection.look(x + first, std::min(cut.run, size - first), found[0]);
        }
      } else {
        for (std::size_t c = 0; c < found.size(); ++c) {
          const std::size_t end = std::min(size, (c + 1) * cut.chunk);
          for (std::size_t first = c * cut.chunk; first < end; first += kBlock) {
            selection.look(x + first, std::min(kBlock, end - first), found[c]);
          }
        }
      }
      selection.fold(t, std::move(found));
    }
    selection.end_pass();
  }
  result.threshold = selection.threshold();
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    std::vector<T> values = tensors[t];
    for (std::size_t c = 0; c < chunks(values.size()); ++c) {
      const std::size_t first = c * cut.chunk;
      trim<T>(values.data() + first, std::min(values.size() - first, cut.chunk),
              selection.threshold(), selection.ties_kept(t, c));
    }
    result.kept.push_back(std::move(values));
  }
  return result;
}

// Tensors, and the order of their elements by the bits of the magnitude, by a stable sort.
template <class T>
struct Stream {
  using Bits = typename MagnitudeSelection<T>::Bits;

  explicit Stream(std::vector<std::vector<T>> of) : tensors(std::move(of)) {
    for (const auto& tensor : tensors) {
      for (const T x : tensor) flat.push_back(std::bit_cast<Bits>(std::abs(x)));
    }
    order.resize(flat.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return flat[a] > flat[b]; });
  }

  std::vector<std::vector<T>> tensors;
  std::vector<Bits> flat;
  std::vector<std::size_t> order;
};

template <class T>
unsigned expect_exact(const Stream<T>& stream, std::uint64_t keep, const Cut& cut = {},
                      typename MagnitudeSelection<T>::Limits limits = {}) {
  using Bits = typename MagnitudeSelection<T>::Bits;
  const auto& [tensors, flat, order] = stream;
  std::vector<bool> kept(flat.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(keep, flat.size()); ++i) kept[order[i]] = true;

  const Selected<T> selected = select<T>(tensors, keep, cut, limits);
  std::size_t at = 0, wrong = 0;
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    for (std::size_t i = 0; i < tensors[t].size(); ++i, ++at) {
      const Bits left = std::bit_cast<Bits>(selected.kept[t][i]);
      const Bits whole = std::bit_cast<Bits>(tensors[t][i]);
      wrong += left != (kept[at] ? whole : Bits{0}) && flat[at] != 0;
    }
  }
  EXPECT_EQ(wrong, 0u) << "of " << flat.size() << ", keeping " << keep << ", chunks of "
                       << cut.chunk << ", threshold " << selected.threshold;
  if (keep > 0 && keep < flat.size()) {
    EXPECT_EQ(std::bit_cast<Bits>(selected.threshold), flat[order[keep - 1]]);
  }
  return selected.full_passes;
}

template <class T>
struct Distribution {
  const char* name;
  std::function<std::vector<T>(std::size_t)> make;
};

template <class T>
std::vector<Distribution<T>> distributions() {
  using Limits = std::numeric_limits<T>;
  const auto each = [](auto change) {
    return [change](std::size_t n) {
      std::vector<T> x = normal<T>(n, 4);
      for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<T>(change(x[i], i, n));
      return x;
    };
  };
  return {
      {"normal", each([](T x, auto, auto) { return x; })},
      {"ties", each([](T x, auto, auto) { return std::round(x * 2); })},
      {"two values", each([](T x, auto, auto) { return x > 1 ? 2 : -1; })},
      {"zeros", each([](T, auto i, auto) { return i % 2 != 0 ? 0.0 : -0.0; })},
      {"mostly zeros", each([](T x, auto i, auto) { return i % 50 == 7 ? x : 0; })},
      {"equal", each([](T x, auto, auto) { return x < 0 ? -0.5 : 0.5; })},
      {"power law", each([](T x, auto, auto) { return std::pow(std::abs(x), -3.0); })},
      {"ascending", each([](T, auto i, auto) { return static_cast<T>(i) / 7; })},
      {"descending", each([](T, auto i, auto n) { return static_cast<T>(n - i) / 7; })},
      {"outliers", each([](T x, auto i, auto) { return i % 997 == 5 ? x * 1e30 : x; })},
      {"large block", each([](T x, auto i, auto n) { return i > n - n / 20 ? x * 1000 : x; })},
      {"denormals", each([](T x, auto, auto) { return std::round(x * 9) * Limits::denorm_min(); })},
      {"infinities", each([](T x, auto i, auto) {
         return i % 3 == 0 ? (x > 0 ? 1 : -1) * Limits::infinity() : x;
       })},
      {"NaN", each([](T x, auto i, auto) { return i % 3 == 0 ? Limits::quiet_NaN() : x; })},
  };
}

std::vector<std::uint64_t> keeps_of(std::uint64_t n) {
  return {0, 1, n / 5, n / 2, n - n / 10, n - 1, n};
}

template <class T>
class Selection : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Selection, Types);

TYPED_TEST(Selection, IsExactForAnyDistribution) {
  using T = TypeParam;
  for (const auto& distribution : distributions<T>()) {
    SCOPED_TRACE(distribution.name);
    for (const std::size_t n : {1u, 2u, 255u, 2049u, 20011u}) {
      const Stream<T> tensors({distribution.make(n)});
      for (const std::uint64_t keep : keeps_of(n)) {
        expect_exact<T>(tensors, keep);
        expect_exact<T>(tensors, keep, {.chunk = 1 << 20});
        // A misleading sample: the first 64 elements.
        expect_exact<T>(tensors, keep, {.chunk = kBlock, .runs = 1, .run = 64, .evenly = false});
      }
    }
  }
}

TYPED_TEST(Selection, IsExactForLargeTensors) {
  using T = TypeParam;
  for (const auto& distribution : distributions<T>()) {
    SCOPED_TRACE(distribution.name);
    const Stream<T> tensors({distribution.make(200000)});
    expect_exact<T>(tensors, 40000, {.chunk = 4 * kBlock});
    expect_exact<T>(tensors, 199999, {.chunk = 4 * kBlock, .evenly = false});
  }
}

TYPED_TEST(Selection, IsExactOverSeveralTensors) {
  using T = TypeParam;
  for (const auto& distribution : distributions<T>()) {
    SCOPED_TRACE(distribution.name);
    const Stream<T> tensors({distribution.make(0), distribution.make(1), distribution.make(9000),
                             distribution.make(0), distribution.make(2048),
                             distribution.make(700)});
    for (const std::uint64_t keep : keeps_of(1 + 9000 + 2048 + 700)) {
      expect_exact<T>(tensors, keep);
      expect_exact<T>(tensors, keep, {.chunk = kBlock, .runs = 2, .run = 8});
    }
  }
}

// With room for few magnitudes the bracket is narrowed by histograms, several times.
TYPED_TEST(Selection, NarrowsToWhatItMayCollect) {
  using T = TypeParam;
  for (const auto& distribution : distributions<T>()) {
    SCOPED_TRACE(distribution.name);
    const Stream<T> tensors({distribution.make(20011), distribution.make(3000)});
    for (const std::uint64_t keep : keeps_of(23011)) {
      for (const std::uint64_t collected : {0u, 1u, 100u}) {
        expect_exact<T>(tensors, keep, {.chunk = kBlock},
                        {.collected = collected, .collected_in_chunk = 1 << 18});
      }
      // A chunk that overflows loses its pass.
      expect_exact<T>(tensors, keep, {.chunk = 4 * kBlock, .runs = 1, .run = 16, .evenly = false},
                      {.collected = 1 << 22, .collected_in_chunk = 10});
    }
  }
}

TEST(SelectionPasses, OneFullPassUsually) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(expect_exact<float>(Stream<float>({normal<float>(100000, seed)}), 20000), 1u);
  }
  EXPECT_EQ(expect_exact<float>(Stream<float>({normal<float>(1000, 1)}), 1000), 0u);
  EXPECT_EQ(expect_exact<float>(Stream<float>({normal<float>(1000, 1)}), 0), 0u);
  // Narrowing takes at least one more.
  EXPECT_GE(expect_exact<float>(Stream<float>({normal<float>(100000, 1)}), 20000, {},
                                {.collected = 10, .collected_in_chunk = 1 << 18}),
            2u);
}

TEST(SelectionTies, EndInTheMiddleOfAChunk) {
  // Chunks of 2048, 100 ties in each; 250 are kept: all of two chunks, half of the third's.
  std::vector<float> x(4 * kBlock, 0.25f);
  for (std::size_t c = 0; c < 4; ++c) {
    for (std::size_t i = 0; i < 100; ++i) x[c * kBlock + 20 * i] = i % 2 == 0 ? 1.0f : -1.0f;
  }
  const auto selected = select<float>({x}, 250, {.chunk = kBlock});
  EXPECT_EQ(selected.threshold, 1.0f);
  std::vector<std::size_t> kept(4);
  for (std::size_t i = 0; i < x.size(); ++i) kept[i / kBlock] += selected.kept[0][i] != 0;
  EXPECT_EQ(kept, (std::vector<std::size_t>{100, 100, 50, 0}));
  EXPECT_NE(selected.kept[0][2 * kBlock + 20 * 49], 0);
  EXPECT_EQ(selected.kept[0][2 * kBlock + 20 * 50], 0);
}

TEST(KeptElements, IsMergeKitsRule) {
  EXPECT_EQ(kept_elements(0, 10), 0u);
  EXPECT_EQ(kept_elements(-1, 10), 0u);
  EXPECT_EQ(kept_elements(1, 10), 10u);
  EXPECT_EQ(kept_elements(2, 10), 10u);
  EXPECT_EQ(kept_elements(0.01, 10), 1u);
  EXPECT_EQ(kept_elements(0.19, 10), 1u);
  EXPECT_EQ(kept_elements(0.29, 100), 28u);  // 0.29 * 100 is a little less than 29
  EXPECT_EQ(kept_elements(0.5, 0), 0u);
  EXPECT_EQ(kept_elements(0.999, 1), 1u);
}

TEST(KeptBand, IsMergeKitsRule) {
  EXPECT_EQ(kept_band(0.5, 0.1, 100), (Band{10, 50}));
  EXPECT_EQ(kept_band(0.5, 0.1, 9), (Band{0, 4}));
  EXPECT_EQ(kept_band(0.29, 0.29, 100), (Band{28, 28}));
  // The outliers give way to the density.
  EXPECT_EQ(kept_band(0.95, 0.1, 100), (Band{5, 95}));
  EXPECT_EQ(kept_band(0.5, 1, 100), (Band{50, 50}));
  // Nothing is dropped, outliers neither.
  EXPECT_EQ(kept_band(1, 0.5, 100), (Band{0, 100}));
  // Nothing is kept: int(0.01 * 50) = 0, unlike kept_elements().
  EXPECT_EQ(kept_band(0.01, 0.1, 50), Band{});
  EXPECT_EQ(kept_band(0, 0.1, 50), Band{});
  EXPECT_EQ(kept_band(0.5, 0.5, 0), Band{});
  EXPECT_EQ(kept_band(0.5, 0.5, 1), Band{});
}

}  // namespace
}  // namespace merganser::methods
