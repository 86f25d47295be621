"""Load it and watch.

What it reads: every artifact that a framework can load (PyTorch, pickle, joblib, numpy, safetensors, ONNX, Keras,
skops, TFLite by LiteRT, GGUF by the package `gguf`, and the whole folder through transformers, with remote code where
the model asks for it), by its real loader, in a guest.
What it reports: what the load tried: addresses, programs, files written, files read outside the model, the environment,
ways out of the guest, code that a data file brought along; each refused, in order, with its arguments.
Why it matters: a payload that static reading does not understand still has to act. A clean model tries nothing.
What it cannot see: a payload that waits (for a date, an input, a machine), and one that knows it is watched. For
trigger candidates of the probes there is a second pass (`load-triggers`). GGUF is not given to llama.cpp. TensorFlow,
Paddle, Core ML, R and boosters have no loader here and no extra that adds one: they are unread, for the static
inspectors alone.
References: https://attack.mitre.org/techniques/T1497/, seccomp_unotify(2)
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, SandboxError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.formats.json_text import read_json
from assay.formats.sniff import HEAD_BYTES, TAIL_BYTES, extension, sniff
from assay.inspections.in_guest import InGuest
from assay.inspections.load_findings import findings_of, told
from assay.inspections.parts import plain

if TYPE_CHECKING:
    from assay.core.finding import Finding
    from assay.core.inspector import Subject
    from assay.sandbox.guest import Guest
    from assay.sandbox.session import Done, Session

EXTRA = "install the extra: pip install 'assay-models[load]'"
_EXTRAS = {
    "ai_edge_litert": EXTRA.replace("load", "load-edge"),
    "gguf": EXTRA.replace("load", "load-edge"),
    "skops": EXTRA.replace("load", "convert"),
}
_MAX_SESSIONS = 50  # fresh workers for one snapshot, after artifacts that ended theirs

_BY_READING = {
    "safetensors": ("safetensors",),
    "torch-zip": ("torch",),
    "torchscript": ("torch",),
    "torch-legacy": ("torch",),
    "torch-tar": ("torch",),
    "npy": ("numpy",),
    "npz": ("numpy",),
    "onnx": ("onnx",),
    "pickle": ("pickle",),
    "keras-zip": ("keras",),
    "hdf5": ("keras",),
    "skops": ("skops",),
    "gguf": ("gguf",),
    "tflite": ("tflite",),
}
_JOBLIB = frozenset((".joblib", ".jbl", ".z"))
_PICKLE_NAMES = (".joblib", ".jbl", ".pkl", ".pickle", ".sav")
_COMPRESSED = frozenset(("gzip", "zlib", "bzip2", "xz", "lzma"))
_TORCH_NAMES = frozenset((".pt", ".pth", ".bin", ".ckpt"))
_NO_LOADER = frozenset((
    "tf-saved-model", "torch-export", "executorch", "nemo", "ggml", "paddle", "catboost", "coreml", "mxnet-params",
    "xgboost-binary", "xgboost-ubj", "r-rds", "r-data",
))  # fmt: skip
CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class _Task:
    """One artifact and one loader."""

    path: str
    loader: str

    @property
    def remote(self) -> bool:
        return self.loader == "transformers-remote"


class _Account:
    """What is known so far."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.unread: list[Unread] = []
        self.loaded: set[str] = set()
        self.failed: list[tuple[str, str]] = []  # unread unless another loader could
        self.broken: set[str] = set()
        self.artifacts: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def leave_out(self, path: str, reason: str) -> None:
        self.broken.add(path)
        item = Unread(plain(path), plain(reason))
        if item not in self.unread:
            self.unread.append(item)


class Load(InGuest):
    """The inspector `load`."""

    name = "load"
    version = "2"

    def inspect(self, subject: Subject) -> Evidence:
        """Load everything that can be loaded; what can't be is unread, with what to install."""
        account = _Account()
        tasks = _plan(subject, account)
        if tasks:
            with self._running() as guest:
                self._load_all(subject, guest, tasks, account)
        return self._evidence(subject, account)

    def _load_all(self, subject: Subject, guest: Guest, tasks: list[_Task], account: _Account) -> None:
        waiting = list(tasks)
        try:
            guest.start()
            account.facts |= {"frameworks": guest.frameworks, "nested": guest.nested, "lost": guest.lost}
            for _ in range(_MAX_SESSIONS):
                if not waiting:
                    break
                with ExitStack() as opened:
                    files = ((e.path, opened.enter_context(subject.files.open(e.path))) for e in subject.snapshot.files)
                    with guest.session(files) as session:
                        account.facts |= {"layers": session.layers, "layer_reasons": session.reasons}
                        if guest.restarts:
                            account.facts["restarts"] = list(guest.restarts)
                        _run(session, guest, waiting, self._seconds, account)
        except (SandboxError, ContentError) as error:
            account.facts["sandbox"] = plain(str(error))
            for task in waiting:
                account.leave_out(task.path, f"not loaded: {error}")
            return
        for task in waiting:
            account.leave_out(task.path, f"not loaded: {_MAX_SESSIONS} loads before it ended their worker")

    def _evidence(self, subject: Subject, account: _Account) -> Evidence:
        for path, reason in account.failed:
            if path not in account.loaded:
                account.leave_out(path, reason)
        if account.unread:
            outcome = Outcome.INCONCLUSIVE
        elif any(finding.severity > 0 for finding in account.findings):
            outcome = Outcome.FOUND
        elif account.loaded or account.findings:
            outcome = Outcome.CLEAN
        else:
            outcome = Outcome.NOT_APPLICABLE
        if account.artifacts:
            account.facts["artifacts"] = account.artifacts
        return Evidence(
            subject=subject.snapshot.id,
            inspector=self.name,
            version=self.version,
            settings={"required": list(self._required), "seconds": self._seconds},
            outcome=outcome,
            covered=tuple(sorted(account.loaded - account.broken)),
            unread=tuple(sorted(account.unread)),
            findings=tuple(account.findings),
            facts=plain(account.facts),
        )


