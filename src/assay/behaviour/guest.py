"""The prober in the sandbox: models in, measurements out; what comes back is checked like a hostile document."""

from __future__ import annotations

import io
import json
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from assay.core.errors import ContentError, EnvironmentFault, UsageError
from assay.core.escape import printable
from assay.core.limits import GIB
from assay.sandbox.guest import GuestLimits
from assay.sandbox.runtime import make_guest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assay.core.inspector import Subject
    from assay.sandbox.session import Session

    Progress = Callable[[str, int, int], None]

WORKER = "assay.workers.probing"
CPU, CUDA, AUTO = "cpu", "cuda", "auto"
DEVICES = (CPU, CUDA, AUTO)
_NODES = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm")  # of the driver: one for each GPU, control, unified memory
STEP_SECONDS = 0.5  # wall time between two words of progress
_STEP_LIMIT = 1800.0  # wall time of one step: loading a large model on a busy machine
_ATTEMPTS_KEPT = 100
_TOLD = {"connect", "bind", "send", "dns", "exec", "write", "change", "escape"}
TENSORS = (".safetensors", ".bin")  # of kin nothing else is read
LIMITS = GuestLimits(memory_bytes=4 * GIB, cpu_seconds=4 * 3600, processes=64, scratch_bytes=1 * GIB)
_ENDINGS = {
    "time": "out of time",
    "output": "it printed too much",
    "flood": "too many system calls",
    "worker": "it died",
}


def gpu_nodes(root: Path = Path("/dev")) -> tuple[str, ...]:
    """Device nodes of the GPUs of this machine; empty where there is none."""
    found = sorted(str(one) for pattern in _NODES for one in root.glob(pattern) if one.is_char_device())
    return tuple(found) if any(Path(one).name[len("nvidia") :].isdecimal() for one in found) else ()


def device_for(asked: str, kind: str = "text") -> str:
    """`cpu` or `cuda`, for `auto` whichever there is; the probes of images and language models run on a processor.

    Raises:
        UsageError: no such device.
        EnvironmentFault: a GPU was asked for and there is none.
    """
    if asked not in DEVICES:
        raise UsageError(f"not a device: {asked!r}", hint=f"one of {', '.join(DEVICES)}")
    if asked == CUDA and not gpu_nodes():
        raise EnvironmentFault("there is no GPU here: /dev has no NVIDIA device", hint="use --device cpu or auto")
    return CUDA if asked != CPU and kind == "text" and gpu_nodes() else CPU


@dataclass(frozen=True)
class Job:
    """What one worker is given.

    Attributes:
        model: under test.
        base: its declared pretrained parent.
        references: trusted clean models of the same task.
        items: labelled texts.
        words: of all the data: tokens that training on it explains.
        seed: of every draw.
        stop_gap: flip rate above the references at which a probe stops.
        kind: of model: `text`, `image`, `language`.
        files: images in place of texts, undecoded; `items` then hold no text but the class of each.
        packed: the one file is an .npz of images and classes.
        device: `cpu` or `cuda`.
        paraphraser: a sequence-to-sequence model that says texts otherwise.
        kin: models of any task whose weights it may have been made from.
        wanted: references below which some are made from base and data; of a large encoder one at most.
    """

    model: Subject
    base: Subject | None = None
    references: tuple[Subject, ...] = ()
    items: tuple[tuple[str, int], ...] = ()
    words: tuple[str, ...] = ()
    seed: int = 0
    stop_gap: float = 0.8
    kind: str = "text"
    files: tuple[bytes, ...] = ()
    packed: bool = False
    device: str = "cpu"
    paraphraser: Subject | None = None
    wanted: int = 1
    kin: tuple[Subject, ...] = ()

    def lies(self, root: str) -> list[list[Any]]:
        """Items as the worker reads them: texts, or paths of the files."""
        if self.packed:
            return [[f"{root}/items/0", 0]]
        if not self.files:
            return [list(item) for item in self.items]
        return [[f"{root}/items/{number}", label] for number, (_, label) in enumerate(self.items)]


@dataclass
class Account:
    """What the guest was and tried.

    Attributes:
        layers: of the sandbox, active or not.
        frameworks: versions.
        attempts: what a model tried and was refused.
    """

    layers: dict[str, bool] = field(default_factory=dict)
    frameworks: dict[str, str] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)


