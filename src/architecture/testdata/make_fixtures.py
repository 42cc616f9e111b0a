#!/usr/bin/env python3
"""Writes testdata/*.json: the tensor names, shapes and config of a tiny random model of each family, as
the real `transformers` saves them. Names and shapes are facts; no weight is kept.

    python3 -m venv v && v/bin/pip install torch==2.13.0 transformers
    v/bin/python src/architecture/testdata/make_fixtures.py

"saved" is what save_pretrained writes, "modules" the state_dict's names where they differ (since
version 5, transformers renames and fuses some weights on loading).
"""
import json
import os
import sys
import tempfile

import torch  # noqa: F401  (transformers needs it)
import transformers as t
from safetensors import safe_open

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = dict(vocab_size=96, hidden_size=16, intermediate_size=24, num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=32)
BERT = dict(vocab_size=96, hidden_size=16, intermediate_size=24, num_hidden_layers=3,
            num_attention_heads=4, max_position_embeddings=32)
VISION = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
              image_size=8, patch_size=4)
PADS = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)


def c(name, **k):
    return getattr(t, name)(**k)


def llava():
    return c("LlavaConfig", text_config=c("LlamaConfig", **TEXT), image_token_index=5,
             vision_config=c("CLIPVisionConfig", **VISION))


def gemma3(heads=4):
    return c("Gemma3Config", text_config=c("Gemma3TextConfig", head_dim=4, **TEXT).to_dict(),
             vision_config=c("SiglipVisionConfig", **VISION).to_dict(), mm_tokens_per_image=4)


