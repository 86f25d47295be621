"""Package URLs of models and data sets (https://github.com/package-url/purl-spec, type `huggingface`)."""

from __future__ import annotations

import re
from urllib.parse import quote

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}(?:/[A-Za-z0-9][\w.\-]{0,95})?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def model_purl(name: str, *, kind: str, commit: str, snapshot: str) -> str:
    """Of a model: `pkg:huggingface/org/name@commit` when it came from a hub at a commit, else generic with our id."""
    if kind == "hub" and _COMMIT.fullmatch(commit):
        return f"pkg:huggingface/{quote(name)}@{commit}"
    return f"pkg:generic/{quote(name)}@{snapshot}"


def is_hub_id(name: str) -> bool:
    """Whether a name can be an id of a model hub: `name` or `org/name`; a path or free text can't."""
    return bool(_HUB_ID.fullmatch(name))


def base_purl(name: str, revision: str) -> str:
    """Of a declared base: with its revision when one is pinned; empty for a name that can't be an id of a hub."""
    if not is_hub_id(name):
        return ""
    pinned = f"@{revision}" if _COMMIT.fullmatch(revision) else ""
    return f"pkg:huggingface/{quote(name, safe='/')}{pinned}"
