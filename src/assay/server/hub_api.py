"""The hub's read API: models, revisions, listings, refs. Files are in `transfer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.core.verdict import format_time
from assay.registry import tags
from assay.registry.listing import Asked, facets
from assay.registry.people import RIGHTS, Thing, may, visible
from assay.registry.teams import Unseen
from assay.server import described, listing
from assay.server.access import actor_of, model_thing
from assay.server.answers import ENTRY_NOT_FOUND, REPO_NOT_FOUND, error
from assay.server.bodies import parse_form, parse_json
from assay.server.fresh import UNTIL
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.core.snapshot import FileEntry
    from assay.registry.records import Resolved

TREE_PAGE = 1000  # entries; the public hub's page
MODELS_PAGE = 1000  # most models of one page
_MAX_PATHS = 10_000
# Query parameters of the public hub's search that we have no data for: an unfiltered list would be a wrong answer.
_UNKNOWN_FILTERS = ("apps", "inference", "inference_provider", "num_parameters")
_LIST_KEYS = frozenset({"search", "author", "filter", "pipeline_tag", "sort", "full"})
_SORTS = {"lastModified": "moved_at", "createdAt": "created_at"}  # client's word → column
_LICENCE = "license:"
_MOST_WORDS = 10  # of one filter


def resolve(request: Request) -> Resolved:
    """What the request's name and revision stand for (UsageError or Refused otherwise)."""
    registry, target = registry_of(request), target_of(request)
    resolved = registry.catalog.resolve(check_name(target.name), target.revision, registry.clock())
    request.scope[UNTIL] = resolved.verdict.expires_at
    return resolved


def shown_to(request: Request) -> Callable[[str], bool]:
    """Which models the request's actor may see."""
    registry, actor = registry_of(request), actor_of(request)
    return lambda name: visible(actor, model_thing(registry, name))


def hidden_from(request: Request) -> Unseen | None:
    """Which models the request's actor must not even count; None: it sees all there are."""
    registry, actor = registry_of(request), actor_of(request)
    patterns = registry.team_patterns()
    secret = any(not visible(actor, Thing("", frozenset({team}))) for _, team in patterns)
    return Unseen(patterns, actor.teams & {team for _, team in patterns}) if secret else None


def info(request: Request) -> Response:
    """`/api/models/{name}[/revision/{rev}]`."""
    resolved = resolve(request)
    registry, query = registry_of(request), request.query_params
    history = registry.catalog.revisions(resolved.name)
    wanted = set(query.getlist("expand")) | set(query.getlist("expand[]"))
    security = _flag(query, "securityStatus") or "securityRepoStatus" in wanted
    created = min(one.published_at for one in history)
    said = facets(registry.catalog.index, resolved.name)
    body = listing.info_json(resolved, created, *said, blobs=_flag(query, "blobs"), security=security)
    if wanted & described.KEYS:
        body |= described.described(tags.record_of(registry.catalog.index, resolved.name, resolved.snapshot.id))
    if wanted:
        body = {key: value for key, value in body.items() if key in wanted | {"id"}}
    return JSONResponse(body, headers={"X-Repo-Commit": resolved.revision})


def tree(request: Request) -> Response:
    """`/api/models/{name}/tree/{rev}[/{path}]`; folders are listed too, as clients expect."""
    resolved, target, query = resolve(request), target_of(request), request.query_params
    expand, recursive = _flag(query, "expand"), _flag(query, "recursive")
    found = listing.children(resolved.snapshot, target.path.rstrip("/"), recursive=recursive)
    commit = {"X-Repo-Commit": resolved.revision}
    if found is None:
        message = f"assay: {target.name} has no folder {target.path[:300]!r} at {resolved.revision}"
        return error(404, message, ENTRY_NOT_FOUND, commit)
    folders, files = found
    start, size = _number(query, "cursor", 0), _number(query, "limit", TREE_PAGE, least=1, most=TREE_PAGE)
    entries: list[str | FileEntry] = [*folders, *files]
    page = [
        listing.folder_json(resolved, item, expand=expand)
        if isinstance(item, str)
        else listing.file_json(resolved, item, expand=expand)
        for item in entries[start : start + size]
    ]
    if start + size < len(entries):
        folder = f"/{quote(target.path)}" if target.path else ""
        pinned = f"/api/models/{target.name}/tree/{resolved.revision}{folder}"
        parameters = {"recursive": recursive, "expand": expand, "limit": size, "cursor": start + size}
        commit["Link"] = _next(request, pinned, parameters)
    return JSONResponse(page, headers=commit)


async def paths_info(request: Request) -> Response:
    """`POST /api/models/{name}/paths-info/{rev}`: the paths that exist, by form (stock clients) or JSON."""
    paths, expand = _paths(await request.body(), request.headers.get("content-type", ""))
    resolved = await run_in_threadpool(resolve, request)
    answer = await run_in_threadpool(_known_paths, resolved, paths, expand)
    return JSONResponse(answer, headers={"X-Repo-Commit": resolved.revision})


def _known_paths(resolved: Resolved, paths: list[str], expand: bool) -> list[dict[str, Any]]:
    folders, _ = listing.children(resolved.snapshot, "", recursive=True) or ([], [])
    known, answer = set(folders), []
    for path in dict.fromkeys(path.strip("/") for path in paths):
        entry = resolved.snapshot.entry(path)
        if entry is not None:
            answer.append(listing.file_json(resolved, entry, expand=expand))
        elif path in known:
            answer.append(listing.folder_json(resolved, path, expand=expand))
    return answer


def _paths(body: bytes, content_type: str) -> tuple[list[str], bool]:
    try:
        if content_type.partition(";")[0].strip().lower() == "application/json":
            fields = parse_json(body)
            paths, expand = fields["paths"], fields.get("expand", False)
            paths = [paths] if isinstance(paths, str) else paths
        else:
            form = parse_form(body, _MAX_PATHS, blank=True)
            paths, expand = form["paths"], form.get("expand", ["false"])[-1]
        if not isinstance(paths, list) or len(paths) > _MAX_PATHS or not all(isinstance(path, str) for path in paths):
            raise UsageError(f"`paths` is a list of at most {_MAX_PATHS} names")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise UsageError("the body of paths-info is a form or a JSON object with `paths`") from problem
    return paths, str(expand).lower() in {"true", "1"}


def commits(request: Request) -> Response:
    """`/api/models/{name}/commits/{rev}`: the revision and those before it, newest first."""
    resolved = resolve(request)
    known = {revision.revision: revision for revision in registry_of(request).catalog.revisions(resolved.name)}
    chain, at = [], known.get(resolved.revision)
    while at is not None:
        chain.append(listing.commit_json(at))
        at = known.get(at.parent)
    return JSONResponse(chain, headers={"X-Total-Count": str(len(chain)), "X-Repo-Commit": resolved.revision})


def refs(request: Request) -> Response:
    """`/api/models/{name}/refs`: `main` and the aliases are branches."""
    resolved = resolve(request)
    branches = [
        {"name": ref.ref, "ref": f"refs/heads/{ref.ref}", "targetCommit": ref.revision}
        for ref in registry_of(request).catalog.refs(resolved.name)
    ]
    return JSONResponse({"branches": branches, "converts": [], "tags": [], "pullRequests": []})


def auth_check(request: Request) -> Response:
    """`/api/models/{name}/auth-check`: whether it can be pulled."""
    resolve(request)
    return JSONResponse({})


def models(request: Request) -> Response:
    """`/api/models`: served models by name, or the newest first; filters, `limit`, `cursor`.

    Nobody counts downloads and likes here: sorted by them, all are equal.
    """
    query, registry = request.query_params, registry_of(request)
    if unknown := [name for name in _UNKNOWN_FILTERS if query.get(name)]:
        raise UsageError(
            f"this registry can't filter by {unknown[0]}", hint="search, author, pipeline_tag, filter work"
        )
    if query.get("direction", "-1") != "-1":
        raise UsageError("this registry sorts the newest first", hint="leave `direction` out")
    limit = _number(query, "limit", 100, least=1, most=MODELS_PAGE)
    if _flag(query, "gated"):
        return JSONResponse([])  # what is served is served to whoever sees it
    asked = _asked(query)
    page = registry.catalog.models(
        asked.search,
        limit,
        query.get("cursor") or None,
        registry.clock(),
        shown=shown_to(request),
        asked=asked,
        newest=_SORTS.get(query.get("sort", ""), ""),
    )
    headers = {}
    if page.cursor is not None:
        kept = [(key, value) for key, value in query.multi_items() if key in _LIST_KEYS]
        headers["Link"] = _next(request, "/api/models", [*kept, ("limit", limit), ("cursor", page.cursor)])
    index = registry.catalog.index
    words = tags.of_names(index, [model.name for model in page.models])
    body = [listing.model_json(model, words.get(model.name, ())) for model in page.models]
    if _flag(query, "full") or "siblings" in {*query.getlist("expand"), *query.getlist("expand[]")}:
        for item, model in zip(body, page.models, strict=True):
            snapshot = index.get_snapshot(model.snapshot_id, name=model.name)
            item["siblings"] = [{"rfilename": entry.path} for entry in snapshot.files] if snapshot else []
    return JSONResponse(body, headers=headers)


def _asked(query: QueryParams) -> Asked:
    """What the public hub's parameters ask for: a licence, and words that a model is found by."""
    words = [tag.strip().lower() for text in query.getlist("filter") for tag in text.split(",") if tag.strip()]
    words = [word for word in dict.fromkeys(words) if word != listing.ADMITTED]
    licences = [word.removeprefix(_LICENCE) for word in words if word.startswith(_LICENCE)]
    others = tuple(word for word in words if not word.startswith(_LICENCE))
    if len(licences) > 1 or len(others) > _MOST_WORDS:
        raise UsageError(f"this registry filters by one licence and {_MOST_WORDS} other words", hint="ask for fewer")
    named = query.get("search", "")[:200], query.get("author", "")
    return Asked(*named, task=query.get("pipeline_tag", "").lower(), licence="".join(licences), tags=others)


def whoami(request: Request) -> Response:
    """`/api/whoami-v2`: whose token it is, and what it may; 401 without one."""
    actor = actor_of(request)
    if not actor.known:
        message = "assay: no token came with this request; this registry is read without an account"
        if not registry_of(request).settings.anonymous:
            message = "assay: no token came with this request: `assay token create`"
        return error(401, message, headers={"WWW-Authenticate": 'Bearer realm="assay"'})
    token = request.scope.get("assay.token")
    writes = bool(may(actor, "upload"))
    described = {"displayName": token.name if token else actor.kind, "role": "write" if writes else "read"}
    body = {
        "type": "user",
        "id": actor.person,
        "name": actor.person,
        "fullname": actor.person,
        "isPro": False,
        "orgs": [{"type": "org", "name": team} for team in sorted(actor.teams)],
        "auth": {"type": "access_token" if token else "session", "accessToken": described},
        "assay": {
            "roles": sorted(actor.roles),
            "scopes": sorted(actor.scopes),
            "rights": sorted(action for action in RIGHTS if may(actor, action)),
            "expiresAt": format_time(token.expires_at) if token else None,
        },
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def other_kind(_request: Request) -> Response:
    """Datasets, spaces and the like."""
    said = "assay: this registry serves models only; load a data set from where it is kept, not through HF_ENDPOINT"
    return error(404, said, REPO_NOT_FOUND, warn="assay models only")


def _next(request: Request, path: str, parameters: dict[str, Any] | list[tuple[str, Any]]) -> str:
    """A Link header (RFC 8288) to the next page, at the host that the request named."""
    return f'<{request.url.scheme}://{request.url.netloc}{path}?{urlencode(parameters)}>; rel="next"'


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in {"true", "1"}


def _number(query: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int = 10**9) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not least <= int(text):
        raise UsageError(f"{name} is a number from {least}")
    return min(int(text), most)
