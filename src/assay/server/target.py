"""What a request path asks for. Pure; works on the raw path, so that an encoded slash is not a separator.

A name has one part or two (`gpt2`, `org/name`), which only the words after it tell apart:

    /api/models/{name}                              info of main
    /api/models/{name}/revision/{rev}               info
    /api/models/{name}/tree/{rev}[/{path}]          tree
    /api/models/{name}/paths-info/{rev}             paths-info
    /api/models/{name}/commits/{rev}                commits
    /api/models/{name}/refs                         refs
    /api/models/{name}/auth-check                   auth-check
    /api/models/{name}/branch/{branch}, …           not-here
    /{name}/resolve/{rev}/{path}, /raw/…            file
    /{name}/tree/{rev}, /blob/{rev}/{path}, …       hub-page
    /api/assay/v1/attestations/{name}/{rev}         attestations
    /api/models/{name}/preupload/{rev}              preupload
    /api/models/{name}/commit/{rev}                 commit
    /api/models/{name}/xet-write-token/{rev}        xet-token
    /{name}.git/info/lfs/objects/batch              lfs-batch
    /api/assay/v1/lfs/{sha256}                      lfs-put
    /xet/v1/xorbs/default/{hash}                    xet-xorb
    /api/requests/{number}                          request
    /api/assay/v1/evidence/{name}/{rev}             evidence
    /api/assay/v1/decisions/{name}                  decisions
    /api/assay/v1/refs/{name}                       refs-history
    /api/assay/v1/tokens/{id}                       token
    /{name}                                         model-page
    /{name}/-/diff                                  diff-page
    /{name}/-/decide                                decide-page
    /{name}/-/proposal                              proposal
    /{name}/-/document/{digest}                     document
    /-/static/{file}                                static
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

_FIXED = {
    "/": "page",
    "/-/models": "models-page",
    "/-/requests": "requests-page",
    "/-/audit": "audit-page",
    "/-/pulls": "pulls-page",
    "/-/access": "access-page",
    "/-/metrics": "metrics-page",
    "/-/settings": "settings-page",
    "/healthz": "health",
    "/readyz": "ready",
    "/metrics": "metrics",
    "/api/openapi.json": "openapi",
    "/login": "login",
    "/login/provider": "login-provider",
    "/login/callback": "login-callback",
    "/logout": "logout",
    "/device": "device",
    "/oauth/device": "oauth-device",
    "/oauth/token": "oauth-token",
    "/api/assay/v1/models": "models-status",
    "/api/assay/v1/tokens": "tokens",
    "/api/assay/v1/teams": "teams",
    "/api/assay/v1/audit": "audit",
    "/api/assay/v1/access": "access",
    "/api/models": "models",
    "/api/whoami-v2": "whoami",
    "/api/requests": "requests",
    "/api/assay/v1/pulls": "pulls",
    "/api/assay/v1/revoked": "revoked",
    "/api/assay/v1/alerts": "alerts",
    "/api/repos/create": "create",
    "/api/agent-harnesses": "unasked",
    "/api/settings/repositories": "not-here",
    "/api/models-tags-by-type": "not-here",
    "/api/repos/move": "not-here",
    "/api/repos/delete": "not-here",
    "/api/validate-yaml": "validate-yaml",
    "/xet/v1/shards": "xet-shard",
    "/xet/shards": "xet-shard",
}
# A fixed beginning and one more part, which is data.
_ONE_MORE = {
    ("-", "static"): "static",
    ("api", "requests"): "request",
    ("api", "assay", "v1", "lfs"): "lfs-put",
    ("xet", "v1", "xorbs", "default"): "xet-xorb",
    ("xet", "v1", "chunks", "default"): "xet-chunk",
    ("xet", "v1", "chunks", "default-merkledb"): "xet-chunk",
}
_OF_A_NAME = {"decisions": "decisions", "refs": "refs-history"}
_LFS_BATCH = ["info", "lfs", "objects", "batch"]
_WITH_REVISION = {
    "revision": "info",
    "tree": "tree",
    "paths-info": "paths-info",
    "commits": "commits",
    "preupload": "preupload",
    "commit": "commit",
    "xet-write-token": "xet-token",
}
_ALONE = {"refs": "refs", "auth-check": "auth-check"}
_NOT_HERE = {  # of the public hub alone
    "branch",
    "tag",
    "settings",
    "super-squash",
    "discussions",
    "lfs-files",
    "like",
    "likers",
    "user-access-request",
    "safetensors-metadata",
}
# A page of the public hub: its place here, to which clients print links and people paste them.
_HUB_PAGES = {"tree", "blob", "commit", "commits", "discussions"}
_OF_A_PAGE = {"diff": "diff-page", "decide": "decide-page", "proposal": "proposal"}
# No model's page: what begins so is ours, or a place that browsers and clients look for.
_NO_MODEL = {"", "-", "api", "xet", "oauth", "robots.txt", "favicon.ico"}
_OTHER_KINDS = {"datasets", "spaces", "kernels", "buckets"}
_PARTS = 2  # most that a name has


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about.

    Attributes:
        kind: which handler.
        name: as it stands in the path, unchecked.
        revision: ref or revision id, unchecked.
        path: path inside the model; may be empty.
    """

    kind: str
    name: str = ""
    revision: str = "main"
    path: str = ""


