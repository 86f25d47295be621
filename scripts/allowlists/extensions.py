"""Run inside an interpreter that has the frameworks: list the types and unpickling helpers of compiled modules.

`python extensions.py PREFIX…` prints JSON: module → {name: "class" | "function"}.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_HELPERS = ("__pyx_unpickle_", "newObj")
_LEFT_OUT = ("test", "conftest", "parsers", "io", "writers", "openmp")


def _modules(prefix: str) -> list[str]:
    try:
        package = importlib.import_module(prefix.partition(".")[0])
    except ImportError:
        return []  # another interpreter has it
    names = [package.__name__]
    names += [
        m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda _name: None)
    ]
    return [n for n in names if n.startswith(prefix) and not any(part in _LEFT_OUT for part in n.split("."))]


def _read(module: ModuleType, name: str, found: dict[str, dict[str, str]]) -> None:
    for key, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == name:
            found.setdefault(name, {})[key] = "class"
        elif key.startswith(_HELPERS):
            found.setdefault(name, {})[key] = "function"


def main() -> None:
    """Print what was found."""
    warnings.simplefilter("ignore")
    found: dict[str, dict[str, str]] = {}
    for prefix in sys.argv[1:]:
        for name in _modules(prefix):
            spec = importlib.util.find_spec(name)
            if spec is None or not (spec.origin or "").endswith((".so", ".pyd")):
                continue
            try:
                module = importlib.import_module(name)
            except Exception as error:  # noqa: BLE001 - a module that does not import here gives no names
                sys.stderr.write(f"{name}: {error}\n")
                continue
            _read(module, name, found)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
