#include "evaluate/routes.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace merganser::rt {
namespace {

// Sets the model's routing back as it was.
class Listening {
 public:
  Listening(Routing& routing, RouteListener& listener) : routing_(routing), before_(routing) {
    routing_.set_free();
    routing_.listener = &listener;
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() { routing_ = before_; }

 private:
  Routing& routing_;
  Routing before_;
};

class Counter final : public RouteListener {
 public:
  Counter(const Model& model, std::vector<LayerRoutes>& layers) : layers_(layers) {
    for (const SmileLinear* layer : model.mixtures()) {
      const std::size_t index = index_.size();
      index_[layer] = index;
      layers_.emplace_back();
      layers_.back().choices.assign(static_cast<std::size_t>(layer->experts()), 0);
      layers_.back().first.assign(static_cast<std::size_t>(layer->experts()), 0);
    }
  }

  // The rows that follow: their mask, and how many tokens of the first one are kept.
  void expect(const at::Tensor& mask, std::int64_t kept) {
    mask_ = mask;
    tokens_ = mask.defined() ? mask.flatten().nonzero().squeeze(1) : at::Tensor();
    kept_ = kept;
  }

  void chose(const SmileLinear& layer, const at::Tensor& experts) override {
    LayerRoutes& routes = layers_[index_.at(&layer)];
    at::Tensor rows = experts.reshape({-1, experts.size(-1)});
    // What sees the tokens one by one; a pooler sees a row as one.
    const bool each = experts.dim() == 3;
    if (kept_ > 0) {
      const at::Tensor text = rows.select(1, 0).narrow(0, 0, std::min(kept_, rows.size(0))).cpu();
      routes.text.assign(text.numel() > 0 && each ? text.numel() : 0, 0);
      for (std::size_t i = 0; i < routes.text.size(); ++i) {
        routes.text[i] = text[static_cast<std::int64_t>(i)].item<std::int64_t>();
      }
      return;
    }
    if (each && tokens_.defined() && mask_.numel() == rows.size(0)) {
      rows = rows.index_select(0, tokens_);
    }
    add(routes.choices, rows.flatten());
    add(routes.first, rows.select(1, 0));
  }

 private:
  static void add(std::vector<std::uint64_t>& counts, const at::Tensor& experts) {
    const at::Tensor found =
        at::bincount(experts, {}, static_cast<std::int64_t>(counts.size())).cpu().contiguous();
    for (std::size_t e = 0; e < counts.size(); ++e) {
      counts[e] += static_cast<std::uint64_t>(found.data_ptr<std::int64_t>()[e]);
    }
  }

  std::vector<LayerRoutes>& layers_;
  std::map<const SmileLinear*, std::size_t> index_;
  at::Tensor mask_, tokens_;
  std::int64_t kept_ = 0;
};

}  // namespace

Routes count_routes(const Model& model, const TaskHead& head, const Task& task,
                    const Examples& examples, const RouteOptions& options, Progress& progress) {
  const at::NoGradGuard no_grad;
  Routes routes;
  Counter counter(model, routes.layers);
  const Listening listening(*model.routing(), counter);
  const auto read = [&](const at::Tensor& rows) {
    Batch batch = examples.batch(rows, model.placement());
    // The last token of a window is predicted and not read.
    if (task.kind == TaskKind::language_modelling) {
      batch.ids = batch.ids.narrow(1, 0, batch.ids.size(1) - 1);
    }
    return batch;
  };
  if (examples.ids.defined() && options.text > 0) {
    const Batch batch = read(at::zeros({1}, at::kLong));
    counter.expect({}, options.text);
    head.logits(model, batch);
    const at::Tensor ids = batch.ids.flatten().cpu().contiguous();
    const std::int64_t kept = std::min(options.text, ids.numel());
    routes.ids.assign(ids.data_ptr<std::int64_t>(), ids.data_ptr<std::int64_t>() + kept);
  }
  for (const at::Tensor& rows : examples.batches(options.batch)) {
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    const Batch batch = read(rows);
    counter.expect(batch.mask, 0);
    head.logits(model, batch);
    routes.tokens +=
        static_cast<std::uint64_t>(batch.mask.defined()  ? batch.mask.sum().item<std::int64_t>()
                                   : batch.ids.defined() ? batch.ids.numel()
                                                         : rows.numel());
    progress.advance(static_cast<std::uint64_t>(rows.numel()));
  }
  return routes;
}

}  // namespace merganser::rt
