"""Run inspectors over a snapshot.

The one broad `except` of assay lives here: what failed is an error, what was found stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.evidence import Evidence, Outcome
from assay.core.inspector import Follows
from assay.inspections.late import LateInspector
from assay.inspections.parts import Begins, Collector, Finishes, Ledger, Part, Watches, plain
from assay.inspections.walk import Walker

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.inspector import Inspector, Subject
    from assay.core.snapshot import FileEntry
    from assay.inspections.beside import Beside
    from assay.inspections.cache import ResultCache

Progress = Callable[[str, int, int], None]
AnyInspector = Any  # a PartInspector or an Inspector, or a class of one (made fresh for each run)


def inspect(
    subject: Subject,
    inspectors: Iterable[AnyInspector] | None = None,
    progress: Progress | None = None,
    *,
    cache_folder: Path | None = None,
    only_awake: bool = False,
    processes: int = 1,
) -> tuple[Evidence, ...]:
    """Run every inspector over the snapshot; one `Evidence` each, in their order.

    Args:
        subject: snapshot, bytes and limits.
        inspectors: instances or makers (classes) of `PartInspector` or `core.inspector.Inspector`; the built-in ones by
            default. Makers make one for this run, so that no state passes from one snapshot to another.
        progress: called as `(file, done bytes, total bytes)` after each file.
        cache_folder: where results of earlier runs are kept and looked up (`inspections.cache`); nowhere by default.
        only_awake: leave out the evidence (NOT_APPLICABLE) of inspectors that nothing could have been for.
        processes: that inspect large files beside this one (`inspections.beside`), from a single-threaded caller whose
            files can be opened in each of them; the evidence is the same.
    """
    if inspectors is None:
        from assay.inspections.builtin import BUILTIN  # noqa: PLC0415

        inspectors = BUILTIN
    makers = tuple(inspectors)
    made = [item() if callable(item) else item for item in makers]
    runs = [_Run(item) for item in made if hasattr(item, "inspect_part")]
    cache = None
    if cache_folder is not None and any(entry.size >= CACHED_FROM_BYTES for entry in subject.snapshot.files):
        from assay.inspections.cache import ResultCache  # noqa: PLC0415

        cache = ResultCache(cache_folder, _context(subject, runs))
    session = _Session(subject, runs, cache)
    session.begin()
    done, total = 0, subject.snapshot.size
    with session.beside(makers, processes):
        for entry in subject.snapshot.files:
            session.file(entry)
            done += entry.size
            if progress:
                progress(entry.path, done, total)
    session.finish()
    by_item = {id(run.inspector): run for run in runs}
    evidence: list[Evidence] = []
    for item in made:
        run = by_item.get(id(item))
        if run is None:
            if isinstance(item, Follows):
                item.after(tuple(evidence))
            evidence.append(_whole(item, subject))
        elif not (only_awake and run.idle):
            evidence.append(run.evidence(subject))
    return tuple(evidence)


_BESIDE_FROM_BYTES = 8 << 20  # of large files together; below, a process costs more than it saves
_KNOWN_READINGS = 1000  # combinations of readings for which it is kept who may want them
CACHED_FROM_BYTES = 256 << 10  # smaller files are inspected again: that is quicker than asking the cache


class _Run:
    """One inspector and what it has said."""

    def __init__(self, inspector: Any) -> None:
        self.inspector = inspector
        self.ledger = Ledger()
        self.whole = Collector(self.ledger, "")
        self.watches = isinstance(inspector, Watches)
        self.local = bool(getattr(inspector, "local", False))
        self.claims = bool(getattr(inspector, "claims", True))
        self._late = inspector if isinstance(inspector, LateInspector) else None

    @property
    def idle(self) -> bool:
        """Whether the inspector sleeps and nothing was said in its name."""
        said = self.ledger.wanted or self.ledger.findings or self.ledger.unread or self.ledger.errors
        return self._late is not None and self._late.asleep and not said

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Ends of names that may wake it."""
        return self._late.suffixes if self._late is not None else ()

    def might_want(self, part: Part) -> bool:
        """Whether it is worth asking."""
        return self._late is None or self._late.might_want(part)

    def wants(self, part: Part) -> bool:
        if self._late is not None and not self._late.might_want(part):
            return False  # the usual answer, without a guard: a million files times a dozen inspectors
        with self.keep(self.whole.at(part.path, part.inner)):
            return bool(self.inspector.wants(part))
        return False

    @contextmanager
    def keep(self, out: Collector) -> Iterator[None]:
        """Turn whatever goes wrong into evidence and go on."""
        try:
            yield
        except ContentError as error:
            out.unread(str(error))
        except Exception as error:  # noqa: BLE001 - the one: no fault hides what others see
            self.ledger.errors.append(f"{type(error).__name__}: {error}"[:500])
            self.ledger.failed.add(out.path)
            out.unread(f"the inspector {self.inspector.name!r} failed here: {type(error).__name__}")

    def evidence(self, subject: Subject) -> Evidence:
        """Close the books. Outcome: ERROR before INCONCLUSIVE before FOUND before CLEAN."""
        ledger = self.ledger
        outside = {item.path.split("!/", 1)[0] for item in ledger.unread}
        facts = dict(ledger.facts)
        if ledger.errors:
            facts["errors"] = plain(ledger.errors[:20])
            facts["failed"] = plain(sorted(ledger.failed))
        if ledger.held_back:
            facts["held_back"] = ledger.held_back
        if ledger.errors:
            outcome = Outcome.ERROR
        elif ledger.unread:
            outcome = Outcome.INCONCLUSIVE
        elif any(finding.severity > 0 for finding in ledger.findings):
            outcome = Outcome.FOUND
        elif ledger.wanted or ledger.findings:
            outcome = Outcome.CLEAN
        else:
            outcome = Outcome.NOT_APPLICABLE
        return Evidence(
            subject=subject.snapshot.id,
            inspector=self.inspector.name,
            version=self.inspector.version,
            settings={"limits": subject.limits.to_json()},
            outcome=outcome,
            covered=tuple(sorted(ledger.wanted - outside)),
            unread=tuple(sorted(ledger.unread)),
            findings=tuple(ledger.findings),
            facts=facts,
        )


