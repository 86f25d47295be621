"""The program of a probe's guest: `prober`, with a seed of its own for each probe, and what only describes.

So an answer is the same whichever probes ran before it in the same worker: after a kill, and where the probes of one
run are shared among several workers.
"""

from __future__ import annotations

import base64
import random
import time
from typing import TYPE_CHECKING, Any

from assay.workers import prober

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.workers.answers import Json
    from assay.workers.prober import Probing

INJECTION, VOCABULARY, PARAPHRASE = "injection", "vocabulary", "paraphrase"


def preload() -> dict[str, str]:
    """Import the frameworks; gives their versions."""
    return prober.preload()


def run(task: Json) -> Json:
    """As `prober.run`, with probes of its own; the argument `seed` of a probe is of all its draws.

    `{"vocabulary": [BASE64, …]}` gives what a part of the probe `vocabulary` answered, in order: it isn't asked again.
    """
    state = prober._STATE  # noqa: SLF001 - the same program
    if (parts := task.get(VOCABULARY)) is not None:
        return _take_part(state.space, parts)
    if (start := _OWN.get(str(task.get("probe")))) is not None and state.space is not None:
        state.probed = state.space
        state.probing = start(state.space, task["arguments"])
        state.begun = (time.process_time(), state.space.passes, state.space.confirmed)
        return {"progress": [0, 0], "best": 0.0}
    told = prober.run(task)
    seed = task.get("arguments", {}).get("seed")
    if seed is not None and "unfit" not in told:  # the probe was made and has not begun: it draws from now on
        holder = state.probed if state.probed is not None else state.space
        if hasattr(holder, "rng"):
            holder.rng = random.Random(str(seed))  # noqa: S311 - sampling, no secret
    return told


def _injection(space: Any, arguments: Json) -> Probing:
    from assay.workers import probe_inside  # noqa: PLC0415

    return (yield from probe_inside.injection(space, arguments["candidates"]))


def _paraphrase(space: Any, _arguments: Json) -> Probing:
    from assay.workers import probe_paraphrase  # noqa: PLC0415

    folder = prober._STATE.job.get("paraphraser")  # noqa: SLF001 - the same program
    return (yield from probe_paraphrase.paraphrase(space, folder))


def _vocabulary(space: Any, arguments: Json) -> Probing:
    """Margins of one part of the vocabulary, each token alone: as `prober_alone.alone` has them of the whole."""
    import torch  # noqa: PLC0415

    from assay.workers.prober_alone import PARTS  # noqa: PLC0415
    from assay.workers.prober_models import margins  # noqa: PLC0415

    part, of = int(arguments["part"]), int(arguments["of"])
    models = [space.suspect, *space.shared[:1]]
    told: list[list[Any]] = [[] for _ in models]
    for number, words in enumerate(torch.tensor(space.words)[:, None].tensor_split(PARTS)):
        if number * of // PARTS == part:  # the same batches as for the whole: the same figures, to the last bit
            for kept, model in zip(told, models, strict=True):
                kept.append(margins(model.logits_of(words)).float().cpu())
            yield number + 1, PARTS, 0.0
    whole = [torch.cat(one) for one in told if one]
    return {
        "facts": {},
        "candidates": [],
        "margins": [base64.b64encode(one.numpy().tobytes()).decode() for one in whole],
    }


def _take_part(space: Any, parts: list[str]) -> Json:
    """The margins of the next part; with the last one the vocabulary counts as known."""
    import torch  # noqa: PLC0415

    rows = [
        torch.frombuffer(bytearray(base64.b64decode(one)), dtype=torch.float32).view(-1, space.classes) for one in parts
    ]
    begun = _GIVEN.setdefault("rows", [])
    begun.append(rows)
    if sum(len(one[0]) for one in begun if one) >= len(space.words):
        mine, *theirs = (
            torch.cat(some).to(torch.tensor(0.0).device) for some in zip(*(o for o in begun if o), strict=True)
        )
        space.alone = (mine, theirs[0] if theirs else torch.zeros_like(mine))
        _GIVEN.clear()
    return {"progress": [0, 0], "best": 0.0}


_OWN: dict[str, Callable[[Any, Json], Probing]] = {
    INJECTION: _injection, VOCABULARY: _vocabulary, PARAPHRASE: _paraphrase,
}  # fmt: skip
_GIVEN: dict[str, list[list[Any]]] = {}
