"""Tiny models, adapters for them, and what PEFT makes of both in f64."""

import copy


def model(kind, seed=0):
    import torch
    import transformers as t

    torch.manual_seed(seed)
    if kind == "llama":
        return t.LlamaForCausalLM(
            t.LlamaConfig(
                hidden_size=24,
                intermediate_size=40,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                vocab_size=51,
                tie_word_embeddings=False,
            )
        )
    if kind == "gpt2":
        config = t.GPT2Config(n_embd=24, n_layer=2, n_head=2, vocab_size=51, n_positions=16)
        config.tie_word_embeddings = False
        return t.GPT2LMHeadModel(config)
    if kind == "bert":
        return t.BertForSequenceClassification(
            t.BertConfig(
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=40,
                vocab_size=51,
                max_position_embeddings=16,
            )
        )
    assert kind == "resnet"
    return t.ResNetForImageClassification(
        t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3)
    )


def adapt(model, folder, dtype=None, seed=1, r=4, **arguments):
    """Saves a random adapter for the model; the state dict, in f64, of both merged by PEFT."""
    import peft
    import torch

    adapted = peft.get_peft_model(model, peft.LoraConfig(r=r, **arguments))
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in adapted.named_parameters():
        if not parameter.requires_grad:
            continue
        noise = torch.randn(parameter.shape, generator=generator) * 0.3
        if dtype is not None:
            noise = noise.to(dtype).float()
        # A magnitude is a length.
        parameter.data = noise.abs() + 0.5 if "magnitude" in name else noise
        if dtype is not None:
            parameter.data = parameter.data.to(dtype)
    return save(adapted, folder)


def save(adapted, folder):
    adapted.save_pretrained(str(folder))
    merged = copy.deepcopy(adapted).double().merge_and_unload()
    return {name: tensor.detach() for name, tensor in merged.state_dict().items()}


def train(model, folder, loss, steps=8, **arguments):
    """A few steps of AdamW on loss(adapted); the merged state dict in f64, as from adapt()."""
    import peft
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", **arguments)
    adapted = peft.get_peft_model(model, config)
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    for _ in range(steps):
        value = loss(adapted)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return save(adapted, folder)


def language_loss(folder):
    """Loss per token on a text of the tokenizer's own words."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    text = "Once upon a time there was a small goose. It sailed to the sea and back again. " * 8
    ids = tokenizer(text, return_tensors="pt").input_ids[:, :256]
    return lambda model: model(input_ids=ids, labels=ids).loss


def contrastive_loss(folder):
    """Two dropout masks of one sentence are each other's nearest (SimCSE), over a few sentences."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    sentences = [
        "The merganser dives for fish in the cold river.",
        "A truncated decomposition keeps the largest singular values.",
        "The committee postponed its decision until the spring.",
        "Rain fell all night on the tin roof of the barn.",
    ]
    words = tokenizer(sentences, return_tensors="pt", padding=True)
    mask = words.attention_mask[..., None].float()

    def encode(model):
        hidden = model(**words).last_hidden_state
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)

    def loss(model):
        model.train()
        similarity = encode(model) @ encode(model).T / 0.05
        return torch.nn.functional.cross_entropy(similarity, torch.arange(len(sentences)))

    return loss
