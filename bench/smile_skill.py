#!/usr/bin/env python3
"""What SMILE keeps of two fine-tunes, beside merges into one model: held-out loss on real text.

    build/venv/bin/python bench/smile_skill.py

The models are Llamas of 260,000 parameters from the tests' data (MERGANSER_DATA, see
tests/README.md): a base, and two fine-tunes of all its weights; then two LoRA adapters of the same
base, trained here with PEFT on the same texts, linear layers only. Needs the environment of
`tests/setup_venv.sh --oracle` and a program (MERGANSER, by default build/release/bin/merganser).
Prints Markdown; docs/smile.md quotes it. What was trained is kept under build/bench/smile_skill.

Each loss is the mean over held-out blocks of 128 tokens, in nats per token, with its standard error
over blocks. The last blocks of each text choose the coefficients of the other methods and are in no
table. "oracle": each text is read with its own expert in every layer, so that the loss against the
fine-tune is what ranks and what lies outside the experts cost, and the difference to the routed row is
what routing costs.
"""

import argparse
import bisect
import json
import math
import os
import pathlib
import subprocess
import sys
import time
import warnings

from skill_table import Row, markdown, table
from tensors_file import Checkpoint

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TASKS = ("shakespeare", "inaugural")
BLOCK = 128
TEST_BLOCKS = 200  # of 284 and 266; the others choose coefficients
BUDGETS = (1.1, 1.5, 2.5)
LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "lora_dropout": 0.0}
TRAINING = {"steps": 400, "batch": 16, "rate": 1e-2, "seed": 0}

started = time.monotonic()


def say(text):
    print(f"smile_skill: [{time.monotonic() - started:4.0f} s] {text}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench/smile_skill")
    work = parser.parse_args().work.absolute()
    data = pathlib.Path(os.environ.get("MERGANSER_DATA", ROOT.parent / "shared/data")).absolute()
    if not (data / "stories260k").is_dir():
        print(f"smile_skill: skipped: no data at {data} (name its place in MERGANSER_DATA)")
        return
    program = pathlib.Path(os.environ.get("MERGANSER", ROOT / "build/release/bin/merganser"))
    if not os.access(program, os.X_OK):
        sys.exit(f"smile_skill: no program at {program}: build it, or name one in MERGANSER")
    work.mkdir(parents=True, exist_ok=True)
    # transformers keeps the outputs' code there; and nothing here is on the hub.
    os.environ.update(HF_MODULES_CACHE=str(work / "modules"), HF_HUB_OFFLINE="1")
    import torch

    torch.set_num_threads(1)
    quiet()
    bench = Bench(data, program.absolute(), work)
    full = {task: bench.stories / task for task in TASKS}
    adapters = {task: bench.train_adapter(task) for task in TASKS}
    print(f"## Fine-tunes of all weights\n\n{table(bench.compare('full', full))}")
    references = {task: f"{bench.base}+{adapter}" for task, adapter in adapters.items()}
    rank, steps = LORA["r"], TRAINING["steps"]
    print(f"\n## LoRA of rank {rank} on the linear layers ({steps} steps)\n")
    print(table(bench.compare("lora", references)))
    print(f"\n## What mends it: fine-tunes of all weights, oracle\n\n{table(bench.mend(full))}")
    print("\n## Routers: share of choices that go to the text's own expert\n")
    print(bench.routers({"full": full, "LoRA": references}))
    say("done")


def quiet():
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)  # of PEFT, in transformers


