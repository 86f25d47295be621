"""An in-memory hub that speaks the read API, with faults to switch on.

Written from the API that huggingface_hub's clients use, independently of our own server: the two check each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.responses import JSONResponse, Response

from tests.simulators.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

LFS_FROM = 1000  # bytes; larger files are listed with their SHA-256


@dataclass
class Faults:
    """What the simulator does wrong. Counters are used up; everything else stays on."""

    redirect_to: str = ""  # base URL that file requests are sent to
    redirect_loop: bool = False
    fail: int = 0  # so many requests answer `fail_status`
    fail_status: int = 503
    retry_after: str = ""
    truncate: int = 0  # so many file answers break off in the middle
    truncate_after: int = 700  # bytes
    ignore_range: bool = False
    wrong_bytes: bool = False  # same size, other content
    extra_bytes: int = 0  # appended to every file
    listed_size: int | None = None  # in the listing, instead of the real one
    listed_path: str = ""  # instead of the last path
    new_etag: bool = False  # another ETag with every answer
    other_commit: bool = False  # files answer from another commit than asked
    gzip: bool = False
    stall: float = 0.0  # seconds before the body goes on
    next_page: str = ""  # Link rel=next, instead of ours
    gated: bool = False
    not_json: bool = False


@dataclass
class HubSimulator:
    """Repositories by name: commits (40 hex, oldest first) of path → content."""

    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)  # old name → name
    faults: Faults = field(default_factory=Faults)
    page: int = 1000  # entries of one listing page
    needs_token: str = ""
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)  # "users/x" or "organizations/x" → overview
    dates: dict[str, str] = field(default_factory=dict)  # commit → date; without one: 2026-01-01
    authors: dict[str, str] = field(default_factory=dict)  # commit → user; without one: the repository's owner
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers

    def add(self, name: str, files: dict[str, bytes]) -> str:
        """Add a commit; its id."""
        commit = hashlib.sha1(repr((name, sorted(files.items()))).encode()).hexdigest()
        self.repos.setdefault(name, {})[commit] = files
        return commit

    def asked(self, part: str) -> int:
        """How many requests had `part` in their path."""
        return sum(part in path for _, path, _ in self.requests)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve on a free loopback port; gives the base URL."""
        with serving(self) as url:
            yield url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope["raw_path"].decode()
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.requests.append((scope["method"], path, headers))
        answer = self._answer([unquote(part) for part in path.strip("/").split("/")], scope, headers)
        await answer(scope, receive, send)

    # --- answers --------------------------------------------------------------------------------------------------

    def _answer(self, parts: list[str], scope: Scope, headers: dict[str, str]) -> Any:
        if refusal := self._refusal(headers):
            return refusal
        if parts[:2] == ["api", "models"]:
            return self._api(parts[2:], scope)
        if parts[-1] == "overview" and len(parts) == 4:
            found = self.accounts.get("/".join(parts[1:3]))
            return _error(404, "", "no such account") if found is None else JSONResponse(found)
        if "resolve" in parts:
            at = parts.index("resolve")
            return self._file("/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2 :]), headers)
        return _error(404, "", "no such page")

    def _refusal(self, headers: dict[str, str]) -> Response | None:
        if self.faults.fail:
            self.faults.fail -= 1
            extra = {"Retry-After": self.faults.retry_after} if self.faults.retry_after else {}
            return Response("busy", self.faults.fail_status, extra)
        if self.faults.gated:
            return _error(403, "GatedRepo", "Access to this model is restricted. Ask its owner.")
        if self.needs_token and headers.get("authorization") != f"Bearer {self.needs_token}":
            return _error(401, "", "Invalid username or password.")
        if self.faults.not_json:
            return Response("<html>a login page</html>", media_type="text/html")
        return None

    def _api(self, parts: list[str], scope: Scope) -> Response:
        verb = next(i for i, part in enumerate(parts) if part in {"revision", "tree", "commits"})
        name, revision = "/".join(parts[:verb]), parts[verb + 1]
        found = self._commit(name, revision)
        if isinstance(found, Response):
            return found
        name, commit = found
        if parts[verb] == "revision":
            return JSONResponse({"id": name, "sha": commit, "siblings": []})
        if parts[verb] == "commits":
            older = list(self.repos[name])[: list(self.repos[name]).index(commit) + 1]
            return JSONResponse([self._described(name, one) for one in reversed(older)])
        return self._tree(name, commit, scope)

    def _described(self, name: str, commit: str) -> dict[str, Any]:
        author = self.authors.get(commit, name.partition("/")[0])
        date = self.dates.get(commit, "2026-01-01T00:00:00.000Z")
        return {
            "id": commit,
            "title": f"commit {commit[:7]}",
            "message": "",
            "date": date,
            "authors": [{"user": author}],
        }

    def _last_commit(self, name: str, commit: str, path: str) -> dict[str, Any]:
        """The commit, up to this one, that last changed a file; without its authors, as the real listing has it."""
        older = list(self.repos[name].items())[: list(self.repos[name]).index(commit) + 1]
        before: bytes | None = None
        last = commit
        for one, files in older:
            if files.get(path) != before:
                last, before = one, files.get(path)
        return {key: value for key, value in self._described(name, last).items() if key in {"id", "title", "date"}}

    def _commit(self, name: str, revision: str) -> tuple[str, str] | Response:
        name = self.aliases.get(name, name)
        commits = self.repos.get(name)
        if commits is None:
            return _error(404, "RepoNotFound", "Repository not found")
        commit = list(commits)[-1] if revision == "main" else revision
        return (name, commit) if commit in commits else _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def _tree(self, name: str, commit: str, scope: Scope) -> Response:
        files = self.repos[name][commit]
        folders = sorted({path[:i] for path in files for i, c in enumerate(path) if c == "/"})
        entries: list[dict[str, Any]] = [
            {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder} for folder in folders
        ]
        entries += [self._entry(path, content) for path, content in files.items()]
        if self.faults.listed_path:
            entries[-1]["path"] = self.faults.listed_path
        query = dict(part.split("=") for part in scope["query_string"].decode().split("&"))
        if query.get("expand") == "true":
            for entry in entries:
                entry["lastCommit"] = self._last_commit(name, commit, entry["path"])
        start = int(query.get("cursor", 0))
        links = {}
        if start + self.page < len(entries) or self.faults.next_page:
            host = dict(scope["headers"])[b"host"].decode()
            ours = f"http://{host}/api/models/{name}/tree/{commit}?recursive=true&cursor={start + self.page}"
            links["Link"] = f'<{self.faults.next_page or ours}>; rel="next"'
        return JSONResponse(entries[start : start + self.page], headers=links)

    def _entry(self, path: str, content: bytes) -> dict[str, Any]:
        size = len(content) if self.faults.listed_size is None else self.faults.listed_size
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "oid": oid, "size": size, "path": path}
        if len(content) >= LFS_FROM:
            sha256 = hashlib.sha256(content).hexdigest()
            entry |= {"oid": "1" * 40, "lfs": {"oid": sha256, "size": size, "pointerSize": 130}}
        return entry

    def _file(self, name: str, revision: str, path: str, headers: dict[str, str]) -> Any:
        if self.faults.redirect_loop:
            return Response(status_code=302, headers={"Location": f"/{name}/resolve/{revision}/{path}?again"})
        if self.faults.redirect_to:
            target = f"{self.faults.redirect_to}/{name}/resolve/{revision}/{path}"
            return Response(status_code=302, headers={"Location": target, "X-Repo-Commit": revision})
        found = self._commit(name, revision)
        if isinstance(found, Response):
            return found
        content = self.repos[found[0]][found[1]].get(path)
        if content is None:
            return _error(404, "EntryNotFound", f"{path} does not exist")
        if self.faults.wrong_bytes:
            content = bytes(byte ^ 1 for byte in content)
        return self._body(content + b"x" * self.faults.extra_bytes, found[1], headers)

    def _body(self, content: bytes, commit: str, headers: dict[str, str]) -> Any:
        etag = f'"{hashlib.sha1(content + (b"%d" % len(self.requests) if self.faults.new_etag else b"")).hexdigest()}"'
        out = {"ETag": etag, "X-Repo-Commit": "f" * 40 if self.faults.other_commit else commit}
        if self.faults.gzip:
            out["Content-Encoding"] = "gzip"
        start, status = 0, 200
        wanted = headers.get("range", "")
        if wanted.startswith("bytes=") and not self.faults.ignore_range and headers.get("if-range", etag) == etag:
            start, status = int(wanted[6:].rstrip("-")), 206
            out["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = len(content)
        if self.faults.truncate and start + self.faults.truncate_after < cut:
            self.faults.truncate -= 1
            cut = start + self.faults.truncate_after
        return _Body(status, out, content[start:], content[start:cut], self.faults.stall)


class _Body:
    """A raw answer that may break off or stall."""

    def __init__(self, status: int, headers: dict[str, str], whole: bytes, sent: bytes, stall: float) -> None:
        self.status, self.headers, self.whole, self.sent, self.stall = status, headers, whole, sent, stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(k.encode(), v.encode()) for k, v in self.headers.items()]
        headers.append((b"Content-Length", b"%d" % len(self.whole)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.sent[:100], "more_body": True})
        await asyncio.sleep(self.stall)
        complete = len(self.sent) == len(self.whole)
        await send({"type": "http.response.body", "body": self.sent[100:], "more_body": not complete})


def _error(status: int, code: str, message: str) -> Response:
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return Response(json.dumps({"error": message}), status, headers, media_type="application/json")
