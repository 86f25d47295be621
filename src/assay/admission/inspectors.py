"""Every inspector of an admission, in the order they run. A new one is one file in its room and one line here."""

from __future__ import annotations

from typing import Any

from assay.inspections.builtin import BUILTIN

INSPECTORS: tuple[Any, ...] = (*BUILTIN,)
