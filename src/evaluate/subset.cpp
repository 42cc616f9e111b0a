#include "evaluate/subset.h"

#include "base/error.h"

namespace merganser::rt {
namespace {

// Fixed again at the end of the scope, however that is left.
class Collecting {
 public:
  explicit Collecting(std::vector<const BatchNorm*> norms) : norms_(std::move(norms)) {
    for (const BatchNorm* norm : norms_) norm->set_mode(BatchNorm::Mode::collect);
  }
  Collecting(const Collecting&) = delete;
  Collecting& operator=(const Collecting&) = delete;
  ~Collecting() {
    for (const BatchNorm* norm : norms_) norm->set_mode(BatchNorm::Mode::fixed);
  }

 private:
  std::vector<const BatchNorm*> norms_;
};

}  // namespace

Examples spread_rows(const Examples& examples, std::int64_t count) {
  const std::int64_t all = examples.size();
  if (count <= 0 || count >= all) return examples;
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i * all / count);
  const at::Tensor chosen = at::tensor(rows);
  Examples fewer = examples;
  for (at::Tensor* each : {&fewer.ids, &fewer.lengths, &fewer.values, &fewer.labels}) {
    if (each->defined()) *each = each->index_select(0, chosen);
  }
  return fewer;
}

std::vector<at::Tensor> interleaved_batches(const Examples& examples, std::int64_t size) {
  const std::int64_t all = examples.size();
  const std::int64_t count = (all + size - 1) / size;
  std::vector<at::Tensor> batches;
  for (std::int64_t j = 0; j < count; ++j) batches.push_back(at::arange(j, all, count));
  return batches;
}

void collect_statistics(const Model& model, const Examples& examples, std::int64_t batch,
                        Progress& progress) {
  const at::NoGradGuard no_grad;
  {
    const Collecting collecting(model.batch_norms());
    for (const at::Tensor& rows : interleaved_batches(examples, batch)) {
      if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
      model.hidden(examples.batch(rows, model.placement()));
      progress.advance(static_cast<std::uint64_t>(rows.numel()));
    }
  }
  for (const std::string& name : model.statistics()) {
    if (model.tensors().at(name).isfinite().all().item<bool>()) continue;
    throw Error(ErrorKind::mismatch, "its statistics, collected from the data, are not finite")
        .in_file(examples.place)
        .in_tensor(name)
        .hint("batch normalisation needs two values of a channel in each batch at least");
  }
}

}  // namespace merganser::rt
