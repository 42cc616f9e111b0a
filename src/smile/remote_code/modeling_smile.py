# Copyright 2026 The merganser authors
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software distributed under the
# License is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either
# express or implied. See the License for the specific language governing permissions and
# limitations.
"""SMILE models (arXiv 2408.10174): a base, and low-rank experts beside its linear layers.

    model = AutoModelForCausalLM.from_pretrained(path, trust_remote_code=True)

The model is the base's class of transformers whose linear layers named in `config.smile["modules"]`
have become `SmileLinear` or `SmileConv1D`: the base's weights under the base's names, and the
experts' beside them. Classes (`SmileLlamaForCausalLM` over `LlamaForCausalLM`) are made when
first asked for, so that one mechanism serves every architecture. Each such layer chooses, for
each token on its own, `num_experts_per_tok` experts by the length of the token's projection on
the expert's router rows:

    r = |R_e x| for each expert e       w = softmax(r), top k of it, divided by their sum
    y = W x + b + sum over the chosen of w_e (U_e (S V^T)_e x + bias_e)

Tensors of a layer with n inputs and m outputs, experts stacked in the order of
`config.smile["experts"]`:

    weight, bias    the base's
    smile_router    [experts * router_rank, n]    absent with one expert
    smile_in        [sum of ranks, n]             absent, as smile_out, where every rank is 0
    smile_out       [sum of ranks, m]
    smile_bias      [experts, m]                  differences to the base's bias; where "bias"
    smile_dense     [experts, m, n]               in place of smile_in, smile_out; where "dense"

What a model offers besides its base's methods is documented at `SmileMixin`.
"""

import contextlib
import sys

import torch
import transformers
from torch import nn
from torch.nn import functional
from transformers import GenerationMixin, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_MAPPING
from transformers.pytorch_utils import Conv1D

from .configuration_smile import PREFIX, SmileConfig, auto_classes, config_class

try:
    from transformers import conversion_mapping, core_model_loading
except ImportError as error:
    raise ImportError(
        f"SMILE checkpoints need transformers 5, this is {transformers.__version__}"
    ) from error


# Grouped products, where torch has them. They want rows that begin at multiples of 16 bytes.
GROUPED_MM = getattr(functional, "grouped_mm", None)
GROUPED_DTYPES = {
    "cpu": (torch.float32, torch.bfloat16, torch.float16),
    "cuda": (torch.bfloat16,),
}
# Multiplications that grouping must spare for each group to pay for it, measured on one core in
# f32 and bf16: with fewer, doing every expert for every token and scaling most of it by 0 is as
# fast or faster.
WORTH_A_GROUP = 2**19


class RouteCounts(dict):
    """Layer name -> tensor [experts]: how many tokens chose each expert; padding counts too."""

    def __init__(self, experts):
        super().__init__()
        self.experts = experts

    def add(self, name, counts):
        self[name] = self[name] + counts if name in self else counts

    def total(self):
        """Choices of each expert over all layers."""
        return torch.stack(list(self.values())).sum(0)

    def fractions(self):
        """Layer name -> the experts' shares of the layer's choices."""
        return {name: counts / counts.sum().clamp(min=1) for name, counts in self.items()}


class SmileRouting:
    """How the layers of one model route; shared by all of them."""

    def __init__(self, experts):
        self.experts = experts
        # From outside; None: the routers choose.
        self.expert = None  # the number of one
        self.weights = None  # [experts], [batch, experts] or a row for each token
        self.counts = []
        # Which products compute the experts: "all" of them for every token, "grouped" by expert, or
        # whichever is faster. The tests compare them.
        self.products = "auto"

    def given(self, shape):
        """The weights from outside, one row for each token of an input of this shape; or None."""
        weights = self.weights
        if weights is None:
            return None
        if weights.dim() == 1:
            return weights.expand(shape[:-1].numel(), -1)
        if weights.dim() == 2 and weights.shape[0] in (1, shape[0]):
            between = [1] * (len(shape) - 2)
            spread = weights.view(weights.shape[0], *between, weights.shape[-1])
            return spread.expand(*shape[:-1], -1).reshape(-1, weights.shape[-1])
        if weights.dim() > 2 and weights.shape[:-1].numel() == shape[:-1].numel():
            return weights.reshape(-1, weights.shape[-1])
        raise ValueError(
            f"routing weights of shape {tuple(weights.shape)} do not fit a layer's input of shape "
            f"{tuple(shape)}: give [experts], [batch, experts], or, where all layers see the same "
            "tokens and no cache is used, [batch, length, experts]"
        )


