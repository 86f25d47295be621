"""Loaders of programs that import, call or unpickle what their own files name. Part of `oracle_child.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _hydra(path: Path) -> None:
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    instantiate(OmegaConf.load(path))


class Callback:
    """What a Lightning trainer takes."""


def _jsonargparse(path: Path) -> None:
    import jsonargparse

    sys.path.insert(0, str(path.parent))
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Callback, "callback")
    parser.instantiate_classes(parser.parse_path(path))


def _mlflow(path: Path) -> None:
    import mlflow.pyfunc

    mlflow.pyfunc.load_model(str(path.parent))


def _mmengine(path: Path) -> None:
    from mmengine.config import Config

    sys.path.insert(0, str(path.parent))
    Config.fromfile(path)


def _mmengine_build(path: Path) -> None:
    from mmengine.config import Config
    from mmengine.registry import Registry

    built = Config.fromfile(path)
    built.pop("_delete_")
    Registry("models").build(built)


def _bentoml(path: Path) -> None:
    import bentoml

    bentoml.load(str(path.parent))


def _bentoml_model(path: Path) -> None:
    from bentoml.models import Model

    sys.path.insert(0, str(path.parent))
    Model.from_path(str(path.parent)).load_model()


def _langchain(path: Path) -> None:
    from langchain.prompts import load_prompt

    load_prompt(path).format()


def _langchain_here(path: Path) -> None:
    os.chdir(path.parent)
    _langchain(path)


def _hickle(path: Path) -> None:
    import hickle

    hickle.load(str(path))


def _msgpack_numpy(path: Path) -> None:
    import msgpack
    import msgpack_numpy

    msgpack.unpackb(path.read_bytes(), object_hook=msgpack_numpy.decode)


def _custom_generate(path: Path) -> None:
    """What `from_pretrained` and `generate(custom_generate=…)` call."""
    from transformers.generation import GenerationMixin

    GenerationMixin().load_custom_generate(str(path.parent), trust_remote_code=True)


# loader → (function, module imported before the forks)
PROGRAMS = {
    "hydra": (_hydra, "hydra"),
    "jsonargparse": (_jsonargparse, "jsonargparse"),
    "mlflow": (_mlflow, "mlflow.pyfunc"),
    "mmengine": (_mmengine, "mmengine"),
    "mmengine-build": (_mmengine_build, "mmengine"),
    "bentoml": (_bentoml, "bentoml"),
    "bentoml-model": (_bentoml_model, "bentoml"),
    "langchain": (_langchain, "langchain"),
    "langchain-here": (_langchain_here, "langchain"),
    "hickle": (_hickle, "hickle"),
    "msgpack-numpy": (_msgpack_numpy, "msgpack_numpy"),
    "custom-generate": (_custom_generate, "transformers"),
}
