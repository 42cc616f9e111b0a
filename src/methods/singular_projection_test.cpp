#include <gtest/gtest.h>

#include <map>

#include "linalg/svd.h"
#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

constexpr const char* kName = "singular_projection";

Settings zone(const std::string& name, double rank, Settings::Table more = {}) {
  more["zone"] = name;
  more["rank"] = rank;
  return matrix_settings(kName, 1, std::move(more));
}

template <class T>
std::map<std::string, double> facts_of(const Made<T>& made) {
  GroupRun<T> run(require_method(kName), {&made}, {});
  run.run();
  std::map<std::string, double> facts;
  for (const Fact& fact : run.merger().facts(0)) facts[fact.name] = fact.values.at(0);
  return facts;
}

Dense unit(std::size_t n) {
  Dense one(n, n);
  for (std::size_t i = 0; i < n; ++i) one(i, i) = 1;
  return one;
}

// Orthonormal columns, and then those that make the basis full.
Dense full_basis(const Dense& u) {
  if (u.rows == u.cols) return u;
  return beside(u, jacobi_svd(unit(u.rows) - u * transpose(u)).u);
}

Dense columns(const Dense& a, std::size_t first, std::size_t last) {
  Dense some(a.rows, last - first);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = first; j < last; ++j) some(i, j - first) = a(i, j);
  }
  return some;
}

// As it is written in the paper: with the full bases.
Dense projected(const Dense& base, const Dense& change, const std::string& zone, std::size_t r) {
  const DenseSvd svd = jacobi_svd(base);
  const std::size_t rank = svd.s.size();
  Dense u = full_basis(svd.u), v = full_basis(transpose(svd.vt));
  r = std::min(r, rank);
  const std::size_t first = zone == "I" ? 0 : r;
  u = columns(u, first, zone == "I" ? r : zone == "II" ? rank : u.cols);
  v = columns(v, first, zone == "I" ? r : zone == "II" ? rank : v.cols);
  return u * (transpose(u) * change * v) * transpose(v);
}

Exact energy(const Dense& a) {
  Exact sum = 0;
  for (const Exact x : a.data) sum += x * x;
  return sum;
}

template <class T>
Dense base_of(const MatrixCase<T>& one) {
  return Dense(one.rows, one.cols, one.made.base);
}

template <class T>
class SingularProjection : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SingularProjection, Types);

TYPED_TEST(SingularProjection, WrittenOut) {
  using T = TypeParam;
  // b = diag(3, 2, 1) over a row of zeros; all of the change is ones. r = 1.
  const std::vector<T> base = {3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0};
  std::vector<T> model = base;
  for (T& x : model) x += 1;
  const auto expect = [&](const char* name, const std::vector<T>& change) {
    SCOPED_TRACE(name);
    const auto y = merge_one<T>(kName, Made<T>(base, {model}, zone(name, 1), "w", {4, 3}));
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], base[i] + change[i], 1e-6) << i;
  };
  expect("I", {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  expect("II", {0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0});
  expect("II+III", {0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1});
}

TYPED_TEST(SingularProjection, EqualsReference) {
  using T = TypeParam;
  for (const auto& [m, n] :
       {std::pair{8, 8}, std::pair{5, 9}, std::pair{11, 6}, std::pair{1, 7}, std::pair{7, 1}}) {
    for (const char* name : {"I", "II", "II+III"}) {
      for (const std::size_t r : {1, 3, 100}) {
        SCOPED_TRACE(::testing::Message() << m << " x " << n << ' ' << name << ' ' << r);
        const auto one = matrix_case<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 1,
                                        0, zone(name, static_cast<double>(r)));
        const Dense wanted = projected(base_of(one), one.deltas()[0], name, r);
        expect_difference(merge_one<T>(kName, one.made), one.made.base, wanted);
      }
    }
  }
}

