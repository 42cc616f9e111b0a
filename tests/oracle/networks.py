"""The small networks as PyTorch modules, with the configs that describe them to merganser."""

import json

import torch
from safetensors.torch import save_file
from torch import nn


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel."""

    def forward(self, x):
        if x.dim() == 2:
            return super().forward(x)
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def norm(kind, width, two_d):
    if kind == "batch":
        return nn.BatchNorm2d(width) if two_d else nn.BatchNorm1d(width)
    return ChannelNorm(width) if kind == "layer" else nn.Identity()


class MlpLayer(nn.Module):
    def __init__(self, width, size, kind):
        super().__init__()
        self.linear = nn.Linear(width, size)
        self.norm = norm(kind, size, False)

    def forward(self, x):
        return self.norm(self.linear(x))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        sizes = [int(torch.tensor(config["input_shape"]).prod()), *config["hidden_sizes"]]
        self.layers = nn.ModuleList(MlpLayer(a, b, config["norm"]) for a, b in zip(sizes, sizes[1:]))
        self.classifier = nn.Linear(sizes[-1], config["num_labels"])
        self.activation = activation(config)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = self.activation(layer(x))
        return self.classifier(x)


def activation(config):
    return {"relu": torch.relu, "gelu": nn.functional.gelu, "tanh": torch.tanh}[
        config.get("hidden_act", "relu")
    ]


class Vgg(nn.Module):
    """As torchvision's VGG: `features` and `classifier` are sequences, dropout left out in effect."""

    def __init__(self, config):
        super().__init__()
        channels, height, width = config["input_shape"]
        layers = []
        for size, depth in zip(config["hidden_sizes"], config["depths"]):
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, size, 3, padding=1, bias=config.get("conv_bias", True)))
                if config["norm"] != "none":
                    layers.append(norm(config["norm"], size, True))
                layers.append(nn.ReLU())
                channels = size
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        self.features = nn.Sequential(*layers)
        pooled = config.get("pooled_size", 0)
        self.pool = nn.AdaptiveAvgPool2d(pooled) if pooled else nn.Identity()
        features = channels * (pooled**2 if pooled else height * width)
        hidden = config.get("classifier_sizes", [])
        if not hidden:
            self.classifier = nn.Linear(features, config["num_labels"])
        else:
            parts = []
            for size in hidden:
                parts += [nn.Linear(features, size), nn.ReLU(), nn.Dropout()]
                features = size
            self.classifier = nn.Sequential(*parts, nn.Linear(features, config["num_labels"]))

    def forward(self, x):
        return self.classifier(self.pool(self.features(x)).flatten(1))


class Block(nn.Module):
    def __init__(self, config, channels, size, stride):
        super().__init__()
        kind, bias = config["norm"], config.get("conv_bias", config["norm"] == "none")
        if config.get("layer_type", "basic") == "bottleneck":
            steps = [(channels, size // 4, 1, 1), (size // 4, size // 4, 3, stride), (size // 4, size, 1, 1)]
        else:
            steps = [(channels, size, 3, stride), (size, size, 3, 1)]
        self.count = len(steps)
        for i, (a, b, kernel, step) in enumerate(steps, 1):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, kernel, step, kernel // 2, bias=bias))
            setattr(self, f"bn{i}", norm(kind, b, True))
        self.downsample = None
        if stride != 1 or channels != size:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, size, 1, stride, bias=bias), norm(kind, size, True)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = torch.relu(y)
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Resnet(nn.Module):
    def __init__(self, config):
        super().__init__()
        sizes = config["hidden_sizes"]
        bottleneck = config.get("layer_type", "basic") == "bottleneck"
        channels = config.get("embedding_size", sizes[0] // 4 if bottleneck else sizes[0])
        bias = config.get("conv_bias", config["norm"] == "none")
        large = config.get("stem", "cifar") == "imagenet"
        kernel, stride = (7, 2) if large else (3, 1)
        inputs = config["input_shape"][0]
        self.conv1 = nn.Conv2d(inputs, channels, kernel, stride, kernel // 2, bias=bias)
        self.bn1 = norm(config["norm"], channels, True)
        self.pool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        self.stages = len(sizes)
        for s, (size, depth) in enumerate(zip(sizes, config["depths"])):
            blocks = []
            for i in range(depth):
                blocks.append(Block(config, channels, size, 2 if s > 0 and i == 0 else 1))
                channels = size
            setattr(self, f"layer{s + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, config["num_labels"])

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


KINDS = {"mlp": Mlp, "vgg": Vgg, "resnet": Resnet}


def build(config, seed):
    """A module with norms and running statistics that matter."""
    torch.manual_seed(seed)
    model = KINDS[config["model_type"]](config)
    for module in model.modules():
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, ChannelNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            if not isinstance(module, ChannelNorm):
                nn.init.uniform_(module.running_mean, -0.5, 0.5)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def save(model, config, folder):
    folder.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()},
              folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder
