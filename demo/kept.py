"""What the demo keeps between runs, and when that is stale."""

import hashlib
import json
from pathlib import Path


def fingerprint(*parts):
    """A short key that changes with any part: a module's source, or a value."""
    digest = hashlib.sha256()
    for part in parts:
        source = getattr(part, "__file__", None)
        digest.update(Path(source).read_bytes() if source else repr(part).encode())
    return digest.hexdigest()[:16]


def file_digest(file):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Notes:
    """A small JSON file of key -> value, written at every change, so that a run
    that is cut short loses nothing it had finished."""

    def __init__(self, file):
        self.file = Path(file)
        try:
            self.values = json.loads(self.file.read_text())
        except (OSError, ValueError):
            self.values = {}

    def get(self, key):
        return self.values.get(key)

    def put(self, key, value):
        self.values[key] = value
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.values, indent=1) + "\n")
        part.replace(self.file)
