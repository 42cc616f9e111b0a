"""Accuracy of a checkpoint folder, read back from disk, on each task."""

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

    def mixture_accuracies(self, folder, split, oracle):
        """The same of a mixture. Its routers choose the experts, or each task has its own throughout:
        the experts are in the order of the tasks."""
        digest = kept.file_digest(folder / encoder.WEIGHTS)
        key = f"{split}/{self.context}/{kept.fingerprint(mixture, oracle)}/{digest}"
        found = self.notes.get(key)
        if found is None:
            found = {}
            model = None if oracle else mixture.load(folder)
            for expert, task in enumerate(self.data):
                found[task] = self._accuracy(model or mixture.load(folder, expert), task, split)
            self.notes.put(key, found)
        return found

    def _accuracy(self, model, task, split):
        rows = self.data[task][split]
        vectors = encoder.embed(model, rows.ids)
        return heads.accuracy(self.heads[task], vectors, rows.labels)