def _run(session: Session, guest: Guest, waiting: list[_Task], seconds: float, account: _Account) -> None:
    """Take tasks off `waiting` until the session is over."""
    root = guest.model_root
    while waiting and not session.ended:
        task = waiting.pop(0)
        done = session.task({"loader": task.loader, "path": f"{root}/{task.path}", "root": root}, seconds)
        _account(task, done, account)


def _account(task: _Task, done: Done, account: _Account) -> None:
    account.findings += findings_of(task.path, task.loader, done, remote=task.remote)
    result = done.result or {}
    status = str(result.get("status", "ended"))
    account.artifacts.append(
        {"path": task.path, "loader": task.loader, "status": status, "seconds": round(done.seconds, 3)} | told(done)
    )
    if status == "loaded":
        account.loaded.add(task.path)
    elif status == "missing":
        account.failed.append((task.path, f"not loaded: {result.get('framework')} is not installed; {_extra(result)}"))
    elif status == "failed":
        account.failed.append((task.path, f"{task.loader} could not load it: {str(result.get('error'))[:300]}"))
    else:
        why = {"time": "it took too long", "output": "it printed too much", "flood": "it tried too much"}
        last = done.output.rsplit("\\x0a", 2)
        ended = why.get(done.ended, f"its worker ended {': '.join(part for part in last[-2:] if part)[:200]}")
        account.leave_out(task.path, f"{task.loader} did not finish: {ended}")


def _extra(result: dict[str, Any]) -> str:
    return _EXTRAS.get(str(result.get("framework")), EXTRA)


def _plan(subject: Subject, account: _Account) -> list[_Task]:
    """Every artifact with every loader that a victim would use, by content."""
    tasks: list[_Task] = []
    for entry in subject.snapshot.files:
        try:
            with subject.files.open(entry.path) as stream:
                head = stream.read(HEAD_BYTES)
                stream.seek(max(0, entry.size - TAIL_BYTES))
                readings = sniff(head, stream.read(TAIL_BYTES), entry.size, entry.path).formats
        except ContentError as error:
            account.leave_out(entry.path, str(error))
            continue
        loaders = _loaders(readings, entry.path, head)
        tasks += [_Task(entry.path, loader) for loader in loaders]
        if not loaders and (known := _NO_LOADER.intersection(readings)):
            account.leave_out(entry.path, f"not loaded: {min(known)} has no loader here, and no extra adds one")
    tasks += [_Task(CONFIG, loader) for loader in transformers_loaders(subject)]
    return tasks


def transformers_loaders(subject: Subject) -> tuple[str, ...]:
    """How transformers may be asked to load the folder: without, and with the model's own code where it names some."""
    paths = {entry.path for entry in subject.snapshot.files}
    if CONFIG not in paths or not paths.intersection(_WEIGHTS):
        return ()
    return ("transformers", "transformers-remote") if _asks_for_code(subject) else ("transformers",)


def _loaders(readings: tuple[str, ...], path: str, head: bytes) -> list[str]:
    suffix = extension(path)
    found = [loader for reading in readings for loader in _BY_READING.get(reading, ())]
    if "pickle" in found:
        if suffix in _JOBLIB or b"joblib" in head:
            found[found.index("pickle")] = "joblib"
        if "torch-legacy" in readings:
            found.remove("pickle")
        elif suffix in _TORCH_NAMES:
            found.append("torch")
    elif _COMPRESSED.intersection(readings) and any(name in path.lower() for name in (*_PICKLE_NAMES, ".z")):
        found.append("joblib")
    return list(dict.fromkeys(found))


def _asks_for_code(subject: Subject) -> bool:
    """Whether a configuration names classes of its own (`auto_map`)."""
    for name in (CONFIG, "tokenizer_config.json", "processor_config.json", "preprocessor_config.json"):
        entry = subject.snapshot.entry(name)
        if entry is None or entry.size > subject.limits.text_bytes:
            continue
        try:
            with subject.files.open(name) as stream:
                value = read_json(stream.read(), depth=subject.limits.json_depth).value
        except ContentError:
            continue
        if isinstance(value, dict) and "auto_map" in value:
            return True
    return False
