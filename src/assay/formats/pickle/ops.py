"""All opcodes of protocols 0 to 5; STOP is the machine's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.formats.pickle import ops_acts, ops_stack, ops_values

if TYPE_CHECKING:
    from assay.formats.pickle.optable import Handler

_ALL = {**ops_values.TABLE, **ops_stack.TABLE, **ops_acts.TABLE}
_JOINS = b"as2\x85\x86\x87\x94q"
_ACTS = b"ciobRQP\x81\x82\x83\x84\x92\x93\x97"

HANDLERS: list[Handler | None] = [_ALL.get(code) for code in range(256)]
JOINS = [code in _JOINS for code in range(256)]
"""Opcodes of one byte (and BINPUT) that a segment on top of the stack can take in."""
ACTS = [code in _ACTS for code in range(256)]
"""Opcodes that do more than arrange data."""
