"""The shape of archives.

What it reads: the directories of zip and tar files and the ends of compressed streams, at every depth.
What it reports: entries that two loaders would read differently, names and links that leave the folder, devices,
entries marked as encrypted, bytes that no entry claims.
Why it matters: scanners and loaders disagree about broken archives, and published bypasses live in that gap.
What it cannot see: what an encrypted entry holds.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.sniff_tables import ZIP_FLAVOURS

if TYPE_CHECKING:
    from assay.formats.anomaly import Anomaly
    from assay.formats.containers.members import Member
    from assay.inspections.parts import Collector, Part

_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
# anomaly → rule, severity
_JUDGED: dict[str, tuple[str, Severity]] = {
    "name-mismatch": ("archive-header-mismatch", _HIGH),
    "method-mismatch": ("archive-header-mismatch", _HIGH),
    "flag-mismatch": ("archive-header-mismatch", _HIGH),
    "size-mismatch": ("archive-header-mismatch", _MEDIUM),
    "crc-field-mismatch": ("archive-header-mismatch", _MEDIUM),
    "flag-patch": ("archive-header-mismatch", _MEDIUM),
    "directory-with-data": ("archive-header-mismatch", _HIGH),
    "crc-mismatch": ("archive-crc-mismatch", _MEDIUM),
    "duplicate-entry": ("archive-duplicate-entry", _MEDIUM),
    "hidden-entry": ("archive-hidden-entry", _MEDIUM),
    "several-directories": ("archive-hidden-entry", _HIGH),
    "overlap": ("archive-overlap", _HIGH),
    "prepended-bytes": ("archive-extra-bytes", _MEDIUM),
    "appended-bytes": ("archive-extra-bytes", _MEDIUM),
    "trailing-bytes": ("archive-extra-bytes", _MEDIUM),
    "encrypted": ("archive-encrypted", _MEDIUM),
    "entry-past-end": ("archive-broken", _LOW),
    "entry-without-header": ("archive-broken", _MEDIUM),
    "directory-broken": ("archive-broken", _MEDIUM),
    "entry-count": ("archive-broken", _MEDIUM),
    "no-directory": ("archive-broken", _LOW),
    "header-broken": ("archive-broken", _LOW),
    "header-extra": ("archive-broken", _LOW),
    "stream-broken": ("archive-broken", _LOW),
    "bad-size": ("archive-broken", _MEDIUM),
    "bad-shape": ("archive-broken", _LOW),
    "data-missing": ("archive-broken", _LOW),
    "unknown-type": ("archive-broken", _LOW),
    "link-with-data": ("archive-header-mismatch", _MEDIUM),
}
# `torch.distributed.checkpoint` writes a zip for each tensor into one file, and reads each from where `.metadata` says.
_ONE_BEHIND_THE_OTHER = frozenset(("several-directories", "prepended-bytes", "duplicate-entry"))
_MANY = 10_000
# Readings that are nothing but an archive of members, each of which is inspected by itself.
_BY_MEMBERS = frozenset((*(flavour for flavour, _ in ZIP_FLAVOURS), "torch-tar", "nemo"))
_CUT = frozenset(
    ("entry-past-end", "no-directory", "stream-broken", "directory-broken", "data-missing", "header-broken")
)


class Archive:
    """The inspector `archive`."""

    name = "archive"
    local = True
    version = "1"

    def wants(self, part: Part) -> bool:
        """Containers of any kind, and members about which their container lies."""
        if part.notes or any(container.format in part.formats for container in part.containers):
            return True
        return bool(part.containers) and bool(_BY_MEMBERS.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Judge the directory of each container reading, and what the enclosing one says of this part."""
        for anomaly in part.notes:
            _judge(anomaly, out)
        for container in part.containers:
            if container.format not in part.formats:
                continue
            usual = _ONE_BEHIND_THE_OTHER if part.name.lower().endswith(".distcp") else frozenset()
            for anomaly in container.anomalies:
                if anomaly.code not in usual:
                    _judge(anomaly, out)
            _many_empty(container.members, out)
            for member in container.members:
                _member(member, out.at(part.path, (*part.inner, member.name)))


def _many_empty(members: tuple[Member, ...], out: Collector) -> None:
    if len(members) <= _MANY:
        return
    empty = sum(member.kind == "file" and not member.size for member in members)
    if empty * 10 >= len(members) * 9:
        message = f"{empty} of {len(members)} entries are empty"
        out.finding("archive-empty-entries", _LOW, Confidence.MEDIUM, message, empty=empty)


def _judge(anomaly: Anomaly, out: Collector) -> None:
    rule, severity = _JUDGED[anomaly.code]
    out.finding(rule, severity, Confidence.HIGH, anomaly.detail, offset=anomaly.offset, anomaly=anomaly.code)
    if anomaly.code in _CUT:
        out.incomplete(f"broken or cut off: {anomaly.detail}")


def _member(member: Member, out: Collector) -> None:
    if member.kind == "stray":
        return
    if escapes(member.name):
        out.finding(
            "archive-path-escape", _HIGH, Confidence.HIGH,
            f"extracts outside its folder: {member.name!r}", offset=member.offset, name=member.name,
        )  # fmt: skip
    if member.kind in {"symlink", "hardlink"}:
        base = posixpath.dirname(member.name) if member.kind == "symlink" else ""
        outside = bool(member.target) and escapes(posixpath.join(base, member.target))
        out.finding(
            "archive-path-escape" if outside else "archive-link", _HIGH if outside else _LOW, Confidence.HIGH,
            f"a {member.kind} to {member.target or '(unread)'!r}", offset=member.offset, target=member.target,
        )  # fmt: skip
    elif member.kind == "device":
        out.finding("archive-device", _HIGH, Confidence.HIGH, "a device or pipe as an entry", offset=member.offset)


def escapes(name: str) -> bool:
    """Whether a name, joined to a folder, leaves it."""
    flat = name.replace("\\", "/")
    if flat.startswith("/") or (len(flat) > 1 and flat[1] == ":"):
        return True
    return posixpath.normpath(flat).split("/", 1)[0] == ".."