TYPED_TEST(SingularProjection, BaseOfLowRank) {
  using T = TypeParam;
  // Directions of no singular value are arbitrary: zone II ends where the base does.
  for (const char* name : {"I", "II", "II+III"}) {
    for (const std::size_t r : {2, 6}) {
      SCOPED_TRACE(::testing::Message() << name << ' ' << r);
      auto one = matrix_case<T>(10, 9, 1, 0, zone(name, static_cast<double>(r)));
      const Dense low = Dense(10, 4, normal<double>(40, 5)) * Dense(4, 9, normal<double>(36, 6));
      for (std::size_t i = 0; i < low.data.size(); ++i) {
        const T change = one.made.models[0][i] - one.made.base[i];
        one.made.base[i] = static_cast<T>(low.data[i] / 10);
        one.made.models[0][i] = one.made.base[i] + change;
      }
      expect_difference(merge_one<T>(kName, one.made), one.made.base,
                        projected(base_of(one), one.deltas()[0], name, r));
      if (std::string(name) == "II") {
        const auto facts = facts_of(one.made);
        EXPECT_EQ(facts.at("numerical_rank"), 4);
        EXPECT_EQ(facts.at("rank"), std::min<double>(4, static_cast<double>(r)));
      }
    }
  }
}

TYPED_TEST(SingularProjection, ShareFindsTheRank) {
  using T = TypeParam;
  // Values 4, 2, 1, 1: sums 4, 6, 7, 8.
  std::vector<T> base(16), model(16);
  for (const auto& [i, s] :
       {std::pair{0, 1}, std::pair{5, 4}, std::pair{10, 1}, std::pair{15, 2}}) {
    base[static_cast<std::size_t>(i)] = static_cast<T>(s);
  }
  for (std::size_t i = 0; i < 16; ++i) model[i] = base[i] + T{1};
  const auto rank = [&](Settings::Table more) {
    const Made<T> made(base, {model}, zone("I", -1, std::move(more)), "w", {4, 4});
    return facts_of(made).at("rank");
  };
  EXPECT_EQ(rank({}), 1);  // half of the sum
  EXPECT_EQ(rank({{"share", 0.0}}), 1);
  EXPECT_EQ(rank({{"share", 0.51}}), 2);
  EXPECT_EQ(rank({{"share", 0.76}}), 3);
  EXPECT_EQ(rank({{"share", 0.9}}), 4);
  // The default is that rule.
  const Made<T> made(base, {model}, matrix_settings(kName, 1), "w", {4, 4});
  const auto y = merge_one<T>(kName, made);
  EXPECT_NEAR(y[5], 5, 1e-6);
  EXPECT_NEAR(y[0], 1, 1e-6);
  EXPECT_NEAR(y[1], 0, 1e-6);
}

TYPED_TEST(SingularProjection, FactsShareTheChangeOut) {
  using T = TypeParam;
  for (const char* name : {"I", "II", "II+III"}) {
    const auto one = matrix_case<T>(9, 6, 1, 0, zone(name, 2));
    const Dense base = base_of(one), change = one.deltas()[0];
    const auto facts = facts_of(one.made);
    const auto part = [&](const char* where) {
      return static_cast<double>(energy(projected(base, change, where, 2)) / energy(change));
    };
    EXPECT_EQ(facts.at("rank"), 2);
    EXPECT_NEAR(facts.at("energy_kept"), part(name), 1e-5) << name;
    EXPECT_NEAR(facts.at("energy_I"), part("I"), 1e-5) << name;
    EXPECT_NEAR(facts.at("energy_II_III"), part("II+III"), 1e-5) << name;
    EXPECT_EQ(facts.contains("numerical_rank"), std::string(name) == "II");
  }
}

TYPED_TEST(SingularProjection, LargeMatricesAgainstLapack) {
  using T = TypeParam;
  // Beyond the size at which shortcuts are taken. The values fall, so that the first r directions
  // are defined to many digits.
  const std::size_t m = 290, n = 270, r = 5;
  auto one = matrix_case<T>(m, n, 1, 0, zone("I", r));
  for (std::size_t k = 0; k < 7; ++k) {
    const auto x = normal<double>(m, 50 + static_cast<unsigned>(k)),
               y = normal<double>(n, 70 + static_cast<unsigned>(k));
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const double more = 0.2 * x[i] * y[j] / static_cast<double>(k + 1);
        one.made.base[i * n + j] += static_cast<T>(more);
        one.made.models[0][i * n + j] += static_cast<T>(more);
      }
    }
  }
  Matrix<double> base(m, n);
  std::copy(one.made.base.begin(), one.made.base.end(), base.data());
  const Svd<double> svd = lapack_svd(std::move(base));
  Dense u(m, r), v(n, r), all_u(m, n);
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t i = 0; i < m; ++i) all_u(i, k) = svd.ut(k, i);
    if (k >= r) continue;
    for (std::size_t i = 0; i < m; ++i) u(i, k) = svd.ut(k, i);
    for (std::size_t j = 0; j < n; ++j) v(j, k) = svd.vt(k, j);
  }
  const Dense d = one.deltas()[0];
  const Dense first = u * (transpose(u) * d * v) * transpose(v);
  const Dense left = d - u * (transpose(u) * d);
  const Dense rest = left - (left * v) * transpose(v);
  const auto check = [&](const char* name, const Dense& wanted) {
    SCOPED_TRACE(name);
    one.made.settings = zone(name, r);
    expect_difference(merge_once<T>(kName, {one.made}, {})[0], one.made.base, wanted);
  };
  check("I", first);
  check("II", all_u * (transpose(all_u) * rest));
  check("II+III", rest);
}

