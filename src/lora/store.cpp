#include "lora/store.h"

#include <cmath>
#include <utility>

#include "kernels/convert.h"

namespace merganser {
namespace {

std::vector<std::byte> narrowed(const Matrix<double>& matrix, DType dtype) {
  const std::size_t count = matrix.rows() * matrix.cols();
  std::vector<std::byte> bytes(count * size_of(dtype));
  narrow(matrix.data(), dtype, bytes.data(), count);
  return bytes;
}

}  // namespace

TensorInfo LoraModule::a(std::uint64_t rank) const {
  const bool embedding = kind == AdapterModule::Kind::embedding;
  Shape shape = in;
  shape.insert(shape.begin(), rank);
  return {kPeftPrefix + name + (embedding ? ".lora_embedding_A" : ".lora_A.weight"), dtype, shape};
}

TensorInfo LoraModule::b(std::uint64_t rank) const {
  const bool embedding = kind == AdapterModule::Kind::embedding;
  Shape shape = {out, rank};
  shape.resize(in.size() + 1, 1);
  return {kPeftPrefix + name + (embedding ? ".lora_embedding_B" : ".lora_B.weight"), dtype, shape};
}

TermStore::Entry& TermStore::add(LoraModule module, const Terms& terms) {
  const auto bytes = [](const Matrix<double>& matrix) {
    return std::as_bytes(std::span(matrix.data(), matrix.rows() * matrix.cols()));
  };
  Entry entry{std::move(module), terms.s, terms.energy, terms.left.rows()};
  entry.rank = entry.terms;
  entry.left = file_.append(bytes(terms.left));
  entry.right = file_.append(bytes(terms.right));
  return entries_.emplace_back(std::move(entry));
}

void TermStore::choose(const RankRule& rule) {
  for (Entry& entry : entries_) {
    if (!entry.s.empty()) entry.rank = choose_rank(entry.s, entry.energy, rule);
  }
}

Matrix<double> TermStore::vectors(std::uint64_t offset, std::size_t count,
                                  std::size_t length) const {
  Matrix<double> matrix(count, length);
  file_.read(offset, std::as_writable_bytes(std::span(matrix.data(), count * length)));
  return matrix;
}

std::vector<std::byte> TermStore::a(const Entry& entry, bool distribute) const {
  Matrix<double> rows = vectors(entry.right, entry.rank, entry.module.columns());
  for (std::size_t r = 0; r < rows.rows() && !entry.s.empty(); ++r) {
    const double scale = distribute ? std::sqrt(entry.s[r]) : entry.s[r];
    for (std::size_t c = 0; c < rows.cols(); ++c) rows(r, c) *= scale;
  }
  return narrowed(rows, entry.module.dtype);
}

std::vector<std::byte> TermStore::b(const Entry& entry, bool distribute) const {
  const Matrix<double> rows = vectors(entry.left, entry.rank, entry.module.out);
  Matrix<double> columns(rows.cols(), rows.rows());
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const double scale = distribute && !entry.s.empty() ? std::sqrt(entry.s[r]) : 1;
    for (std::size_t c = 0; c < rows.cols(); ++c) columns(c, r) = scale * rows(r, c);
  }
  return narrowed(columns, entry.module.dtype);
}

}  // namespace merganser
