"""Losses and normalised gains of models, as Markdown; for smile_skill.py."""

import math


class Row:
    """A model's losses, block by block, on each text; gains against the ends of the group."""

    def __init__(self, name, size, losses, ends):
        self.name, self.size, self.losses = name, size, losses
        self.ends = ends  # task -> (losses of the base, losses of the fine-tune)

    def gain(self, task):
        """(base - x) / (base - fine-tune), and its error: of a ratio of means over the same blocks."""
        base, tune = self.ends[task]
        above, below = base - self.losses[task], base - tune
        gain = (above.mean() / below.mean()).item()
        left = above - gain * below
        return gain, (left.std() / math.sqrt(len(left)) / below.mean()).item()

    def cells(self):
        yield self.name
        yield f"{self.size:.2f}"
        for task in self.ends:
            losses = self.losses[task]
            yield f"{losses.mean():.3f} ± {losses.std() / math.sqrt(len(losses)):.3f}"
            gain, error = self.gain(task)
            yield f"{gain:.2f} ± {error:.2f}"


def table(rows):
    header = ["model", "size"]
    for task in rows[0].ends:
        header += [f"{task}, nats", "gain"]
    return markdown([header, *(list(row.cells()) for row in rows)], left=1)


def markdown(lines, left):
    """The first `left` columns to the left, the others to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]

    def joined(line):
        cells = [cell.ljust(width) if i < left else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        return "| " + " | ".join(cells) + " |"

    rule = ["-" * (width + 2) if i < left else "-" * (width + 1) + ":"
            for i, width in enumerate(widths)]
    return "\n".join([joined(lines[0]), "|" + "|".join(rule) + "|", *map(joined, lines[1:])])
