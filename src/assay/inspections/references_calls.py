"""Names of functions, and whole pieces of code, under keys that many programs import, call or execute.

Facts, no judgement. A dotted name counts here only when nothing but harm is known of it and arguments stand beside it:
what a program of one's own calls `target`, `class_name` or `factory` can't be listed, but `os.system` is no data there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.inspections.code_reference import CodeReference, dotted
from assay.inspections.pickle_names import danger

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES_CODE = re.compile(
    r"(?:^|[_.@-])(?:target|class|cls|class_?name|class_?path|type|func|function|fn|callable|factory|module|method|impl"
    r"|entry_?point|handler|loader|constructor|builder|initiali[sz]er|object|operator|op|reduce|command_class)_*$",
    re.IGNORECASE,
)
_ARGUMENTS = re.compile(
    r"(?:^|_)(?:arg|args|kw|kwargs|param|params|parameters|config|options|init|inputs?|command|cmd)", re.IGNORECASE
)
_RUNS = frozenset(("run", "code"))
_RUNS_TEXT = re.compile(r"python|exec|eval|script|code", re.IGNORECASE)
_TRIGGERS = ("os", "posix", "nt", "subprocess", "builtins", "importlib", "runpy", "pty", "pickle", "ctypes")
CODE_KEYS = frozenset(("download", "code", "class_type"))
TRIGGER = (
    r"\w['\"]?:[ \t]*['\"]?(?:" + "|".join(_TRIGGERS) + r")\.\w|(?:target|class_name|factory|callable)['\"]?:"
    r"|download:|class_type"
)  # fmt: skip


def called_by_name(key: str, here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """A dangerous function under a key that names code, with arguments beside it.

    Args:
        key: as written.
        here: path of keys, for the report.
        value: what stands there.
        parent: the object it stands in.
    """
    if not isinstance(value, str) or not _NAMES_CODE.search(key) or not dotted(value):
        return
    beside = len(parent) == 1 or any(isinstance(k, str) and _ARGUMENTS.search(k) for k in parent if k != key)
    if beside and _only_harm(value):
        yield CodeReference("target", here, value, module=value)


def _only_harm(target: str) -> bool:
    parts = target.split(".")
    if "logging" in parts[:-1]:
        return False  # `references_logging.py` reads them
    cuts = ((".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(1, len(parts)))
    return any((found := danger(*cut)) is not None and found.group in _RUNS for cut in cuts)


def executed_text(key: str, here: str, value: Any, parent: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of what a program executes as it stands.

    Ultralytics runs `download` of a data set; smolagents the `code` of a saved tool; nodes of ComfyUI their inputs.
    """
    if not isinstance(value, str):
        return
    data_set = key == "download" and bool({"names", "train", "val"} & set(parent))
    if data_set or (key == "code" and "tools[" in here and "name" in parent):
        yield here, value
    elif key == "class_type" and _RUNS_TEXT.search(value):
        inputs = parent.get("inputs")
        for name, text in inputs.items() if isinstance(inputs, dict) else ():
            if isinstance(text, str):
                yield f"{here.removesuffix('class_type')}inputs.{name}", text