class Prober:
    """A guest that probes, one fresh worker for each model. A context manager."""

    def __init__(
        self, limits: GuestLimits = LIMITS, *, threads: int = 1, layers: tuple[str, ...] = (), device: str = CPU
    ) -> None:
        """Start nothing yet.

        Args:
            limits: of the guest.
            threads: of the worker; one is the cheapest in CPU time.
            layers: of the sandbox that must be active beside those that every guest needs.
            device: `cuda` lets the nodes of the GPU into the sandbox; the layers then say so.
        """
        self._guest = make_guest(WORKER, limits, layers=layers, devices=gpu_nodes() if device == CUDA else ())
        self.threads = threads

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the guest."""
        self._guest.close()

    @contextmanager
    def opened(self, job: Job, account: Account) -> Iterator[Talk]:
        """A worker that has the job's files.

        Raises:
            SandboxError: a required layer is missing.
        """
        self._guest.start()
        account.frameworks |= self._guest.frameworks
        root = self._guest.model_root
        named = {"model": job.model} | {f"reference{i}": one for i, one in enumerate(job.references)}
        named |= {f"kin{i}": one for i, one in enumerate(job.kin)}
        if job.base is not None:
            named["base"] = job.base
        if job.paraphraser is not None:
            named["paraphraser"] = job.paraphraser
        document = {
            "model": f"{root}/model",
            "base": f"{root}/base" if job.base else None,
            "references": [f"{root}/reference{i}" for i in range(len(job.references))],
            "kin": [f"{root}/kin{i}" for i in range(len(job.kin))],
            "kind": job.kind,
            "items": job.lies(root),
            "packed": job.packed,
            "words": list(job.words),
            "seed": job.seed,
            "threads": self.threads,
            "stop_gap": job.stop_gap,
            "wanted": job.wanted,
            "device": job.device,
            "paraphraser": f"{root}/paraphraser" if job.paraphraser else None,
        }
        with ExitStack() as stack:
            files: list[tuple[str, BinaryIO]] = [
                (f"{folder}/{entry.path}", stack.enter_context(subject.files.open(entry.path)))
                for folder, subject in named.items()
                for entry in subject.snapshot.files
                if not folder.startswith("kin") or entry.path.endswith(TENSORS)
            ]
            files += [(f"items/{number}", io.BytesIO(data)) for number, data in enumerate(job.files)]
            files.append(("job.json", io.BytesIO(json.dumps(document).encode())))
            with self._guest.session(files) as session:
                account.layers |= session.layers
                yield Talk(session, f"{root}/job.json", account)


class Talk:
    """One worker's session: begin something, and wait for its result."""

    def __init__(self, session: Session, job: str, account: Account) -> None:
        self._session = session
        self._job = job
        self._account = account

    def open(self, progress: Progress) -> dict[str, Any]:
        """Load everything; gives what the opening measured.

        Raises:
            ContentError: no text classifier, or the worker broke off.
        """
        return self._until_result({"open": self._job}, "opening the models", progress)

    def probe(self, name: str, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """Run one probe to its end; what follows `@` or `#` in its name only tells its answers apart.

        Raises:
            ContentError: it could not, or the worker broke off.
        """
        shown, _, reference = name.partition("@")
        probe = shown.partition("#")[0]
        shown += f" on reference {int(reference) + 1}" if reference else ""
        return self._until_result({"probe": probe, "arguments": arguments}, shown, progress)

    def give(self, parts: list[str]) -> None:
        """What a part of the probe `vocabulary` answered; with the last one the worker knows the whole.

        Raises:
            ContentError: the worker broke off.
        """
        self._say({"vocabulary": parts})

    def _until_result(self, task: dict[str, Any], what: str, progress: Progress) -> dict[str, Any]:
        told = self._say(task)
        while "result" not in told:
            done, total = _two_numbers(told.get("progress"))
            progress(f"{what}{_live(told)}", done, total)
            told = self._say({"step": STEP_SECONDS})
        result = told["result"]
        if not isinstance(result, dict):
            raise ContentError("the worker sent a broken message")
        return result

    def _say(self, task: dict[str, Any]) -> dict[str, Any]:
        done = self._session.task(task, _STEP_LIMIT)
        room = max(0, _ATTEMPTS_KEPT - len(self._account.attempts))
        tried = [one for one in done.attempts if one.kind in _TOLD]
        self._account.attempts += [{"kind": one.kind, "target": one.target[:300], "at": one.at} for one in tried[:room]]
        if done.result is None:
            raise ContentError(f"the worker broke off ({_ENDINGS.get(done.ended, done.ended)})")
        if "unfit" in done.result:
            raise ContentError(str(done.result["unfit"])[:1000])
        return done.result


def processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def clock() -> float:
    """Wall time, monotonic."""
    return time.monotonic()


def _live(told: dict[str, Any]) -> str:
    """The strongest candidate of the probe under way, and how much more it flips than in the references."""
    best, gap, text = told.get("best"), told.get("gap"), told.get("candidate")
    if isinstance(text, str) and isinstance(gap, int | float):
        return f", {printable(text, limit=40)} {gap:+.0%}"
    return f", best {best:.2f}" if isinstance(best, int | float) and best > 0 else ""


def _two_numbers(value: Any) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2 and all(type(item) is int for item in value):  # noqa: PLR2004
        return value[0], value[1]
    raise ContentError("the worker sent a broken message")
