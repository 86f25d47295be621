"""Names of models, as hub clients accept them: `org/name`, or one part alone (`gpt2`)."""

from __future__ import annotations

import re

from assay.core.errors import UsageError

MAX_NAME_CHARACTERS = 96  # per name; huggingface_hub's `validate_repo_id`
_NAME = re.compile(r"(?:[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?/)?[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?", re.ASCII)


def check_name(name: str) -> str:
    """Return `name` when every stock hub client accepts it: ASCII letters, digits, `-`, `_`, `.`; one or two parts.

    Raises:
        UsageError: for anything else (also `--`, `..` and a `.git` ending, which clients refuse).
    """
    if not is_name(name):
        msg = f"not a model name: {name[:200]!r}"
        raise UsageError(msg, hint="org/name; letters, digits, '-', '_' and '.', at most 96 characters each")
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` takes it."""
    if not _NAME.fullmatch(name) or name.endswith(".git") or "--" in name or ".." in name:
        return False
    return all(len(part) <= MAX_NAME_CHARACTERS for part in name.split("/"))