class SmileLayer:
    """The experts beside a linear layer, for nn.Linear and for transformers' Conv1D.

    Layers are not constructed: the base's own are turned into this class by `attach`, which keeps
    their weights, ties and names.
    """

    def attach(self, name, spec, routing, defaults):
        outputs, inputs = self.smile_shape()
        experts = len(spec["ranks"])
        self.smile_name = name
        self.smile_routing = routing
        self.smile_size = experts
        self.smile_ranks = list(spec["ranks"])
        self.smile_chosen = spec.get("num_experts_per_tok", defaults["num_experts_per_tok"])
        if experts != defaults["num_experts"]:
            raise ValueError(f"{name}: {experts} ranks for {defaults['num_experts']} experts")
        if not 1 <= self.smile_chosen <= experts:
            raise ValueError(f"{name}: {self.smile_chosen} experts per token of {experts}")
        if experts > 1 and spec["router_rank"] < 1:
            raise ValueError(f"{name}: a router needs a rank of at least 1")
        self._owners = {}
        rank = 0 if spec["dense"] else sum(self.smile_ranks)
        shapes = {
            "smile_router": (experts * spec["router_rank"], inputs) if experts > 1 else None,
            "smile_in": (rank, inputs) if rank else None,
            "smile_out": (rank, outputs) if rank else None,
            "smile_bias": (experts, outputs) if spec["bias"] else None,
            "smile_dense": (experts, outputs, inputs) if spec["dense"] else None,
        }
        for key, shape in shapes.items():
            # Zeros are a model that behaves as its base until weights are loaded.
            value = None if shape is None else self.weight.new_zeros(shape)
            self.register_parameter(key, None if value is None else nn.Parameter(value))

    def __getstate__(self):
        return {**self.__dict__, "_owners": {}}  # a cache

    def forward(self, x):
        y = super().forward(x)
        rows = x.reshape(-1, x.shape[-1])
        if rows.shape[0] == 0:
            return y
        chosen, weights = self._route(rows, x.shape)
        for counts in self.smile_routing.counts:
            counts.add(self.smile_name, self._count(chosen, weights))
        if self._groups(rows, chosen):
            delta = self._grouped(rows, chosen, weights)
        else:
            delta = self._all(rows, chosen, weights)
        return y if delta is None else y + delta.view(y.shape).to(y.dtype)

    def router_logits(self, x):
        """r of each expert for rows x [tokens, n], in f32 at least: [tokens, experts].

        FusionBench computes r in the model's dtype, where bf16 ties and flips near-ties.
        """
        dtype = torch.promote_types(self.smile_router.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            projected = functional.linear(x.to(dtype), self.smile_router.to(dtype))
        by_expert = projected.unflatten(-1, (self.smile_size, -1))
        return torch.linalg.vector_norm(by_expert, dim=-1)

    def route(self, x):
        """Experts of rows x, best first, and their weights: both [tokens, experts per token]."""
        if self.smile_size == 1:
            chosen = torch.zeros(x.shape[0], 1, dtype=torch.long, device=x.device)
            return chosen, torch.ones_like(chosen, dtype=torch.float32)
        logits = self.router_logits(x)
        if self.smile_chosen == 1:
            chosen = logits.argmax(-1, keepdim=True)
            return chosen, torch.ones_like(chosen, dtype=logits.dtype)
        top = logits.topk(self.smile_chosen, dim=-1)
        # The softmax over all, restricted to the chosen and divided by its sum, is theirs alone.
        return top.indices, top.values.softmax(-1)

    def _route(self, rows, shape):
        """As route; or no choice (None) and weights [tokens, experts], given from outside."""
        routing = self.smile_routing
        if routing.expert is not None:
            chosen = torch.full((rows.shape[0], 1), routing.expert, device=rows.device)
            return chosen, torch.ones_like(chosen, dtype=torch.float32)
        given = routing.given(shape)
        if given is None:
            return self.route(rows)
        return None, given.to(rows.device)

    def _count(self, chosen, weights):
        if chosen is None:
            return (weights != 0).sum(0).cpu()
        return torch.bincount(chosen.flatten(), minlength=self.smile_size).cpu()

    def _groups(self, rows, chosen):
        """Whether grouped products can do it, and sooner."""
        products = self.smile_routing.products
        if products == "all" or chosen is None or not self._groupable(rows.device.type):
            return False
        if products == "grouped":
            return True
        width = sum(self.smile_shape())
        size = self.weight.numel() if self.smile_dense is not None else self.smile_ranks[0] * width
        spared = rows.shape[0] * (self.smile_size - chosen.shape[1]) * size
        return spared >= WORTH_A_GROUP * min(self.smile_size, chosen.numel())

    def _groupable(self, device):
        factor = self.smile_in if self.smile_dense is None else self.smile_dense
        if GROUPED_MM is None or factor is None:
            return False
        if factor.dtype not in GROUPED_DTYPES.get(device, ()):
            return False
        if self.smile_dense is None and len(set(self.smile_ranks)) > 1:
            return False
        widths = (*self.smile_shape(), *(self.smile_ranks[:1] if self.smile_dense is None else ()))
        return all(width * factor.element_size() % 16 == 0 for width in widths)

    def _grouped(self, rows, chosen, weights):
        """The chosen experts only: tokens sorted by expert, one product for each expert's run."""
        tokens, slots = chosen.shape
        experts, order = chosen.flatten().sort(stable=True)
        numbers = torch.arange(self.smile_size, device=rows.device)
        ends = torch.searchsorted(experts, numbers, right=True).int()
        scale = weights.flatten()[order, None]
        if self.smile_dense is not None:
            picked = rows.to(self.smile_dense.dtype)[order // slots]
            out = GROUPED_MM(picked, self.smile_dense.transpose(1, 2), offs=ends)
            out = out * scale.to(out.dtype)
        else:
            picked = rows.to(self.smile_in.dtype)[order // slots]
            inside = self.smile_in.unflatten(0, (self.smile_size, -1)).transpose(1, 2)
            hidden = GROUPED_MM(picked, inside, offs=ends)
            outside = self.smile_out.unflatten(0, (self.smile_size, -1))
            out = GROUPED_MM(hidden * scale.to(hidden.dtype), outside, offs=ends)
        if self.smile_bias is not None:
            out = out + (scale * self.smile_bias[experts]).to(out.dtype)
        # Back in the tokens' order, without atomic additions: runs repeat bit for bit.
        return torch.zeros_like(out).index_copy(0, order, out).view(tokens, slots, -1).sum(1)

    def _all(self, rows, chosen, weights):
        """Every expert for every token, scaled by the tokens' weights, most of which are 0."""
        if chosen is not None:
            spread = weights.new_zeros(rows.shape[0], self.smile_size)
            weights = spread.scatter(1, chosen, weights)
        delta = None
        if self.smile_in is not None:
            weight_dtype = self.smile_in.dtype
            hidden = functional.linear(rows.to(weight_dtype), self.smile_in)
            scale = weights.to(weight_dtype).index_select(1, self._owner(rows.device))
            delta = (hidden * scale) @ self.smile_out
        elif self.smile_dense is not None:
            weight_dtype = self.smile_dense.dtype
            each = functional.linear(rows.to(weight_dtype), self.smile_dense.flatten(0, 1))
            each = each.unflatten(-1, (self.smile_size, -1))
            delta = torch.bmm(weights.to(each.dtype)[:, None, :], each).squeeze(1)
        if self.smile_bias is not None:
            bias = weights.to(self.smile_bias.dtype) @ self.smile_bias
            delta = bias if delta is None else delta + bias
        return delta

    def _owner(self, device):
        """The expert that each row of smile_in belongs to."""
        if device not in self._owners:
            owners = [e for e, rank in enumerate(self.smile_ranks) for _ in range(rank)]
            self._owners[device] = torch.tensor(owners, device=device)
        return self._owners[device]


class SmileLinear(SmileLayer, nn.Linear):
    def smile_shape(self):
        return self.out_features, self.in_features


class SmileConv1D(SmileLayer, Conv1D):
    """Conv1D keeps its weight as [n, m]; the experts' tensors are as everywhere."""

    def smile_shape(self):
        return self.weight.shape[1], self.weight.shape[0]


LAYERS = {nn.Linear: SmileLinear, Conv1D: SmileConv1D}


class SmileMixin:
    """What SMILE models offer besides their base's methods.

    smile_experts                     the experts' names
    smile_layers                      name in the checkpoint -> layer
    use_expert(expert)                context manager: this expert (name or number) in every layer
    use_weights(weights)              context manager: these weights in every layer
    set_routing(expert=, weights=)    the same until further notice; without arguments the routers
                                      choose
    count_routes()                    context manager: counts the choices of each layer and expert
    set_experts_per_token(count)      how many experts the routers choose, in every layer

    A model may be used by one thread at a time while any of these is in effect.
    """

    def __init__(self, config, *args, **kwargs):
        smile = getattr(config, "smile", None)
        if not smile:
            raise ValueError(f'{type(self).__name__}: the config has no "smile"')
        if getattr(config, "quantization_config", None) is not None:
            raise ValueError("SMILE models cannot be quantised: the experts would be lost")
        # Some classes ask AutoModel for their backbone, by the class of the configuration: it
        # must be the base's then. A copy would not do: a model and its parts share one
        # configuration.
        own = config.__class__
        config.__class__ = config.base_class()
        try:
            super().__init__(config, *args, **kwargs)
        finally:
            config.__class__ = own
        self.smile_routing = SmileRouting(list(smile["experts"]))
        self._smile_attach(smile)

    def _smile_attach(self, smile):
        modules = dict(self.named_modules())
        found, missing = {}, []
        for name, own in self._smile_names(smile["modules"]).items():
            module = modules.get(own)
            if module is None:
                missing.append(name)
                continue
            if own in found:
                raise ValueError(f"{name} and {found[own]} are the same layer")
            if type(module) not in LAYERS:
                raise TypeError(f"{name} is a {type(module).__name__}, not a linear layer")
            module.__class__ = LAYERS[type(module)]
            module.attach(name, smile["modules"][name], self.smile_routing, smile)
            found[own] = name
        # A backbone has fewer layers than the model it comes from, and that is no mistake.
        whole = type(self).__name__ in (self.config.architectures or [type(self).__name__])
        if missing and (whole or not found):
            raise ValueError(f"{type(self).__name__} has no layer {', '.join(sorted(missing))}")

    def _smile_names(self, names):
        """Name in the checkpoint -> name here. They differ as tensors' names do while loading:
        by the base model's prefix, and by what transformers renames in old checkpoints."""
        state = dict.fromkeys(self.state_dict(), True)
        changes = conversion_mapping.get_model_conversion_mapping(self)
        renamings = [c for c in changes if isinstance(c, core_model_loading.WeightRenaming)]
        converters = [c for c in changes if isinstance(c, core_model_loading.WeightConverter)]
        own = {}
        for name in names:
            key, _ = core_model_loading.rename_source_key(
                name + ".weight", renamings, converters, self.base_model_prefix, state
            )
            own[name] = key.removesuffix(".weight")
        return own

    @classmethod
    def from_pretrained(cls, *args, output_loading_info=False, **kwargs):
        model, info = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        # transformers only warns. An expert that is not there is no random expert.
        for what in ("missing_keys", "mismatched_keys"):
            names = [key if isinstance(key, str) else key[0] for key in info[what]]
            names = sorted(name for name in names if ".smile_" in name)
            if names:
                raise ValueError(f"{what.replace('_keys', '')} tensors: {', '.join(names)}")
        return (model, info) if output_loading_info else model

    def save_pretrained(self, save_directory, *args, **kwargs):
        # A backbone must not claim the layers that it left behind.
        layers = self.smile_layers
        modules = {k: v for k, v in self.config.smile["modules"].items() if k in layers}
        self.config.smile = {**self.config.smile, "modules": modules}
        return super().save_pretrained(save_directory, *args, **kwargs)

    def resize_token_embeddings(self, new_num_tokens=None, *args, **kwargs):
        size = self.get_input_embeddings().weight.shape[0]
        head = self.get_output_embeddings()
        if new_num_tokens not in (None, size) and isinstance(head, SmileLayer):
            # A new head would take the old one's place, without its experts.
            raise ValueError("the head has experts: its rows cannot change in number")
        return super().resize_token_embeddings(new_num_tokens, *args, **kwargs)

    @property
    def smile_experts(self):
        return list(self.smile_routing.experts)

    @property
    def smile_layers(self):
        return {m.smile_name: m for m in self.modules() if isinstance(m, SmileLayer)}

    def set_routing(self, expert=None, weights=None):
        """Routes all layers from outside until the next call; without arguments the routers choose.

        expert: a name or a number. weights: [experts] for everything, [batch, experts] for each
        sequence, or [batch, length, experts] for each token, where all layers see the same tokens
        (no cache, no second tower). They are used as they are: zeros give the base model.
        """
        experts = self.smile_routing.experts
        if expert is not None and weights is not None:
            raise ValueError("an expert or weights, not both")
        if isinstance(expert, str):
            if expert not in experts:
                raise ValueError(f"no expert {expert!r} among {', '.join(experts)}")
            expert = experts.index(expert)
        if expert is not None and not 0 <= expert < len(experts):
            raise ValueError(f"no expert {expert}: there are {len(experts)}")
        if weights is not None:
            weights = torch.as_tensor(weights)
            if weights.dim() < 1 or weights.shape[-1] != len(experts):
                raise ValueError(f"the last axis of the weights must have {len(experts)} entries")
        self.smile_routing.expert, self.smile_routing.weights = expert, weights

    def set_experts_per_token(self, count):
        """For every layer, also those with a number of their own; the model is saved with it."""
        smile = self.config.smile
        if not 1 <= count <= smile["num_experts"]:
            raise ValueError(f"{count} experts per token of {smile['num_experts']}")
        modules = {
            name: {key: value for key, value in spec.items() if key != "num_experts_per_tok"}
            for name, spec in smile["modules"].items()
        }
        self.config.smile = {**smile, "num_experts_per_tok": count, "modules": modules}
        for layer in self.smile_layers.values():
            layer.smile_chosen = count

    @contextlib.contextmanager
    def use_expert(self, expert):
        with self._smile_routed(expert=expert):
            yield self

    @contextlib.contextmanager
    def use_weights(self, weights):
        with self._smile_routed(weights=weights):
            yield self

    @contextlib.contextmanager
    def _smile_routed(self, **routing):
        before = {"expert": self.smile_routing.expert, "weights": self.smile_routing.weights}
        self.set_routing(**routing)
        try:
            yield
        finally:
            self.set_routing(**before)

    @contextlib.contextmanager
    def count_routes(self):
        """Yields a RouteCounts that fills while the model runs inside the context."""
        counts = RouteCounts(self.smile_experts)
        self.smile_routing.counts.append(counts)
        try:
            yield counts
        finally:
            # By identity: equal counts of an outer context must stay.
            self.smile_routing.counts = [c for c in self.smile_routing.counts if c is not counts]


class SmileModel:
    """Stands for the SMILE class that AutoModel loads: the checkpoint's own class if that has no
    head, else the backbone that transformers has for the base's configuration."""

    @staticmethod
    def class_for(config):
        for name in config.architectures or []:
            if not auto_classes(name):
                return getattr(sys.modules[__name__], name)
        base = MODEL_MAPPING[config.base_class()]
        return model_class(base[0] if isinstance(base, (list, tuple)) else base)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, config=None, **kwargs):
        if config is None:
            config = SmileConfig.from_pretrained(pretrained_model_name_or_path)
        made = cls.class_for(config)
        return made.from_pretrained(pretrained_model_name_or_path, *args, config=config, **kwargs)

    @classmethod
    def _from_config(cls, config, **kwargs):
        return cls.class_for(config)._from_config(config, **kwargs)

    @classmethod
    def register_for_auto_class(cls, auto_class="AutoModel"):
        """AutoModel calls this; the classes made here are registered as they are."""


def model_class(base):
    """The SMILE class over a model class of transformers."""
    name = PREFIX + base.__name__
    module = sys.modules[__name__]
    if name not in vars(module):
        if base.config_class is None:
            raise AttributeError(f"{base.__name__} has no configuration of its own")
        # Named among the bases, or transformers makes yet another class to add it.
        mixins = (GenerationMixin,) if issubclass(base, GenerationMixin) else ()
        made = type(
            name,
            (SmileMixin, base, *mixins),
            {
                "__module__": __name__,
                "__qualname__": name,
                "__doc__": f"{base.__name__} with SMILE experts: see SmileMixin.",
                "config_class": config_class(base.config_class),
                # save_pretrained then copies this file and says so in the auto_map.
                "_auto_class": next(iter(auto_classes(base.__name__)), "AutoModel"),
            },
        )
        _inherit_renamings(base, name)
        setattr(module, name, made)
    return vars(module)[name]


def _inherit_renamings(base, name):
    """transformers renames the tensors of old checkpoints by the model's class or model type, and
    of classes that are not its own only where it is told to."""
    renamings = conversion_mapping.get_checkpoint_conversion_mapping(base.__name__)
    if renamings is None:
        base_type = base.config_class.model_type
        renamings = conversion_mapping.get_checkpoint_conversion_mapping(base_type)
    if renamings is not None:
        conversion_mapping.register_checkpoint_conversion_mapping(name, renamings, overwrite=True)


def __getattr__(name):
    ours = name.startswith(PREFIX)
    base = getattr(transformers, name.removeprefix(PREFIX), None) if ours else None
    if not (isinstance(base, type) and issubclass(base, PreTrainedModel)):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return model_class(base)
