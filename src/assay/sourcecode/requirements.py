"""Read a requirements file (pip's format) line by line: what would be installed and from where.

Source: pip's documentation of the requirements file format. Nothing is resolved or fetched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(.*)")
_OPTION = re.compile(r"(--?[a-z-]+)(?:[=\s]+(.*))?")
_URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?(?:https?|ssh|git|ftp|file)://|git\+")
_INDEX_OPTIONS = frozenset(("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--pre"))
_MIN_LENGTH = 5  # shorter names have too many honest neighbours


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line.

    Attributes:
        kind: `package`, `url`, `path`, `index`, `option` or `include`.
        name: normalised project name (PEP 503), or the option.
        detail: version specifier, URL or value.
        line: 1-based.
        pinned: an exact version or a commit of 40 hex digits.
        resembles: a popular name at one edit, when the name is not itself popular.
    """

    kind: str
    name: str
    detail: str
    line: int
    pinned: bool = False
    resembles: str = ""


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """All requirements of a file, at most 10,000, in order."""
    found: list[Requirement] = []
    for number, raw in enumerate(text.splitlines()[:10_000], 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip().rstrip("\\").strip()
        if line:
            found.append(_line(line[:2000], number))
    return tuple(found)


def _line(line: str, number: int) -> Requirement:
    if line.startswith("-"):
        match = _OPTION.match(line)
        option, value = (match.group(1), match.group(2) or "") if match else (line, "")
        if option in {"-e", "--editable"}:
            return _direct(value, number)
        kind = (
            "index"
            if option in _INDEX_OPTIONS
            else "include"
            if option in {"-r", "-c", "--requirement", "--constraint"}
            else "option"
        )
        return Requirement(kind, option, value.strip(), number)
    local = line.startswith(("./", "../", "/")) or (line.endswith((".whl", ".tar.gz", ".zip")) and "@" not in line)
    if local or _URL.match(line):
        return _direct(line, number)
    match = _NAME.fullmatch(line)
    if match is None:
        return Requirement("option", "", line, number)
    name, rest = _normal(match.group(1)), match.group(3).strip()
    if rest.startswith("@"):
        return Requirement("url", name, rest[1:].strip(), number, _fixed(rest), resembles(name))
    pinned = bool(re.match(r"={2,3}\s*[^*,;\s]+\s*(;|--hash|$)", rest))
    return Requirement("package", name, rest, number, pinned, resembles(name))


def _direct(value: str, number: int) -> Requirement:
    kind = "url" if _URL.match(value) else "path"
    return Requirement(kind, "", value.strip(), number, _fixed(value))


def _fixed(value: str) -> bool:
    return bool(re.search(r"@[0-9a-f]{40}\b|#sha256=[0-9a-f]{64}", value))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def popular() -> frozenset[str]:
    """Names of well-known packages (`data/popular-packages.txt`)."""
    text = (files("assay.sourcecode") / "data" / "popular-packages.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def resembles(name: str) -> str:
    """The popular name that `name` is one edit away from; empty when it is popular itself or far from all."""
    known = popular()
    if name in known or len(name) < _MIN_LENGTH:
        return ""
    squeezed = name.replace("-", "")
    for other in sorted(known):
        if len(other) >= _MIN_LENGTH and abs(len(other) - len(name)) <= 1 and _one_edit(name, other):
            return other
        if squeezed == other.replace("-", "") and "-" in name + other:
            return other
    return ""


def _one_edit(left: str, right: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours leads from one to the other."""
    if left == right:
        return False
    prefix = 0
    while prefix < min(len(left), len(right)) and left[prefix] == right[prefix]:
        prefix += 1
    a, b = left[prefix:], right[prefix:]
    if len(a) == len(b):
        return a[1:] == b[1:] or (len(a) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:])
    return a[1:] == b if len(a) > len(b) else a == b[1:]
