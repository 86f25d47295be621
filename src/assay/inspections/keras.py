"""Keras models: what loading one builds and runs.

What it reads: `config.json` and `metadata.json` of `.keras` archives, the configuration attributes and the links of
HDF5 files, `keras_metadata.pb` of SavedModels, and stand-alone `to_json()` files.
What it reports: Lambda layers with bytecode, functions and classes from modules that no layer comes from, custom
objects, layers that read files or unpickle, and HDF5 data that lies in other files.
Why it matters: a configuration names modules, classes and functions that the loader imports and calls; `safe_mode`
was left out or got round in several versions.
What it cannot see: what a custom class does that is not in the file; bytecode written by hand to mislead.
References: CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906, CVE-2025-12058, CVE-2025-49655.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from assay.formats.keras import KerasCode, KerasFile, KerasObject
    from assay.inspections.parts import Collector, Part

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_OWN = re.compile(r"(?:tf_keras|tensorflow\.(?:python\.)?keras|keras|keras_hub|keras_nlp|keras_cv)(?:\.|$)")
# Parts of Keras whose functions compute: anything else that is named as a function acts.
_COMPUTES = re.compile(
    r"(?:^|\.)(?:activations|initializers|regularizers|constraints|losses|metrics|ops|layers|optimizers|backend|math|nn"
    r"|random|quantizers|applications)(?:\.|$)"
)
_ACTS = re.compile(
    r"get_file|load_(?:model|weights|file|data|op|library)|save|unsafe_deserialization|deserialize|model_from|import_"
    r"|from_(?:json|config|saved_model)|exec|eval|compile|system|open|download|extract|unpack|python_utils|py_func"
    r"|set_(?:floatx|backend|global_attribute)|export|write_|read_"
)
_UNPICKLES = frozenset(("TorchModuleWrapper",))
_LOADS_MODEL = frozenset(("TFSMLayer",))
_DANGEROUS_ROOTS = frozenset(
    (
        "os", "posix", "nt", "sys", "subprocess", "importlib", "pickle", "shutil", "socket", "runpy", "ctypes", "code",
        "pty", "marshal", "urllib", "http", "ftplib", "webbrowser", "multiprocessing", "threading", "asyncio", "pdb",
        "timeit", "cProfile", "site", "pip", "setuptools", "distutils", "tempfile", "pathlib", "io", "codecs",
        "zipfile", "tarfile", "inspect", "types", "ast", "gc", "operator", "functools", "platform", "requests", "torch",
        "nose", "antigravity", "IPython", "cloudpickle", "dill", "joblib",
    )
)  # fmt: skip
_ATTRIBUTES = frozenset(("model_config", "training_config", "config", "optimizer_config", "metadata"))


class Keras:
    """The inspector `keras`."""

    name = "keras"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """HDF5 files, Keras metadata and JSON; of an archive, the members."""
        return bool({"hdf5", "keras-metadata", "keras-zip", "json"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read the configuration, wherever it lies."""
        if "hdf5" in part.formats:
            _hdf5(part, out)
        if "keras-metadata" in part.formats:
            _metadata(part, out)
        if "json" in part.formats:
            data = part.read_all(part.limits.text_bytes)
            if data is None or b"class_name" not in data:
                return  # the inspector of configuration files says what is too long
            _document(data, part.limits.json_depth, out, "")


def _document(data: bytes, depth: int, out: Collector, where: str) -> None:
    from assay.formats.keras import is_keras  # noqa: PLC0415 - JSON is everywhere, Keras is not

    try:
        document = read_json(data, depth=depth)
    except ContentError as error:
        if where:
            out.incomplete(f"{where} can't be read: {error}")
        return
    if where or is_keras(document.value):
        judge_config(document.value, out, where)


def judge_config(document: Any, out: Collector, where: str = "") -> None:
    """Judge a parsed configuration; `where` names the attribute or node that it was found in."""
    from assay.formats.keras import read_keras  # noqa: PLC0415

    config = read_keras(document)
    prefix = f"{where}: " if where else ""
    for item in config.code:
        _code(item, out, prefix)
    for thing in config.objects:
        handed = next((text for place, text in config.arguments.items() if thing.place.startswith(place)), "")
        _object(thing, out, prefix, handed)
    for file in config.files:
        _file(file, out, prefix)


def _code(item: KerasCode, out: Collector, prefix: str) -> None:
    if item.code is None:
        message = f"{prefix}{item.place} carries Python bytecode that could not be read ({item.problem})"
        out.finding("keras-lambda", _HIGH, Confidence.MEDIUM, message, place=item.place)
        return
    from assay.inspections.bytecode import judge_code  # noqa: PLC0415

    judged = judge_code(item.code)
    out.finding(
        "keras-lambda",
        judged.severity,
        Confidence.HIGH,
        f"{prefix}{item.place} carries Python bytecode ({item.code.name}): {judged.message}",
        place=item.place,
        call=judged.calls[0] if judged.calls else "",
        calls=list(judged.calls),
        names=list(judged.names),
        strings=[s[:200] for s in judged.strings],
    )


