#include "merganser/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash_file.h"
#include "base/text.h"
#include "layout/output_folder.h"
#include "runtime/memory.h"
#include "runtime_api/functions.h"
#include "runtime_api/open_model.h"
#include "runtime_api/train_check.h"
#include "runtime_api/train_record.h"
#include "train/adapters.h"
#include "train/loop.h"
#include "train/stored_tensors.h"

namespace merganser {
namespace {

using Named = std::vector<std::pair<std::string, at::Tensor>>;

std::vector<double> weights_of(const TrainRequest& request) {
  std::vector<double> weights = request.task_weights;
  if (weights.empty()) weights.assign(request.tasks.size(), 1.0);
  const double mean =
      std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
  for (double& weight : weights) weight /= mean;
  return weights;
}

std::vector<rt::TrainingTask> read_subjects(const TrainRequest& request,
                                            const rt::Placement& placement) {
  std::vector<rt::TrainingTask> subjects;
  for (rt::Task& task : rt::read_tasks(request.tasks)) {
    rt::Examples rows = rt::load_examples(task, "train");
    std::optional<rt::Examples> validation;
    if (request.validate_every > 0) validation = rt::load_examples(task, "validation");
    rt::TaskHead head(task, placement);
    if (request.train_head && !head.own()) {
      throw Error(ErrorKind::usage,
                  fmt::format("task '{}' has no head of its own to train", task.name))
          .in_file(task.file.string())
          .hint("the model's own is trained with the model");
    }
    subjects.push_back({std::move(task), std::move(rows), std::move(validation), std::move(head)});
  }
  return subjects;
}

void check_fit(const rt::Examples& examples, const rt::TrainingTask& subject,
               const rt::Model& model) {
  rt::check_fit(examples, subject.task, model);
  if (!subject.head.own() || !examples.labels.defined()) return;
  const auto most = examples.labels.max().item<std::int64_t>();
  if (most >= subject.head.classes()) {
    throw Error(ErrorKind::mismatch,
                fmt::format("a label is {}, the head of task '{}' has {} classes", most,
                            subject.task.name, subject.head.classes()))
        .in_file(examples.place);
  }
}

std::vector<TargetInput> inputs_of(const TrainRequest& request, const OpenModel& opened,
                                   const std::vector<rt::TrainingTask>& subjects) {
  std::vector<TargetInput> inputs;
  if (opened.plan == nullptr) {
    inputs.push_back({request.base, {request.base}});
  } else {
    for (const PlanModel* model : opened.plan->checkpoints()) {
      TargetInput input{request.base, {model->path}};
      if (!model->adapter_path.empty()) input.places.push_back(model->adapter_path);
      for (const auto& file : model->file->checkpoint().files()) input.places.push_back(file);
      inputs.push_back(std::move(input));
    }
  }
  for (const rt::TrainingTask& subject : subjects) {
    TargetInput input{subject.task.name, {subject.task.file}};
    if (!subject.task.head.empty()) input.places.push_back(subject.task.head);
    for (const auto& [name, split] : subject.task.splits) input.places.push_back(split.file);
    inputs.push_back(std::move(input));
  }
  return inputs;
}

// The model's own tensors that are to be trained.
Named free_parameters(const rt::Model& model, const std::vector<std::string>& freeze) {
  std::set<std::string> used;
  Named parameters;
  for (const auto& [name, tensor] : model.tensors()) {
    if (!tensor.is_floating_point() || model.statistics().contains(name)) continue;
    bool frozen = false;
    for (const std::string& glob : freeze) {
      if (!glob_match(glob, name)) continue;
      frozen = true;
      used.insert(glob);
    }
    if (!frozen) parameters.emplace_back(name, tensor);
  }
  for (const std::string& glob : freeze) {
    if (!used.contains(glob)) {
      throw Error(ErrorKind::usage, fmt::format("no tensor's name fits --freeze '{}'", glob));
    }
  }
  return parameters;
}

std::string head_name(const rt::Task& task) {
  std::string name = task.name;
  for (char& c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!fine && c != '_') c = '-';
  }
  return fmt::format("head-{}", name);
}

std::uint64_t count(const Named& tensors) {
  std::uint64_t sum = 0;
  for (const auto& [name, tensor] : tensors) sum += static_cast<std::uint64_t>(tensor.numel());
  return sum;
}

class Training {
 public:
  Training(const TrainRequest& request, Progress& progress)
      : request_(request), progress_(progress) {}

