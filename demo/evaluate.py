"""Accuracy of a checkpoint folder, read back from disk, on each task."""

import json

import encoder
import heads
import kept
import mixture


class Evaluator:
    """Remembers each accuracy by the sha256 of the weights that gave it: a
    merge that writes the same bytes again need not be evaluated again."""

    def __init__(self, data, head_files, notes):
        self.data = data
        self.heads = {task: heads.load(file) for task, file in head_files.items()}
        self.notes = notes
        # The figures also depend on the texts, the heads and the encoder's code.
        self.context = kept.fingerprint(
            encoder, [kept.file_digest(file) for file in head_files.values()],
            [splits[name].ids for splits in data.values() for name in ("validation", "test")])

    def accuracies(self, folder, split):
        """{task: accuracy} of the checkpoint in `folder` on "validation" or "test"."""
        key = f"{split}/{self.context}/{kept.file_digest(folder / encoder.WEIGHTS)}"
        found = self.notes.get(key)
        if found is None:
            model = encoder.load(folder)
            found = {task: self._accuracy(model, task, split) for task in self.data}
            self.notes.put(key, found)
        return found

    def mixture_accuracies(self, folder, split):
        """Of a mixture: accuracies as the routers choose; the share of their choices that are the
        task's own expert; accuracies with that expert throughout. The experts are in the order of the
        tasks. Where a token goes to all experts there is nothing to choose, and the last two are empty.
        """
        smile = json.loads((folder / "config.json").read_text())["smile"]
        chosen = smile["num_experts_per_tok"] < smile["num_experts"]
        digest = kept.file_digest(folder / encoder.WEIGHTS)
        key = f"mixture/{split}/{self.context}/{kept.fingerprint(mixture)}/{digest}"
        if not chosen:
            key += "/all experts"  # which the weights do not show
        found = self.notes.get(key)
        if found is None:
            found = {"routed": {}, "own": {}, "oracle": {}}
            for expert, task in enumerate(self.data):
                model = mixture.load(folder)
                found["routed"][task] = self._accuracy(model, task, split)
                if not chosen:
                    continue
                choices = model.shared["choices"]
                found["own"][task] = (choices[expert] / choices.sum()).item()
                model = mixture.load(folder, expert)
                found["oracle"][task] = self._accuracy(model, task, split)
            self.notes.put(key, found)
        return found

    def _accuracy(self, model, task, split):
        rows = self.data[task][split]
        vectors = encoder.embed(model, rows.ids)
        return heads.accuracy(self.heads[task], vectors, rows.labels)
