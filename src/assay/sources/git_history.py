"""The history of a git checkout, from its `.git` folder: who changed the weights when. Names and dates are claims.

git itself is never run: a repository's own configuration and hooks could run anything. The commits are walked from
HEAD; weights changed in a commit when they differ from those of every parent of it.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from assay.core.errors import ContentError
from assay.core.limits import GIB, KIB, MIB
from assay.formats.git_store import GitStore
from assay.sources.told import CARD, Change, Told, history, is_weights, moment, plain
from assay.store.tree import DirectoryFiles, Tree, list_tree

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.snapshot import Snapshot

GIT: Final = ".git"
MOST_COMMITS: Final = 5000
MOST_ENTRIES: Final = 500_000  # of all trees together
MOST_DEPTH: Final = 20  # folders below each other
MOST_HASHED: Final = 2 * GIB  # bytes of weights that lie in git itself
_POINTER: Final = KIB  # bytes; a pointer of git-lfs is shorter
_MOST_CARD: Final = MIB
_MOST_LINE: Final = 1000  # characters of the line that names a person
_PERSON = re.compile(r"(?P<name>.*?) ?<[^>]*> (?P<at>-?\d{1,12}) [+-]\d{4}")
_POINTED = re.compile(r"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
_RESULTS = re.compile(r"^model-index:.*?(?=^[A-Za-z_][\w-]*:|\Z)", re.DOTALL | re.MULTILINE)


def told_by_checkout(path: Path, snapshot: Snapshot) -> Told:
    """The history of the checkout at `path`; `{}` when it is none.

    Args:
        path: the directory that was fetched.
        snapshot: what was fetched, to be compared with what HEAD says the weights are.
    """
    if not (path / GIT).is_dir() or (path / GIT).is_symlink():
        return {}
    account = {"problem": "a checkout tells nothing about accounts"}
    try:
        tree = list_tree(path / GIT)
        files = DirectoryFiles(tree)
        store = GitStore([file.path for file in tree.files], files.open)
        try:
            return {"account": account, "history": _Walk(store).told(snapshot, list_tree(path))}
        finally:
            store.close()
    except ContentError as error:
        return {"account": account, "history": {"problem": f"the history in .git can't be read: {error}"[:300]}}


@dataclass(frozen=True, slots=True)
class _Commit:
    change: Change
    tree: str
    parents: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class _State:
    """What lies in the tree of a commit: object ids of weights by path, and of the card."""

    weights: tuple[tuple[str, str], ...]
    card: str


class _Walk:
    """One walk over the commits of a repository."""

    def __init__(self, store: GitStore) -> None:
        self._store = store
        self._entries = 0
        self._states: dict[str, _State] = {}
        self._results: dict[str, str] = {}

    def told(self, snapshot: Snapshot, here: Tree) -> Told:
        """The summary."""
        commits, complete = self._commits(self._store.head())
        by_id = {one.change.id: one for one in commits}
        weights, cards = [], []
        now = self._state(commits[0])
        results = bool(self._of_card(now.card))
        for one in commits:
            state = self._state(one)
            older = [self._state(by_id[parent]) for parent in one.parents if parent in by_id]
            known = not one.parents or older  # the oldest commit that is looked at may have older ones
            if known and state.weights and all(state.weights != other.weights for other in older):
                weights.append(one.change)
            mine = self._of_card(state.card) if results else state.card
            theirs = [self._of_card(other.card) if results else other.card for other in older]
            if known and mine and all(mine != other for other in theirs):
                cards.append(one.change)
        told = {
            "first": weights[-1].to_json() if weights and complete else None,
            "last": weights[0].to_json() if weights else None,
            "changes": len(weights) if complete else None,
            "same": self._same(now, snapshot, here),
            "problem": "",
        }
        card = {"last": cards[0].to_json() if cards else None, "basis": "evaluation" if results else "card"}
        changes = [one.change for one in commits]
        return history("git", "", changes, complete=complete, weights=told, card=card)

    def _commits(self, head: str) -> tuple[list[_Commit], bool]:
        """From HEAD to the past, newest first; whether these are all."""
        complete, found = not self._store.shallow(), []
        first = self._commit(head)
        heap, seen = [(-first.seconds, head, first)], {head}
        while heap:
            _, _, one = heapq.heappop(heap)
            found.append(one)
            if len(found) >= MOST_COMMITS:
                return found, False
            for parent in one.parents:
                if parent not in seen:
                    seen.add(parent)
                    try:
                        read = self._commit(parent)
                    except ContentError:
                        if not self._store.shallow():
                            raise
                        continue
                    heapq.heappush(heap, (-read.seconds, parent, read))
        return found, complete

    def _commit(self, name: str) -> _Commit:
        kind, data = self._store.read(name)
        if kind != "commit":
            raise ContentError(f"{name} in .git is no commit")
        head, _, message = data.decode("utf-8", "replace").partition("\n\n")
        lines = [line.partition(" ") for line in head.split("\n") if not line.startswith(" ")]
        told = {key: value for key, _, value in reversed(lines)}
        author, committer = (_PERSON.fullmatch(told.get(key, "")[:_MOST_LINE]) for key in ("author", "committer"))
        seconds = int((committer or author)["at"]) if committer or author else 0  # type: ignore[index]
        parents = tuple(value for key, _, value in lines if key == "parent")
        name_of = plain(author["name"]) if author else ""
        change = Change(
            name, moment(seconds) if committer or author else "", name_of, plain(message.partition("\n")[0])
        )
        return _Commit(change, told.get("tree", ""), parents, seconds)

    def _state(self, one: _Commit) -> _State:
        if one.tree not in self._states:
            found = dict(self._files(one.tree))
            card = next((oid for path, oid in found.items() if path.lower() == CARD), "")
            weights = tuple(sorted((path, oid) for path, oid in found.items() if is_weights(path)))
            self._states[one.tree] = _State(weights, card)
        return self._states[one.tree]

    def _files(self, tree: str) -> list[tuple[str, str]]:
        """Weights and cards below a tree."""
        found, pending = [], [(tree, "", 0)]
        while pending:
            name, prefix, depth = pending.pop()
            kind, data = self._store.read(name)
            if kind != "tree" or depth > MOST_DEPTH:
                raise ContentError("a folder in .git is none, or too deep")
            at = 0
            while at < len(data):
                self._entries += 1
                mark = data.find(b"\0", at)
                if mark < 0 or mark + 21 > len(data) or self._entries > MOST_ENTRIES:
                    raise ContentError("a folder in .git is broken, or there are too many entries")
                mode, _, label = data[at:mark].partition(b" ")
                path, oid = prefix + label.decode("utf-8", "replace"), data[mark + 1 : mark + 21].hex()
                at = mark + 21
                if mode == b"40000":
                    pending.append((oid, f"{path}/", depth + 1))
                elif is_weights(path) or path.lower() == CARD:
                    found.append((path, oid))
        return found

    def _of_card(self, oid: str) -> str:
        """The results that a card states (`model-index` of its front matter); empty when it states none."""
        if oid and oid not in self._results:
            kind, data = self._store.read(oid)
            found = _RESULTS.search(data[:_MOST_CARD].decode("utf-8", "replace")) if kind == "blob" else None
            self._results[oid] = found[0].strip() if found else ""
        return self._results.get(oid, "")

    def _same(self, now: _State, snapshot: Snapshot, here: Tree) -> bool | None:
        """Whether the weights that were fetched are those of HEAD; None when that would take too long."""
        fetched = {entry.path: entry for entry in snapshot.files if is_weights(entry.path)}
        if sorted(fetched) != [path for path, _ in now.weights]:
            return False
        files, left = DirectoryFiles(here), MOST_HASHED
        for path, oid in now.weights:
            entry = fetched[path]
            pointed = self._pointed(oid)
            if pointed:
                if pointed != entry.digest.hex:
                    return False
                continue
            left -= entry.size
            if left < 0:
                return None
            hashed = hashlib.sha1(b"blob %d\0" % entry.size, usedforsecurity=False)
            with files.open(path) as stream:
                while chunk := stream.read(MIB):
                    hashed.update(chunk)
            if hashed.hexdigest() != oid:
                return False
        return True

    def _pointed(self, oid: str) -> str:
        """SHA-256 of a file in large-file storage; empty for one that lies in git itself."""
        try:
            _, data = self._store.read(oid)
        except ContentError:  # larger than an object may be here: the file itself
            return ""
        found = _POINTED.match(data[:_POINTER].decode("ascii", "replace")) if len(data) < _POINTER else None
        return found[1] if found else ""
