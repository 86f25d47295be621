"""For an auditor: the append-only log (who did what to which model, when and why), and the pull ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from assay.core.errors import UsageError
from assay.registry.export import PERSONS, person_of
from assay.server.pages.render import page, wanted
from assay.server.state import registry_of
from assay.store import log

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.store.log import LogEntry

_PAGE: Final = 50  # entries
_PULLS: Final = 200  # rows of the ledger
_SHORT: Final = 40  # characters of a value that stands in the line itself
# What a person looks for → kinds of entries.
GROUPS: Final = {
    "decisions": ("revoked", "lifted", "ref-moved", "break-glass", "turned", "refused", "admitted", "published"),
    "alarms": ("break-glass", "turned", "revoked"),
    "access": ("token-created", "token-revoked", "team-changed", "session-started", "session-ended"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as the page shows it: who, about which model, what in short, and every key with its value."""

    entry: LogEntry
    who: str
    name: str
    said: str
    whole: tuple[tuple[str, str], ...]


def audit_page(request: Request) -> Response:
    """`/-/audit`: the log, newest first; `?before`, `?group` (decisions, alarms, access)."""
    text, group = wanted(request, "before", 15), wanted(request, "group")
    kinds = GROUPS.get(group, ())
    with registry_of(request).catalog.index.reading() as tx:
        head = log.head(tx)
        start = int(text) if text.isascii() and text.isdigit() else head.seq + 1
        found = log.before(tx, start, kinds, _PAGE + 1)
    return page(
        request,
        "audit.html",
        lines=[line_of(one) for one in found[:_PAGE]],
        head=str(head),
        older=found[_PAGE - 1].seq if len(found) > _PAGE else 0,
        newest=start > head.seq,
        group=group if kinds else "",
        groups=tuple(GROUPS),
    )


def pulls_page(request: Request) -> Response:
    """`/-/pulls`: who pulled what; `?name`, `?consumer`, `?since` (a day)."""
    chosen = {key: wanted(request, key).strip() for key in ("name", "consumer", "since")}
    try:
        day = datetime.strptime(chosen["since"], "%Y-%m-%d").replace(tzinfo=UTC) if chosen["since"] else None
    except ValueError as problem:
        raise UsageError("since is a day like 2027-01-31") from problem
    found = registry_of(request).ledger.find(
        name=chosen["name"] or None, consumer=chosen["consumer"] or None, since=day, limit=_PULLS + 1
    )
    return page(request, "pulls.html", rows=found[:_PULLS], more=len(found) > _PULLS, chosen=chosen)


def line_of(entry: LogEntry) -> Line:
    """One entry."""
    body = {key: _text(value) for key, value in entry.body.items()}
    who = person_of(body)
    said = body.get("reason", "")
    if not said:
        left_out = {"name", "snapshot", "decided_at", "expires_at", *PERSONS}
        short = [(key, value) for key, value in sorted(body.items()) if key not in left_out and 0 < len(value) < _SHORT]
        said = ", ".join(f"{key} {value}" for key, value in short)
    name = body.get("name", "") if "snapshot" in body or "revision" in body else ""
    return Line(entry, who, name, said, tuple(sorted(body.items())))


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
