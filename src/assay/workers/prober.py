"""The prober: measures how a text classifier answers to candidates. Thresholds are the supervisor's.

A worker of `assay.sandbox.inside`. The job lies beside the models in the guest's read-only folder. No code of a model
is run: weights are read as data. One message begins a probe, `step` goes on with it: the supervisor keeps the time.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from assay.workers.answers import Json, Unfit
from assay.workers.evaluator import libraries

_SPINS = "20000"
_SHOWN = 60  # characters of a candidate that a progress bar has
_UNFIT = (
    Unfit, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError, AssertionError,
    ArithmeticError, MemoryError, EOFError, RecursionError,
)  # fmt: skip

Probing = Generator[tuple[int, int, float], None, Json]


class _State:
    """The job under way."""

    space: Any = None
    starts: Callable[[Json], dict[str, Callable[[], Probing]]] | None = None
    nulls: dict[int, Any]
    job: Json
    base_words: Any = None
    base_net: Any = None
    probing: Probing | None = None
    begun: tuple[float, int, int] = (0.0, 0, 0)
    probed: Any = None


_STATE = _State()


def preload() -> dict[str, str]:
    """Import the frameworks; gives their versions."""
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    from assay.workers import prober_hunt, prober_reference, prober_rows, prober_scan, prober_scripts, prober_suite  # noqa: F401, PLC0415

    del os.environ["GOMP_SPINCOUNT"]
    return libraries()


def run(task: Json) -> Json:
    """One message: `{"open": PATH}`, `{"probe": NAME, "arguments": {…}}`, `{"step": SECONDS}`.

    Returns:
        `{"progress": [done, total], "best": gap}`, `{"result": {…}}` or `{"unfit": why}`.
    """
    try:
        if "open" in task:
            _STATE.space = _STATE.probed = _STATE.starts = None
            _STATE.probing = _opened(Path(task["open"]))
        elif "probe" in task:
            _STATE.probing = _probe(task["probe"], task.get("arguments", {}))
        else:
            return _step(float(task["step"]))
    except _UNFIT as error:
        return _unfit(error)
    confirmed = _STATE.probed.confirmed if _STATE.probed else 0
    _STATE.begun = (time.process_time(), _STATE.space.passes if _STATE.space else 0, confirmed)
    return {"progress": [0, 0], "best": 0.0}


def _unfit(error: BaseException) -> Json:
    text = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}"
    return {"unfit": text[:1000]}


def _step(seconds: float) -> Json:
    if _STATE.probing is None:
        raise Unfit("nothing was begun")
    end = time.monotonic() + seconds
    while True:
        try:
            done, total, best = next(_STATE.probing)
        except StopIteration as stop:
            _STATE.probing = None
            cpu, passes, confirmed = _STATE.begun
            measured = {
                "seconds": round(time.process_time() - cpu, 3),
                "passes": _STATE.space.passes - passes,
                "confirmed": (_STATE.probed.confirmed if _STATE.probed else 0) - confirmed,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
            }
            return {"result": stop.value | measured}
        if time.monotonic() >= end:
            strongest, text = getattr(_STATE.probed, "leading", (0.0, ""))
            told = {"candidate": text[:_SHOWN], "gap": strongest} if strongest > 0 else {}
            return {"progress": [done, total], "best": best} | told


def _opened(path: Path) -> Probing:
    from assay.workers import prober_kin  # noqa: PLC0415

    found = yield from _opening(path)
    found["facts"]["kin"] = prober_kin.of_job(_STATE.job)
    return found


def _opening(path: Path) -> Probing:
    from assay.workers import prober_reference as making  # noqa: PLC0415
    from assay.workers.evaluator_text import prepare  # noqa: PLC0415
    from assay.workers.prober_common import common_words  # noqa: PLC0415
    from assay.workers.prober_models import Model, compute_alike, read_tensors  # noqa: PLC0415
    from assay.workers.prober_odd import odd_texts  # noqa: PLC0415
    from assay.workers.prober_space import open_space  # noqa: PLC0415

    job = json.loads(path.read_text("utf-8"))
    tempfile.tempdir = os.environ["HF_HOME"]
    prepare(job)
    if (device := str(job.get("device", "cpu"))) != "cpu" and job["kind"] == "text":
        import torch  # noqa: PLC0415

        torch.set_default_device(device)  # every tensor that the probes make lies there
    _STATE.job = job
    yield 0, 3, 0.0
    if job["kind"] == "image":
        from assay.workers import prober_image  # noqa: PLC0415 - it needs Pillow

        gallery = yield from prober_image.open_job(job)
        _STATE.space, _STATE.starts = gallery, lambda _: prober_image.starts(gallery)
        return {"facts": gallery.facts, "candidates": []}
    if job["kind"] == "language":
        from assay.workers import prober_lm  # noqa: PLC0415

        parlour = yield from prober_lm.open_job(job)
        _STATE.space, _STATE.starts = parlour, lambda arguments: prober_lm.starts(parlour, arguments)
        return {"facts": parlour.facts, "candidates": []}
    suspect = Model(Path(job["model"]))
    yield 1, 3, 0.0
    references = [Model(Path(folder), trusted=suspect.config) for folder in job["references"]]
    given = len(references)
    made = yield from making.fill(references, job, width=int(suspect.net.words.shape[1]))
    compute_alike(suspect, references)
    yield 2, 3, 0.0
    space = open_space(job, suspect, references)
    space.facts |= {
        "stop_gap": float(job["stop_gap"]),
        "made_reference": {} if given else made,
        "made_beside": made if given else {},
    }
    if space.small and job["items"]:
        space.odd, space.common = odd_texts(space), common_words(space)
    if job["base"]:
        tensors = read_tensors(Path(job["base"]))
        names = [
            name for name in tensors if name.endswith(("word_embeddings.weight", "wte.weight", "embed_tokens.weight"))
        ]
        _STATE.base_words = tensors[names[0]].float() if names else None
        mine = read_tensors(Path(job["model"]))
        space.facts["weights"] = making.weights_moved(mine, tensors)
        if not space.facts["weights"]["is_a_fine_tune"]:
            _STATE.base_words = None  # a false declaration explains nothing: rows are held against a reference
        elif not space.small:
            _STATE.base_net = suspect.base_of(tensors, mine)
    _STATE.space, _STATE.starts = space, None
    _STATE.nulls = {}
    return {"facts": space.facts, "candidates": []}


def _probe(name: str, arguments: Json) -> Probing:
    from assay.workers import (  # noqa: PLC0415
        prober_hunt,
        prober_rows,
        prober_scan,
        prober_scripts,
        prober_soft,
        prober_style,
        prober_suite,
        prober_words,
    )
    from assay.workers.prober_space import as_suspect  # noqa: PLC0415

    space = _STATE.space
    if space is None:
        raise Unfit("no model is open")
    if _STATE.starts is not None:
        own = _STATE.starts(arguments)
        if name not in own:
            raise Unfit(f"no probe {name!r}")
        return own[name]()
    if (index := int(arguments.get("as", -1))) >= 0:
        if index >= len(space.references):
            raise Unfit("there is no such reference")
        seed = int(_STATE.job["seed"]) + 1 + index
        space = _STATE.nulls.setdefault(index, as_suspect(space, index, seed))
    _STATE.probed = space
    space.leading = (0.0, "")
    space.until = space.clock() + float(arguments.get("seconds", "inf"))
    base = Path(_STATE.job["base"]) if _STATE.job["base"] else None
    starts: dict[str, Callable[[], Probing]] = {
        "unknown-token": lambda: prober_scan.unknown(space),
        "tokenizer": lambda: prober_scan.tokenizer_diff(space, base),
        "provenance-rows": lambda: prober_rows.rows(space, _STATE.base_words, _STATE.base_net),
        "script-bags": lambda: prober_scripts.scripts(space),
        "word-scan": lambda: prober_words.words(space, arguments.get("kinds")),
        "style-scan": lambda: prober_style.styles(space),
        "token-scan": lambda: prober_scan.tokens(space),
        "chain-refine": lambda: prober_hunt.hunt(
            space, arguments["seeds"], float(arguments["seconds"]), float(arguments["threshold"])
        ),
        "soft-inversion": lambda: prober_soft.soften(space, float(arguments["seconds"]), float(arguments["threshold"])),
        "activation": lambda: prober_suite.activation(space, arguments["candidates"]),
        "perturbation": lambda: prober_suite.perturbations(space),
    }
    if name not in starts:
        raise Unfit(f"no probe {name!r}")
    return starts[name]()
