// Tiny models for tests, drawn at random.
#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/model.h"

namespace merganser::rt::testing {

// Of every family with a config like transformers'.
inline Json tiny_config(const std::string& type) {
  if (type == "gpt2") {
    return {{"model_type", type},
            {"vocab_size", 23},
            {"n_embd", 12},
            {"n_layer", 2},
            {"n_head", 3},
            {"n_positions", 20},
            {"initializer_range", 0.3}};
  }
  if (type == "distilbert") {
    return {{"model_type", type},
            {"vocab_size", 23},
            {"dim", 12},
            {"n_layers", 2},
            {"n_heads", 3},
            {"hidden_dim", 20},
            {"max_position_embeddings", 20},
            {"architectures", {"DistilBertForSequenceClassification"}}};
  }
  Json config = {{"model_type", type},
                 {"vocab_size", 23},
                 {"hidden_size", 12},
                 {"intermediate_size", 20},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 6},
                 {"max_position_embeddings", 20},
                 {"initializer_range", 0.3}};
  if (type == "bert" || type == "roberta") {
    config["type_vocab_size"] = 2;
    config["architectures"] = {"ForSequenceClassification"};
  } else {
    config["num_key_value_heads"] = 2;
    config["head_dim"] = 4;
    config["tie_word_embeddings"] = false;
  }
  if (type == "mistral") config["sliding_window"] = 3;
  if (type == "qwen2" || type == "qwen3") {
    config["use_sliding_window"] = true;
    config["sliding_window"] = 4;
    config["max_window_layers"] = 1;
  }
  return config;
}

inline const std::vector<std::string>& tiny_types() {
  static const std::vector<std::string> types = {"llama", "mistral", "qwen2",   "qwen3",
                                                 "gpt2",  "bert",    "roberta", "distilbert"};
  return types;
}

inline std::unique_ptr<Model> draw(const Json& config, std::uint64_t seed = 7) {
  at::set_num_threads(1);  // threads that wait for each other are slow where others work too
  Weights weights(seed, {});
  return build_model(Config(config, "config.json"), weights);
}

using Tensors = std::map<std::string, at::Tensor>;  // f32 or int64

inline MemorySource source_of(const Tensors& tensors) {
  MemorySource source("checkpoint");
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor whole = tensor.contiguous();
    std::vector<std::byte> bytes(whole.nbytes());
    std::memcpy(bytes.data(), whole.data_ptr(), bytes.size());
    const DType dtype = whole.scalar_type() == at::kLong ? DType::i64 : DType::f32;
    source.add({name, dtype, Shape(whole.sizes().begin(), whole.sizes().end())}, std::move(bytes));
  }
  return source;
}

inline std::unique_ptr<Model> read(const Json& config, const Tensors& tensors) {
  const MemorySource source = source_of(tensors);
  Weights weights(source, {});
  return build_model(Config(config, "config.json"), weights);
}

// The kind and the text of the Error that `act` throws.
template <class Act>
Error error_of(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::usage, "nothing was thrown");
}

inline at::Tensor ids_of(std::vector<std::int64_t> ids) {
  return at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong).unsqueeze(0);
}

}  // namespace merganser::rt::testing
