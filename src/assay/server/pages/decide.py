"""A decision in the browser: the server proposes the statement, the person's own key signs it in the page.

The proposal changes nothing. What comes back goes to `/api/assay/v1/decisions/{name}`, where everything is checked.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.core.statement import PAYLOAD_TYPE
from assay.gate.stored import statements_about
from assay.provenance.events import decided, lifted, waived
from assay.provenance.statements import ref as ref_statement
from assay.provenance.statements import revoked, verdict_of
from assay.registry import lifts
from assay.registry.decisions import approval_of
from assay.server.access import actor_of
from assay.server.answers import error
from assay.server.pages.lists import base_of
from assay.server.pages.model import case_of
from assay.server.pages.render import page, wanted
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from assay.core.statement import Statement
    from assay.server.pages.model import Case

ACTIONS = ("approve", "reject", "waive", "quarantine", "move", "lift")
_REASON = 2000  # characters


def decide_page(request: Request) -> Response:
    """`/{name}/-/decide`: the form, and the commands that do the same."""
    case = _case(request)
    actions = [one for one in ACTIONS if (one != "move" or case.served) and (one != "lift" or case.state == "revoked")]
    rules = sorted({f"{found.rule}@{found.where.file}".rstrip("@") for one in case.evidence for found in one.findings})
    at = f"@{case.revision}" if case.revision else ""
    refs = registry_of(request).catalog.refs(case.name)
    return page(
        request, "decide.html", case=case, actions=actions, rules=rules, refs=refs, at=at, base=base_of(request)
    )


def proposal(request: Request) -> Response:
    """`/{name}/-/proposal?action=&reason=&person=[&finding=&until=][&ref=]`: the statement to sign; changes nothing."""
    case = _case(request)
    approval = approval_of(registry_of(request).catalog, case.name, case.snapshot.id)
    now = registry_of(request).clock().replace(microsecond=0)
    person = wanted(request, "person") or actor_of(request).person
    reason = wanted(request, "reason", _REASON)
    if not reason.strip():
        raise UsageError("a decision has a reason")
    said: dict[str, Any] = {"name": case.name, "reason": reason, "previous": approval, "at": now}
    action = wanted(request, "action")
    statement: Statement
    if action in {"approve", "reject"}:
        policy = verdict_of(approval.statement()).policy
        word: Any = action
        statement = decided(case.snapshot, decision=word, person=person, policy=policy, **said)
    elif action == "waive":
        rule, _, file = wanted(request, "finding", 4096).partition("@")
        finding = {"rule": rule, "file": file} if file else {"rule": rule}
        statement = waived(case.snapshot, finding=finding, person=person, until=_day(request), **said)
    elif action == "quarantine":
        statement = revoked(case.snapshot, **said)
    elif action == "move":
        statement = _moved(request, case, said)
    elif action == "lift":
        standing = lifts.standing(registry_of(request).catalog.index, case.snapshot.id)
        if not standing:
            raise UsageError(f"no revocation of {case.name} stands")
        statement = lifted(case.snapshot, name=case.name, reason=reason, revocation=standing[0].envelope, at=now)
    else:
        raise UsageError(f"action is one of {', '.join(ACTIONS)}")
    body = {"payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(statement.payload()).decode()}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _moved(request: Request, case: Case, said: dict[str, Any]) -> Statement:
    """`main` or an alias points to the revision of the page from now on."""
    if not case.revision:
        raise UsageError(f"{case.name} has no revision with these files: nothing can point to it")
    ref = wanted(request, "ref", 96)
    now = {one.ref: one.revision for one in registry_of(request).catalog.refs(case.name)}
    return ref_statement(case.snapshot, ref=ref, revision=case.revision, previous_revision=now.get(ref, ""), **said)


def document(request: Request) -> Response:
    """`/{name}/-/document/{digest}`: a signed envelope as a file; `?bare` gives a bill of materials alone."""
    case, wanted_digest = _case(request), target_of(request).path
    index = registry_of(request).catalog.index
    for one in statements_about(case.name, index.statements_for(case.snapshot.id)):
        if one.envelope.digest.hex == wanted_digest:
            bare = "bare" in request.query_params and one.kind in {"cyclonedx", "spdx"}
            value = one.envelope.statement().predicate if bare else one.envelope.to_json()
            ending = f"{one.kind}.json" if bare else f"{one.kind}.dsse.json"
            headers = {
                "Content-Disposition": f'attachment; filename="{case.name.replace("/", "--")}.{ending}"',
                "Cache-Control": "no-store",
            }
            return Response(json.dumps(value, indent=1), media_type="application/json", headers=headers)
    return error(404, "assay: there is no such statement about this model")


def _case(request: Request) -> Case:
    name = check_name(target_of(request).name)
    return case_of(registry_of(request), name, wanted(request, "revision"), wanted(request, "snapshot"))


def _day(request: Request) -> datetime:
    text = wanted(request, "until", 10)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as problem:
        raise UsageError("until is a day like 2027-01-31") from problem
