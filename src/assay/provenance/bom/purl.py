"""Package URLs of models and data sets (https://github.com/package-url/purl-spec, type `huggingface`)."""

from __future__ import annotations

import re
from urllib.parse import quote

_COMMIT = re.compile(r"[0-9a-f]{40}")


def model_purl(name: str, *, kind: str, commit: str, snapshot: str) -> str:
    """Of a model: `pkg:huggingface/org/name@commit` when it came from a hub at a commit, else generic with our id."""
    if kind == "hub" and _COMMIT.fullmatch(commit):
        return f"pkg:huggingface/{quote(name)}@{commit}"
    return f"pkg:generic/{quote(name)}@{snapshot}"


def base_purl(name: str, revision: str) -> str:
    """Of a declared base: with its revision when one is pinned."""
    pinned = f"@{revision}" if _COMMIT.fullmatch(revision) else ""
    return f"pkg:huggingface/{quote(name, safe='/')}{pinned}"
