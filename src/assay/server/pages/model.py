"""The page of one model: verdict and why, evidence, findings, figures, files, lineage, statements, history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.evidence import Outcome
from assay.core.name import check_name
from assay.core.verdict import Decision
from assay.gate.stored import statements_about
from assay.registry import overview
from assay.registry.decisions import snapshot_of
from assay.registry.history import moves
from assay.registry.lineage import Lineage, Node
from assay.registry.measured import measured_rows
from assay.registry.people import may
from assay.registry.queue import WorkQueue
from assay.registry.records import MAIN, Refused
from assay.server.access import actor_of
from assay.server.client_settings import client_settings
from assay.server.hub_api import shown_to
from assay.server.pages.behaviour import flip_rates, masks, probe_rows
from assay.server.pages.lists import base_of
from assay.server.pages.pictures import lineage, rates
from assay.server.pages.render import page, wanted
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from assay.core.evidence import Evidence
    from assay.core.finding import Finding
    from assay.core.snapshot import FileEntry, Snapshot
    from assay.core.verdict import Verdict
    from assay.registry.catalog import Catalog
    from assay.server.state import Registry

_MOST_FINDINGS: Final = 200  # shown, the worst of them
_MOST_FILES: Final = 500
_MOST_LINES: Final = 100  # of relations, statements, revisions and moves
# Inspector that a policy may ask for → what is not done without it.
_DEEPER: Final = {
    "load": "loading it under watch",
    "evaluation": "measuring what it claims",
    "behaviour": "searching its weights for a backdoor",
}
_MOST_CALLS: Final = 10  # of one finding


@dataclass(frozen=True, slots=True)
class Case:
    """What a page is about.

    Attributes:
        name: `org/name`.
        snapshot: the files.
        verdict: given last about them under this name.
        evidence: that the verdict rests on.
        revision: public id, empty when they were never published.
        served: whether they can be pulled now.
        why: the reason why not; empty when served.
        state: `served`, or the kind of the refusal.
    """

    name: str
    snapshot: Snapshot
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    revision: str
    served: bool
    why: str
    state: str


@dataclass(frozen=True, slots=True)
class FileState:
    """What the evidence says about one file: the worst finding, who could not read it and why, how many read it."""

    entry: FileEntry
    worst: str
    unread: tuple[str, ...]
    readers: int


def model_page(request: Request) -> Response:
    """`/{name}`, `?revision=` for another than `main`."""
    registry, name = registry_of(request), check_name(target_of(request).name)
    try:
        case = case_of(registry, name, wanted(request, "revision"), wanted(request, "snapshot"))
    except UsageError as problem:
        if overview.verdicts_of(registry.catalog.index, name, 1):
            return page(request, "message.html", 404, title=name, text=str(problem))
        return _unknown(request, name)
    catalog, actor = registry.catalog, actor_of(request)
    refs = catalog.refs(name)
    findings = sorted(
        ((one.inspector, found) for one in case.evidence for found in one.findings),
        key=lambda pair: (-pair[1].severity, -pair[1].confidence, pair[1].rule, pair[1].where.file),
    )
    graph = Lineage(catalog.index)
    own = Node("snapshot", case.snapshot.id.hex)
    edges = [edge for edge in graph.edges(own) if edge.relation != "holds"]
    history: dict[str, Any] = {
        "edges": edges,
        "statements": statements_about(name, catalog.index.statements_for(case.snapshot.id))[::-1],
        "revisions": catalog.revisions(name),
        "moves": moves(catalog.index, name, trust=registry.trust)[::-1],
    }
    edges = edges[:_MOST_LINES]
    return page(
        request,
        "model.html",
        case=case,
        decision=_word(case),
        looked=[one for one in case.evidence if _looked(one)],
        aside=[one.inspector for one in case.evidence if not _looked(one)],
        worst=_worst,
        not_run=[said for name, said in _DEEPER.items() if all(one.inspector != name for one in case.evidence)],
        probed=any(one.inspector == "behaviour" for one in case.evidence),
        unread=[skipped for one in case.evidence for skipped in one.unread],
        findings=[(inspector, one, calls_of(one)) for inspector, one in findings[:_MOST_FINDINGS]],
        more_findings=max(0, len(findings) - _MOST_FINDINGS),
        measured=measured_rows(case.evidence),
        flips=rates(flips) if (flips := flip_rates(case.evidence)) else None,
        probes=probe_rows(case.evidence),
        masks=masks(case.evidence),
        files=file_states(case.snapshot, case.evidence)[:_MOST_FILES],
        more_files=max(0, len(case.snapshot.files) - _MOST_FILES),
        **{key: rows[:_MOST_LINES] for key, rows in history.items()},
        more={key: max(0, len(rows) - _MOST_LINES) for key, rows in history.items()},
        graph=lineage(own, edges, _texts(case, edges, shown_to(request))) if edges else None,
        hidden=lambda node: node.kind == "model" and not shown_to(request)(node.key),
        own=own,
        refs=refs,
        judged=overview.verdicts_of(catalog.index, name),
        work=WorkQueue(catalog.index).about(name, 5),
        settings=client_settings(base_of(request)),
        base=base_of(request),
        may_decide=registry.trust is not None and (may(actor, "reject") or may(actor, "approve")),
        may_audit=bool(may(actor, "audit")),
        now=registry.clock(),
    )


def case_of(registry: Registry, name: str, revision: str = "", snapshot: str = "") -> Case:
    """What is known about a name: `main` when there is one and nothing else is asked for, else what was judged last.

    Args:
        registry: to ask.
        name: `org/name`.
        revision: public id or ref; empty: as above.
        snapshot: digest (hex) of the files instead, for what was never published.

    Raises:
        UsageError: nothing was judged under the name, or there is no such revision or snapshot.
    """
    catalog = registry.catalog
    has_main = any(ref.ref == MAIN for ref in catalog.refs(name))
    if snapshot:
        snapshot_id = Digest.parse(f"sha256:{snapshot}")
    else:
        snapshot_id = snapshot_of(catalog, name, revision or (MAIN if has_main else ""))
    verdict = overview.verdict_of(catalog.index, name, snapshot_id)
    files = catalog.index.get_snapshot(snapshot_id, name=name)
    if files is None or verdict is None:
        raise UsageError(f"nothing was decided about these files under {name}")
    published = next((one.revision for one in catalog.revisions(name) if one.snapshot_id == snapshot_id), "")
    state, why = "served", ""
    if published:
        try:
            catalog.resolve(name, published, registry.clock())
        except Refused as refusal:
            state, why = refusal.kind, str(refusal)
    else:
        state = "rejected" if verdict.decision is Decision.REJECT else "held"
        why = "it was never published"
    served = state == "served"
    return Case(name, files, verdict, _evidence(catalog, verdict), published, served, why, state)


def calls_of(finding: Finding) -> list[str]:
    """The calls that a finding reconstructed, as text."""
    found = finding.facts.get("calls") or finding.facts.get("call") or []
    texts = found if isinstance(found, list) else [found]
    return [str(text) for text in texts if text][:_MOST_CALLS]


def file_states(snapshot: Snapshot, evidence: Iterable[Evidence]) -> list[FileState]:
    """Every file with what is known about it; those with a finding or unread first."""
    worst: dict[str, Any] = {}
    unread: dict[str, list[str]] = {}
    readers: dict[str, int] = {}
    for one in evidence:
        for path in one.covered:
            readers[path] = readers.get(path, 0) + 1
        for skipped in one.unread:
            unread.setdefault(skipped.path, []).append(f"{one.inspector}: {skipped.reason}")
        for found in one.findings:
            worst[found.where.file] = max(worst.get(found.where.file, found.severity), found.severity)
    states = [
        FileState(
            entry,
            worst[entry.path].label if entry.path in worst else "",
            tuple(unread.get(entry.path, ())),
            readers.get(entry.path, 0),
        )
        for entry in snapshot.files
    ]
    return sorted(states, key=lambda one: (-worst.get(one.entry.path, -1), not one.unread, one.entry.path))


def _worst(one: Evidence) -> str:
    """The severest of its findings in a word; empty without any."""
    return max(found.severity for found in one.findings).label if one.findings else ""


def _looked(one: Evidence) -> bool:
    """Whether a control has anything to say about these files."""
    return one.outcome is not Outcome.NOT_APPLICABLE or bool(one.unread or one.findings)


def _evidence(catalog: Catalog, verdict: Verdict) -> tuple[Evidence, ...]:
    with catalog.index.reading() as tx:
        found = [catalog.index.get_evidence(digest, tx) for digest in verdict.evidence]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.inspector))


def _word(case: Case) -> str:
    """What the head of the page says in one word."""
    if case.served:
        return "ADMIT"
    if case.state in {"revoked", "expired"}:
        return case.state.upper()
    return {"held": "HOLD"}.get(case.state, "REJECT")


def _texts(case: Case, edges: Iterable[Any], shown: Any) -> dict[str, str]:
    texts = {case.snapshot.id.hex: case.name}
    for edge in edges:
        for node in (edge.child, edge.parent):
            hidden = node.kind == "model" and not shown(node.key)
            text = f"snapshot {node.key[:12]}" if node.kind == "snapshot" else node.key
            texts.setdefault(node.key, "a model of another team" if hidden else text)
    return texts


def _unknown(request: Request, name: str) -> Response:
    registry = registry_of(request)
    try:
        registry.catalog.resolve(name, now=registry.clock())
        why, near = "", ""
    except Refused as refusal:
        near = refusal.near if refusal.near and shown_to(request)(refusal.near) else ""
        why = str(refusal) if near or not refusal.near else ""  # a name that may not be seen is in the text
    may_ask = bool(may(actor_of(request), "request"))
    values = {"name": name, "why": why, "near": near, "hub": registry.settings.hub, "may_ask": may_ask}
    work = WorkQueue(registry.catalog.index).about(name, 5)
    return page(request, "unknown.html", 404, **values, work=work, base=base_of(request))
