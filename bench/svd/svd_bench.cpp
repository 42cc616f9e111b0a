// Times truncated_svd beside LAPACK's sgesdd on the same BLAS, one case in one process:
//   svd_bench ROWS COLS RANK EXCESS SPECTRUM [REPEATS [SGESDD_REPEATS [exact]]]
// SPECTRUM: flat, noisy (low rank of half the wanted one, and noise), noisy_full (of the wanted
// rank), tail (many terms that fade, and noise), power0.5, power1, lora16 (product of factors,
// product_svd), file:PATH (ROWS x COLS numbers in f32). With ",unproven" behind it the excess is
// estimated, not proven, which is SMILE's default.
// With `exact`, the true excess: of what the factors leave of the matrix over the best there is, by
// the eigenvalues of the f64 Gram matrix. Leave OPENBLAS_CORETYPE unset: kernels for other
// processors are slower, unequally.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "linalg/blas_info.h"
#include "linalg/eigen.h"
#include "linalg/gram.h"
#include "linalg/multiply.h"
#include "linalg/qr.h"
#include "linalg/truncated_svd.h"

extern "C" void sgesdd_(const char* jobz, const int* m, const int* n, float* a, const int* lda,
                        float* s, float* u, const int* ldu, float* vt, const int* ldvt, float* work,
                        const int* lwork, int* iwork, int* info, std::size_t);

namespace {

using namespace merganser;

template <class T>
Matrix<T> normal(std::size_t rows, std::size_t cols, unsigned seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> draw;
  Matrix<T> a(rows, cols);
  for (std::size_t i = 0; i < rows * cols; ++i) a.data()[i] = static_cast<T>(draw(engine));
  return a;
}

// a += sum of count random terms with these sizes.
void add_terms(Matrix<float>& a, std::size_t count, double (*size)(double), double beside) {
  Matrix<float> left = normal<float>(count, a.rows(), 1), right = normal<float>(count, a.cols(), 2);
  for (std::size_t r = 0; r < count; ++r) {
    const auto factor =
        static_cast<float>(size(static_cast<double>(r) / static_cast<double>(count)));
    for (std::size_t c = 0; c < a.cols(); ++c) right(r, c) *= factor;
  }
  multiply<float>(1, left.view(), Transposed::yes, right.view(), Transposed::no,
                  static_cast<float>(beside), a.view());
}

Matrix<float> make(const std::string& spectrum, std::size_t m, std::size_t n, std::size_t rank) {
  if (spectrum.starts_with("power")) {
    const double exponent = std::atof(spectrum.c_str() + 5);
    const std::size_t p = std::min(m, n);
    Matrix<double> left = normal<double>(p, m, 1), right = normal<double>(p, n, 2);
    orthonormalise_rows(left.view());
    orthonormalise_rows(right.view());
    std::vector<double> s(p);
    for (std::size_t i = 0; i < p; ++i) s[i] = std::pow(static_cast<double>(i + 1), -exponent);
    Matrix<double> out(m, n);
    compose<double>(left.view(), s, right.view(), out.view());
    Matrix<float> a(m, n);
    std::copy_n(out.data(), m * n, a.data());
    return a;
  }
  if (spectrum.starts_with("file:")) {
    Matrix<float> a(m, n);
    std::FILE* file = std::fopen(spectrum.c_str() + 5, "rb");
    if (file == nullptr || std::fread(a.data(), sizeof(float), m * n, file) != m * n) {
      std::fprintf(stderr, "svd_bench: cannot read %s\n", spectrum.c_str() + 5);
      std::exit(2);
    }
    std::fclose(file);
    return a;
  }
  Matrix<float> a = normal<float>(m, n, 3);
  if (spectrum == "noisy") {
    add_terms(
        a, std::max<std::size_t>(1, rank / 2), [](double) { return 0.3; }, 1);
  } else if (spectrum == "noisy_full") {
    add_terms(
        a, rank, [](double) { return 0.3; }, 1);
  } else if (spectrum == "tail") {
    add_terms(
        a, 2 * rank, [](double t) { return 0.5 * std::exp(-4 * t); }, 0.3);
  } else if (spectrum != "flat") {
    std::fprintf(stderr, "svd_bench: unknown spectrum %s\n", spectrum.c_str());
    std::exit(2);
  }
  return a;
}

// SVD_BENCH_CPU=1 counts processor time instead, for busy machines; then only the ratio at
// OPENBLAS_NUM_THREADS=1 means something, since waiting threads of BLAS spin.
double seconds_of(auto act) {
  static const bool processor = std::getenv("SVD_BENCH_CPU") != nullptr;
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t cpu = std::clock();
  act();
  if (processor) return static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> times) {
  std::ranges::sort(times);
  return times.empty() ? 0 : times[times.size() / 2];
}

void sgesdd(const Matrix<float>& from) {
  Matrix<float> a(from.rows(), from.cols());
  std::copy_n(from.data(), a.rows() * a.cols(), a.data());
  const int m = static_cast<int>(a.cols()), n = static_cast<int>(a.rows()), k = std::min(m, n);
  std::vector<float> s(static_cast<std::size_t>(k)), work(1);
  Matrix<float> u(static_cast<std::size_t>(k), a.cols()), vt(a.rows(), static_cast<std::size_t>(k));
  std::vector<int> integers(8 * s.size());
  int info = 0, size = -1;
  const auto run = [&] {
    sgesdd_("S", &m, &n, a.data(), &m, s.data(), u.data(), &m, vt.data(), &k, work.data(), &size,
            integers.data(), &info, 1);
  };
  run();
  work.resize(static_cast<std::size_t>(work[0]) + 1);
  size = static_cast<int>(work.size());
  run();
}

// |a - u s v^T|^2 of the factors as they came out, in f64; bands of rows, for memory.
double error_squared(const Matrix<float>& a, const TruncatedSvd<float>& svd) {
  constexpr std::size_t band = 256;
  const std::size_t count = svd.s.size();
  Matrix<double> right(count, a.cols());
  std::copy_n(svd.vt.data(), count * a.cols(), right.data());
  double sum = 0;
  for (std::size_t first = 0; first < a.rows(); first += band) {
    const std::size_t rows = std::min(band, a.rows() - first);
    Matrix<double> left(count, rows), left_over(rows, a.cols());
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t r = 0; r < rows; ++r) left(i, r) = svd.s[i] * svd.ut(i, first + r);
    }
    std::copy_n(a.row(first), rows * a.cols(), left_over.data());
    multiply<double>(-1, left.view(), Transposed::yes, right.view(), Transposed::no, 1,
                     left_over.view());
    for (std::size_t i = 0; i < rows * a.cols(); ++i) {
      sum += left_over.data()[i] * left_over.data()[i];
    }
  }
  return sum;
}