def _object(item: KerasObject, out: Collector, prefix: str, arguments: str) -> None:
    target = f"{item.module}.{item.name}" if item.module else item.name
    rule, severity, why = _target(item, target)
    if not rule:
        return
    kind = "function" if item.function else "class"
    message = f"{prefix}{item.place} makes the loader look up the {kind} {target!r}{': ' + why if why else ''}"
    message += f" (with {arguments[:200]})" if arguments else ""
    out.finding(rule, severity, Confidence.HIGH, message, call=target, place=item.place, registered=item.registered)


def _target(item: KerasObject, target: str) -> tuple[str, Severity, str]:
    """(rule, severity, why) of a class or function by its module and name; an empty rule for an ordinary one."""
    from assay.sourcecode.table import kinds_of, table  # noqa: PLC0415

    module, name = item.module, item.name
    root = module.split(".")[0]
    if root == "builtins":
        return _builtin(name, function=item.function)
    if kinds_of(target) or root in _DANGEROUS_ROOTS or module in table().modules:
        return "keras-dangerous-object", _CRITICAL, "no layer comes from there, and it reaches the system"
    if name in _UNPICKLES:
        return (
            "keras-dangerous-object",
            _HIGH,
            "the layer holds a pickled PyTorch module, which is unpickled on loading",
        )
    if name in _LOADS_MODEL:
        return "keras-dangerous-object", _HIGH, "the layer loads a SavedModel from a path in the configuration"
    return _own(item) if _OWN.match(module) else _foreign(item, root)


def _builtin(name: str, *, function: bool) -> tuple[str, Severity, str]:
    from assay.sourcecode.table import kinds_of  # noqa: PLC0415

    if function and (kinds_of(f"builtins.{name}") or name in _BUILT_IN):
        return "keras-dangerous-object", _CRITICAL, "it reaches the system"
    return ("keras-custom-object", _LOW, "its code is not in the file") if function else ("", _NOTE, "")


_BUILT_IN = frozenset(("getattr", "setattr", "open", "input", "breakpoint", "vars", "globals", "__import__"))


def _own(item: KerasObject) -> tuple[str, Severity, str]:
    """Keras's own: its classes are layers, its functions should compute."""
    computes = _COMPUTES.search(item.module) is not None or item.module in {"keras", "tf_keras"}
    acts = _ACTS.search(item.name) is not None
    if (item.function and (acts or not computes)) or (acts and item.name.islower()):
        return "keras-dangerous-object", _HIGH, "the function acts on files or on the loader itself"
    return "", _NOTE, ""


def _foreign(item: KerasObject, root: str) -> tuple[str, Severity, str]:
    """A class or function of another package, or of none that is named."""
    numeric = root in {"tensorflow", "numpy", "jax", "tf"}
    if item.function and numeric and _ACTS.search(item.name):
        return "keras-dangerous-object", _CRITICAL, "it reaches the system"
    if not item.module and ">" not in item.registered:
        return "", _NOTE, ""  # Keras 2: looked up among its own classes and those that the user hands in
    severity = _MEDIUM if item.function and not numeric and root not in {"", "__main__"} else _LOW
    return "keras-custom-object", severity, "its code is not in the file"


def _file(item: KerasFile, out: Collector, prefix: str) -> None:
    """A path that a layer opens when it is built (CVE-2025-12058)."""
    outside = item.path.startswith(("/", "~", "\\")) or ".." in item.path or re.match(r"\w+:", item.path) is not None
    if not outside:
        return
    reads = item.key in {"vocabulary", "idf_weights", "filepath", "proto", "origin"}
    message = f"{prefix}{item.owner or 'the configuration'} names the file {item.path[:200]!r} ({item.key})"
    out.finding("keras-file", _HIGH if reads else _LOW, Confidence.HIGH, message, path=item.path[:500], key=item.key)


def _hdf5(part: Part, out: Collector) -> None:
    """The attributes of an HDF5 file that hold configurations, and whatever lies outside the file."""
    from assay.formats.hdf5.reader import read_hdf5  # noqa: PLC0415

    file = read_hdf5(part.stream, part.size, part.limits)
    for attribute in file.attributes:
        for value in attribute.values:
            if attribute.name in _ATTRIBUTES or b'"class_name"' in value:
                _document(value, part.limits.json_depth, out, f"attribute {attribute.name} of {attribute.path}")
    for item in file.outside:
        message = f"{item.path} lies in another file: {item.file!r} ({item.kind})"
        severity = _LOW if item.kind == "external-link" and re.fullmatch(r"[\w-][\w.-]*", item.file) else _HIGH
        out.finding("hdf5-external", severity, Confidence.HIGH, message, kind=item.kind, file=item.file[:500])
    for anomaly in file.anomalies:
        out.finding("hdf5-broken", _LOW, Confidence.MEDIUM, anomaly.detail, offset=anomaly.offset)
        out.incomplete(f"a part of the file is broken: {anomaly.detail}")
    out.fact_here("objects", file.objects)


def _metadata(part: Part, out: Collector) -> None:
    """`keras_metadata.pb`: a JSON text for each tracked object (saved_metadata.proto)."""
    from assay.formats.tensorflow import read_keras_metadata  # noqa: PLC0415 - most scans meet none

    for node in read_keras_metadata(part.stream, part.size, part.limits):
        _document(node.metadata, part.limits.json_depth, out, f"node {node.path}")