  TrainReport run() {
    const auto begin = std::chrono::steady_clock::now();
    check_request(request_);
    loop_.rates = {rt::parse_schedule(request_.schedule), request_.steps, request_.warmup};
    const rt::Placement placement = place_runtime(request_.runtime);
    subjects_ = read_subjects(request_, placement);
    progress_.stage("reading the model");
    opened_ = request_.init ? draw_model(request_.base, request_.seed, placement)
                            : open_model(request_.base, placement);
    for (const rt::TrainingTask& subject : subjects_) {
      check_fit(subject.rows, subject, *opened_.model);
      if (subject.check) check_fit(*subject.check, subject, *opened_.model);
      subject.head.check_fit(*opened_.model, subject.task);
    }
    check_target(inputs_of(request_, opened_, subjects_), false, 0, request_.output,
                 request_.force);
    OutputFolder folder(request_.output, false);
    const Named trained = parameters();
    need_memory_for(trained);
    rt::Optimizer optimizer(trained, optimizer_options());
    keep_stored_digits(optimizer);
    fill_loop();
    progress_.begin(rt::rows_of(subjects_, loop_), ProgressUnit::rows);
    const rt::LoopResult result =
        rt::run_loop(*opened_.model, subjects_, optimizer, loop_, progress_);
    progress_.stage("writing");
    describe(result, optimizer);
    write(folder.path(), optimizer);
    write_text(folder.path() / "train.json", train_record(request_, report_));
    if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    folder.install(request_.force);
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return std::move(report_);
  }

 private:
  Named parameters() {
    const rt::Model& model = *opened_.model;
    for (const auto& [name, tensor] : model.tensors()) {
      report_.parameters += static_cast<std::uint64_t>(tensor.numel());
    }
    Named chosen;
    if (request_.lora_rank > 0) {
      adapters_ = {request_.lora_rank,
                   request_.lora_alpha > 0 ? request_.lora_alpha
                                           : 2 * static_cast<double>(request_.lora_rank),
                   request_.lora_targets, request_.seed};
      chosen = rt::attach_adapters(model, adapters_);
    } else {
      chosen = free_parameters(model, request_.freeze);
    }
    if (request_.train_head) {
      for (const rt::TrainingTask& subject : subjects_) {
        const std::string name = head_name(subject.task);
        chosen.emplace_back(name + ".weight", subject.head.weight());
        chosen.emplace_back(name + ".bias", subject.head.bias());
      }
    }
    if (chosen.empty()) {
      throw Error(ErrorKind::usage, "everything is frozen: there is nothing to train");
    }
    report_.trained = count(chosen);
    return chosen;
  }

  // A gradient and the optimizer's states of each parameter, beside a narrow one an f32 copy.
  void need_memory_for(const Named& trained) const {
    std::uint64_t bytes = 0;
    for (const auto& [name, tensor] : trained) {
      const auto count = static_cast<std::uint64_t>(tensor.numel());
      const std::uint64_t own = tensor.element_size(), wide = std::max<std::uint64_t>(own, 4);
      const std::uint64_t states = request_.optimizer == "sgd" ? 1 : 2;
      bytes += count * (own + states * wide + (own < wide ? wide : 0));
    }
    rt::need_memory(bytes, opened_.model->placement().device, request_.base,
                    "gradients and the optimizer's states take",
                    request_.lora_rank > 0 ? "" : "an adapter takes less: --lora-rank 16");
  }

  // A model that computes in bf16 or f16 is stepped from the base as it is stored, not as rounded.
  void keep_stored_digits(rt::Optimizer& optimizer) const {
    const rt::Model& model = *opened_.model;
    rt::Placement wide = model.placement();
    if (opened_.source == nullptr || wide.dtype == at::kFloat || wide.dtype == at::kDouble) return;
    wide.dtype = at::kFloat;
    rt::Weights stored(*opened_.source, wide);
    for (std::size_t i = 0; i < optimizer.size(); ++i) {
      const auto found = model.tensors().find(optimizer.name(i));
      if (found == model.tensors().end()) continue;
      optimizer.set_value(i, stored.tensor(found->first, found->second.sizes().vec(), {}));
    }
  }

  rt::OptimizerOptions optimizer_options() const {
    rt::OptimizerOptions options;
    options.kind = request_.optimizer == "sgd" ? rt::OptimizerOptions::Kind::sgd
                                               : rt::OptimizerOptions::Kind::adamw;
    options.momentum = request_.momentum;
    options.weight_decay = request_.weight_decay;
    options.clip = request_.clip;
    return options;
  }

