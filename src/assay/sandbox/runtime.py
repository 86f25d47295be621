"""Which runtime a guest gets: bubblewrap, or gVisor where the layer `runsc` is asked for."""

from __future__ import annotations

from functools import partial

from assay.core.errors import UsageError
from assay.sandbox.guest import DEFAULT_REQUIRED, Guest, GuestLimits
from assay.sandbox.gvisor import RUNSC
from assay.sandbox.gvisor_guest import GvisorGuest
from assay.sandbox.start import find_bubblewrap
from assay.sandbox.warm import lend

BUBBLEWRAP = "bubblewrap"
RUNTIMES = (BUBBLEWRAP, RUNSC)


def layers_of(runtime: str) -> tuple[str, ...]:
    """Layers that a runtime by name stands for.

    Raises:
        UsageError: no such runtime.
    """
    if runtime not in RUNTIMES:
        raise UsageError(f"no runtime {runtime!r} for the sandbox", hint=f"known: {', '.join(RUNTIMES)}")
    return (RUNSC,) if runtime == RUNSC else ()


def make_guest(
    worker: str, limits: GuestLimits, *, layers: tuple[str, ...] = (), devices: tuple[str, ...] = ()
) -> Guest:
    """A guest: not started yet, or with the template of one that is done (`warm.py`).

    Args:
        worker: module of `assay.workers`.
        limits: of the guest.
        layers: that must be active beside those that every guest needs; `runsc` makes it one of gVisor.
        devices: nodes of a GPU that the worker may open; gVisor lets none in.

    Raises:
        UsageError: devices and gVisor at once.
    """
    required = tuple(dict.fromkeys((*DEFAULT_REQUIRED, *layers)))
    if RUNSC not in required:
        bubblewrap = find_bubblewrap()
        make = partial(Guest, worker, limits, required=required, devices=devices, bubblewrap=bubblewrap)
        return lend((worker, limits, required, devices, bubblewrap), make)
    if devices:
        raise UsageError("runsc lets no GPU in", hint="probe on the processor, or leave `runsc` out of the layers")
    return GvisorGuest(worker, limits, required=required)
