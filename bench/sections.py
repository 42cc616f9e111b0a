"""Markdown: tables, and documents cut at their headings."""


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows] + [""]


def cut(text):
    """[(heading, lines)] by headings of the second level; the first part's heading is empty."""
    parts = [("", [])]
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("## "):
            parts.append((line[3:], []))
        parts[-1][1].append(line)
    return parts


def added(old, new, leave, note):
    """The document `old` with the sections of `new`: in the place of those of the same heading, else at
    the end. The headings in `leave`, and what comes before the first heading, stay as they are in `old`.
    `note` is put under the heading of each section that is added."""
    parts = dict(cut(old))
    for heading, (first, *rest) in cut(new):
        if heading and heading not in leave:
            while rest and not rest[-1]:
                rest.pop()
            parts[heading] = [first, "", note, *rest, ""]
    lines = []
    for part in parts.values():
        if lines and lines[-1]:
            lines.append("")
        lines += part
    return "\n".join(lines).rstrip("\n") + "\n"