  void fill_loop() {
    loop_.rate = request_.rate;
    loop_.batch = request_.runtime.batch;
    loop_.smoothing = request_.smoothing;
    loop_.seed = request_.seed;
    loop_.alternate = request_.mix == "alternate";
    loop_.weights = weights_of(request_);
    loop_.validate_every = request_.validate_every;
    loop_.keep_best = request_.validate_every > 0 && request_.keep != "last";
  }

  void describe(const rt::LoopResult& result, const rt::Optimizer& optimizer) {
    report_.output = request_.output;
    report_.kind = request_.lora_rank > 0 ? "adapter" : "checkpoint";
    for (const rt::TrainingTask& subject : subjects_) {
      TrainReport::Task task{subject.task.name,
                             rt::name_of(subject.task.metric),
                             static_cast<std::uint64_t>(subject.rows.size()),
                             0,
                             {}};
      if (subject.check) task.validation_rows = static_cast<std::uint64_t>(subject.check->size());
      for (const char* name : {"train", "validation"}) {
        if (name == std::string_view("validation") && !subject.check) continue;
        const rt::SplitFile& split = rt::split_of(subject.task, name);
        for (const auto& file : {split.file, split.labels_file}) {
          if (file.empty()) continue;
          const std::pair entry(file.filename().string(), hash_file(file, HashKind::xxh3));
          if (std::ranges::find(task.hashes, entry) == task.hashes.end()) {
            task.hashes.push_back(entry);
          }
        }
      }
      report_.tasks.push_back(std::move(task));
    }
    report_.losses = result.losses;
    for (const rt::Validated& each : result.validations) {
      report_.validations.push_back({each.step, each.loss, each.losses, each.metrics});
    }
    report_.kept_step = result.kept_step;
    report_.rows_per_second = static_cast<double>(result.rows) / result.seconds;
    for (std::size_t i = 0; i < optimizer.size(); ++i) {
      if (!optimizer.reached(i)) report_.unreached.push_back(optimizer.name(i));
    }
  }

  void write(const std::filesystem::path& folder, const rt::Optimizer& optimizer) {
    const rt::Model& model = *opened_.model;
    if (request_.lora_rank > 0) {
      const bool causal = model.kind() == rt::ModelKind::decoder;
      rt::write_adapter(folder, model, *opened_.source, request_.base, causal, adapters_,
                        optimizer);
    } else {
      write_checkpoint(folder, optimizer);
    }
    if (!request_.train_head) return;
    for (const rt::TrainingTask& subject : subjects_) {
      rt::write_tensors(folder, head_name(subject.task) + ".safetensors",
                        {{"weight", subject.head.weight().detach().to(at::kFloat)},
                         {"bias", subject.head.bias().detach().to(at::kFloat)}});
    }
  }

  void write_checkpoint(const std::filesystem::path& folder, const rt::Optimizer& optimizer) {
    const rt::Model& model = *opened_.model;
    std::map<std::string, at::Tensor> changed;
    for (std::size_t i = 0; i < optimizer.size(); ++i) {
      const bool own = model.tensors().contains(optimizer.name(i));
      if (own && optimizer.reached(i)) changed[optimizer.name(i)] = optimizer.value(i);
    }
    for (const std::string& name : model.statistics()) changed[name] = model.tensors().at(name);
    if (opened_.source != nullptr) {
      std::set<std::string> read;
      for (const auto& [name, tensor] : model.tensors()) read.insert(name);
      rt::write_weights(folder, *opened_.source, changed, read);
      copy_companion_files(*opened_.plan, folder);
      return;
    }
    std::map<std::string, at::Tensor> all;
    for (const auto& [name, tensor] : model.tensors()) {
      const auto found = changed.find(name);
      all[name] = (found == changed.end() ? tensor.detach() : found->second).to(at::kFloat);
    }
    rt::write_tensors(folder, "model.safetensors", all);
    merganser::copy_file(std::filesystem::path(opened_.config_place), folder / "config.json");
  }

  const TrainRequest& request_;
  Progress& progress_;
  std::vector<rt::TrainingTask> subjects_;
  OpenModel opened_;
  rt::AdapterOptions adapters_;
  rt::LoopOptions loop_;
  TrainReport report_;
};

}  // namespace

TrainReport runtime_train(const TrainRequest& request, Progress& progress) {
  return Training(request, progress).run();
}

}  // namespace merganser
