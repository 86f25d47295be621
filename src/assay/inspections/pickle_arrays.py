"""Classes of known frameworks that are safe as their picklers use them, and give memory, files or a class otherwise.

Checked by name, whatever their allow-list says of them otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.finding import Severity
from assay.formats.pickle.show import show
from assay.inspections import pickle_checks as checks

if TYPE_CHECKING:
    from assay.formats.pickle import events as ev
    from assay.inspections.pickle_names import Known

_ARRAYS = frozenset(("ndarray", "recarray", "chararray"))
_SHAPE_AND_DTYPE = 2  # arguments of a new array; the next is the memory that it lies over
_BESIDE = frozenset(("NDArrayWrapper", "ZNDArrayWrapper"))


def odd_call(event: ev.Event, entry: Known, name: str) -> checks.Refused | None:
    """Why a call of a known class is not one that a pickler writes; None when there is nothing to say."""
    arguments = checks.items(event.arguments)
    if entry.framework == "numpy" and name in _ARRAYS and len(arguments) > _SHAPE_AND_DTYPE:
        return checks.Refused(
            "pickle-dangerous-call", Severity.HIGH,
            "it makes an array over bytes of the pickle's choice: of objects, these are addresses",
        )  # fmt: skip
    if entry.use == "class" and name.endswith(("Enum", "Flag")) and len(arguments) > 1:
        return checks.Refused(
            "pickle-dangerous-call", Severity.HIGH, "with more than a value it makes a class with methods of its choice"
        )
    if entry.framework == "joblib" and name in _BESIDE and arguments and not _beside(arguments[0]):
        return _elsewhere(arguments[0])
    return None


def odd_state(event: ev.Event, entry: Known, name: str) -> checks.Refused | None:
    """The same of a state that a known class is given."""
    if entry.framework != "joblib" or name not in _BESIDE:
        return None
    state = event.arguments
    if not (isinstance(state, list) and state[:1] == ["dict"] and state[2] == len(state[1])):
        return _elsewhere(state)
    names = [value for key, value in state[1] if key == "filename"]
    return None if all(map(_beside, names)) else _elsewhere(names[0])


def _beside(name: Any) -> bool:
    """Joblib joins the name with the folder of the pickle: one of a file there, that is inspected as well."""
    return isinstance(name, str) and not {"/", "\\", "\0"}.intersection(name) and name not in {"", ".", ".."}


def _elsewhere(name: Any) -> checks.Refused:
    what = show(name, 200)
    return checks.Refused("pickle-dangerous-call", Severity.HIGH, f"joblib reads another file, pickles allowed: {what}")
