"""Linear heads: a task's classes read off the encoder's vectors."""

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

# Weight penalties tried, in this order; validation picks one.
PENALTIES = (1e-2, 1e-3, 1e-4)


def fit(train, train_labels, validation, validation_labels):
    """The best linear head for fixed vectors: {"weight", "bias"}.

    The problem is convex and is solved to the end, so the base's figure is what
    a linear head can do and not what a hasty one happens to do. Centred and
    scaled vectors and starting from the last penalty's solution make that quick;
    centre and scale are folded into the head.
    """
    mean = train.mean(0)
    # One figure for all dimensions: MiniLM has three that never vary.
    spread = (train - mean).std()
    scaled = (train - mean) / spread
    classes = int(train_labels.max()) + 1
    weight = torch.zeros(classes, train.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)

    def solve(penalty):
        solver = torch.optim.LBFGS([weight, bias], max_iter=100, tolerance_change=1e-7,
                                   line_search_fn="strong_wolfe")

        def closure():
            solver.zero_grad()
            loss = F.cross_entropy(scaled @ weight.T + bias, train_labels)
            loss = loss + penalty * weight.square().sum()
            loss.backward()
            return loss

        solver.step(closure)
        unscaled = weight.detach() / spread
        return {"weight": unscaled, "bias": bias.detach() - unscaled @ mean}

    tried = [solve(penalty) for penalty in PENALTIES]
    return max(tried, key=lambda head: accuracy(head, validation, validation_labels))


def accuracy(head, vectors, labels):
    scores = vectors @ head["weight"].T + head["bias"]
    return (scores.argmax(1) == labels).float().mean().item()


def save(head, file):
    save_file(head, str(file))


def load(file):
    return load_file(str(file))
