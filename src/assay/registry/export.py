"""The log for other systems: JSON lines, and CEF for a SIEM. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from assay import __version__
from assay.core.verdict import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.store.log import LogEntry

# How much a SIEM should care, 0 to 10 (ArcSight Common Event Format, "Severity").
_SEVERITY: Final = {"break-glass": 9, "turned": 8, "revoked": 8, "refused": 5, "token-created": 3, "token-revoked": 3}
# Keys under which entries name a person.
PERSONS: Final = ("person", "actor", "created_by", "revoked_by", "changed_by", "placed_by", "released_by")
_USUAL: Final = 2
_MOST: Final = 1023  # characters of a custom string (CEF, "cs1")


def to_jsonl(entry: LogEntry) -> str:
    """One entry as one line; with `previous` and `hash`, so that the chain can be checked again."""
    return json.dumps(entry.to_json(), ensure_ascii=True, sort_keys=True)


def to_cef(entry: LogEntry) -> str:
    """One entry as a line of the Common Event Format, version 0."""
    body = entry.body
    fields = {
        "rt": str(int(_millis(parse_time(entry.at)))),
        "externalId": str(entry.seq),
        "suser": person_of(body),
        "fname": str(body.get("name", "")),
        "fileHash": str(body.get("snapshot", body.get("snapshot_id", ""))),
        "reason": str(body.get("reason", "")),
        "cs1Label": "hash",
        "cs1": entry.hash,
        "cs2Label": "body",
        "cs2": json.dumps(body, ensure_ascii=True, sort_keys=True)[:_MOST],
    }
    said = " ".join(f"{key}={_value(value)}" for key, value in fields.items() if value)
    head = "|".join(_head(part) for part in ("assay", "assay", __version__, entry.kind, entry.kind))
    return f"CEF:0|{head}|{_SEVERITY.get(entry.kind, _USUAL)}|{said}"


def person_of(body: Mapping[str, Any]) -> str:
    """Who did what an entry says; empty when a part of assay did."""
    return next((str(body[key]) for key in PERSONS if body.get(key)), "")


def _millis(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000


def _head(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _value(text: str) -> str:
    return _line(text).replace("=", "\\=")


def _line(text: str) -> str:
    """Backslashes and line ends as CEF escapes them; everything that is not printable ASCII as an escape."""
    escaped = text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")
    return "".join(c if c.isascii() and c.isprintable() else f"\\\\u{ord(c):04x}" for c in escaped)
