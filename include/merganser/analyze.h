// What fine-tunes of one base changed, where they agree and collide, and what merges would lose of
// each: from the weights alone, before anything is merged.
//
//   merganser::AnalysisRequest request;
//   request.base = "base";
//   request.models = {"tune-a", "tune-b"};
//   merganser::Progress progress;
//   merganser::AnalysisReport report = merganser::analyze(request, progress);
//
// Throws merganser::Error for what a user or a file can cause.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "merganser/error.h"
#include "merganser/progress.h"

#pragma GCC visibility push(default)
namespace merganser {

struct AnalysisRequest {
  // A recipe whose models are compared with its base, and whose merge is one of those foretold; or
  // the checkpoints themselves.
  std::string recipe_file;
  std::string base;
  std::vector<std::string> models;

  std::uint64_t rank = 64;   // singular values looked at of each change; also of SMILE's experts
  double top_share = 0.2;    // (0, 1]: the share of the elements that counts as a change's top
  std::uint64_t angles = 8;  // leading singular vectors that angles are taken between; 0: none
  bool zones = true;         // the base's singular subspaces; the dearest part
  bool losses = true;        // merges are foretold
  std::optional<std::uint64_t> seed;  // of random masks; overrides the recipe's
  unsigned threads = 0;               // 0: one for each core
  // Bytes that matrices at work may take together; larger ones are left out, and notes say so. 0:
  // 900 MB, or what the largest takes by itself.
  std::uint64_t memory = 0;
  std::string report;  // an HTML file to write; "": none
  bool force = false;  // replace an existing one
};

struct AnalysisReport {
  using Number = std::optional<double>;  // none: not defined for these models

  struct Model {
    std::string name;        // as it was given
    std::string short_name;  // its last part, where that tells the models apart
    std::string kind;        // "full", "lora"
    double norm = 0;         // of the change D
    Number relative;         // |D| / |W_0|
    // Of D's squared norm by part of the model: "linear", "embedding", ...
    std::vector<std::pair<std::string, double>> shares;
    // Of the linear matrices: median of the fewest triples with 90 % of a change.
    Number rank_90;
    bool rank_beyond = false;  // there is none, as the median is more than was looked at
    Number effective_rank;     // median over the linear matrices where it is known
  };
  struct Pair {
    std::string a, b;  // short names
    Number cosine, sign_conflict, sign_conflict_top, overlap_top;
  };
  struct Layer {
    std::string module;  // "encoder"; "" where the model has layers of one module alone
    std::size_t layer = 0;
    std::vector<Number> relative;  // of each model
    Number sign_conflict_top;      // the worst pair's
    Number cosine;                 // the lowest pair's
  };
  struct Method {
    std::string name, label;
    bool from_recipe = false;
    std::vector<Number> losses;  // of each model: |merged - W_0 - D| / |D|
  };
  struct Advice {
    std::string topic, level, text;  // level: "info", "note", "warning"
  };

  std::string base;
  std::vector<Model> models;
  std::vector<Pair> pairs;
  std::vector<Layer> layers;
  std::vector<Method> methods;
  std::vector<Advice> advice;
  std::vector<std::string> notes;
  std::string report;  // the HTML file that was written
  double seconds = 0;

  // The whole document, every number in it: docs/analysis.md. The same for the same inputs,
  // whatever the number of threads.
  const std::string& json() const { return document; }
  std::string document;
};

AnalysisReport analyze(const AnalysisRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
