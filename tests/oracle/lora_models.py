"""Tiny models of transformers, and random LoRA adapters of them as PEFT saves them."""

import warnings

import torch


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=False,
        )
    )


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    )


def bert():
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(
        BertConfig(
            vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=24, max_position_embeddings=16,
        )
    )


class Convolutions(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3)
        self.second = torch.nn.Conv2d(8, 6, 1)
        self.config = {"model_type": "none"}

    def forward(self, x):
        return self.second(self.first(x))


TARGETS = {
    llama: ["q_proj", "v_proj", "down_proj"],
    gpt2: ["c_attn", "c_proj", "c_fc"],
    bert: ["query", "value", "word_embeddings"],
    Convolutions: ["first", "second"],
}


def make(model_of, seed=0):
    """The same weights for the same seed."""
    torch.manual_seed(seed)
    return model_of().eval()


def randomise(model, seed, scale=0.1):
    """Gives the trainable parameters random values: new factors would be zero."""
    torch.manual_seed(1000 + seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(scale * torch.randn_like(parameter))


def adapter(folder, model_of, seed, r=4, **options):
    """A random adapter of make(model_of), saved in `folder`."""
    from peft import LoraConfig, get_peft_model

    options.setdefault("target_modules", TARGETS[model_of])
    options.setdefault("fan_in_fan_out", model_of is gpt2)
    options.setdefault("lora_alpha", 6 + seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(make(model_of), LoraConfig(r=r, **options))
        randomise(model, seed)
        model.save_pretrained(folder)
    return folder


def load(model_of, **folders):
    """make(model_of) with these adapters, by name."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("error", category=UserWarning)  # missing keys are a warning only
        warnings.filterwarnings("ignore", message=".*(tied|tie_word|fan_in_fan_out|already found).*")
        model = None
        for name, folder in folders.items():
            if model is None:
                model = PeftModel.from_pretrained(make(model_of), str(folder), adapter_name=name)
            else:
                model.load_adapter(str(folder), name)
    return model


def changes(model, name):
    """What an adapter of a loaded model adds to each weight: module -> array, as PEFT computes it."""
    from peft.tuners.lora import LoraLayer

    found = {}
    for key, module in model.named_modules():
        if isinstance(module, LoraLayer) and name in {*module.lora_A, *module.lora_embedding_A}:
            found[key.removeprefix("base_model.model.")] = (
                module.get_delta_weight(name).detach().double().numpy()
            )
    return found
