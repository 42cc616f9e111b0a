#include "merganser/logits.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>

#include "base/error.h"
#include "checkpoint/shards.h"
#include "evaluate/arrays.h"
#include "evaluate/examples.h"
#include "layout/output_folder.h"
#include "runtime_api/functions.h"
#include "runtime_api/open_model.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

rt::Examples read_inputs(const std::string& file) {
  const Checkpoint checkpoint = Checkpoint::open(file);
  const auto refuse = [&](const std::string& tensor, std::string what) {
    return Error(ErrorKind::mismatch, std::move(what)).in_file(file).in_tensor(tensor);
  };
  for (const StoredTensor& each : checkpoint.tensors()) {
    const std::string& name = each.info.name;
    if (name == "ids" || name == "mask" || name == "types" || name == "values") continue;
    throw refuse(name, "inputs are 'ids' with 'mask' and 'types', or 'values'");
  }
  rt::Examples inputs;
  inputs.place = file;
  if (checkpoint.find("values") != nullptr) {
    inputs.values = rt::read_array(checkpoint, "values").to(at::kFloat);
    if (checkpoint.tensors().size() > 1) throw refuse("values", "it goes without other tensors");
    if (inputs.values.dim() < 2 || inputs.values.numel() == 0) {
      throw refuse("values", "there are no rows of inputs");
    }
    return inputs;
  }
  inputs.ids = rt::read_integers(checkpoint, "ids");
  if (inputs.ids.dim() != 2 || inputs.ids.numel() == 0) {
    throw refuse("ids", "token ids are [rows, length]");
  }
  if (checkpoint.find("mask") != nullptr) {
    inputs.lengths = rt::read_lengths(checkpoint, "mask", inputs.ids.sizes());
  }
  if (checkpoint.find("types") != nullptr) {
    inputs.types = rt::read_integers(checkpoint, "types");
    if (inputs.types.sizes() != inputs.ids.sizes()) {
      throw refuse("types", "the token types have not the shape of the token ids");
    }
  }
  return inputs;
}

// The model's output for a batch, f32 on the CPU: padding is 0, and reaches to `length`.
at::Tensor run(const rt::Model& model, const rt::Batch& batch, bool hidden, std::int64_t length) {
  const at::Tensor inner = model.hidden(batch);
  at::Tensor out = (hidden ? inner : model.head(inner, batch)).to(at::kCPU, at::kFloat);
  if (out.dim() == 3) {
    if (batch.mask.defined()) {
      out = out.masked_fill(batch.mask.cpu().logical_not().unsqueeze(2), 0);
    }
    out = at::constant_pad_nd(out, {0, 0, 0, length - out.size(1)});
  }
  return out.contiguous();
}

// One tensor in one file, written as it is made.
class Output {
 public:
  Output(const LogitsRequest& request, const char* tensor, std::vector<std::int64_t> shape)
      : info_{tensor, DType::f32, Shape(shape.begin(), shape.end())},
        plan_(plan_shards({&info_, 1}, std::numeric_limits<std::uint64_t>::max())),
        folder_(request.output, true),
        writer_(plan_, folder_.path()) {}

  void append(const at::Tensor& rows) {
    writer_.write(
        0, written_,
        std::as_bytes(std::span(rows.data_ptr<float>(), static_cast<std::size_t>(rows.numel()))));
    written_ += rows.nbytes();
  }
  void install(bool replace) {
    writer_.sync();
    folder_.install(replace);
  }

 private:
  TensorInfo info_;
  ShardPlan plan_;
  OutputFolder folder_;
  ShardWriter writer_;
  std::uint64_t written_ = 0;
};

}  // namespace

LogitsReport runtime_write_logits(const LogitsRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  const rt::Placement placement = place_runtime(request.runtime);
  const rt::Examples inputs = read_inputs(request.input);
  const OpenModel opened = open_model(request.model, placement);
  rt::check_fit(inputs, {}, *opened.model);
  if (!request.hidden && !opened.model->has_head()) {
    throw Error(ErrorKind::usage, "the model has no head of its own, so it has no logits")
        .in_file(opened.config_place)
        .hint("--hidden writes its last hidden states");
  }
  const TargetInput places[] = {{request.model, {fs::path(opened.config_place).parent_path()}},
                                {request.input, {request.input}}};
  check_target(places, true, 0, request.output, request.force);

  LogitsReport report{.model = request.model, .output = request.output};
  report.tensor = request.hidden ? "hidden" : "logits";
  const std::int64_t length = inputs.ids.defined() ? inputs.ids.size(1) : 0;
  progress.begin(static_cast<std::uint64_t>(inputs.size()), ProgressUnit::rows);
  progress.stage("running");
  const at::NoGradGuard no_grad;
  std::optional<Output> output;
  for (const at::Tensor& rows : at::arange(inputs.size()).split(request.runtime.batch)) {
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    const at::Tensor made =
        run(*opened.model, inputs.batch(rows, placement), request.hidden, length);
    if (!output) {
      report.shape = made.sizes().vec();
      report.shape.front() = inputs.size();
      output.emplace(request, report.tensor.c_str(), report.shape);
    }
    output->append(made);
    progress.advance(static_cast<std::uint64_t>(rows.numel()));
  }
  output->install(request.force);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
