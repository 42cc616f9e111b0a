#include "execute/streams.h"

#include <fmt/format.h>

#include "base/error.h"

namespace merganser {
namespace {

// Of `bytes` for `size` elements, those for the first `part`.
std::uint64_t share(std::uint64_t bytes, std::uint64_t part, std::uint64_t size) {
  if (part == size) return bytes;
  return static_cast<std::uint64_t>(static_cast<double>(bytes) *
                                    (static_cast<double>(part) / static_cast<double>(size)));
}

}  // namespace

JobStreams::JobStreams(const RunContext& context, std::size_t job)
    : context_(context), job_(job), size_(context.plan.jobs[job].output.size()) {
  const PlanJob& planned = context.plan.jobs[job];
  std::vector<PlanInput> all;
  if (planned.action != PlanJob::Action::make) all = planned.inputs;
  if (planned.base && planned.action == PlanJob::Action::merge) all.push_back(*planned.base);
  // A job that is done already is read for the group's reductions only.
  const bool hashed = context.options.hash != HashKind::none && !context.is_done(job);
  std::lock_guard lock(context.report_mutex);
  for (const PlanInput& input : all) {
    Stream& stream =
        inputs_.emplace_back(input, context.plan.dtype(input),
                             context.plan.models[input.model].bytes_to_read(input.tensor));
    if (context.is_done(job)) continue;
    // A tensor that several jobs read (repeated layers) is hashed by the first of them.
    const bool first =
        context.report.input_hashes.try_emplace({input.model, input.tensor}, "").second;
    if (hashed && first) stream.hash = std::make_unique<TensorHash>(context.options.hash);
  }
  for (std::size_t i = 0; hashed && i < planned.masks.size(); ++i) {
    mask_hashes_.push_back(std::make_unique<TensorHash>(context.options.hash));
  }
  if (hashed) output_hash_ = std::make_unique<TensorHash>(context.options.hash);
}

std::span<const std::byte> JobStreams::read(std::size_t input, std::uint64_t first,
                                            std::size_t count, Workspace& workspace) const {
  const Stream& stream = inputs_[input];
  const std::size_t width = size_of(stream.dtype);
  const std::span<std::byte> bytes = workspace.stored(input).get(count * width);
  context_.sources[stream.from.model]->read(stream.from.tensor, first * width, bytes);
  // A document's own reads count themselves.
  if (!context_.plan.models[stream.from.model].document) {
    context_.progress.advance(share(stream.bytes, first + count, size_) -
                              share(stream.bytes, first, size_));
  }
  return bytes;
}

void JobStreams::write(std::uint64_t first, std::span<const std::byte> bytes,
                       std::span<const std::span<const std::byte>> inputs) {
  const std::uint64_t begin = first * size_of(context_.plan.jobs[job_].output.dtype);
  context_.sink.write_from(job_, begin, bytes, inputs);
}

void JobStreams::write_mask(std::size_t input, std::size_t chunk, std::uint64_t first,
                            std::span<const std::byte> bytes) {
  context_.sink.write_mask(context_.plan.jobs[job_].masks[input], first / 8, bytes);
  if (!mask_hashes_.empty()) mask_hashes_[input]->add(chunk, bytes, context_.stop);
}

void JobStreams::hash(std::size_t chunk, std::span<const std::span<const std::byte>> inputs,
                      std::span<const std::byte> output) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs_[i].hash) inputs_[i].hash->add(chunk, inputs[i], context_.stop);
  }
  if (output_hash_) output_hash_->add(chunk, output, context_.stop);
}

void JobStreams::refuse_non_finite(const std::string& where, const std::string& tensor,
                                   std::uint64_t count) const {
  if (context_.options.non_finite != NonFinite::error) return;
  throw Error(ErrorKind::corrupt, fmt::format("holds NaN or Inf (at least {} elements)", count))
      .in_file(where)
      .in_tensor(tensor)
      .hint("--nan warn counts them and goes on, --nan ignore goes on");
}

void JobStreams::count_non_finite(std::size_t input, std::uint64_t count) {
  if (count == 0) return;
  Stream& stream = inputs_[input];
  stream.non_finite += count;
  const PlanModel& model = context_.plan.models[stream.from.model];
  refuse_non_finite(model.path.string(), model.headers()[stream.from.tensor].name, count);
}

void JobStreams::count_non_finite_output(std::uint64_t count) {
  if (count == 0) return;
  output_non_finite_ += count;
  refuse_non_finite("output", context_.plan.jobs[job_].output.name, count);
}

void JobStreams::finish(std::vector<Fact> facts) {
  JobRecord record;
  record.job = job_;
  record.facts = std::move(facts);
  std::uint64_t bytes_read = 0;
  for (Stream& stream : inputs_) {
    record.inputs.push_back(
        {stream.from, stream.hash ? stream.hash->finish() : "", stream.non_finite});
    if (!context_.plan.models[stream.from.model].document) {
      bytes_read += stream.bytes;
    }
  }
  if (output_hash_) record.output_hash = output_hash_->finish();
  record.output_non_finite = output_non_finite_;
  for (const auto& hash : mask_hashes_) record.mask_hashes.push_back(hash->finish());
  {
    std::lock_guard lock(context_.report_mutex);
    context_.report.add(context_.plan, record);
    context_.report.bytes_read += bytes_read;
    context_.report.bytes_written += context_.plan.jobs[job_].output.bytes();
  }
  context_.sink.finish(record);
}

}  // namespace merganser
