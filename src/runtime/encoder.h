// The encoder that BERT, RoBERTa and DistilBERT share: learned positions, attention over all
// tokens, LayerNorm after each part. A family says how its checkpoints name and count things.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/activation.h"
#include "runtime/model.h"

namespace merganser::rt {

struct EncoderTraits {
  std::string prefix;  // "bert.": bare encoders have none
  std::int64_t vocabulary = 0, width = 0, inner = 0, layers = 0, heads = 0;
  std::int64_t positions = 0;  // rows of the table
  std::int64_t types = 0;      // token types; 0: no table
  // RoBERTa counts positions from `padding` + 1 and passes over tokens that are padding.
  std::optional<std::int64_t> padding;
  double eps = 1e-12, deviation = 0.02;
  std::string activation;
  // Under prefix.
  std::string layer = "encoder.layer.";
  std::string q = "attention.self.query", k = "attention.self.key", v = "attention.self.value";
  std::string out = "attention.output.dense", attention_norm = "attention.output.LayerNorm";
  std::string up = "intermediate.dense", down = "output.dense", norm = "output.LayerNorm";
  // Of a classifying checkpoint: the first token's vector goes through `dense`, `between` and
  // `classifier`. Full names.
  std::string dense, classifier;
  Activation between = nullptr;
};

// A head is there if config.json's `architectures` says ForSequenceClassification. Throws as
// build_model does.
std::unique_ptr<Model> build_encoder(const Config& config, Weights& weights,
                                     const EncoderTraits& traits);

// What BERT and RoBERTa call alike. Throws Error(unsupported) for decoders and relative positions.
EncoderTraits read_bert_traits(const Config& config);

}  // namespace merganser::rt
