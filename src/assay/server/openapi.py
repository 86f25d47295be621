"""`/api/openapi.json`: our own API as an OpenAPI 3.1 document, written out from one table.

The hub's API is not described here: it is the public hub's, and stock clients know it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from assay import __version__
from assay.registry.people import ROLES

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

Json = dict[str, Any]
_HEX = "^[0-9a-f]{64}$"


def _object(required: Json, **optional: Any) -> Json:
    return {"type": "object", "properties": required | optional, "required": sorted(required)}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of}


_TEXT: Json = {"type": "string"}
_TEXTS = _list(_TEXT)
_ANY: Json = {"type": "object"}
_ANYTHING: Json = {}
_WHOLE: Json = {"type": "integer"}
_TOKEN = _object(
    {
        **dict.fromkeys(("id", "name", "person", "kind", "created_by", "created_at", "expires_at"), _TEXT),
        **dict.fromkeys(("roles", "teams", "scopes"), _TEXTS),
        **{key: {"type": ["string", "null"]} for key in ("revoked_at", "used_at")},
    }
)
_ENVELOPE = _object(
    {
        "payload": {"type": "string", "contentEncoding": "base64"},
        "payloadType": _TEXT,
        "signatures": _list(_object({"keyid": _TEXT, "sig": _TEXT})),
    }
)
_STATEMENT = _object({"kind": _TEXT, "role": _TEXT, "envelope": _ENVELOPE, "bundle": {"type": ["object", "null"]}})
_WORK = _object(
    {
        **dict.fromkeys(("kind", "source", "name", "requested", "asked_by", "reason", "state", "outcome"), _TEXT),
        **dict.fromkeys(("detail", "asked_at", "started_at", "ended_at"), _TEXT),
        **dict.fromkeys(("id", "priority"), _WHOLE),
    }
)
_MOVE = _object(dict.fromkeys(("name", "ref", "revision", "by", "reason", "statement", "moved_at"), _ANYTHING))
_PULL = _object(
    {
        **dict.fromkeys(("name", "revision", "snapshot", "consumer", "claims", "client", "address"), _TEXT),
        **dict.fromkeys(("first_at", "last_at"), _TEXT),
        **dict.fromkeys(("files", "bytes"), _WHOLE),
    }
)
_ALERT = _object({"seq": _WHOLE, "body": _ANY, **dict.fromkeys(("at", "kind", "name", "text"), _TEXT)})
_NAMED = {"name": _TEXT, "revision": _TEXT}
_NEW_TOKEN = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "days": {"type": "integer", "minimum": 1, "maximum": 366},
        "scopes": _list({"enum": ["read", "write", "decide", "audit", "metrics"]}),
        "roles": _list({"enum": list(ROLES)}),
    },
}
_NAME = {"name": "name", "in": "path", "required": True, "schema": _TEXT, "description": "`org/name`; its slash as is"}
_REVISION = {"name": "revision", "in": "path", "required": True, "schema": _TEXT}


def _query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "schema": schema}


def _count(most: int) -> Json:
    return {"type": "integer", "minimum": 1, "maximum": most}


# (path, method, kind of target, summary, parameters, body, status of success, schema of success)
_OPERATIONS: tuple[tuple[str, str, str, str, list[Json], Json | None, str, Json], ...] = (
    ("/healthz", "get", "health", "Whether the index answers", [], None, "200", _object({"status": _TEXT})),
    (
        "/readyz",
        "get",
        "ready",
        "Whether index, blobs and queue answer",
        [],
        None,
        "200",
        _object(dict.fromkeys(("status", "index", "blobs", "queue"), _TEXT)),
    ),
    (
        "/api/assay/v1/models",
        "get",
        "models-status",
        "What is served",
        [_query("search", _TEXT), _query("cursor", _TEXT), _query("limit", _count(1000))],
        None,
        "200",
        _object({"models": _list(_object({**_NAMED, "snapshot": _TEXT})), "cursor": {"type": ["string", "null"]}}),
    ),
    (
        "/api/assay/v1/attestations/{name}/{revision}",
        "get",
        "attestations",
        "Manifest, signed statements and verdict of a served revision",
        [_NAME, _REVISION],
        None,
        "200",
        _object({**_NAMED, "manifest": _ANY, "statements": _list(_STATEMENT), "proofs": _list(_ANY), "verdict": _ANY}),
    ),
    (
        "/api/assay/v1/evidence/{name}/{revision}",
        "get",
        "evidence",
        "The verdict and the evidence it rests on",
        [_NAME, _REVISION],
        None,
        "200",
        _object({**_NAMED, "verdict": _ANY, "evidence": _list(_ANY)}),
    ),
    (
        "/api/assay/v1/decisions/{name}",
        "get",
        "decisions",
        "What a decision rests on, and those that were taken",
        [_NAME, _query("revision", _TEXT)],
        None,
        "200",
        _object({"name": _TEXT, "subject": _ANY, "decisions": _list(_STATEMENT)}),
    ),
    (
        "/api/assay/v1/decisions/{name}",
        "post",
        "decisions",
        "Take a decision that a person signed on their side",
        [_NAME],
        _object({"envelope": _ENVELOPE}),
        "201",
        _object({"kind": _TEXT, "action": _TEXT, "statement": _TEXT, "queued": {"type": ["integer", "null"]}}),
    ),
    ("/api/assay/v1/tokens", "get", "tokens", "Tokens", [], None, "200", _object({"tokens": _list(_TOKEN)})),
    (
        "/api/assay/v1/tokens",
        "post",
        "tokens",
        "Make a token of one's own; its text is in this answer and nowhere else",
        [],
        _NEW_TOKEN,
        "201",
        _TOKEN | {"required": [*_TOKEN["required"], "token"]},
    ),
    (
        "/api/assay/v1/tokens/{id}",
        "delete",
        "token",
        "Revoke a token",
        [{"name": "id", "in": "path", "required": True, "schema": _TEXT}],
        None,
        "200",
        _TOKEN,
    ),
    (
        "/api/assay/v1/teams",
        "get",
        "teams",
        "Teams",
        [],
        None,
        "200",
        _object({"teams": _list(_object({"name": _TEXT, "members": _TEXTS, "models": _TEXTS}))}),
    ),
    (
        "/api/assay/v1/audit",
        "get",
        "audit",
        "The append-only log",
        [_query("after", {"type": "integer", "minimum": 0, "maximum": 1 << 53}), _query("limit", _count(1000))],
        None,
        "200",
        _object(
            {
                "head": _TEXT,
                "entries": _list(
                    _object(
                        {
                            "seq": _WHOLE,
                            "at": _TEXT,
                            "kind": _TEXT,
                            "body": _ANY,
                            **{key: {"type": "string", "pattern": _HEX} for key in ("hash", "previous")},
                        }
                    )
                ),
            }
        ),
    ),
    (
        "/api/requests",
        "get",
        "requests",
        "What waits to be vetted",
        [],
        None,
        "200",
        _object({"requests": _list(_WORK)}),
    ),
    (
        "/api/requests",
        "post",
        "requests",
        "Ask for a model of the configured hub",
        [],
        _object({"name": _TEXT}, revision=_TEXT, reason=_TEXT),
        "202",
        _WORK,
    ),
    (
        "/api/requests/{number}",
        "get",
        "request",
        "One request: its state, and what came of it",
        [{"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}],
        None,
        "200",
        _WORK,
    ),
    (
        "/api/assay/v1/refs/{name}",
        "get",
        "refs-history",
        "Who moved main and the aliases, when and why; with `at`, what they were then",
        [_NAME, _query("ref", _TEXT), _query("at", {"type": "string", "format": "date-time"})],
        None,
        "200",
        _object({"moves": _list(_MOVE)}),
    ),
    (
        "/api/assay/v1/revoked",
        "get",
        "revoked",
        "Revisions whose revocation stands",
        [],
        None,
        "200",
        _object({"revoked": _list(_object({**_NAMED, "snapshot": _TEXT, "reason": _TEXT, "revoked_at": _TEXT}))}),
    ),
    (
        "/api/assay/v1/pulls",
        "get",
        "pulls",
        "The pull ledger, newest first",
        [
            *(_query(key, _TEXT) for key in ("name", "consumer", "snapshot")),
            _query("since", {"type": "string", "format": "date-time"}),
        ],
        None,
        "200",
        _object({"pulls": _list(_PULL)}),
    ),
    (
        "/api/assay/v1/alerts",
        "get",
        "alerts",
        "Decisions without a second person, and verdicts that turned",
        [_query("after", {"type": "integer", "minimum": 0, "maximum": 1 << 53}), _query("limit", _count(1000))],
        None,
        "200",
        _object({"alerts": _list(_ALERT)}),
    ),
    (
        "/api/assay/v1/access",
        "get",
        "access",
        "Who may do what, and what nobody uses",
        [],
        None,
        "200",
        _object({"at": _TEXT, **dict.fromkeys(("people", "tokens", "teams", "keys"), _list(_ANY))}),
    ),
)
_ERROR = {
    "description": "Refused; the reason is in the body and in `X-Error-Message`",
    "content": {"application/json": {"schema": _object({"error": _TEXT})}},
}
_ERRORS = ("400", "401", "403", "404", "405", "408", "409", "413", "421", "429", "503")
DESCRIBED = frozenset(kind for _, _, kind, *_ in _OPERATIONS)


def build() -> Json:
    """The document."""
    paths: Json = {}
    for path, method, kind, summary, parameters, body, status, schema in _OPERATIONS:
        operation: Json = {
            "operationId": f"{method}-{kind}",
            "summary": summary,
            "parameters": parameters,
            "responses": {
                status: {"description": "Done", "content": {"application/json": {"schema": schema}}},
                **dict.fromkeys(_ERRORS, _ERROR),
            },
        }
        if body is not None:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "assay",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "assay_…"}}},
        "security": [{"token": []}],
    }


_DOCUMENT = build()


def document(_request: Request) -> Response:
    """`/api/openapi.json`."""
    return JSONResponse(_DOCUMENT)
