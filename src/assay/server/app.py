"""The application: routes, guards and error answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Match, request_response

from assay.core.errors import AssayError
from assay.registry.records import Refused
from assay.server import (
    alerts_api,
    answers,
    device,
    hub_api,
    login,
    not_here,
    oauth,
    openapi,
    own_api,
    people_api,
    pulls_api,
    requests_api,
    transfer,
    upload,
    upload_xet,
)
from assay.server.access import Access, Route
from assay.server.fresh import Fresh
from assay.server.guards import Guards
from assay.server.metrics import metrics
from assay.server.observe import Observe
from assay.server.pages import audit, decide, diff, lists, model, people, render, static
from assay.server.state import Registry, ServerSettings, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from assay.provenance.keys import KeyRing
    from assay.provenance.trust import Trust
    from assay.registry.catalog import Catalog
    from assay.server.oidc import Issuers
    from assay.server.oidc_login import OidcLogin
    from assay.store.blobs import Blobs

_READ = ("GET", "HEAD")
_MAX_PATHS_BODY = 1 << 20  # bytes of a paths-info request
# kind of target → what answers it, and the right that it takes
ROUTES: dict[str, Route] = {
    "page": Route(lists.overview_page, _READ, "browse"),
    "models-page": Route(lists.models_page, _READ, "browse"),
    "model-page": Route(model.model_page, _READ, "browse"),
    "diff-page": Route(diff.diff_page, _READ, "browse"),
    "decide-page": Route(decide.decide_page, _READ, "browse"),
    "proposal": Route(decide.proposal, _READ, "browse"),
    "document": Route(decide.document, _READ, "browse"),
    "requests-page": Route(people.requests_page, (*_READ, "POST"), "browse"),
    "metrics-page": Route(people.metrics_page, _READ, "browse"),
    "settings-page": Route(people.settings_page, _READ, "browse"),
    "audit-page": Route(audit.audit_page, _READ, "audit"),
    "pulls-page": Route(audit.pulls_page, _READ, "audit"),
    "access-page": Route(people.access_page, _READ, "audit"),
    "static": Route(static.static, _READ, ""),
    "health": Route(own_api.health, _READ, ""),
    "ready": Route(own_api.ready, _READ, ""),
    "metrics": Route(metrics, _READ, "metrics"),
    "attestations": Route(own_api.attestations, _READ, "browse"),
    "decisions": Route(people_api.decisions, (*_READ, "POST"), "browse", people_api.MAX_STATEMENT),
    "evidence": Route(people_api.evidence, _READ, "browse"),
    "models-status": Route(people_api.models, _READ, "browse"),
    "tokens": Route(people_api.tokens, (*_READ, "POST"), "token.own"),
    "token": Route(people_api.token, ("DELETE",), "token.own"),
    "teams": Route(people_api.teams, _READ, "audit"),
    "audit": Route(people_api.audit, _READ, "audit"),
    "alerts": Route(alerts_api.alerts, _READ, "alerts"),
    "access": Route(people_api.access, _READ, "audit"),
    "login": Route(login.login, (*_READ, "POST"), ""),
    "login-provider": Route(login.provider, ("GET",), ""),
    "login-callback": Route(login.callback, ("GET",), ""),
    "logout": Route(login.logout, ("POST",), ""),
    "device": Route(device.page, (*_READ, "POST"), "token.own"),
    "oauth-device": Route(device.begin, ("POST",), ""),
    "oauth-token": Route(oauth.token, ("POST",), ""),
    "openapi": Route(openapi.document, _READ, "browse"),
    "whoami": Route(hub_api.whoami, _READ, ""),
    "models": Route(hub_api.models, _READ, "browse"),
    "info": Route(hub_api.info, _READ, "browse"),
    "tree": Route(hub_api.tree, _READ, "browse"),
    "paths-info": Route(hub_api.paths_info, ("POST",), "browse", _MAX_PATHS_BODY),
    "commits": Route(hub_api.commits, _READ, "browse"),
    "refs": Route(hub_api.refs, _READ, "browse"),
    "auth-check": Route(hub_api.auth_check, _READ, "browse"),
    "not-here": Route(not_here.not_here, (*_READ, "POST", "PUT", "DELETE"), "browse"),
    "hub-page": Route(not_here.hub_page, _READ, "browse"),
    "unasked": Route(not_here.unasked, (*_READ, "POST"), ""),
    "other-kind": Route(hub_api.other_kind, (*_READ, "POST"), "browse"),
    "file": Route(transfer.file, _READ, "pull"),
    "requests": Route(requests_api.requests, (*_READ, "POST"), "browse"),
    "request": Route(requests_api.one, _READ, "browse"),
    "refs-history": Route(own_api.refs_history, _READ, "browse"),
    "revoked": Route(own_api.revoked, _READ, "browse"),
    "pulls": Route(pulls_api.pulls, _READ, "audit"),
    "create": Route(upload.create, ("POST",), "upload"),
    "validate-yaml": Route(upload.validate_yaml, ("POST",), "", upload.MAX_JSON),
    "preupload": Route(upload.preupload, ("POST",), "upload", upload.MAX_JSON),
    "lfs-batch": Route(upload.lfs_batch, ("POST",), "upload", upload.MAX_JSON),
    "lfs-put": Route(upload.lfs_put, ("PUT",), "", None, own_token=True),
    "commit": Route(upload.commit, ("POST",), "upload", None),
    "xet-token": Route(upload_xet.token, _READ, "upload"),
    "xet-xorb": Route(upload_xet.xorb, ("POST",), "", None, own_token=True),
    "xet-shard": Route(upload_xet.shard, ("POST",), "", None, own_token=True),
    "xet-chunk": Route(upload_xet.chunk, _READ, "", own_token=True),
}


class TargetRoute(BaseRoute):
    """A route by `parse_target`, which sees the raw path: Starlette's own see it decoded, and stop at a newline."""

    def __init__(self, kind: str, endpoint: Callable[..., Any], methods: tuple[str, ...]) -> None:
        self.kind = kind
        self.methods = methods
        self._app = request_response(endpoint)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """By the kind of target; PARTIAL when only the method is wrong."""
        if scope["type"] != "http":
            return Match.NONE, {}
        target = scope["assay.target"]
        if target is None or target.kind != self.kind:
            return Match.NONE, {}
        return (Match.FULL if scope["method"] in self.methods else Match.PARTIAL), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the handler, or 405."""
        if scope["method"] not in self.methods:
            raise HTTPException(405, headers={"Allow": ", ".join(self.methods)})
        await self._app(scope, receive, send)


def create_app(
    catalog: Catalog,
    blobs: Blobs,
    settings: ServerSettings | None = None,
    *,
    clock: Callable[[], datetime] = utc_now,
    ring: KeyRing | None = None,
    trust: Trust | None = None,
    issuers: Issuers | None = None,
    oidc: OidcLogin | None = None,
) -> Starlette:
    """The registry as an ASGI application. With `settings.anonymous` whoever reaches it may read: bind it to loopback.

    Args:
        catalog: what is served.
        blobs: the bytes.
        settings: how to answer.
        clock: the time, for tests.
        ring: with the registry's key, so that statements are served with a signed view of now; and with the log's, so
            that each comes with a proof.
        trust: keys of people, so that their decisions are taken.
        issuers: whose identity tokens pipelines may exchange for an access token.
        oidc: through which provider people log in.
    """
    settings = settings or ServerSettings()
    registry = Registry(catalog, blobs, settings, clock, ring, trust, issuers, oidc)
    app = Starlette(
        routes=[TargetRoute(kind, route.endpoint, route.methods) for kind, route in ROUTES.items()],
        middleware=[
            Middleware(Observe, metrics=registry.metrics),
            Middleware(Guards, hosts=settings.hosts),
            Middleware(Access, registry=registry, routes=ROUTES),
            Middleware(Fresh, registry=registry),
        ],
        exception_handlers=_handlers(),
    )
    app.state.registry = registry
    return app


def _handlers() -> Mapping[Any, Any]:
    return {Refused: answers.refused, AssayError: _failed, HTTPException: _plain}


def _failed(request: Request, problem: AssayError) -> Response:
    answer = answers.failed(request, problem)
    return render.refusal(request, answer.status_code, str(problem)) or answer


def _missing(path: str) -> str:
    """A call of the public hub's API, or a page."""
    return f"this registry has no such call: {path[:200]}" if path.startswith("/api/") else "no such page"


def _plain(request: Request, problem: HTTPException) -> Response:
    missing = problem.status_code == 404  # noqa: PLR2004
    said = _missing(request.scope["path"]) if missing else problem.detail
    if shown := render.refusal(request, problem.status_code, said):
        return shown
    return answers.error(problem.status_code, f"assay: {said}", headers=dict(problem.headers or {}))