MODELS = {
    "llama": ("LlamaForCausalLM", lambda: c("LlamaConfig", **TEXT)),
    "llama_base": ("LlamaModel", lambda: c("LlamaConfig", attention_bias=True, mlp_bias=True, **TEXT)),
    "llama_classifier": ("LlamaForSequenceClassification",
                         lambda: c("LlamaConfig", **PADS, **TEXT)),
    "mistral": ("MistralForCausalLM", lambda: c("MistralConfig", **TEXT)),
    "mixtral": ("MixtralForCausalLM", lambda: c("MixtralConfig", num_local_experts=2, **TEXT)),
    "qwen2": ("Qwen2ForCausalLM", lambda: c("Qwen2Config", max_window_layers=3, **TEXT)),
    "qwen3": ("Qwen3ForCausalLM", lambda: c("Qwen3Config", head_dim=4, **TEXT)),
    "qwen2_moe": ("Qwen2MoeForCausalLM", lambda: c(
        "Qwen2MoeConfig", num_experts=2, num_experts_per_tok=1, moe_intermediate_size=8,
        shared_expert_intermediate_size=8, mlp_only_layers=[1], **TEXT)),
    "qwen3_moe": ("Qwen3MoeForCausalLM", lambda: c(
        "Qwen3MoeConfig", num_experts=2, num_experts_per_tok=1, moe_intermediate_size=8, head_dim=4,
        mlp_only_layers=[0], **TEXT)),
    "gemma": ("GemmaForCausalLM", lambda: c("GemmaConfig", head_dim=4, **TEXT)),
    "gemma2": ("Gemma2ForCausalLM", lambda: c("Gemma2Config", head_dim=4, **TEXT)),
    "gemma3_text": ("Gemma3ForCausalLM", lambda: c("Gemma3TextConfig", head_dim=4, **TEXT)),
    "gemma3": ("Gemma3ForConditionalGeneration", gemma3),
    "phi": ("PhiForCausalLM", lambda: c("PhiConfig", **{**TEXT, "num_key_value_heads": 4})),
    "phi3": ("Phi3ForCausalLM", lambda: c("Phi3Config", **PADS, **TEXT)),
    "gpt2": ("GPT2LMHeadModel", lambda: c("GPT2Config", vocab_size=96, n_embd=16, n_layer=3, n_head=4,
                                          n_positions=32)),
    "gpt2_base": ("GPT2Model", lambda: c("GPT2Config", vocab_size=96, n_embd=16, n_layer=3, n_head=4,
                                         n_positions=32)),
    "gpt_neox": ("GPTNeoXForCausalLM", lambda: c("GPTNeoXConfig", **BERT)),
    "falcon_7b": ("FalconForCausalLM", lambda: c(
        "FalconConfig", vocab_size=96, hidden_size=16, num_hidden_layers=3, num_attention_heads=4)),
    "falcon_40b": ("FalconForCausalLM", lambda: c(
        "FalconConfig", vocab_size=96, hidden_size=16, num_hidden_layers=3, num_attention_heads=4,
        num_kv_heads=2, new_decoder_architecture=True)),
    "falcon_alibi": ("FalconForCausalLM", lambda: c(
        "FalconConfig", vocab_size=96, hidden_size=16, num_hidden_layers=3, num_attention_heads=4,
        alibi=True, bias=True, multi_query=False, parallel_attn=False)),
    "starcoder2": ("Starcoder2ForCausalLM", lambda: c("Starcoder2Config", **TEXT)),
    "olmo2": ("Olmo2ForCausalLM", lambda: c("Olmo2Config", **TEXT)),
    "bert": ("BertForMaskedLM", lambda: c("BertConfig", **BERT)),
    "bert_base": ("BertModel", lambda: c("BertConfig", **BERT)),
    "bert_pretraining": ("BertForPreTraining", lambda: c("BertConfig", **BERT)),
    "bert_classifier": ("BertForSequenceClassification", lambda: c("BertConfig", **BERT)),
    "roberta": ("RobertaForMaskedLM", lambda: c("RobertaConfig", **BERT)),
    "roberta_classifier": ("RobertaForSequenceClassification", lambda: c("RobertaConfig", **BERT)),
    "distilbert": ("DistilBertForMaskedLM", lambda: c(
        "DistilBertConfig", vocab_size=96, dim=16, n_layers=3, n_heads=4, hidden_dim=24)),
    "distilbert_classifier": ("DistilBertForSequenceClassification", lambda: c(
        "DistilBertConfig", vocab_size=96, dim=16, n_layers=3, n_heads=4, hidden_dim=24)),
    "t5": ("T5ForConditionalGeneration", lambda: c(
        "T5Config", vocab_size=96, d_model=16, d_kv=4, d_ff=24, num_layers=3, num_decoder_layers=2,
        num_heads=4)),
    "t5_gated": ("T5ForConditionalGeneration", lambda: c(
        "T5Config", vocab_size=96, d_model=16, d_kv=4, d_ff=24, num_layers=3, num_heads=4,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "t5_encoder": ("T5EncoderModel", lambda: c(
        "T5Config", vocab_size=96, d_model=16, d_kv=4, d_ff=24, num_layers=3, num_heads=4)),
    "clip": ("CLIPModel", lambda: c("CLIPConfig", text_config=BERT, vision_config=VISION,
                                    projection_dim=8)),
    "clip_vision": ("CLIPVisionModelWithProjection", lambda: c("CLIPVisionConfig", **VISION)),
    "clip_text": ("CLIPTextModel", lambda: c("CLIPTextConfig", **BERT)),
    "vit": ("ViTForImageClassification", lambda: c("ViTConfig", **VISION)),
    "vit_base": ("ViTModel", lambda: c("ViTConfig", **VISION)),
    "whisper": ("WhisperForConditionalGeneration", lambda: c(
        "WhisperConfig", vocab_size=96, d_model=16, encoder_layers=3, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=24, decoder_ffn_dim=24,
        num_mel_bins=8, max_source_positions=16, max_target_positions=16, **PADS,
        decoder_start_token_id=1)),
    "llava": ("LlavaForConditionalGeneration", llava),
    "qwen2_vl": ("Qwen2VLForConditionalGeneration", lambda: c(
        "Qwen2VLConfig", text_config=dict(**TEXT), vision_config=dict(
            depth=2, embed_dim=16, hidden_size=16, num_heads=4, patch_size=4))),
}


def main():
    wanted = sys.argv[1:] or list(MODELS)
    for key in wanted:
        cls, make = MODELS[key]
        try:
            model = getattr(t, cls)(make())
            with tempfile.TemporaryDirectory() as folder:
                model.save_pretrained(folder)
                with open(os.path.join(folder, "config.json")) as f:
                    config = json.load(f)
                with safe_open(os.path.join(folder, "model.safetensors"), "pt") as f:
                    saved = {n: list(f.get_slice(n).get_shape()) for n in sorted(f.keys())}
        except Exception as e:  # one family must not keep the others from being written
            print(f"{key}: FAILED {type(e).__name__}: {e}")
            continue
        modules = {n: list(v.shape) for n, v in sorted(model.state_dict().items())}
        out = {"class": cls, "transformers": t.__version__, "config": config, "saved": saved}
        if modules != saved:
            out["modules"] = modules
        text = "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}"
                                  for k, v in out.items()) + "\n}\n"
        with open(os.path.join(HERE, key + ".json"), "w") as f:
            f.write(text)
        print(key, len(saved), "same" if modules == saved else "modules differ")


if __name__ == "__main__":
    main()