class _Session:
    """One walk over a snapshot for all part inspectors."""

    def __init__(self, subject: Subject, runs: list[_Run], cache: ResultCache | None) -> None:
        self._subject = subject
        self._runs = runs
        self._cache = cache
        self._active = runs  # those who see the file at hand
        self._walker = Walker(self._visit, self._unreachable, subject.limits)
        self._suffixes = tuple({suffix for run in runs for suffix in run.suffixes})
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...], int], list[_Run]] = {}
        self._beside: Beside | None = None
        self._joined: list[dict[str, dict[str, Any]]] = []  # what processes beside said at their ends

    def begin(self) -> None:
        """Tell everybody what is coming."""
        for run in self._runs:
            if isinstance(run.inspector, Begins):
                with run.keep(run.whole):
                    run.inspector.begin(self._subject, run.whole)

    def finish(self) -> None:
        """Let everybody draw conclusions."""
        for run in self._runs:
            if isinstance(run.inspector, Finishes):
                with run.keep(run.whole):
                    run.inspector.finish(run.whole)
        if self._joined:
            from assay.inspections.beside import join  # noqa: PLC0415

            for run in self._runs:
                for facts in self._joined:
                    join(run.ledger.facts, facts.get(run.inspector.name, {}))
        claims = {path for run in self._runs for path in run.ledger.claims}
        for run in self._runs if claims else ():
            if run.watches:
                run.ledger.excuse(claims)

    @contextmanager
    def beside(self, makers: tuple[AnyInspector, ...], count: int) -> Iterator[None]:
        """Let other processes say what depends on one large file alone, where there are enough of those."""
        large = [entry for entry in self._subject.snapshot.files if entry.size >= CACHED_FROM_BYTES]
        enough = min(count, len(large)) > 1 and sum(entry.size for entry in large) >= _BESIDE_FROM_BYTES
        if not enough or not all(map(callable, makers)):
            yield
            return
        from assay.inspections.beside import Beside  # noqa: PLC0415 - few scans are large

        theirs = [run for run in (_Run(make()) for make in makers) if run.local]
        other = _Session(self._subject, theirs, None)
        other.begin()
        with Beside(large, other.said, min(count, len(large)), other.ended) as self._beside:
            yield
        self._joined, self._beside = self._beside.ended, None

    def ended(self) -> dict[str, dict[str, Any]]:
        """Finish in a process beside; what was said of the run as a whole, by inspector."""
        before = [frozenset(run.ledger.facts) for run in self._runs]
        self.finish()
        return {
            run.inspector.name: {key: value for key, value in run.ledger.facts.items() if key not in said}
            for run, said in zip(self._runs, before, strict=True)
        }

    def said(self, entry: FileEntry) -> dict[str, Any] | None:
        """What the inspectors say about one file, as JSON; None when it is not fit to be handed on."""
        marks = [run.ledger.mark() for run in self._runs]
        self.file(entry)
        said = {
            run.inspector.name: run.ledger.since(mark, entry.path) for run, mark in zip(self._runs, marks, strict=True)
        }
        return None if None in said.values() else said

    def file(self, entry: FileEntry) -> None:
        """One file: known results are taken over, everything else is walked."""
        known = self._cache.get(entry) if self._cache else None
        if known is None and self._beside is not None:
            known, seconds = self._beside.take(entry)
            if known and self._cache and seconds >= self._cache.worth_seconds:
                self._cache.put(entry, known)
        self._active = [run for run in self._runs if not (known and run.local)]
        if known:
            for run in self._runs:
                if run.local:
                    run.ledger.take_over(known[run.inspector.name], entry.path)
        keeping = self._cache is not None and not known and entry.size >= CACHED_FROM_BYTES
        marks = [run.ledger.mark() for run in self._runs] if keeping else []
        started = time.monotonic()
        for run in ([run for run in self._active if run.watches] or self._active)[:1]:
            with run.keep(run.whole.at(entry.path)):  # a fault of the walk itself is the watcher's error
                self._walk(entry)
        if self._cache and keeping and time.monotonic() - started >= self._cache.worth_seconds:
            said = {
                r.inspector.name: r.ledger.since(m, entry.path)
                for r, m in zip(self._runs, marks, strict=True)
                if r.local
            }
            if all(results is not None for results in said.values()):
                self._cache.put(entry, said)

    def _walk(self, entry: FileEntry) -> None:
        try:
            with self._subject.files.open(entry.path) as stream:
                self._walker.file(entry.path, stream, entry.size)
        except ContentError as error:
            self._unreachable(entry.path, (), str(error), getattr(error, "limit", ""))
        except OSError as error:
            self._unreachable(entry.path, (), f"can't be read: {error.strerror or error}", "")

    def _unreachable(self, path: str, inner: tuple[str, ...], reason: str, limit: str) -> None:
        for run in self._active:
            if run.watches:
                run.inspector.unreachable(reason, limit, run.whole.at(path, inner))

    def _candidates(self, part: Part) -> list[_Run]:
        """Those whose business the part may be; looked up for equal readings, unless its name may say more."""
        if part.name.lower().endswith(self._suffixes):
            return self._active
        key = (part.formats, part.within, len(self._active))
        found = self._known.get(key)
        if found is None:
            found = [run for run in self._active if run.might_want(part)]
            if len(self._known) < _KNOWN_READINGS:
                self._known[key] = found
        return found

    def _visit(self, part: Part) -> bool:
        """Show a part to everybody who wants it, then tell the watchers which readings nobody wanted."""
        takers: list[_Run] = []
        for run in self._candidates(part):
            if not run.wants(part):
                continue
            run.ledger.wanted.add(part.path)
            out = run.whole.at(part.path, part.inner)
            with run.keep(out):
                part.stream.seek(0)
                run.inspector.inspect_part(part, out)
            if run.claims and not run.watches:
                takers.append(run)
        watchers = [run for run in self._active if run.watches]
        unclaimed = _unclaimed(part, takers) if watchers else ()
        for run in watchers:
            out = run.whole.at(part.path, part.inner)
            with run.keep(out):
                run.inspector.walked(part, unclaimed, out)
        return bool(takers)


def _context(subject: Subject, runs: list[_Run]) -> dict[str, Any]:
    """What the results of one file depend on besides the file."""
    return {"limits": subject.limits.to_json(), "inspectors": [run.inspector.name for run in runs]}


def _unclaimed(part: Part, takers: list[_Run]) -> tuple[str, ...]:
    """Readings that no taker would have wanted alone, for the reading's own sake."""
    if len(part.formats) == 1 and not part.notes:
        return () if takers else part.formats
    return tuple(
        reading
        for reading in part.formats or ("",)
        if not any(run.wants(replace(part, formats=(reading,) if reading else (), notes=())) for run in takers)
    )


def _whole(inspector: Inspector, subject: Subject) -> Evidence:
    """Run an inspector that looks at the snapshot as a whole."""
    run = _Run(inspector)
    with run.keep(run.whole):
        return inspector.inspect(subject)
    return run.evidence(subject)
