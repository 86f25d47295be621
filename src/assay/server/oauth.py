"""`POST /oauth/token`: a pipeline's identity token for a short-lived access token of ours (RFC 8693), or a device code.

Stock clients do it by themselves when `HF_OIDC_RESOURCE` is set; `resource` is the model that the token is for.
"""

from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from assay.core.errors import TrustError, UsageError
from assay.core.name import check_name
from assay.registry.people import MODEL_SCOPE
from assay.server import device
from assay.server.answers import header_text, logger
from assay.server.bodies import parse_form, parse_json
from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a type
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type
LIFETIME = timedelta(hours=1)


async def token(request: Request) -> Response:
    """Exchange; errors as RFC 6749, 5.2, with our header so that stock clients show the reason."""
    try:
        fields = _fields(await request.body(), request.headers.get("content-type", ""))
        if fields.get("grant_type") == device.GRANT:
            return await run_in_threadpool(_redeem, request, fields)
        if fields.get("grant_type") != EXCHANGE:
            return _error("unsupported_grant_type", "identity tokens of pipelines (RFC 8693), device codes (RFC 8628)")
        if fields.get("subject_token_type") != ID_TOKEN:
            return _error("invalid_request", f"subject_token_type is {ID_TOKEN}")
        return await run_sync(_exchange, request, fields, limiter=registry_of(request).asking)
    except UsageError as problem:
        return _error("invalid_request", str(problem))
    except TrustError as problem:
        logger.warning("an identity token was refused: %s", header_text(str(problem)))
        return _error("invalid_grant", str(problem))


def _redeem(request: Request, fields: dict[str, str]) -> Response:
    answer = device.redeem(registry_of(request), fields.get("device_code", ""))
    if "error" in answer:
        return _error(answer["error"], answer["error_description"])
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _exchange(request: Request, fields: dict[str, str]) -> Response:
    registry = registry_of(request)
    if registry.issuers is None:
        raise TrustError("this registry knows no issuer of identity tokens")
    audience = f"{request.url.scheme}://{request.url.netloc}"
    now = registry.clock()
    person, scopes, claims = registry.issuers.exchange(fields.get("subject_token", ""), audience, now)
    text, record = registry.tokens.create(
        person=person,
        roles=["developer"],
        name=fields.get("resource", "")[:100] or "exchanged",
        by=person,
        now=now,
        lifetime=LIFETIME,
        scopes=_narrowed(scopes, fields.get("resource", "")),
        kind="ci",
        claims=claims,
    )
    body = {
        "access_token": text,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "scope": " ".join(record.scopes),
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _narrowed(scopes: tuple[str, ...], resource: str) -> list[str]:
    """The scopes of the rule, for the one model that was asked for when it is a model's name."""
    if "/" not in resource:
        return list(scopes)
    name = check_name(resource)
    patterns = [scope.removeprefix(MODEL_SCOPE) for scope in scopes if scope.startswith(MODEL_SCOPE)]
    if patterns and not any(fnmatchcase(name, pattern) for pattern in patterns):
        raise TrustError(f"this pipeline may not use {name}")
    return [*(scope for scope in scopes if not scope.startswith(MODEL_SCOPE)), f"{MODEL_SCOPE}{name}"]


def _fields(body: bytes, content_type: str) -> dict[str, str]:
    try:
        if content_type.partition(";")[0].strip().lower() == "application/json":
            found: Any = parse_json(body)
            fields = found if isinstance(found, dict) else {}
        else:
            fields = {key: values[-1] for key, values in parse_form(body).items()}
    except (ValueError, RecursionError) as problem:
        raise UsageError("the body is a form or a JSON object") from problem
    return {str(key): value for key, value in fields.items() if isinstance(value, str)}


def _error(code: str, text: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Error-Message": header_text(f"assay: {text}")}
    return JSONResponse({"error": code, "error_description": text}, 400, headers)
