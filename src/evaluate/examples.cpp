#include "evaluate/examples.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "evaluate/arrays.h"
#include "evaluate/idx.h"

namespace merganser::rt {
namespace {

Error wrong(const std::filesystem::path& file, const std::string& tensor, std::string what) {
  return Error(ErrorKind::mismatch, std::move(what)).in_file(file.string()).in_tensor(tensor);
}

// The windows of a stream of tokens: window i is tokens [length i, length i + length], of which all
// but the first are predicted.
at::Tensor windows_of(const at::Tensor& stream, const Task& task,
                      const std::filesystem::path& file) {
  std::int64_t count = (stream.numel() - 1) / task.length;
  if (task.windows > 0) count = std::min(count, task.windows);
  if (count < 1) {
    throw Error(ErrorKind::mismatch,
                fmt::format("{} tokens hold no window of {}", stream.numel(), task.length + 1))
        .in_file(file.string());
  }
  return stream.unfold(0, task.length + 1, task.length).narrow(0, 0, count).contiguous();
}

void check_rows(const std::array<std::uint64_t, 2>& rows, std::int64_t count,
                const std::filesystem::path& file) {
  if (rows[1] <= static_cast<std::uint64_t>(count)) return;
  throw Error(ErrorKind::mismatch,
              fmt::format("rows up to {} are asked for, it has {}", rows[1], count))
      .in_file(file.string());
}

Examples from_tensors(const Task& task, const SplitFile& split) {
  const Checkpoint checkpoint = Checkpoint::open(split.file);
  Examples examples;
  examples.place = split.file.string();
  at::Tensor inputs = read_array(checkpoint, split.inputs);
  const bool text = !at::isFloatingType(inputs.scalar_type()) && inputs.scalar_type() != at::kByte;
  if (task.kind == TaskKind::language_modelling) {
    inputs = read_integers(checkpoint, split.inputs);
    if (inputs.dim() != 1) throw wrong(split.file, split.inputs, "text is one row of token ids");
    if (split.rows) {
      check_rows(*split.rows, inputs.numel(), split.file);
      inputs = inputs.slice(0, static_cast<std::int64_t>((*split.rows)[0]),
                            static_cast<std::int64_t>((*split.rows)[1]));
    }
    examples.ids = windows_of(inputs, task, split.file);
    return examples;
  }
  if (inputs.dim() < 2 || inputs.numel() == 0) {
    throw wrong(split.file, split.inputs, "there are no rows of inputs");
  }
  examples.labels = read_integers(checkpoint, split.labels);
  if (examples.labels.dim() != 1 || examples.labels.size(0) != inputs.size(0)) {
    throw wrong(split.file, split.labels,
                fmt::format("{} rows of inputs need as many labels", inputs.size(0)));
  }
  if (!text) {
    examples.values = inputs.to(at::kFloat);
    return examples;
  }
  examples.ids = inputs.to(at::kLong);
  if (examples.ids.dim() != 2) {
    throw wrong(split.file, split.inputs, "token ids are [rows, length]");
  }
  if (!split.mask.empty()) {
    examples.lengths = read_lengths(checkpoint, split.mask, examples.ids.sizes());
  }
  return examples;
}

void keep_rows(Examples& examples, const SplitFile& split) {
  if (!split.rows) return;
  check_rows(*split.rows, examples.size(), split.file);
  const auto begin = static_cast<std::int64_t>((*split.rows)[0]);
  const auto end = static_cast<std::int64_t>((*split.rows)[1]);
  for (at::Tensor* each :
       {&examples.ids, &examples.lengths, &examples.types, &examples.values, &examples.labels}) {
    if (each->defined()) *each = each->slice(0, begin, end).contiguous();
  }
}

}  // namespace

Examples load_examples(const Task& task, const std::string& name) {
  const SplitFile& split = split_of(task, name);
  Examples examples = split.labels_file.empty() ? from_tensors(task, split) : read_idx(task, split);
  if (task.kind == TaskKind::classification) {
    keep_rows(examples, split);
    const at::Tensor negative = examples.labels.lt(0).nonzero();
    if (negative.size(0) > 0) {
      const std::uint64_t begin = split.rows ? (*split.rows)[0] : 0;
      const auto row = begin + static_cast<std::uint64_t>(negative[0].item<std::int64_t>());
      throw wrong(split.file, split.labels, fmt::format("a label is negative, in row {}", row));
    }
  }
  return examples;
}

Batch Examples::batch(const at::Tensor& rows, const Placement& placement) const {
  Batch batch;
  if (values.defined()) {
    batch.values = values.index_select(0, rows).to(placement.options());
    return batch;
  }
  at::Tensor chosen = ids.index_select(0, rows);
  if (types.defined()) batch.types = types.index_select(0, rows);
  if (lengths.defined()) {
    const at::Tensor own = lengths.index_select(0, rows);
    const std::int64_t longest = own.max().item<std::int64_t>();
    chosen = chosen.narrow(1, 0, longest);
    if (types.defined()) batch.types = batch.types.narrow(1, 0, longest);
    if (own.min().item<std::int64_t>() < longest) {
      batch.mask = (at::arange(longest).unsqueeze(0) < own.unsqueeze(1)).to(placement.device);
    }
  }
  batch.ids = chosen.contiguous().to(placement.device);
  if (types.defined()) batch.types = batch.types.contiguous().to(placement.device);
  return batch;
}

std::vector<at::Tensor> Examples::batches(std::int64_t size) const {
  at::Tensor order = at::arange(this->size());
  if (lengths.defined()) order = std::get<1>(lengths.sort(/*stable=*/std::optional(true), 0));
  const auto parts = order.split(size);
  return {parts.begin(), parts.end()};
}

void check_fit(const Examples& examples, const Task& task, const Model& model) {
  const auto refuse = [&](std::string what) {
    return Error(ErrorKind::mismatch, std::move(what)).in_file(examples.place);
  };
  if (examples.values.defined()) {
    const std::vector<std::int64_t> wanted = model.value_shape();
    const std::vector<std::int64_t> has(examples.values.sizes().begin() + 1,
                                        examples.values.sizes().end());
    if (wanted.empty()) throw refuse("it holds arrays, the model takes token ids");
    if (wanted != has) {
      throw refuse(fmt::format("its rows are [{}], the model takes [{}]", fmt::join(has, ", "),
                               fmt::join(wanted, ", ")));
    }
    return;
  }
  if (model.vocabulary() == 0) throw refuse("it holds token ids, the model takes arrays");
  if (task.kind == TaskKind::language_modelling && model.kind() != ModelKind::decoder) {
    throw refuse("language modelling needs a decoder, which the model is not");
  }
  const at::Tensor wrong = examples.ids.lt(0).logical_or(examples.ids.ge(model.vocabulary()));
  if (wrong.any().item<bool>()) {
    const std::int64_t row = wrong.any(1).nonzero()[0].item<std::int64_t>();
    const std::int64_t id = examples.ids[row].masked_select(wrong[row])[0].item<std::int64_t>();
    throw refuse(fmt::format("row {} has token {}, the model's vocabulary ends at {}", row, id,
                             model.vocabulary() - 1))
        .hint("was the text made with another tokenizer?");
  }
  if (examples.types.defined()) {
    if (model.token_types() == 0) throw refuse("it has token types, the model takes none");
    const auto [least, most] = at::aminmax(examples.types);
    if (least.item<std::int64_t>() < 0 || most.item<std::int64_t>() >= model.token_types()) {
      throw refuse(fmt::format("its token types are {} to {}, the model's end at {}",
                               least.item<std::int64_t>(), most.item<std::int64_t>(),
                               model.token_types() - 1));
    }
  }
  const std::int64_t longest =
      examples.ids.size(1) - (task.kind == TaskKind::language_modelling ? 1 : 0);
  if (model.longest() > 0 && longest > model.longest()) {
    throw refuse(
        fmt::format("its rows have {} tokens, the model takes {}", longest, model.longest()));
  }
}

}  // namespace merganser::rt
