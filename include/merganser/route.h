// Which experts the routers of a mixture (docs/smile.md) choose on the data of tasks. Needs the
// runtime library (libmerganser_runtime), which is opened on first use.
//
//   merganser::RouteRequest request;
//   request.model = "mixture";
//   request.tasks = {"shakespeare.yml", "inaugural.yml"};
//   merganser::Progress progress;
//   merganser::RouteReport report = merganser::route(request, progress);
//
// Throws merganser::Error for what a user or a file can cause.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "merganser/error.h"
#include "merganser/evaluate.h"
#include "merganser/progress.h"

#pragma GCC visibility push(default)
namespace merganser {

struct RouteRequest {
  std::string model;
  std::vector<std::string> tasks;  // task files
  // "TASK=EXPERT": the task's own expert. Of other tasks it is the one of the task's name, and
  // where there is none, the one with which alone the model does best on the data.
  std::vector<std::string> experts;
  std::string split = "test";
  RuntimeOptions runtime;
  std::string report;  // an HTML file to write; "": none
  bool force = false;  // replace an existing one
};

struct RouteReport {
  struct Layer {
    std::string name;                    // of the module: "model.layers.0.mlp.up_proj"
    std::optional<std::uint64_t> block;  // 0: the first number in the name
    std::string role;                    // what follows it: "mlp.up_proj"; without it, the name
    std::uint64_t experts_per_token = 1;
  };
  struct Counts {
    std::vector<std::uint64_t> choices;  // of each expert
    // Of the experts' shares of the choices, in bits: 0 where one takes all tokens, log2 of the
    // number of experts where all take as many. None without choices.
    std::optional<double> entropy;
    // Share of the tokens whose best expert is the task's own.
    std::optional<double> agreement;
  };
  struct Task {
    std::string name;
    std::uint64_t rows = 0, tokens = 0;
    std::string expert;       // its own: the oracle
    std::string expert_from;  // "given", "name", "tried"
    Counts total;
    std::vector<Counts> layers;
    // The first row's tokens, and the number of each one's best expert by layer; empty where the
    // layer does not see tokens one by one.
    std::vector<std::int64_t> ids;
    std::vector<std::vector<std::int64_t>> text;
  };
  std::string model, split;
  std::vector<std::string> experts;
  std::vector<Layer> layers;
  std::vector<Task> tasks;
  // What a choice of each layer tells of the task, in bits: the entropy of the shares' mean over
  // the tasks less the mean of their entropies (their Jensen-Shannon divergence). 0: the router
  // does not know the tasks apart; NaN: it had nothing to choose. Empty, none with one task.
  std::vector<double> information;
  std::optional<double> mean_information;
  std::vector<std::string> notes;
  std::string report;  // the HTML file that was written
  double seconds = 0;

  std::string json() const;
};

RouteReport route(const RouteRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
