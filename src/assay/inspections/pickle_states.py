"""State checks: classes that run what stands in their state."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.formats.pickle import events as ev

_SHAPES = r"(?:[A-Za-z]\w*, )*"
_PARSER = re.compile(
    rf"""
def _parse_args\(self, {_SHAPES} (?:loc=0(?:, scale=1)?)\):
    return \({_SHAPES}\), (?:loc(?:, (?:scale|1))?)

def _parse_args_rvs\(self, {_SHAPES} (?:loc=0(?:, scale=1)?), size=None\):
    return self._argcheck_rvs\({_SHAPES} (?:loc(?:, (?:scale|1))?), size=size\)

def _parse_args_stats\(self, {_SHAPES} (?:loc=0(?:, scale=1)?), moments='mvs?k?'\):
    return \({_SHAPES}\), (?:loc(?:, (?:scale|1))?), moments
"""
)


def _distribution(state: ev.Term) -> bool:
    """`rv_generic.__setstate__` of scipy runs `_parse_arg_template`: it must be the text that scipy makes."""
    if not (isinstance(state, list) and state[0] == "dict" and state[2] == len(state[1])):
        return False
    texts = [value for key, value in state[1] if not isinstance(key, str) or key == "_parse_arg_template"]
    return len(texts) == 1 and isinstance(texts[0], str) and _PARSER.fullmatch(texts[0]) is not None


_SCRIPT_CLASS = re.compile(r"__torch__\.torch\.classes\.(?:quantized|rnn|sparse|xnnpack|mkldnn)\.\w+")


def _script(state: ev.Term) -> bool:
    """`torch.ScriptObject` makes an object of a class that is registered in C++: packed parameters alone are known."""
    if not (isinstance(state, list) and state[:1] == ["tuple"] and len(state[1]) == 2):  # noqa: PLR2004
        return False
    name = state[1][1]
    return isinstance(name, str) and _SCRIPT_CLASS.fullmatch(name) is not None


STATES: dict[str, Callable[[ev.Term], bool]] = {"distribution": _distribution, "script": _script}
