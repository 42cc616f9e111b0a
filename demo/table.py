"""The results as tables: on the screen, as Markdown and as JSON."""

import json
from dataclasses import asdict, dataclass


@dataclass
class Row:
    name: str
    coefficients: str
    accuracy: dict[str, float]      # task -> held-out accuracy
    error: dict[str, float]         # task -> its standard error
    gain: dict[str, float]          # task -> normalised gain
    seconds: float | None = None    # of the merge
    peak_bytes: int | None = None   # of the merge's process
    best: bool = False              # chosen on validation
    kind: str = "merge"             # "base", "input", "ensemble", "multi-task", "mixture", …


def lines(rows):
    """Markdown, padded so that it reads as well on a screen."""
    tasks = list(rows[0].accuracy)
    header = ["checkpoint", "coefficients"]
    for task in tasks:
        header += [f"{task}, %", "gain"]
    header += ["merge, s", "peak, MB"]
    cells = [header]
    for row in rows:
        line = [row.name + (" *" if row.best else ""), row.coefficients]
        for task in tasks:
            line += [f"{100 * row.accuracy[task]:.1f} ± {100 * row.error[task]:.1f}",
                     f"{row.gain[task]:.2f}"]
        line += ["" if row.seconds is None else f"{row.seconds:.2f}",
                 "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.0f}"]
        cells.append(line)
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]

    def joined(line):
        # Words to the left, figures to the right.
        padded = [cell.ljust(width) if column < 2 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(line, widths, strict=True))]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 2) if column < 2 else "-" * (width + 1) + ":"
                          for column, width in enumerate(widths)) + "|"
    return [joined(cells[0]), rule] + [joined(line) for line in cells[1:]]


def write(tables, folder):
    """results.md and results.json in `folder`; tables: {title: (rows, notes)}."""
    text, stored = "# Demo: merging two specialists\n", []
    for title, (rows, notes) in tables.items():
        text += f"\n## {title}\n\n" + "\n".join(lines(rows)) + "\n\n" \
            + "\n".join(f"- {note}" for note in notes) + "\n"
        stored.append({"title": title, "rows": [asdict(row) for row in rows], "notes": notes})
    (folder / "results.md").write_text(text)
    (folder / "results.json").write_text(json.dumps({"tables": stored}, indent=1) + "\n")
