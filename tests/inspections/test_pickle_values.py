"""Value types of the standard library that may be made while loading, and what must not come with them."""

from __future__ import annotations

import builtins
import functools
import io
import itertools
import operator
import os
import pickle
import typing
from typing import Any

import pytest

from assay.inspections.pickle import Pickle
from tests.support.scan import worst


class Call:
    """Pickles to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


SHELL = "true"
HOSTILE = {
    "iter-with-sentinel": Call(list, Call(iter, Call(functools.partial, os.system, SHELL), 0)),
    "reduce": Call(functools.reduce, os.system, (SHELL,)),
    "starmap": Call(list, Call(itertools.starmap, os.system, [(SHELL,)])),
    "zip-of-map": Call(list, Call(zip, Call(map, os.system, [SHELL]))),
    "enumerate-of-map": Call(list, Call(enumerate, Call(map, os.system, [SHELL]))),
    "chain-of-map": Call(list, Call(itertools.chain, Call(map, os.system, [SHELL]))),
    "accumulate": Call(list, Call(itertools.accumulate, [SHELL, ""], builtins.exec)),
    "item-of-a-namespace": Call(operator.getitem, Call(vars, Call(__import__, "os")), "system"),
    "load-of-a-stream": Call(pickle.load, Call(io.BytesIO, b"cos\nsystem\n(S'true'\ntR.")),
    "union-of-something-else": Call(functools.reduce, operator.or_, (Call(__import__, "os"), 1)),
}
VALUES = {
    "generic": typing.Dict[str, typing.List[int]],  # noqa: UP006
    "union": int | str,
    "iterators": [
        iter([1]),
        zip([1], [2], strict=False),
        enumerate("a"),
        itertools.product([1], [2]),
        itertools.islice([1], 1),
    ],
    "streams": [io.BytesIO(b"abc"), io.StringIO("abc")],
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", HOSTILE)
def test_what_runs_through_them_is_seen(name: str, protocol: int) -> None:
    assert worst(Pickle, {"x.pkl": pickle.dumps(HOSTILE[name], protocol)}) in {"high", "critical"}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", VALUES)
def test_values_are_not_accused(name: str, protocol: int) -> None:
    assert worst(Pickle, {"x.pkl": pickle.dumps(VALUES[name], protocol)}) in {"clean", "note", "low"}
