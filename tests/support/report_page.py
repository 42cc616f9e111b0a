"""A page of a report, put together from the sources of src/report as the program does it."""

import json
import re

from support.program import REPOSITORY

PAGE = REPOSITORY / "src/report/page"


def plotting_library():
    """The folder in third_party that the program takes."""
    cmake = (REPOSITORY / "CMakeLists.txt").read_text()
    return REPOSITORY / re.search(r"PROJECT_SOURCE_DIR}/(third_party/\S+)\)", cmake)[1]


def page(document, name="analysis"):
    """HTML text. `document`: a dict, or JSON as text."""
    text = document if isinstance(document, str) else json.dumps(document, allow_nan=False)
    lines = (PAGE / f"{name}.page").read_text().splitlines()
    own = dict(line.split(": ", 1) for line in lines)

    def part(match):
        if match[1] == "document":
            return text.replace("<", "\\u003c")
        if match[1] == "scripts":
            return "".join((PAGE / script).read_text() for script in own["scripts"].split())
        if match[1] in own:
            return own[match[1]]
        folder = PAGE if (PAGE / match[1]).exists() else plotting_library()
        return (folder / match[1]).read_text()

    return re.sub(r"{{(.*?)}}", part, (PAGE / "page.html").read_text())
