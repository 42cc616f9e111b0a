"""Task files of the demo's two tasks: python docs/demo_tasks.py build/demo OUT.

Writes OUT/NAME.yml and the test split's token ids, masks and labels as OUT/NAME.safetensors."""

import pickle
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def main(demo, out):
    with open(demo / "tokens.pickle", "rb") as file:
        _, tasks = pickle.load(file)
    for name, splits in tasks.items():
        stem = name.replace(" ", "-")
        rows, labels = splits["test"]
        ids = np.zeros((len(rows), max(map(len, rows))), "i4")
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        save_file({"ids": ids, "mask": mask, "labels": np.array(labels, "i4")}, out / f"{stem}.safetensors")
        head = (demo / "heads" / f"{stem}.safetensors").resolve()
        (out / f"{stem}.yml").write_text(
            f"task: {name}\ntype: classification\nhead: {head}\npooling: mean\nnormalise: true\n"
            f"test: {{file: {stem}.safetensors, inputs: ids, mask: mask, labels: labels}}\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
