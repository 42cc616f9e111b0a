// Merged tensors straight into a model that runs.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "execute/sink.h"
#include "runtime/model.h"

namespace merganser::rt {

class LiveSink final : public Sink {
 public:
  // Plan and model must live as long; the model has the plan's output names and shapes.
  LiveSink(const Plan& plan, const Model& model);

  // The family asks for the job's output: it has a place in the model.
  bool wanted(std::size_t job) const { return targets_[job].defined(); }

  // Where the model holds the output's type in this machine's memory the bytes are its own; else
  // they are converted, or copied to the device, as a checkpoint's are when it is loaded.
  void write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) override;

 private:
  std::vector<at::Tensor> targets_;  // by job, as one row
  std::vector<at::ScalarType> types_;
};

}  // namespace merganser::rt
