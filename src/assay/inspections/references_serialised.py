"""Where objects written as JSON, protobuf text or Gin name code that reading them back imports or calls.

Facts, no judgement. `references_loaders.py` has configurations by program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.inspections.code_reference import CodeReference, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# jsonpickle imports (and builds or calls) what stands under these keys; `py/repr` was evaluated by its early releases
_JSONPICKLE = frozenset(("py/function", "py/object", "py/repr", "py/type"))
_PICKLED_COLUMN = "pkl"  # MosaicML streaming's encoding: every sample is unpickled
KEYS = _JSONPICKLE | {
    "@module", "__kind__", "column_encodings", "components", "custom_ops_library", "model_file", "plugins", "provider",
    "source_code", "sparkVersion",
}  # fmt: skip
TRIGGER = "py/|sparkVersion|@module|__kind__|column_encodings|custom_ops_library|model_file|plugins|provider|components"

_CAFFE_LAYER = re.compile(r"python_param\s*:?\s*\{([^{}]{0,10000})")
_CAFFE_FIELD = re.compile(r"\b(module|layer)\s*:\s*[\"']([^\"'\n]{1,200})[\"']")
_GIN_IMPORT = re.compile(r"^[ \t]*(?:import[ \t]+([\w.]+)|from[ \t]+([\w.]+)[ \t]+import[ \t]+(\w+))", re.MULTILINE)
_GIN_CALL = re.compile(r"@(?:[\w./]+/)?([A-Za-z_][\w.]*)\(\)")
_GIN_INCLUDE = re.compile(r"^[ \t]*include[ \t]+[\"']([^\"'\n]{1,500})[\"']", re.MULTILINE)
_OUTSIDE = re.compile(r"^(?:/|~|\w+://)|(?:^|/)\.\.(?:/|$)")
_SPARK = ("org.apache.spark.", "pyspark.", "com.johnsnowlabs.", "com.microsoft.azure.synapse.ml.", "synapse.ml.",
          "sparknlp.", "xgboost.spark.", "ml.dmlc.xgboost4j.")  # fmt: skip
# Modules that publishers of T5, T5X and their kind name in `operative_config.gin`
_GIN_USUAL = frozenset(("__gin__", "clu", "flax", "flaxformer", "gin", "jax", "mesh_tensorflow", "mt3", "praxis",
                        "seqio", "t5", "t5x", "tensor2tensor", "tensorflow", "trax"))  # fmt: skip


def built_again(key: str, here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """What one key makes a deserialiser import or call.

    Args:
        key: as written.
        here: path of keys, for the report.
        value: what stands there.
        parent: the object it stands in.
    """
    if key in _JSONPICKLE:
        if isinstance(value, str) and value:
            target = value.replace("/", ".", 1) if key == "py/repr" else value
            yield CodeReference("target", here, target, module=target)
    else:
        yield from _BY_KEY[key](here, value, parent)


def _gluonts(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """GluonTS `serde`: `{"__kind__": "instance", "class": …, "args": …}` is imported and called."""
    name = parent.get("class")
    if value in {"instance", "type", "stateful"} and isinstance(name, str) and dotted(name):
        yield CodeReference("target", here.removesuffix("__kind__") + "class", name, module=name)


def _spark(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """PySpark's `DefaultParamsReader`: the class that the metadata of a stage name is imported and called."""
    name = parent.get("class")
    if isinstance(value, str) and isinstance(name, str) and dotted(name) and not name.startswith(_SPARK):
        yield CodeReference("target", here.removesuffix("sparkVersion") + "class", name, module=name)


def _monty(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """Monty's `MSONable` (pymatgen, MatGL): the class is imported and built."""
    name = parent.get("@class")
    if isinstance(value, str) and isinstance(name, str):
        yield CodeReference("target", here, f"{value}.{name}", module=value)


def _autogen(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """AutoGen's `ComponentModel`: the provider is imported; the text of a function tool is run."""
    if isinstance(value, str) and dotted(value) and ("component_type" in parent or "config" in parent):
        yield CodeReference("target", here, value, module=value)


def _source(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    if isinstance(value, str) and "global_imports" in parent:
        yield CodeReference("command", here, value)


def _haystack(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """Haystack pipelines: the type of a component is imported."""
    del parent
    for name, component in value.items() if isinstance(value, dict) else ():
        kind = component.get("type") if isinstance(component, dict) else None
        if isinstance(kind, str) and dotted(kind) and "init_parameters" in component:
            yield CodeReference("target", f"{here}.{name}.type", kind, module=kind)


def _plugins(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """Axolotl imports the plugins of a training configuration."""
    for name in value if isinstance(value, list) and "base_model" in parent else ():
        if isinstance(name, str) and dotted(name):
            yield CodeReference("target", here, name, module=name)


def _columns(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """MosaicML streaming: a column of pickles."""
    if isinstance(value, list) and _PICKLED_COLUMN in value and "column_names" in parent:
        yield CodeReference("target", here, "pickle.loads", module="pickle.loads")


def _native(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """ONNX Runtime's session options: a library that the process loads."""
    del parent
    if isinstance(value, str) and value:
        yield CodeReference("library", here, value, module=value)


def _model_file(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """mlx-lm runs the file of the repository that `config.json` names."""
    if isinstance(value, str) and value.endswith(".py") and "model_type" in parent:
        yield CodeReference("module-path", here, value, module=value.removesuffix(".py"))


_BY_KEY: dict[str, Callable[[str, Any, dict[str, Any]], Iterator[CodeReference]]] = {
    "@module": _monty,
    "__kind__": _gluonts,
    "column_encodings": _columns,
    "components": _haystack,
    "custom_ops_library": _native,
    "model_file": _model_file,
    "plugins": _plugins,
    "provider": _autogen,
    "sparkVersion": _spark,
    "source_code": _source,
}


def caffe_layers(text: str) -> Iterator[tuple[int, CodeReference]]:
    """Python layers of a Caffe network in text: the module is imported. With their line."""
    for match in _CAFFE_LAYER.finditer(text):
        fields = dict(_CAFFE_FIELD.findall(match[1]))
        if module := fields.get("module"):
            line = text.count("\n", 0, match.start()) + 1
            target = f"{module}.{fields['layer']}" if "layer" in fields else module
            yield line, CodeReference("target", "python_param", target, module=module)


def gin_references(text: str) -> Iterator[tuple[int, CodeReference]]:
    """Imports, calls of imported functions, and includes of a Gin configuration, with their line.

    A `.gin` file's import statements are executed; with `dynamic_registration` any imported callable can be called.
    """
    known: set[str] = set()
    for match in _GIN_IMPORT.finditer(text):
        module = match[1] or f"{match[2]}.{match[3]}"
        top = module.partition(".")[0]
        known.add(match[3] or top)
        if top not in _GIN_USUAL:
            yield _line(text, match), CodeReference("library", "import", module, module=module)
    if "dynamic_registration" in known:
        for match in _GIN_CALL.finditer(text):
            if (top := match[1].partition(".")[0]) in known and top not in _GIN_USUAL:
                yield _line(text, match), CodeReference("target", "@", match[1], module=match[1])
    for match in _GIN_INCLUDE.finditer(text):
        if _OUTSIDE.search(match[1]):
            yield _line(text, match), CodeReference("path", "include", match[1])


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


BY_SUFFIX: dict[str, Callable[[str], Iterator[tuple[int, CodeReference]]]] = {
    ".gin": gin_references,
    ".prototxt": caffe_layers,
}
