"""Accuracy of a checkpoint folder, read back from disk, on each task."""

import encoder
import heads
import kept


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
            found = {}
            for task, splits in self.data.items():
                rows = splits[split]
                vectors = encoder.embed(model, rows.ids)
                found[task] = heads.accuracy(self.heads[task], vectors, rows.labels)
            self.notes.put(key, found)
        return found
