"""The tables as pictures: each checkpoint a dot by its accuracy on the two tasks, in one HTML page."""

from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 520, 60, 50, 16, 16
KINDS = {  # kind: (colour, radius, words in the legend)
    "base": ("#555555", 7, "base"),
    "input": ("#c0392b", 7, "specialist"),
    "ensemble": ("#8e44ad", 7, "ensemble"),
    "multi-task": ("#1e8449", 7, "multi-task training"),
    "merge": ("#2471a3", 4.5, "merge"),
    "two models": ("#85c1e9", 4.5, "merge, each task by its mask"),
    "mixture": ("#d68910", 4.5, "mixture (smile)"),
}
NAMED = ("base", "input", "ensemble", "multi-task")


def write(tables, file):
    """tables: {title: rows}."""
    parts = [f"<h2>{escape(title)}</h2>\n{picture(rows)}" for title, rows in tables.items()]
    file.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Merging two specialists</title>"
        "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
        "background:#fff;color:#222}svg{width:100%;height:auto}text{font:12px system-ui,sans-serif}"
        "</style><h1>Merging two specialists</h1>"
        "<p>Accuracy on held-out rows; bars: one standard error. Names of the merges show under the"
        " pointer, and in results.md.</p>\n" + "\n".join(parts) + "\n</html>\n")


def picture(rows):
    """An SVG of the rows, the first task to the right, the second upwards."""
    across, up = rows[0].accuracy
    x = _axis([row.accuracy[across] for row in rows], LEFT, WIDTH - RIGHT)
    y = _axis([row.accuracy[up] for row in rows], HEIGHT - BOTTOM, TOP)
    marks = [_grid(x, y, across, up)]
    dots = [(x[0](row.accuracy[across]), y[0](row.accuracy[up])) for row in rows]
    taken = [(at_x - 7, at_y - 7, at_x + 7, at_y + 7) for at_x, at_y in dots]
    for row, (at_x, at_y) in zip(rows, dots, strict=True):
        if row.kind in NAMED or row.best:
            far_x, far_y = (place(p + e) for (place, _), p, e in
                            ((x, row.accuracy[across], row.error[across]), (y, row.accuracy[up], row.error[up])))
            taken.append((2 * at_x - far_x, at_y - 1, far_x, at_y + 1))
            taken.append((at_x - 1, far_y, at_x + 1, 2 * at_y - far_y))
    labels = []
    for row in sorted(rows, key=lambda row: list(KINDS).index(row.kind), reverse=True):
        marks.append(_dot(row, across, up, x, y))
        if row.kind in NAMED or row.best:
            labels.append(_label(row, x[0](row.accuracy[across]), y[0](row.accuracy[up]), taken))
    marks += labels
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="accuracy on both tasks">'
            + "".join(marks) + "</svg>" + _legend({row.kind for row in rows}))


def _axis(values, start, end):
    """(position of an accuracy, its ticks in whole percent)"""
    low, high = int(100 * min(values)) - 2, int(100 * max(values)) + 3

    def place(value):
        return start + (100 * value - low) / (high - low) * (end - start)

    return place, range(low + low % 2, high + 1, 2)


def _grid(x, y, across, up):
    (place_x, ticks_x), (place_y, ticks_y) = x, y
    lines = []
    for tick in ticks_x:
        at = place_x(tick / 100)
        lines.append(f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e5e5e5"/>'
                     f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick}</text>')
    for tick in ticks_y:
        at = place_y(tick / 100)
        lines.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#e5e5e5"/>'
                     f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return ("".join(lines)
            + f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
            f'{escape(across)}, %</text><text transform="translate(16 {middle}) rotate(-90)"'
            f' text-anchor="middle">{escape(up)}, %</text>')


def _dot(row, across, up, x, y):
    colour, radius, _ = KINDS[row.kind]
    at_x, at_y = x[0](row.accuracy[across]), y[0](row.accuracy[up])
    # One standard error to each side.
    reach_x = abs(x[0](row.accuracy[across] + row.error[across]) - at_x)
    reach_y = abs(y[0](row.accuracy[up] + row.error[up]) - at_y)
    said = f"{row.name}{' (' + row.coefficients + ')' if row.coefficients else ''}: " + ", ".join(
        f"{100 * p:.1f} % {task}" for task, p in row.accuracy.items())
    mark = f'<g><title>{escape(said)}</title>'
    if row.kind in NAMED or row.best:
        mark += (f'<path d="M{at_x - reach_x:.1f} {at_y:.1f}h{2 * reach_x:.1f}M{at_x:.1f}'
                 f' {at_y - reach_y:.1f}v{2 * reach_y:.1f}" stroke="{colour}" opacity="0.5"/>')
    mark += (f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="{radius}" fill="{colour}"'
             f' fill-opacity="0.8"{" stroke=" + chr(34) + "#000" + chr(34) if row.best else ""}/>')
    return mark + "</g>"


def _label(row, at_x, at_y, taken):
    """The name of a dot, at the place about it that hides least of `taken`, to which it is added:
    boxes (left, top, right, bottom)."""
    name = row.name + (", best by validation" if row.best else "")
    width, height = 6.5 * len(name), 13  # of the page's 12-pixel letters, about

    def box(place):
        anchor, start, line = place
        begin = start - {"start": 0, "middle": width / 2, "end": width}[anchor]
        return begin, line - height + 3, begin + width, line + 3

    def cost(place):
        left, top, right, bottom = box(place)
        outside = (max(0, LEFT - left) + max(0, right - WIDTH + RIGHT)) * height
        outside += (max(0, TOP - top) + max(0, bottom - HEIGHT + BOTTOM)) * width
        hidden = sum(max(0, min(right, b[2]) - max(left, b[0])) * max(0, min(bottom, b[3]) - max(top, b[1]))
                     for b in taken)
        return 3 * outside + hidden

    beside = [("start", at_x + 11), ("end", at_x - 11), ("middle", at_x)]
    anchor, start, line = min(((*where, at_y + 4 + away) for away in (0, -14, 16, -28, 30) for where in beside),
                              key=cost)
    taken.append(box((anchor, start, line)))
    return (f'<text x="{start:.1f}" y="{line:.1f}" fill="{KINDS[row.kind][0]}" text-anchor="{anchor}">'
            f'{escape(name)}</text>')


def _legend(kinds):
    return "<p>" + " &emsp; ".join(f'<span style="color:{colour}">&#9679;</span> {escape(text)}'
                                   for kind, (colour, _, text) in KINDS.items() if kind in kinds) + "</p>"