class Bench:
    def __init__(self, data, program, work):
        from safetensors.torch import load_file

        self.program, self.work = program, work
        self.stories = data / "stories260k"
        self.base = self.stories / "base"
        self.train, self.test, self.check = {}, {}, {}
        for task in TASKS:
            tokens = load_file(data / "tokens" / f"{task}.safetensors")
            self.train[task] = tokens["train"].long()
            heldout = tokens["heldout"].long()
            count = (len(heldout) - 1) // BLOCK
            blocks = heldout[: count * BLOCK + 1].unfold(0, BLOCK + 1, BLOCK)
            self.test[task], self.check[task] = blocks[:TEST_BLOCKS], blocks[TEST_BLOCKS:]
        self.parameters = size_of(self.base)
        model = self.load(self.base)
        self.base_losses = {task: losses(model, self.test[task]) for task in TASKS}
        self.base_check = {task: losses(model, self.check[task]).mean() for task in TASKS}

    # Models.

    def load(self, folder):
        import torch
        import transformers

        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=True, local_files_only=True, dtype=torch.float32
        )
        return model.eval()

    def merge(self, name, recipe):
        """The output of a recipe, as a folder."""
        file, out = self.work / f"{name}.yml", self.work / name
        # JSON is YAML.
        file.write_text(json.dumps(recipe, indent=1, default=str) + "\n")
        done = subprocess.run(
            [str(self.program), "merge", str(file), str(out), "--force", "--quiet"],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            sys.exit(f"smile_skill: merganser failed on {file}: {done.stderr.strip()}")
        return out

    def recipe(self, method, models, weight=None, **parameters):
        own = {} if weight is None else {"parameters": {"weight": weight}}
        recipe = {
            "merge_method": method,
            "models": [{"model": str(model), **own} for model in models.values()],
        }
        if method != "linear":
            recipe["base_model"] = str(self.base)
        return {**recipe, "parameters": parameters} if parameters else recipe

    def smile(self, name, models, **parameters):
        folder = self.merge(name, self.recipe("smile", models, **parameters))
        return self.load(folder), size_of(folder) / self.parameters

    def router_rank(self, budget):
        """The largest of a few ranks whose routers take at most half of what the budget adds."""
        inputs = 0
        for name, parameter in self.load(self.base).named_parameters():
            if parameter.dim() == 2 and ".layers." in name:
                inputs += parameter.shape[1]
        for rank in (8, 4, 2, 1):
            if len(TASKS) * rank * inputs <= (budget - 1) * self.parameters / 2:
                return rank
        return 1

    def train_adapter(self, task):
        import peft
        import torch

        folder = self.work / f"adapter-{task}"
        stamp, settings = folder / "settings.json", json.dumps([LORA, TRAINING])
        if stamp.exists() and stamp.read_text() == settings:
            return folder
        torch.manual_seed(TRAINING["seed"])
        model = peft.get_peft_model(self.load(self.base), peft.LoraConfig(task_type="CAUSAL_LM", **LORA))
        weights = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(weights, lr=TRAINING["rate"], weight_decay=0.0)
        tokens, draw = self.train[task], torch.Generator().manual_seed(TRAINING["seed"])
        model.train()
        for step in range(TRAINING["steps"]):
            for group in optimiser.param_groups:
                group["lr"] = TRAINING["rate"] * (1 - step / TRAINING["steps"])
            starts = torch.randint(len(tokens) - BLOCK, (TRAINING["batch"],), generator=draw)
            loss = block_losses(model, torch.stack([tokens[s : s + BLOCK + 1] for s in starts])).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            if (step + 1) % 100 == 0:
                say(f"adapter for {task}: step {step + 1}, loss {loss.item():.3f}")
        model.save_pretrained(folder)
        stamp.write_text(settings)
        return folder

    # Tables.

    def ends(self, kind, models):
        """task -> losses of the base and of the task's own model; and the rows of the models."""
        tunes = {}
        for task, model in models.items():
            # Merged alone, an adapter becomes a checkpoint.
            one = {task: model}
            tunes[task] = self.load(self.merge(f"{kind}-{task}", self.recipe("linear", one, weight=1)))
        self.tunes = tunes
        of = {task: {text: losses(model, self.test[text]) for text in TASKS}
              for task, model in tunes.items()}
        ends = {task: (self.base_losses[task], of[task][task]) for task in TASKS}
        checks = {task: losses(tunes[task], self.check[task]).mean() for task in TASKS}
        self.check_ends = {task: (self.base_check[task], checks[task]) for task in TASKS}
        rows = [Row("base", 1, self.base_losses, ends)]
        rows += [Row(f"fine-tune: {task}", 1, of[task], ends) for task in TASKS]
        return ends, rows

    def chosen(self, kind, method, models, grid):
        """The candidate whose lesser gain on the validation blocks is largest."""
        best = None
        for shown, weight, parameters in grid:
            recipe = self.recipe(method, models, weight=weight, **parameters)
            model = self.load(self.merge(f"{kind}-{method}", recipe))
            lesser = math.inf
            for task, (base, tune) in self.check_ends.items():
                loss = losses(model, self.check[task]).mean()
                lesser = min(lesser, ((base - loss) / (base - tune)).item())
            if best is None or lesser > best[0]:
                best = lesser, shown, model
        return best[1], best[2]

    def compare(self, kind, models):
        say(f"{kind}: merges into one model")
        ends, rows = self.ends(kind, models)

        def merged(name, model):
            found = {task: losses(model, self.test[task]) for task in TASKS}
            rows.append(Row(name, 1, found, ends))

        merged("linear, 0.5 each",
               self.load(self.merge(f"{kind}-linear", self.recipe("linear", models, weight=0.5))))
        grid = [(f"λ {scale}", 1.0, {"lambda": scale}) for scale in (0.3, 0.4, 0.5, 0.6, 0.7, 1.0)]
        shown, model = self.chosen(kind, "task_arithmetic", models, grid)
        merged(f"task_arithmetic, {shown}", model)
        grid = [(f"λ {scale}, density {density}", 1.0, {"lambda": scale, "density": density})
                for density in (0.2, 0.5, 0.8, 1.0) for scale in (0.4, 0.6, 0.8, 1.0)]
        shown, model = self.chosen(kind, "ties", models, grid)
        merged(f"ties, {shown}", model)
        # An adapter on linear layers leaves nothing else to average.
        for rest in ("base", "average") if kind == "full" else ("base",):
            for budget in BUDGETS:
                say(f"{kind}: SMILE of {budget} times the parameters, rest: {rest}")
                router = self.router_rank(budget)
                model, size = self.smile(f"{kind}-smile-{budget}-{rest}", models, rest=rest,
                                         parameter_budget=budget, rank_of_router=router)
                name = f"SMILE {budget}x, router {router}" + (f", rest: {rest}" if kind == "full" else "")
                rows.append(Row(name, size, {t: losses(model, self.test[t]) for t in TASKS}, ends))
                rows.append(Row(f"{name}, oracle", size, self.oracle(model), ends))
                if budget < 2 and rest == "base":
                    even, size = self.smile(f"{kind}-smile-{budget}-even", models,
                                            parameter_budget=budget, rank_of_router=router,
                                            budget_by="relative_error")
                    rows.append(Row(f"{name}, by relative errors, oracle", size, self.oracle(even), ends))
                if budget == 1.5:
                    model.set_experts_per_token(2)
                    both = {task: losses(model, self.test[task]) for task in TASKS}
                    rows.append(Row(f"{name}, 2 experts per token", size, both, ends))
        return rows

    def oracle(self, model):
        found = {}
        for task in TASKS:
            with model.use_expert(TASKS.index(task)):
                found[task] = losses(model, self.test[task])
        return found

    def mend(self, models):
        """With each expert's own norms, and its own or a low-rank embedding, put in by hand."""
        import torch

        say("what mends it")
        ends, _ = self.ends("full", models)
        rows = []
        base = dict(self.load(self.base).named_parameters())
        norms = [name for name in base if "norm" in name]
        embedding = "model.embed_tokens.weight"
        norms_size = sum(base[name].numel() for name in norms) * len(TASKS) / self.parameters
        shape = base[embedding].shape

        def with_own(name, model, size, own_norms, rank):
            """rank of the embedding's experts: 0, a number, or None for the fine-tune's own."""
            found = {}
            stored = dict(model.named_parameters())
            for task in TASKS:
                tuned = dict(self.tunes[task].named_parameters())
                with torch.no_grad():
                    for each in norms:
                        stored[each].copy_((tuned if own_norms else base)[each])
                    delta = (tuned[embedding] - base[embedding]).double()
                    if rank is not None:
                        u, s, vt = torch.linalg.svd(delta, full_matrices=False)
                        delta = (u[:, :rank] * s[:rank]) @ vt[:rank]
                    stored[embedding].copy_(base[embedding] + delta.float())
                with model.use_expert(TASKS.index(task)):
                    found[task] = losses(model, self.test[task])
            rows.append(Row(name, size, found, ends))

        extra = len(TASKS) * sum(shape) / self.parameters  # of one triple of the embedding for each
        dense, size = self.smile("full-smile-dense", models, rank_of_expert=-1, rank_of_router=8)
        whole = len(TASKS) * shape.numel() / self.parameters
        with_own("differences whole", dense, size, False, 0)
        with_own("differences whole, own norms", dense, size + norms_size, True, 0)
        with_own("differences whole, own embedding", dense, size + whole, False, None)
        with_own("differences whole, own norms and embedding", dense, size + norms_size + whole, True, None)
        for rank in (8, 16):
            with_own(f"differences whole, own norms, embedding of rank {rank}", dense,
                     size + norms_size + rank * extra, True, rank)
        router = self.router_rank(1.5)
        for own_norms, rank in ((False, 0), (True, 0), (True, 8), (True, 16)):
            room = 1.5 - own_norms * norms_size - rank * extra
            model, size = self.smile("full-smile-mended", models, parameter_budget=round(room, 4),
                                     rank_of_router=router)
            name = "1.5x" + (", own norms" if own_norms else "")
            name += f", embedding of rank {rank}" if rank else ""
            with_own(name, model, size + own_norms * norms_size + rank * extra, own_norms, rank)
        # The same parameters with one rank, and with one share of the squared norm, for all layers.
        for parameter, values in (("rank_of_expert", range(1, 65)),
                                  ("energy", [share / 100 for share in range(2, 100, 2)])):

            def made(value):
                return self.smile("full-smile-alike", models, rank_of_router=router,
                                  **{parameter: value})

            over = bisect.bisect_right(values, 1.5, key=lambda value: made(value)[1])
            with_own(f"{parameter} {values[over - 1]} in all layers", *made(values[over - 1]), False, 0)
        return rows

    def routers(self, groups):
        """With the differences whole, so that nothing but the router differs."""
        import torch

        lines = [["fine-tunes", "router", *(f"{task}, right" for task in TASKS),
                  *(f"{task}, nats" for task in TASKS)]]

        def measured(kind, name, model):
            right, loss = [], []
            for task in TASKS:
                with model.count_routes() as counts:
                    loss.append(f"{losses(model, self.test[task]).mean():.3f}")
                total = counts.total()
                right.append(f"{100 * total[TASKS.index(task)] / total.sum():.0f} %")
            lines.append([kind, name, *right, *loss])

        for kind, models in groups.items():
            for rank, routing in ((1, "difference"), (4, "difference"), (8, "difference"),
                                  (32, "difference"), (8, "weight")):
                say(f"{kind}: routers of rank {rank}, of the {routing}")
                model, _ = self.smile("routers", models, rank_of_expert=-1, rank_of_router=rank,
                                      routing=routing)
                measured(kind, f"{rank}, of the {routing}", model)
            # By hand: rows of S V^T, so that r is the length of what the expert adds, |U S V^T x|.
            scaled, _ = self.smile("scaled", models, rank_of_expert=8, rank_of_router=8)
            for name, layer in model.smile_layers.items():
                layer.smile_router = torch.nn.Parameter(scaled.smile_layers[name].smile_in)
            measured(kind, "8, weighted by S", model)
        return markdown(lines, left=2)


def block_losses(model, blocks):
    import torch.nn.functional as functional

    logits = model(blocks[:, :-1], use_cache=False).logits
    each = functional.cross_entropy(logits.flatten(0, 1), blocks[:, 1:].flatten(), reduction="none")
    return each.view(len(blocks), -1).mean(1)


def losses(model, blocks):
    """The mean loss of each block."""
    import torch

    with torch.no_grad():
        return torch.cat([block_losses(model, part) for part in blocks.split(25)]).double()


def size_of(folder):
    """Stored parameters of a checkpoint in one file."""
    return sum(math.prod(shape) for _, shape in Checkpoint(folder / "model.safetensors").layout().values())


if __name__ == "__main__":
    main()