def parse_target(raw_path: bytes) -> Target | None:
    """The target of a raw request path (percent-encoded, without query); None when there is no such thing."""
    try:
        text = raw_path.decode("ascii")
        parts = text.removeprefix("/").split("/")
        if "%" in text:
            parts = [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError:
        parts = []
    if not parts or "\0" in "".join(parts):  # NUL: no file has it in its name, and PostgreSQL no text
        return None
    if text in _FIXED:
        return Target(_FIXED[text], path=parts[-1] if _FIXED[text] == "not-here" else "")
    if parts[:2] == ["api", "models"]:
        return _of_model(parts[2:])
    if parts[:2] == ["api", "telemetry"]:
        return Target("unasked")
    if parts[0] in _OTHER_KINDS or (parts[0] == "api" and parts[1:] and parts[1] in _OTHER_KINDS):
        return Target("other-kind")
    return _of_us(parts) or _of_file(parts) or _of_page(parts)


def _of_us(parts: list[str]) -> Target | None:
    if kind := _ONE_MORE.get(tuple(parts[:-1])):
        return Target(kind, path=parts[-1])
    if parts[:3] == ["api", "assay", "v1"]:
        return _of_ours(parts[3], parts[4:]) if parts[4:] else None
    if parts[-4:] == _LFS_BATCH and 1 <= len(parts[:-4]) <= _PARTS and parts[-5].endswith(".git"):
        return Target("lfs-batch", "/".join(parts[:-4]).removesuffix(".git"))
    return None


def _of_ours(kind: str, rest: list[str]) -> Target | None:
    if kind in {"attestations", "evidence"} and 1 < len(rest) <= 1 + _PARTS:
        return Target(kind, "/".join(rest[:-1]), rest[-1])
    if kind in _OF_A_NAME and len(rest) <= _PARTS:
        return Target(_OF_A_NAME[kind], "/".join(rest))
    if kind == "tokens" and len(rest) == 1:
        return Target("token", path=rest[0])
    return None


def _of_model(parts: list[str]) -> Target | None:
    for length in range(1, min(_PARTS, len(parts)) + 1):
        name, rest = "/".join(parts[:length]), parts[length:]
        if rest and rest[0] in _WITH_REVISION and len(rest) > 1:
            kind, path = _WITH_REVISION[rest[0]], "/".join(rest[2:])
            return Target(kind, name, rest[1], path) if kind == "tree" or not path else None
        if len(rest) == 1 and rest[0] in _ALONE:
            return Target(_ALONE[rest[0]], name)
        if rest and rest[0] in _NOT_HERE:
            return Target("not-here", name, path="/".join(rest))
    return Target("info", "/".join(parts)) if len(parts) <= _PARTS else None


def _of_file(parts: list[str]) -> Target | None:
    for length in range(1, _PARTS + 1):
        if parts[length : length + 1] in (["resolve"], ["raw"]) and len(parts) > length + 2:
            return Target("file", "/".join(parts[:length]), parts[length + 1], "/".join(parts[length + 2 :]))
    return None


def _of_page(parts: list[str]) -> Target | None:
    if parts[0] in _NO_MODEL:
        return None
    if len(parts) <= _PARTS and "resolve" not in parts and all(parts):
        return Target("model-page", "/".join(parts))
    for length in range(1, _PARTS + 1):
        name, rest = "/".join(parts[:length]), parts[length:]
        if len(rest) > 1 and rest[0] in _HUB_PAGES and rest[1] != "-":
            return Target("hub-page", name, rest[1] if rest[0] != "discussions" else "main")
        if rest[:1] == ["-"] and len(rest) == 2 and rest[1] in _OF_A_PAGE:  # noqa: PLR2004
            return Target(_OF_A_PAGE[rest[1]], name)
        if rest[:2] == ["-", "document"] and len(rest) == 3:  # noqa: PLR2004
            return Target("document", name, path=rest[2])
    return None