TYPED_TEST(SingularProjection, NoChangeIsTheBase) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{3, 4}, Shape{1, 12}, Shape{1, 1}, Shape{0, 4}}) {
    for (const char* name : {"I", "II", "II+III"}) {
      Made<T> same;
      same.shape = shape;
      same.base = normal<T>(elements(shape), 3);
      same.models = {same.base};
      same.settings = zone(name, -1);
      EXPECT_TRUE(same_bits(merge_one<T>(kName, same), same.base)) << to_string(shape);
    }
  }
}

TYPED_TEST(SingularProjection, BaseOfZeros) {
  using T = TypeParam;
  // It has no directions: all of the change is in zone III.
  for (const char* name : {"I", "II", "II+III"}) {
    for (const double rank : {-1.0, 2.0}) {
      Made<T> made(std::vector<T>(12), {normal<T>(12, 4)}, zone(name, rank), "w", {3, 4});
      const auto y = merge_one<T>(kName, made);
      EXPECT_TRUE(same_bits(y, std::string(name) == "II+III" ? made.models[0] : made.base)) << name;
    }
  }
}

TYPED_TEST(SingularProjection, RefusesNaN) {
  using T = TypeParam;
  auto one = matrix_case<T>(4, 5, 1, 0, zone("I", 2));
  auto base = one.made;
  one.made.models[0][3] = std::numeric_limits<T>::quiet_NaN();
  EXPECT_THROW(merge_one<T>(kName, one.made), Error);
  base.base[3] = std::numeric_limits<T>::infinity();
  EXPECT_THROW(merge_one<T>(kName, base), Error);
}

TEST(SingularProjectionOutline, OtherTensorsAreCopied) {
  const Descriptor& method = require_method(kName);
  const auto copied = [&](Settings settings, Shape shape, bool vocabulary = false) {
    MergeTensor tensor{"w", shape, elements(shape), std::move(settings), {}};
    tensor.vocabulary = vocabulary;
    return method.outline(tensor).copy;
  };
  const std::string base = "base", spectral = "spectral";
  for (const Shape& shape : {Shape{8}, Shape{2, 3, 4}, Shape{}, Shape{0, 4}}) {
    EXPECT_EQ(copied(zone("I", 2), shape), 0u);
    EXPECT_EQ(copied(zone("I", 2, {{"vectors", base}}), shape), Outline::kCopyBase);
  }
  EXPECT_EQ(copied(zone("I", 2), {8, 8}), Outline::kNoCopy);
  EXPECT_EQ(copied(zone("I", 2), {8, 8}, true), 0u);
  EXPECT_EQ(copied(zone("I", 2, {{"vectors", base}}), {8, 8}, true), 0u);
  EXPECT_EQ(copied(zone("I", 2, {{"vocabulary", base}}), {8, 8}, true), Outline::kCopyBase);
  EXPECT_EQ(copied(zone("I", 2, {{"vocabulary", spectral}}), {8, 8}, true), Outline::kNoCopy);
  // A zone of nothing, and one of everything.
  EXPECT_EQ(copied(zone("I", 0), {8, 8}), Outline::kCopyBase);
  EXPECT_EQ(copied(zone("II", 0), {8, 8}), Outline::kNoCopy);
  EXPECT_EQ(copied(zone("II+III", 0), {8, 8}), 0u);

  const Outline whole = outline_of(method, zone("II", 2), {512, 300});
  EXPECT_EQ(whole.unit, Unit::tensor);
  EXPECT_GT(whole.workspace, outline_of(method, zone("I", 2), {512, 300}).workspace);
}

}  // namespace
}  // namespace merganser::test
