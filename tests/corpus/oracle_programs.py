"""Loaders of programs that import, call or unpickle what their own files name. Part of `oracle_child.py`."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
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


def _pickle_log(path: Path) -> None:
    """A program that logs after it has loaded."""
    import logging
    import pickle

    with path.open("rb") as stream:
        pickle.load(stream)
    logging.getLogger().warning("loaded")


def _logging_ini(path: Path) -> None:
    import logging.config

    logging.config.fileConfig(path)


def _logging_json(path: Path) -> None:
    import json
    import logging.config

    logging.config.dictConfig(json.loads(path.read_text()))


def _logging_nested(path: Path) -> None:
    import json
    import logging.config

    logging.config.dictConfig(json.loads(path.read_text())["log"])


def _logging_yaml(path: Path) -> None:
    import logging.config

    import yaml

    logging.config.dictConfig(yaml.safe_load(path.read_text()))


def _yaml_card(path: Path) -> None:
    import yaml

    yaml.unsafe_load(path.read_text().split("---")[1])


def _sqlite(path: Path) -> None:
    """As `shelve` of Python 3.13 reads `dbm.sqlite3`, and sqlitedict."""
    import pickle
    import sqlite3

    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    for (value,) in connection.execute("select value from Dict"):
        pickle.loads(value)


def _csv_base64(path: Path) -> None:
    import base64
    import csv
    import pickle

    with path.open() as stream:
        pickle.loads(base64.b64decode(list(csv.reader(stream))[1][1]))


def _json_state(path: Path, decode: Callable[[str], bytes]) -> None:
    import json
    import pickle

    pickle.loads(decode(json.loads(path.read_text("utf-8"))["x"]))


def _mako(path: Path) -> None:
    from mako.template import Template

    Template(filename=str(path)).render(x=1)


def _parquet(path: Path) -> None:
    import pickle

    import pyarrow.parquet as pq

    for value in pq.read_table(path)["v"].to_pylist():
        pickle.loads(value)


def _png_pickle(path: Path) -> None:
    import pickle

    with path.open("rb") as stream:
        stream.seek(33)
        pickle.load(stream)


def _json_base64_zlib(path: Path) -> None:
    import base64
    import json
    import pickle
    import zlib

    pickle.loads(zlib.decompress(base64.b64decode(json.loads(path.read_text())["x"])))


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
    "pickle-log": (_pickle_log, ""),
    "logging-ini": (_logging_ini, ""),
    "logging-json": (_logging_json, ""),
    "logging-nested": (_logging_nested, ""),
    "logging-yaml": (_logging_yaml, ""),
    "yaml-card": (_yaml_card, ""),
    "sqlite": (_sqlite, ""),
    "csv-base64": (_csv_base64, ""),
    "json-base64-zlib": (_json_base64_zlib, ""),
    "json-hex": (lambda path: _json_state(path, bytes.fromhex), ""),
    "json-characters": (lambda path: _json_state(path, lambda text: text.encode("latin-1")), ""),
    "json-base85": (lambda path: _json_state(path, base64.b85decode), ""),
    "json-base64": (lambda path: _json_state(path, base64.b64decode), ""),
    "mako": (_mako, "mako"),
    "parquet": (_parquet, "pyarrow.parquet"),
    "png-pickle": (_png_pickle, ""),
    "custom-generate": (_custom_generate, "transformers"),
}
