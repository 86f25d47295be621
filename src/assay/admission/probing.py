"""Probes of one vetting on many machines: what is asked for lies in the index, models and texts in the store.

The vetting process goes through its plan as ever. Before a probe it looks whether another worker has taken it, and then
waits for the answer; what nobody has taken is its own. One process alone does everything, and each more takes a part.
An answer is the same wherever it is made: each probe draws from a seed of its own, and CPU seconds are the worker's.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from assay.behaviour.guest import CPU, Account, Job, Prober, gpu_nodes
from assay.behaviour.version import code_of
from assay.core.digest import Digest
from assay.core.errors import AssayError, IntegrityError
from assay.core.inspector import Subject
from assay.core.limits import MIB, Limits
from assay.registry.probe_answers import DONE, RUNNING, Answers
from assay.store.index import BlobFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assay.store.blobs import Blobs
    from assay.store.index import Index

    Progress = Callable[[str, int, int], None]
    Dead = Callable[[str], bool]

WAIT_SECONDS: Final = 0.5  # between looks at a probe that another process has taken


def _nobody(_holder: str) -> bool:
    return True


@dataclass
class Crew:
    """What keeps the answers of an admission's probes, and lets other workers make some of them.

    Attributes:
        index: of the registry.
        blobs: of the registry.
        holder: lease of this process; empty: it is alone.
        dead: whether the process with a lease is gone.
        layers: of the sandbox that the policy asks for.
        watcher: told what the probes of this process are at.
    """

    index: Index
    blobs: Blobs
    holder: str = ""
    dead: Dead = _nobody
    layers: tuple[str, ...] = ()
    watcher: Progress | None = None

    def progress(self, what: str, done: int, total: int) -> None:
        """Pass it on to whoever watches the admission."""
        if self.watcher is not None:
            self.watcher(what, done, total)

    @property
    def answers(self) -> Answers:
        """In the index."""
        return Answers(self.index)

    def open(self, key: str) -> Shared:
        """What a run of exactly the same inputs, settings and code has so far."""
        return Shared(self, key, self.answers.of(key))

    def help(self, say: Callable[[str], None]) -> bool:
        """Answer probes of one run that waits for any; whether there were some."""
        job = self.answers.next(self.holder, self.dead, fits=_fits) if self.holder else None
        if job is None:
            return False
        account = Account()
        try:
            told = _read(job.task, self.index, self.blobs)
            with (
                Prober(layers=self.layers, device=told.device) as prober,
                prober.opened(told, account) as talk,
            ):
                talk.open(_unseen)
                while job is not None:
                    before = len(account.attempts)
                    answer = talk.probe(job.probe, job.task["arguments"], _unseen)
                    answer["attempts"] = account.attempts[before:]
                    self.answers.put(f"sha256:{job.run}", job.probe, answer)
                    say(f"probed {told.model.snapshot.id}: {job.probe}")
                    job = self.answers.next(self.holder, self.dead, job.run, _fits)
        except AssayError as error:
            if job is not None:
                say(f"could not probe ({job.probe}): {error}")
                self.answers.fail(job)
        return True


@dataclass
class Shared:
    """The answers of one run."""

    crew: Crew
    key: str
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def shares(self) -> bool:
        """Whether this process has a lease, by which others tell that it lives."""
        return bool(self.crew.holder)

    def get(self, probe: str) -> dict[str, Any] | None:
        """Answer of a finished probe."""
        return self.results.get(probe)

    def put(self, probe: str, result: dict[str, Any]) -> None:
        """Keep an answer."""
        self.results[probe] = result
        self.crew.answers.put(self.key, probe, result)

    def share(self, job: Job, tasks: dict[str, dict[str, Any]]) -> None:
        """Let other workers have them: models and texts go into the store, once each."""
        open_ones = {name: arguments for name, arguments in tasks.items() if name not in self.results}
        if self.crew.holder and open_ones:
            whole = _write(job, self.crew.index, self.crew.blobs)
            self.crew.answers.ask(self.key, {name: whole | {"arguments": one} for name, one in open_ones.items()})

    def elsewhere(self, probe: str, progress: Progress) -> dict[str, Any] | None:
        """The answer of the process that has taken the probe, once it is there; None: it is this one's now."""
        if not self.crew.holder:
            return None
        while True:
            state, answer = self.crew.answers.take(self.key, probe, self.crew.holder, self.crew.dead)
            if state == DONE and answer is not None:
                self.results[probe] = answer
                return answer
            if state == RUNNING:
                return None
            progress(f"{probe}, in another worker", 0, 0)
            time.sleep(WAIT_SECONDS)

    def close(self) -> None:
        """The run is over."""
        self.crew.answers.withdraw(self.key)


def _write(job: Job, index: Index, blobs: Blobs) -> dict[str, Any]:
    """The job as others can read it."""
    texts = json.dumps({"items": [list(one) for one in job.items], "words": list(job.words)}).encode()
    return {
        "model": _stored(job.model, index, blobs),
        "base": _stored(job.base, index, blobs) if job.base else None,
        "references": [_stored(one, index, blobs) for one in job.references],
        "texts": str(blobs.put([texts])[0]),
        "seed": job.seed,
        "stop_gap": job.stop_gap,
        "kind": job.kind,
        "device": job.device,
        "wanted": job.wanted,
        "code": code_of(job.kind),
    }


def _fits(task: dict[str, Any]) -> bool:
    """Whether this process answers as the one that asked would: the same code, a GPU where it has one."""
    return task.get("code") == code_of(task["kind"]) and (task["device"] == CPU or bool(gpu_nodes()))


def _stored(subject: Subject, index: Index, blobs: Blobs) -> str:
    """Id of a subject whose files and listing are in the store now."""
    for entry in subject.snapshot.files:
        if not _there(blobs, entry.digest):
            with subject.files.open(entry.path) as stream:
                blobs.put(_chunks(stream), expect=entry.digest)
    index.put_snapshot(subject.snapshot)
    return str(subject.snapshot.id)


def _there(blobs: Blobs, digest: Digest) -> bool:
    try:
        blobs.size(digest)
    except IntegrityError:
        return False
    return True


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(MIB):
        yield chunk


def _read(task: dict[str, Any], index: Index, blobs: Blobs) -> Job:
    """What `_write` wrote.

    Raises:
        IntegrityError: something is not in the store any more.
    """

    def subject(text: str) -> Subject:
        snapshot = index.get_snapshot(Digest.parse(text))
        if snapshot is None:
            raise IntegrityError(f"{text} is not in the index any more", hint="vet the model again")
        return Subject(snapshot, BlobFiles(snapshot, blobs), Limits())

    with blobs.open(Digest.parse(task["texts"])) as stream:
        texts = json.loads(stream.read())
    return Job(
        subject(task["model"]),
        subject(task["base"]) if task["base"] else None,
        tuple(subject(one) for one in task["references"]),
        tuple((str(text), int(label)) for text, label in texts["items"]),
        tuple(texts["words"]),
        seed=task["seed"],
        stop_gap=task["stop_gap"],
        kind=task["kind"],
        device=task["device"],
        wanted=task["wanted"],
    )


def _unseen(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""
