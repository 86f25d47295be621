"""Convert one model: plan, write, prove outside, prove inside, and only then give the folder its name.

1. Each file that would be unpickled was scanned and nothing was found, or nothing is converted.
2. assay's own reader (`formats.torch_state`) says which tensors there are and where their bytes lie.
3. The bytes are moved into safetensors files; no pickle is run for it.
4. Outside the sandbox the files are read back and compared with the source, bit by bit.
5. Inside, the loaders that people use read both and compare them again; where transformers loads the model, a forward
   pass before and after must give the same bits.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.conversion.estimators import convert_estimators
from assay.conversion.plan import Plan, TorchJob, index_text, make_plan
from assay.conversion.proof import prove
from assay.conversion.result import Conversion, Converted, Refused
from assay.conversion.writer import write_safetensors
from assay.core.errors import ContentError, EnvironmentFault, IntegrityError, UsageError
from assay.core.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from assay.conversion.guest import Witness
    from assay.core.evidence import Evidence
    from assay.core.inspector import Subject

    Progress = Callable[[str, int, int], None]

PROBE_BYTES = 4 << 30  # above this the probe, which needs the whole model in memory, is left out and that is said
_COPY_BYTES = 4 << 20
_INNER = "!/"


def convert(
    subject: Subject,
    out: Path,
    evidence: Sequence[Evidence],
    witness: Witness,
    *,
    key: str = "",
    probe: bool = True,
    progress: Progress | None = None,
) -> Conversion:
    """Write a safe version of a model into a new folder.

    Args:
        subject: the model.
        out: folder that does not exist yet; it appears when everything is proven.
        evidence: of the static scan of this very snapshot.
        witness: the guest; started when it is not running.
        key: wrapper of the state dict, where a checkpoint has several.
        probe: whether to compare a forward pass.
        progress: told (what, bytes done, bytes in all).

    Raises:
        Refused: it is not converted, with the reason.
        UsageError: `out` is there already, or the evidence is about something else.
        IntegrityError: what was written is not the same; nothing is left of it.
        SandboxError: a required layer is missing.
        EnvironmentFault: the disk refuses.
    """
    if out.exists():
        raise UsageError(f"{out} is there already", hint="give a folder that does not exist yet")
    plan = make_plan(subject, key)
    _require_clean(subject, plan, evidence)
    advance = _Advance(progress, 3 * sum(place.size for job in plan.torch for place in job.state.places))
    with _part(out) as part, ThreadPoolExecutor(1) as pool:
        written = pool.submit(_write, subject, plan, part, advance)  # while the guest imports its frameworks
        witness.start()
        converted = written.result()
        estimators, notes = convert_estimators(subject, plan.estimators, part, witness)
        proof = _witnessed(subject, part, witness, converted, probe=probe, advance=advance)
        proof["estimators"] = notes
        _publish(part, out)
        return Conversion(
            source=subject.snapshot.id,
            files=(*converted, *estimators),
            copied=tuple(entry.path for entry in plan.copied),
            left_behind=(*((one.source, "converted") for one in (*converted, *estimators)), *plan.left),
            proof=proof,
            layers=witness.layers,
            attempts=tuple(witness.attempts),
        )


def _require_clean(subject: Subject, plan: Plan, evidence: Sequence[Evidence]) -> None:
    """1. The scan comes first: a pickle that runs code is a finding, never a conversion."""
    wanted = {job.entry.path for job in plan.torch} | {entry.path for entry in plan.estimators}
    about = [one for one in evidence if one.subject == subject.snapshot.id]
    if len(about) != len(evidence) or not about:
        raise UsageError("the scan is about another model, or there was none", hint="scan this snapshot first")
    findings = tuple(
        finding
        for one in about
        for finding in one.findings
        if finding.where.file in wanted and finding.severity >= Severity.MEDIUM
    )
    if findings:
        worst = max(findings, key=lambda finding: finding.severity)
        raise Refused(f"{worst.where.file}: {worst.message}", file=worst.where.file, findings=findings)
    for one in about:
        for unread in one.unread:
            if (path := unread.path.split(_INNER, 1)[0]) in wanted:
                raise Refused(f"{path}: the scan could not read it whole: {unread.reason}", file=path)
    covered = {path for one in about if one.inspector == "pickle" for path in one.covered}
    if unseen := wanted - covered:
        raise Refused(f"{min(unseen)}: no scan has looked at its pickle", file=min(unseen))


def _write(subject: Subject, plan: Plan, part: Path, advance: _Advance) -> list[Converted]:
    """2. to 4. Copy what is copied, write what is converted, and read it back."""
    for entry in plan.copied:
        target = part / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with subject.files.open(entry.path) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, _COPY_BYTES)
    for name, (_source, document) in plan.indices.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = index_text(document)
        if path.exists() and path.read_text("utf-8") != text:
            raise Refused(f"{name} is in the model already, and says something else", file=name)
        path.write_text(text, "utf-8")
    return [_write_one(subject, job, part, advance) for job in plan.torch]


def _write_one(subject: Subject, job: TorchJob, part: Path, advance: _Advance) -> Converted:
    target, state = part / job.target, job.state
    existed = target.exists()
    with subject.files.open(job.entry.path) as source:
        if not existed:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_safetensors(source, state.places, target, {"format": "pt"}, advance.by(job.target))
        shared = frozenset(name for group in state.shared for name in group) if existed else frozenset[str]()
        try:
            proof = prove(source, state.places, target, subject.limits, advance.by(job.target), may_lack=shared)
        except (IntegrityError, ContentError) as error:
            if not existed:
                raise
            message = f"{job.target} is in the model already and is not the same as {job.entry.path}: {error}"
            raise Refused(message, file=job.target) from error
        if existed:
            _check_shared(proof.tensors, state.shared, job.target)
    return Converted(
        source=job.entry.path,
        source_digest=job.entry.digest,
        target=job.target,
        target_digest=proof.digest,
        kind="torch",
        tensors=len(proof.tensors),
        size=proof.size,
        key=state.key,
        shared=state.shared,
        left_out=state.left_out,
        root=proof.root,
        existed=existed,
    )


def _check_shared(tensors: Sequence[Any], shared: Sequence[Sequence[str]], target: str) -> None:
    """A safe file may lack names of shared tensors, but not all of a group."""
    there = {row[0] for row in tensors}
    for group in shared:
        if not there.intersection(group):
            raise Refused(f"{target} is in the model already and lacks {group[0][:100]!r}", file=target)


def _witnessed(
    subject: Subject,
    part: Path,
    witness: Witness,
    converted: Sequence[Converted],
    *,
    probe: bool,
    advance: _Advance,
) -> dict[str, Any]:
    """5. The loaders that people use, on both."""
    proof: dict[str, Any] = {"outside": "bit-equal", "inside": "", "probe": {"ran": False, "why": "not asked for"}}
    if not converted:
        return proof
    root = witness.root
    jobs: list[dict[str, Any]] = [
        {
            "task": "compare",
            "source": f"{root}/original/{one.source}",
            "written": f"{root}/converted/{one.target}",
            "key": one.key,
            "subset": one.existed,
        }
        for one in converted
    ]
    size = sum(one.size for one in converted)
    probed = probe and size <= PROBE_BYTES and subject.snapshot.entry("config.json") is not None
    if probed:
        jobs.append({"task": "probe", "original": f"{root}/original", "converted": f"{root}/converted"})
    with ExitStack() as opened:
        files = [
            (f"original/{entry.path}", opened.enter_context(subject.files.open(entry.path)))
            for entry in subject.snapshot.files
        ]
        files += [
            (f"converted/{path.relative_to(part).as_posix()}", opened.enter_context(path.open("rb")))
            for path in sorted(part.rglob("*"))
            if path.is_file()
        ]
        answers = witness.ask(files, jobs, advance.jobs(size))
    for one, answer in zip(converted, answers, strict=False):
        if isinstance(answer, str):
            raise Refused(f"{one.source}: the loader of PyTorch can't confirm it: {answer}", file=one.source)
        if answer.get("differences") or answer.get("same") != one.tensors:
            told = "; ".join(map(str, answer.get("differences", [])[:3])) or "another number of tensors"
            raise IntegrityError(f"{one.source}: PyTorch's own loader sees other weights: {told}")
    proof["inside"] = "bit-equal"
    proof["frameworks"] = witness.frameworks
    if probed:
        proof["probe"] = _probe(answers[-1])
    elif probe:
        why = f"more than {PROBE_BYTES} bytes of weights" if size > PROBE_BYTES else "no config.json"
        proof["probe"] = {"ran": False, "why": why}
    return proof


def _probe(answer: dict[str, Any] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"ran": False, "why": answer}
    if answer.get("equal") is not True or not answer.get("outputs"):
        raise IntegrityError("a forward pass gives other outputs after the conversion")
    return {"ran": True, "class": str(answer.get("class"))[:200], "outputs": int(answer["outputs"]), "equal": True}


@contextmanager
def _part(out: Path) -> Iterator[Path]:
    """A folder beside the one that is to be; gone when it did not get its name."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise EnvironmentFault(f"can't make a folder beside {out}: {error.strerror}", hint="check the path") from error
    try:
        yield part
    except OSError as error:
        raise EnvironmentFault(f"can't write {out}: {error.strerror}", hint="check the disk") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _publish(part: Path, out: Path) -> None:
    part.chmod(0o755)
    for path in part.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    part.rename(out)


class _Advance:
    """Adds up what is written, compared outside and compared inside."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def by(self, what: str) -> Callable[[int], None]:
        def advance(count: int) -> None:
            self._done += count
            if self._progress:
                self._progress(f"converting {what}", min(self._done, self._total), self._total)

        return advance

    def jobs(self, size: int) -> Progress:
        base = self._done

        def advance(_what: str, done: int, total: int) -> None:
            if self._progress:
                self._progress("comparing", min(base + size * done // max(total, 1), self._total), self._total)

        return advance
