"""The few requests of the hub's read API that a snapshot needs, with limits, retries and resumption."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import httpx

from assay.core.digest import Digest
from assay.core.errors import ContentError, SourceError, Unreachable, UsageError
from assay.core.limits import GIB, MIB, Limits
from assay.core.snapshot import check_path
from assay.sources.guarded import GuardedTransport, Reach, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_REDIRECTS = 5  # hops of one request; the public hub needs two
MAX_JSON = 64 * MIB  # bytes of one answer; 1,000 entries of a listing are about 1 MiB
MAX_FILE = 1024 * GIB  # bytes; the largest published files are below 100 GB
ATTEMPTS = 5  # tries without any progress
MAX_RESUMES = 100  # broken connections of one file, however much each brought
LONGEST_WAIT = 60.0  # seconds between two tries; a hub that asks for more is reported instead
_RETRIED = {408, 429, 500, 502, 503, 504}
_GIT_OID = re.compile(r"[0-9a-f]{40}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HubFile:
    """One line of the hub's listing: claims, checked against the bytes.

    Attributes:
        path: checked.
        size: bytes.
        sha256: for files in large-file storage, else None.
        git_oid: SHA-1 of the Git blob, for the others; else None.
    """

    path: str
    size: int
    sha256: Digest | None
    git_oid: str | None


class HubClient:
    """A connection to one hub. A context manager.

    Args:
        hub_url: base URL, like `https://hub.example.org`; a path prefix is kept.
        token: sent to the hub itself, never to another host.
        hosts: further hosts that redirects may name.
        allow_private: see `Reach`.
        proxy: see `Reach`.
        limits: `files` bounds the listing.
        timeout: seconds without any byte before a try counts as failed.
        attempts: tries of a JSON question that fails, if not `ATTEMPTS`; one for what can be done without.
        most_json: bytes of one JSON answer, if fewer than `MAX_JSON`.
        sleep: waits between tries (a parameter for tests).

    Raises:
        UsageError: when `hub_url` is not a plain http(s) URL.
    """

    def __init__(
        self,
        hub_url: str,
        *,
        token: str | None = None,
        hosts: tuple[str, ...] = (),
        allow_private: bool = False,
        proxy: str | None = None,
        limits: Limits | None = None,
        timeout: float = 30.0,
        attempts: int | None = None,
        most_json: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = hub_url.rstrip("/")
        self._reach = Reach.to(self.url, hosts, allow_private=allow_private, proxy=proxy)
        if token is not None and not (token.isascii() and token.isprintable() and token):
            raise UsageError("the hub token has characters that no token has", hint="check ASSAY_HUB_TOKEN")
        self._token = token
        self._limits = limits or Limits()
        self._attempts, self._most_json = attempts or ATTEMPTS, most_json or MAX_JSON
        self._sleep = sleep
        transport = GuardedTransport(self._reach, httpx.create_ssl_context())
        self._http = httpx.Client(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    # --- the three questions --------------------------------------------------------------------------------------

    def resolve(self, name: str, revision: str) -> tuple[str, str]:
        """The name as the hub writes it, and the commit that `revision` stands for now.

        Raises:
            SourceError: unknown, refused, unreachable, or an answer that is none.
        """
        info, _ = self._json(f"{self.url}/api/models/{name}/revision/{quote(revision, safe='')}", f"{name}@{revision}")
        commit, known_as = (info.get("sha"), info.get("id", name)) if isinstance(info, dict) else (None, name)
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit) or not isinstance(known_as, str):
            raise SourceError(f"{self.url} names no commit for {name}@{revision}", hint="is it a hub?")
        if _COMMIT.fullmatch(revision) and revision != commit:
            raise SourceError(f"{self.url} answers commit {commit} where {revision} was asked for")
        return known_as, commit

    def tree(self, name: str, commit: str) -> list[HubFile]:
        """All files of a commit, following the pages of the listing.

        Raises:
            SourceError: as `resolve`; also a listing with an unusable name, a file twice, or too many.
        """
        url: str | None = f"{self.url}/api/models/{name}/tree/{commit}?recursive=true&expand=false"
        files: dict[str, HubFile] = {}
        entries = 0
        while url is not None:
            page, url = self._json(url, f"the listing of {name}")
            if not isinstance(page, list) or (url is not None and not page):
                raise SourceError(f"{self.url} gives no listing of {name}", hint="is it a hub?")
            entries += len(page)
            if entries > self._limits.files:
                raise SourceError(f"{name} has more than {self._limits.files} entries")
            for item in page:
                file = _read_entry(item, name)
                if file is not None and files.setdefault(file.path, file) is not file:
                    raise SourceError(f"the listing of {name} has a file twice: {file.path[:200]!r}")
        return list(files.values())

    def read(self, name: str, commit: str, file: HubFile) -> Iterator[bytes]:
        """The bytes of a file, exactly as many as listed; a broken connection is resumed where it broke.

        Raises:
            SourceError: when it can't be had, is longer, or changes between two connections.
        """
        download = _Download(f"{name}/{file.path}", commit, file.size)
        url = f"{self.url}/{name}/resolve/{commit}/{quote(file.path, safe='/')}"
        failures = resumes = 0
        while True:
            before = download.position
            try:
                with self._open(url, download.what, download.headers()) as response:
                    yield from download.body(response)
            except httpx.TransportError as error:
                problem = _say(error)
            else:
                return
            failures = 0 if download.position > before else failures + 1
            resumes += 1
            if failures >= ATTEMPTS or resumes > MAX_RESUMES:
                at = f"after {download.position} of {file.size} bytes"
                raise SourceError(f"{download.what[:300]!r} {at}: {problem}", hint="run the command again")
            self._sleep(_backoff(failures))

    def ask(self, url: str, what: str) -> Any:
        """A JSON answer of the hub (SourceError when there is none)."""
        return self._json(url, what)[0]

    def page(self, url: str, what: str) -> tuple[Any, str | None]:
        """A JSON answer, and the address of the page after it (SourceError when there is no answer)."""
        return self._json(url, what)

    # --- one request ----------------------------------------------------------------------------------------------

    def _json(self, url: str, what: str) -> tuple[Any, str | None]:
        """A JSON answer and the URL of the next page, if there is one."""
        for attempt in range(self._attempts):
            try:
                with self._open(url, what, {}) as response:
                    body = bytearray()
                    for chunk in response.iter_raw():
                        body += chunk
                        if len(body) > self._most_json:
                            raise SourceError(f"{self.url} answers more than {self._most_json} bytes about {what}")
                following = response.links.get("next", {}).get("url")
                return json.loads(body), str(response.url.join(following)) if following else None
            except httpx.TransportError as error:
                if attempt == self._attempts - 1:
                    raise self._unreachable(error) from error
                self._sleep(_backoff(attempt))
            except (ValueError, RecursionError) as error:
                raise SourceError(f"{self.url} does not answer in JSON about {what}", hint="is it a hub?") from error
        raise AssertionError  # the last attempt returned or raised

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        return Unreachable(f"{self.url} can't be reached: {_say(error)}", hint="check --hub-url and the network")

    @contextmanager
    def _open(self, url: str, what: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """The final answer to a GET: redirects followed where allowed, busy answers retried, refusals raised."""
        for attempt in range(self._attempts):
            response = self._follow(url, headers)
            try:
                if response.status_code not in _RETRIED or attempt == self._attempts - 1:
                    if response.status_code >= httpx.codes.BAD_REQUEST:
                        raise _refusal(response, what, self.url)
                    yield response
                    return
                wait = _retry_after(response) or _backoff(attempt)
            finally:
                response.close()
            if wait > LONGEST_WAIT:
                raise Unreachable(f"{self.url} asks to wait {wait:.0f} s", hint="try again later")
            self._sleep(wait)

    def _follow(self, url: str, headers: dict[str, str]) -> httpx.Response:
        target = httpx.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            sent = {"Accept-Encoding": "identity", "User-Agent": "assay", **headers}
            if self._token and Site.of(target) == self._reach.hub:
                sent["Authorization"] = f"Bearer {self._token}"
            response = self._http.send(self._http.build_request("GET", target, headers=sent), stream=True)
            if not response.has_redirect_location:
                return response
            try:
                target = response.url.join(response.headers["Location"])
            except httpx.InvalidURL as error:
                raise SourceError(f"{self.url} redirects to something that is no URL") from error
            finally:
                response.close()
        raise SourceError(f"{self.url} redirects more than {MAX_REDIRECTS} times")


class _Download:
    """How far one file has come, over as many connections as it takes."""

    def __init__(self, what: str, commit: str, size: int) -> None:
        self.what = what
        self.position = 0
        self._commit = commit
        self._size = size
        self._etag: str | None = None

    def headers(self) -> dict[str, str]:
        """Ask for the rest, provided that it is still the same file."""
        if not self.position:
            return {}
        same = {"If-Range": self._etag} if self._etag and self._etag.startswith('"') else {}
        return {"Range": f"bytes={self.position}-", **same}

    def body(self, response: httpx.Response) -> Iterator[bytes]:
        """New bytes of this answer; what was had before is passed over when the server starts again."""
        self._check(response)
        known = self.position if response.status_code != httpx.codes.PARTIAL_CONTENT else 0
        for chunk in response.iter_raw():
            fresh = chunk[known:]
            known -= len(chunk) - len(fresh)
            self.position += len(fresh)
            if self.position > self._size:
                raise SourceError(f"{self.what[:300]!r} is longer than the listing says ({self._size} bytes)")
            if fresh:
                yield fresh
        if self.position < self._size:
            raise SourceError(f"{self.what[:300]!r} is shorter than the listing says ({self._size} bytes)")

    def _check(self, response: httpx.Response) -> None:
        etag = response.headers.get("ETag")
        if self.position and etag != self._etag:
            raise SourceError(f"{self.what[:300]!r} changed at the hub while it was read")
        self._etag = etag
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise SourceError(f"the hub packs {self.what[:300]!r} although asked not to")
        if response.headers.get("X-Repo-Commit", self._commit) != self._commit:
            raise SourceError(f"the hub answers {self.what[:300]!r} from another commit")
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            expected = f"bytes {self.position}-{self._size - 1}/{self._size}"
            if response.headers.get("Content-Range") != expected:
                raise SourceError(f"the hub answers another part of {self.what[:300]!r} than was asked for")
        elif response.status_code != httpx.codes.OK:
            raise SourceError(f"the hub answers {response.status_code} for {self.what[:300]!r}")


def _read_entry(item: Any, name: str) -> HubFile | None:
    """One entry of a listing; None for a directory."""
    try:
        return None if item["type"] == "directory" else _read_file(item)
    except (ContentError, UsageError, KeyError, TypeError, AttributeError) as error:
        shown = json.dumps(item)[:200]
        raise SourceError(f"the listing of {name} has an entry that can't be taken: {shown} ({error})") from error


def _read_file(item: dict[str, Any]) -> HubFile:
    path, size, oid, lfs = check_path(item["path"]), item["size"], item.get("oid"), item.get("lfs") or None
    if item["type"] != "file" or not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_FILE:
        raise ContentError("not a file with a size")
    if lfs is None:
        return HubFile(path, size, None, oid if isinstance(oid, str) and _GIT_OID.fullmatch(oid) else None)
    if lfs.get("size", size) != size:
        raise ContentError("two sizes")
    return HubFile(path, size, Digest.parse(lfs["oid"]), None)


def _refusal(response: httpx.Response, what: str, hub: str) -> SourceError:
    said = response.headers.get("X-Error-Message", "")[:300]
    code, status = response.headers.get("X-Error-Code", ""), response.status_code
    tail = f"; the hub says: {said}" if said else ""
    if status == httpx.codes.FORBIDDEN or code == "GatedRepo":
        hint = "ask its owner for access and set ASSAY_HUB_TOKEN"
        return SourceError(f"{hub} refuses {what} ({status} {code or 'Forbidden'}){tail}", hint=hint)
    if status == httpx.codes.UNAUTHORIZED:
        hint = "check the name, or set ASSAY_HUB_TOKEN"
        return SourceError(f"{hub} has no {what} for us: it does not exist or needs a token (401){tail}", hint=hint)
    if status == httpx.codes.NOT_FOUND:
        return SourceError(f"{hub} has no {what} ({code or 404}){tail}", hint="check the name and the revision")
    kind = Unreachable if status >= httpx.codes.INTERNAL_SERVER_ERROR else SourceError
    return kind(f"{hub} answers {status} for {what}{tail}", hint="try again later")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the hub asks to wait (RFC 9110, 10.2.3: a number or a date)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _backoff(failures: int) -> float:
    return min(8.0, 0.5 * 2.0**failures)


def _say(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
