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
"""Configurations of SMILE checkpoints: the base model's own, and what `config.json` says under
"smile".

There is a class for each base, `SmileLlamaConfig` over `LlamaConfig`, made when it is first asked
for; `SmileConfig` stands for whichever of them `config.json` needs. This file and
`modeling_smile.py` are copied into every checkpoint and need torch and transformers 5, nothing
else.
"""

import sys

import transformers
from transformers import CONFIG_MAPPING, PretrainedConfig

PREFIX = "Smile"
TYPE_PREFIX = "smile_"
LAYOUT_VERSION = 1

# The Auto classes of a model class, by the end of its name; the first end that fits counts. Names
# that end otherwise (LlamaModel, CLIPVisionModelWithProjection) belong to AutoModel alone. A
# class too many does no harm: it is one that nobody calls.
AUTO_CLASSES = {
    "ForCausalLM": ["AutoModelForCausalLM"],
    "LMHeadModel": ["AutoModelForCausalLM"],
    "ForConditionalGeneration": [
        "AutoModelForSeq2SeqLM",
        "AutoModelForImageTextToText",
        "AutoModelForSpeechSeq2Seq",
        "AutoModelForMultimodalLM",
    ],
    "ForMaskedLM": ["AutoModelForMaskedLM"],
    "ForPreTraining": ["AutoModelForPreTraining"],
    "ForSequenceClassification": [
        "AutoModelForSequenceClassification",
        "AutoModelForAudioClassification",
    ],
    "ForTokenClassification": ["AutoModelForTokenClassification"],
    "ForQuestionAnswering": ["AutoModelForQuestionAnswering"],
    "ForMultipleChoice": ["AutoModelForMultipleChoice"],
    "ForNextSentencePrediction": ["AutoModelForNextSentencePrediction"],
    "ForImageClassification": ["AutoModelForImageClassification"],
    "ForMaskedImageModeling": ["AutoModelForMaskedImageModeling"],
    "ForSemanticSegmentation": ["AutoModelForSemanticSegmentation"],
    "ForObjectDetection": ["AutoModelForObjectDetection"],
    "ForDepthEstimation": ["AutoModelForDepthEstimation"],
    "ForVideoClassification": ["AutoModelForVideoClassification"],
    "ForAudioClassification": ["AutoModelForAudioClassification"],
    "ForCTC": ["AutoModelForCTC"],
    "ForAudioFrameClassification": ["AutoModelForAudioFrameClassification"],
    "ForXVector": ["AutoModelForAudioXVector"],
    "ForUniversalSegmentation": ["AutoModelForUniversalSegmentation"],
    "ForInstanceSegmentation": ["AutoModelForInstanceSegmentation"],
    "CLIPModel": ["AutoModelForZeroShotImageClassification"],
    "SiglipModel": ["AutoModelForZeroShotImageClassification"],
}


def auto_classes(class_name):
    """The Auto classes, without AutoModel, that load the class of this name."""
    for end, names in AUTO_CLASSES.items():
        if class_name.endswith(end):
            return names
    return []


def auto_map(class_name):
    """The "auto_map" of a checkpoint whose base has this class first among its "architectures"."""
    model = f"modeling_smile.{PREFIX}{class_name}"
    return {
        "AutoConfig": "configuration_smile.SmileConfig",
        "AutoModel": "modeling_smile.SmileModel",
        **{name: model for name in auto_classes(class_name)},
    }


class SmileConfig:
    """What the configurations of all SMILE models share.

    `config.smile` is the dict that `config.json` holds under "smile": "version", "base_model_type",
    "num_experts", "num_experts_per_tok", "experts" (names) and "modules", which has, for the name
    of each module in the checkpoint, "router_rank", "ranks" (one for each expert), "bias",
    "dense" and, where it differs, "num_experts_per_tok".
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        if issubclass(cls, PretrainedConfig):
            return super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        fields, _ = PretrainedConfig.get_config_dict(pretrained_model_name_or_path, **kwargs)
        smile = fields.get("smile")
        if not isinstance(smile, dict):
            raise ValueError(f'{pretrained_model_name_or_path}: config.json has no "smile"')
        if smile.get("version") != LAYOUT_VERSION:
            raise ValueError(
                f"{pretrained_model_name_or_path}: SMILE layout {smile.get('version')!r}, "
                f"this code reads {LAYOUT_VERSION}"
            )
        base_type = smile["base_model_type"]
        if base_type not in CONFIG_MAPPING:
            raise ValueError(
                f"{pretrained_model_name_or_path}: transformers {transformers.__version__} "
                f"has no model type {base_type!r}"
            )
        made = config_class(CONFIG_MAPPING[base_type])
        return made.from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def register_for_auto_class(cls, auto_class="AutoConfig"):
        """AutoConfig calls this; the classes made here are registered as they are."""

    def base_class(self):
        """The base model's configuration class."""
        return type(self).__mro__[2]


def config_class(base):
    """The SMILE configuration over a configuration class of transformers."""
    name = PREFIX + base.__name__
    module = sys.modules[__name__]
    # Not by hasattr, which would come back here through __getattr__.
    if name not in vars(module):
        made = type(name, (SmileConfig, base), {"__module__": __name__, "__qualname__": name})
        made.model_type = TYPE_PREFIX + base.model_type
        # save_pretrained then copies this file and says so in the auto_map.
        made._auto_class = "AutoConfig"
        _inherit_processors(made, base)
        setattr(module, name, made)
    return vars(module)[name]


def _inherit_processors(made, base):
    """Tokenizer and processors of the base serve its SMILE models: many checkpoints do not name
    them, and transformers then goes by the configuration's class."""
    auto = transformers.models.auto
    for table in (
        auto.tokenization_auto.TOKENIZER_MAPPING,
        auto.processing_auto.PROCESSOR_MAPPING,
        auto.image_processing_auto.IMAGE_PROCESSOR_MAPPING,
        auto.feature_extraction_auto.FEATURE_EXTRACTOR_MAPPING,
    ):
        try:
            found = table.get(base, None)
        except (ImportError, AttributeError, ValueError):
            found = None  # needs a package that is not here; the model itself does not
        if found is not None:
            table.register(made, found, exist_ok=True)


def __getattr__(name):
    ours = name.startswith(PREFIX)
    base = getattr(transformers, name.removeprefix(PREFIX), None) if ours else None
    if not (isinstance(base, type) and issubclass(base, PretrainedConfig)):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return config_class(base)
