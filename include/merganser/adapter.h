// LoRA adapters in PEFT's format: extracted from a fine-tuned checkpoint, merged with one another.
//
//   merganser::ExtractRequest request;
//   request.finetuned = "tune";
//   request.base = "base";
//   request.output = "adapter";
//   merganser::Progress progress;
//   merganser::AdapterReport report = merganser::extract_adapter(request, progress);
//
// Every function throws merganser::Error for what a user or a file can cause.
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

// What fine-tuning changed, as factors of low rank. The options are those of mergekit-extract-lora,
// and `energy` and `budget`.
struct ExtractRequest {
  std::string finetuned, base, output;       // checkpoints; the adapter's folder
  std::uint64_t max_rank = 128;              // of a module
  double sv_epsilon = 0;                     // > 0: singular values up to this are left out
  double energy = 1;                         // (0, 1]: share of a difference's squared norm to hold
  std::uint64_t budget = 0;                  // bytes of all factors; 0: no limit
  bool distribute_scale = true;              // both factors take the root of the singular values
  bool embed_lora = false;                   // factors of embeddings, too; else they are kept whole
  bool skip_undecomposable = false;          // leave out what is no matrix, instead of keeping it
  std::vector<std::string> save_modules;     // names or last parts of modules to keep whole
  std::vector<std::string> include_regexes;  // only modules whose names match one; ECMAScript
  std::vector<std::string> exclude_regexes;
  std::string dtype;     // of the factors; "": that of the checkpoints
  unsigned threads = 0;  // 0: one for each core
  bool force = false;    // replace an existing output
  bool sync = true;      // wait until the output is on the disk before it gets its name
};

// Adapters of one base as one adapter; methods by the names of PEFT's add_weighted_adapter, and
// "exact".
struct MergeAdaptersRequest {
  std::vector<std::string> adapters;  // folders
  std::string output;
  std::string method = "exact";
  std::vector<double> weights;          // one for each adapter; empty: 1 each
  std::optional<double> density;        // (0, 1]; of the methods that prune
  std::string majority_sign = "total";  // or "frequency"; of the methods that elect signs
  std::uint64_t rank = 0;               // most, of methods with singular values; 0: the adapters'
                                        // largest, of "exact" what there is
  double energy = 1;                    // as in ExtractRequest, for the same methods
  std::uint64_t seed = 0;               // of random masks
  std::string dtype;                    // of the factors; "": the smallest that holds all inputs
  unsigned threads = 0;
  bool force = false, sync = true;
};

struct AdapterReport {
  struct Module {
    std::string name, kind;         // "linear", "embedding", "convolution"
    std::uint64_t out = 0, in = 0;  // of the product B A
    std::uint64_t rank = 0;
    // |D - B A| / |D| of the change D, by its singular values, before the factors are rounded to
    // their type. None where the factors are not made from singular values.
    std::optional<double> residual;
  };
  struct LeftOut {
    std::string name, reason;
  };

  std::string output, method;              // "extraction", or the request's
  std::vector<Module> modules;             // in name order
  std::vector<std::string> saved_modules;  // kept whole
  std::vector<std::string> unchanged;      // modules that no adapter needs to change
  std::vector<LeftOut> left_out;           // changed, and not in the adapter
  std::vector<std::string> notes;
  std::optional<double> residual;                   // of all modules' changes together
  std::uint64_t r = 0;                              // the largest rank
  std::uint64_t parameters = 0;                     // elements of all factors
  std::uint64_t bytes_read = 0, bytes_written = 0;  // bytes of tensors
  double seconds = 0;

  std::string json() const;
};

AdapterReport extract_adapter(const ExtractRequest& request, Progress& progress);
AdapterReport merge_adapters(const MergeAdaptersRequest& request, Progress& progress);

// Names and one sentence each.
std::vector<std::pair<std::string, std::string>> adapter_methods();

}  // namespace merganser
#pragma GCC visibility pop