double true_excess(const Matrix<float>& a, const TruncatedSvd<float>& svd, std::size_t rank) {
  const Side side = a.cols() <= a.rows() ? Side::right : Side::left;
  const auto squares = symmetric_eigenvalues(gram<float>(a.view(), side));
  double best = 0;
  for (std::size_t i = squares.size(); i-- > rank;) best += std::max(0.0, squares[i]);
  return std::sqrt(error_squared(a, svd) / best) - 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr,
                 "svd_bench ROWS COLS RANK EXCESS SPECTRUM [REPEATS [SGESDD_REPEATS [exact]]]\n");
    return 2;
  }
  const auto number = [&](int i) { return static_cast<std::size_t>(std::atoll(argv[i])); };
  const std::size_t m = number(1), n = number(2), rank = number(3);
  const double excess = std::atof(argv[4]);
  std::string spectrum = argv[5];
  const bool certify = !spectrum.ends_with(",unproven");
  const std::size_t repeats = argc > 6 ? number(6) : 5, others = argc > 7 ? number(7) : 1;
  const BlasInfo blas = blas_info();
  std::printf("%zux%zu k=%zu excess %g %s | %s %s %u threads | ", m, n, rank, excess,
              spectrum.c_str(), blas.library.c_str(), blas.kernel.c_str(), blas.threads);
  if (!certify) spectrum.resize(spectrum.find(','));
  std::vector<double> ours, lapack;
  TruncatedSvd<float> svd;
  Matrix<float> a;
  if (spectrum == "lora16") {
    const Matrix<double> b = normal<double>(m, 16, 1), f = normal<double>(16, n, 2);
    a = Matrix<float>(m, n);
    std::vector<double> ones(16, 1.0);
    Matrix<double> bt = normal<double>(16, m, 1), right = normal<double>(16, n, 2), out(m, n);
    compose<double>(bt.view(), ones, right.view(), out.view());
    std::copy_n(out.data(), m * n, a.data());
    for (std::size_t i = 0; i <= repeats; ++i) {
      const double t = seconds_of([&] { svd = product_svd<float>(b.view(), f.view(), rank); });
      if (i > 0) ours.push_back(t);
    }
  } else {
    a = make(spectrum, m, n, rank);
    for (std::size_t i = 0; i <= repeats; ++i) {  // the first warms up
      const double t = seconds_of([&] {
        svd = truncated_svd<float>(a.view(), {.rank = rank,
                                              .leading = std::min<std::size_t>(8, rank),
                                              .excess = excess,
                                              .certify = certify,
                                              .alone = true});
      });
      if (i > 0) ours.push_back(t);
    }
  }
  for (std::size_t i = 0; i < others; ++i) lapack.push_back(seconds_of([&] { sgesdd(a); }));
  std::printf("%.4f s (%s, %zu steps, %zu triples)", median(ours), name_of(svd.way).data(),
              svd.iterations, svd.s.size());
  if (others > 0)
    std::printf(", sgesdd %.3f s: %.1fx", median(lapack), median(lapack) / median(ours));
  std::printf(" | residual %.4f, bound %.2e", svd.residual, svd.excess);
  if (argc > 8) std::printf(", true %.2e", true_excess(a, svd, rank));
  std::printf(", leading %s, gap %.3f\n", svd.leading_resolved ? "resolved" : "not resolved",
              svd.leading_gap);
}
