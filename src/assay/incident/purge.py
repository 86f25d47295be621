"""The cache purge agent: removes revoked revisions from the cache of a hub client.

A revision that is pinned and cached is used without asking anybody, so a revocation has to come to the cache. What is
removed is what a signed revocation names, checked against the trust file of this machine, and whose weight files are
those of the revocation: a registry that was taken over can't have caches emptied.

The cache is laid out as clients since huggingface_hub 0.8 do: `models--org--name/snapshots/{revision}/…` are links into
`models--org--name/blobs`. Nothing outside such a folder is ever touched.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault, TrustError, UsageError
from assay.core.name import check_name
from assay.core.statement import Envelope
from assay.provenance.statements import MANIFEST_NAME, SIGNERS, kind_of, time_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assay.provenance.trust import Trust

PATH: Final = "/api/assay/v1/revoked"
_TIMEOUT: Final = 30.0  # seconds
_MOST_BYTES: Final = 64 << 20  # of an answer
_PREFIX: Final = "models--"
_REVISION: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation that was checked.

    Attributes:
        name: `org/name`.
        revision: 40 hex digits.
        reason: as signed.
        weights: path and SHA-256 (hex) of the weight files, as signed.
    """

    name: str
    revision: str
    reason: str
    weights: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """A revoked revision in a cache.

    Attributes:
        revoked: what it is.
        folder: its snapshot folder.
        blobs: files that no other revision of the cache uses.
        refs: refs that point to it.
        size: bytes of the blobs.
    """

    revoked: Revoked
    folder: Path
    blobs: tuple[Path, ...]
    refs: tuple[Path, ...]
    size: int

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "name": self.revoked.name,
            "revision": self.revoked.revision,
            "reason": self.revoked.reason,
            "folder": str(self.folder),
            "files": len(self.blobs),
            "bytes": self.size,
        }


def checked(entries: Iterable[dict[str, Any]], trust: Trust) -> tuple[list[Revoked], list[str]]:
    """Revocations whose signature holds, and a line for each that does not."""
    good, bad = [], []
    for entry in entries:
        named = f"{entry.get('name')}@{str(entry.get('revision'))[:12]}"
        try:
            good.append(_check(entry, trust))
        except (TrustError, UsageError, KeyError, TypeError) as problem:
            bad.append(f"{named}: {problem}")
    return good, bad


def _check(entry: dict[str, Any], trust: Trust) -> Revoked:
    envelope = Envelope.from_json(entry["statement"]["envelope"])
    statement = envelope.statement()
    if kind_of(statement) != "revoked":
        raise TrustError("the statement beside it is no revocation")
    trust.signer(envelope, SIGNERS["revoked"], time_of(statement))
    snapshot = Digest.parse(entry["snapshot"])
    if all((one.name, one.digest) != (MANIFEST_NAME, snapshot) for one in statement.subjects):
        raise TrustError("the revocation is about other files")
    if statement.predicate.get("name") != entry["name"]:
        raise TrustError("the revocation is about another name")
    weights = tuple((one.name, one.digest.hex) for one in statement.subjects)
    reason = str(statement.predicate.get("reason", ""))
    return Revoked(check_name(entry["name"]), _revision(entry["revision"]), reason, weights)


def _revision(value: Any) -> str:
    if not isinstance(value, str) or not _REVISION.fullmatch(value):
        raise TrustError("it names no revision")
    return value


def fetch(registry: str, token: str | None = None) -> list[dict[str, Any]]:
    """What a registry says was revoked; nothing of it is believed before `checked`.

    Raises:
        UsageError: `registry` is no URL.
        EnvironmentFault: it can't be reached, or does not answer like one.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, headers=headers) as client,
            client.stream("GET", registry.rstrip("/") + PATH) as answer,
        ):
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise EnvironmentFault(f"{registry} answers more than {_MOST_BYTES} bytes")
        if answer.status_code != httpx.codes.OK:
            said = answer.headers.get("X-Error-Message", "")
            raise EnvironmentFault(f"{registry} answered {answer.status_code} {said}", hint="is a token needed?")
        entries = httpx.Response(200, content=body).json()["revoked"]
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise UsageError(f"not the URL of a registry: {registry}", hint="http://host:port or https://…") from error
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"{registry} can't be reached: {error}", hint="check the network") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EnvironmentFault(f"{registry} does not answer like a registry", hint="check the URL") from error
    return [entry for entry in entries if isinstance(entry, dict)]


def copies(cache: Path, revoked: Iterable[Revoked]) -> list[Copy]:
    """Revoked revisions that lie in a cache.

    Args:
        cache: `HF_HOME`, its `hub` folder, or what `cache_dir` names.
        revoked: checked revocations.
    """
    found = []
    for root in dict.fromkeys((cache, cache / "hub")):
        for one in revoked:
            model = root / f"{_PREFIX}{one.name.replace('/', '--')}"
            folder = model / "snapshots" / one.revision
            if folder.is_dir() and not folder.is_symlink() and _is_it(model, folder, one):
                found.append(_copy(one, model, folder))
    return found


def _is_it(model: Path, folder: Path, one: Revoked) -> bool:
    """Whether the weight files that are there are those of the revocation (a client stores a file by its SHA-256)."""
    there = [(folder / path, digest) for path, digest in one.weights if (folder / path).is_symlink()]
    return all(Path(os.path.realpath(path)) == (model / "blobs").resolve() / digest for path, digest in there)


def _copy(one: Revoked, model: Path, folder: Path) -> Copy:
    others = (other for other in (model / "snapshots").iterdir() if other.is_dir() and other != folder)
    used = {blob for other in others for blob in _blobs(model, other)}
    blobs = tuple(sorted(blob for blob in _blobs(model, folder) if blob not in used))
    size = sum(blob.stat().st_size for blob in blobs)
    refs = tuple(path for path in _files(model / "refs") if path.read_text("utf-8", "replace").strip() == one.revision)
    return Copy(one, folder, blobs, refs, size)


def _blobs(model: Path, folder: Path) -> set[Path]:
    """Files in the model's own blob folder that a snapshot folder links to; links to elsewhere are not followed."""
    home = (model / "blobs").resolve()
    targets = (Path(os.path.realpath(path)) for path in _files(folder))
    return {target for target in targets if target.parent == home and target.is_file()}


def _files(folder: Path) -> Iterator[Path]:
    for base, _folders, names in os.walk(folder, followlinks=False):
        for name in names:
            yield Path(base) / name


def remove(copy: Copy) -> None:
    """Remove one copy: the folder first, so that nothing loads from it while its files go.

    Raises:
        EnvironmentFault: something can't be removed.
    """
    try:
        for ref in copy.refs:
            ref.unlink(missing_ok=True)
        shutil.rmtree(copy.folder)
        for blob in copy.blobs:
            blob.unlink(missing_ok=True)
    except OSError as error:
        raise EnvironmentFault(f"{copy.folder}: {error.strerror}", hint="check permissions and run it again") from error
