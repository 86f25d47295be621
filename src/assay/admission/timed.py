"""Steps of an admission whose time is added to the sums that every server shows (`registry.tallies`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from assay.admission.engine import step
from assay.registry.tallies import STEP, add
from assay.registry.traces import span

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.admission.engine import Json
    from assay.store.index import Index


def timed_step(index: Index, name: str, function: Callable[..., Json], *args: Any) -> Json:
    """As `engine.step`, timed."""

    def timed(*given: Any) -> Json:
        began = time.monotonic()
        with span(f"vet {name}"):
            result = function(*given)
        add(index, STEP, name, total=time.monotonic() - began)
        return result

    return step(name, timed, *args)
