#include "runtime/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace merganser::rt {
namespace {

// In [0, 1), of 53 bits.
double draw(const GenerateOptions& options, std::uint64_t step) {
  const auto words = philox(
      {static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32),
       static_cast<std::uint32_t>(options.stream),
       static_cast<std::uint32_t>(options.stream >> 32)},
      {static_cast<std::uint32_t>(options.seed), static_cast<std::uint32_t>(options.seed >> 32)});
  const std::uint64_t bits = std::uint64_t{words[0]} << 32 | words[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// logits f64 [V] on the CPU.
std::int64_t sample(const at::Tensor& logits, const GenerateOptions& options, std::uint64_t step) {
  const std::int64_t all = logits.numel();
  const std::int64_t kept = options.top_k > 0 ? std::min(options.top_k, all) : all;
  const auto [values, ids] = logits.topk(kept);
  const at::Tensor shares = (values / options.temperature).softmax(0).cumsum(0);
  const double* sums = shares.data_ptr<double>();
  // Of the whole sum, so that rounding cannot leave the last token out of reach.
  const double wanted = draw(options, step) * sums[kept - 1];
  const auto index = std::upper_bound(sums, sums + kept, wanted) - sums;
  return ids[std::min<std::int64_t>(index, kept - 1)].item<std::int64_t>();
}

std::int64_t choose(const at::Tensor& logits, const GenerateOptions& options, std::uint64_t step) {
  if (!logits.isfinite().all().item<bool>()) {
    throw Error(ErrorKind::mismatch, fmt::format("the logits of new token {} are not finite", step))
        .hint("the model's weights have NaN or Inf, or overflow the type that it computes in");
  }
  if (options.temperature == 0) return logits.argmax().item<std::int64_t>();
  return sample(logits.to(at::kCPU, at::kDouble), options, step);
}

}  // namespace

void check_prompt(const Model& model, std::span<const std::int64_t> prompt,
                  const GenerateOptions& options) {
  if (model.kind() != ModelKind::decoder || !model.has_head()) {
    throw Error(ErrorKind::usage, fmt::format("this {} model is no causal language model, which "
                                              "generating needs",
                                              model.family()));
  }
  if (options.max_new_tokens < 1) {
    throw Error(ErrorKind::usage, "at least one new token has to be asked for");
  }
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature) || options.top_k < 0) {
    throw Error(ErrorKind::usage, "temperature and top-k are not negative");
  }
  if (prompt.empty()) throw Error(ErrorKind::mismatch, "the prompt has no token");
  for (const std::int64_t id : prompt) {
    if (id >= 0 && id < model.vocabulary()) continue;
    throw Error(ErrorKind::mismatch, fmt::format("the prompt has token {}, the model's vocabulary "
                                                 "ends at {}",
                                                 id, model.vocabulary() - 1))
        .hint("was the text made with another tokenizer?");
  }
  const auto length = static_cast<std::int64_t>(prompt.size());
  if (model.longest() > 0 && length > model.longest() - options.max_new_tokens) {
    throw Error(ErrorKind::mismatch,
                fmt::format("{} tokens of prompt and {} new ones are more than the model's {}",
                            length, options.max_new_tokens, model.longest()))
        .hint("ask for fewer, or shorten the prompt");
  }
}

std::vector<std::int64_t> generate(const Model& model, std::span<const std::int64_t> prompt,
                                   const GenerateOptions& options,
                                   const std::function<bool()>& go_on) {
  check_prompt(model, prompt, options);
  const at::NoGradGuard no_grad;
  const at::Device device = model.placement().device;
  at::Tensor ids = at::empty({1, static_cast<std::int64_t>(prompt.size())}, at::kLong);
  std::copy(prompt.begin(), prompt.end(), ids.data_ptr<std::int64_t>());
  ids = ids.to(device);
  KvCache cache;
  std::vector<std::int64_t> made;
  while (go_on()) {
    const at::Tensor hidden = model.extend(ids, cache);
    const at::Tensor last = hidden.narrow(1, hidden.size(1) - 1, 1);
    const std::int64_t token =
        choose(model.head(last, {}).view({-1}), options, static_cast<std::uint64_t>(made.size()));
    made.push_back(token);
    const bool stop =
        std::find(options.stop.begin(), options.stop.end(), token) != options.stop.end();
    if (stop || static_cast<std::int64_t>(made.size()) >= options.max_new_tokens) break;
    ids = at::full({1, 1}, token, ids.options());
  }
  return made;
}

}  // namespace merganser::rt
