"""`python -m harmless OUT` (with this folder's parent on the path): write what the importable frameworks can make.

Prints a JSON object: {"written": [{"path", "technique", "loader", "needs"}], "absent": {framework: reason}}.
Runs in environments old and new, so it imports nothing of assay.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import warnings
from pathlib import Path

GROUPS = ("plain", "arrays", "estimators", "boosters", "tensors", "language", "other")
FRAMEWORKS = {
    "plain": (),
    "arrays": ("numpy", "joblib", "scipy", "pandas"),
    "estimators": ("sklearn",),
    "boosters": ("xgboost", "lightgbm", "catboost"),
    "tensors": ("torch",),
    "language": ("transformers",),
    "other": ("safetensors", "onnx", "gguf", "keras", "skops", "h5py", "dill", "msgpack", "tokenizers"),
}
DISTRIBUTION = {"sklearn": "scikit-learn"}


def main() -> None:
    """Entry point."""
    warnings.simplefilter("ignore")
    out = Path(sys.argv[1])
    wanted = set(sys.argv[2].split(",")) if len(sys.argv) > 2 else None
    written, absent = [], {}
    for group in GROUPS:
        module = importlib.import_module(f".{group}", __package__)
        for framework in FRAMEWORKS[group] or ("python",):
            if wanted is not None and framework not in wanted:
                continue
            try:
                version = _version(framework)
            except ImportError as error:
                absent[framework] = str(error)
                continue
            folder = out / f"{framework}-{version}"
            folder.mkdir(parents=True, exist_ok=True)
            try:
                made = getattr(module, framework)(folder)
            except Exception as error:  # noqa: BLE001  a framework that lacks a part of its own; said in the manifest
                absent[framework] = f"{type(error).__name__}: {error}"
                continue
            for name, technique, loader in made:
                path = f"{framework}-{version}/{name}"
                written.append({"path": path, "technique": technique, "loader": loader, "needs": _needs(framework)})
    print(json.dumps({"written": written, "absent": absent}))


def _needs(framework: str) -> list[str]:
    return [] if framework == "python" else [framework]


def _version(framework: str) -> str:
    if framework == "python":
        return f"{sys.version_info[0]}.{sys.version_info[1]}"
    importlib.import_module(framework)
    for name in (DISTRIBUTION.get(framework, framework), f"{framework}-cpu"):
        try:
            return importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


if __name__ == "__main__":
    main()
