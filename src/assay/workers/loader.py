"""The loader: loads an artifact by its real loader, as a victim would, and runs one inference on a neutral input.

Runs in a guest (`assay.sandbox.inside`), one process for each model; everything a model does here is recorded outside.
A task is `{"loader", "path", "root"}`; the answer says what became of it. With `"keep": true` what was loaded stays,
and `{"text": …}` has it answer one more text. An exception of a class that only the model knows ends this
process, and the supervisor says so.
"""

from __future__ import annotations

import gc
import importlib
import pickle
import warnings
from typing import Any

# In this order: torch brings its own OpenMP, which numpy's must not precede.
FRAMEWORKS = (
    "torch",
    "numpy",
    "safetensors",
    "transformers",
    "joblib",
    "sklearn",
    "onnxruntime",
    "keras",
    "skops",
    "gguf",
    "ai_edge_litert",
)
_PARTS = ("torch.nn", "torch._utils", "torch.jit", "safetensors.torch", "safetensors.numpy", "sklearn.base",
          "sklearn.pipeline", "sklearn.linear_model", "skops.io", "gguf.quants", "ai_edge_litert.interpreter",
          "transformers.models.bert.modeling_bert", "transformers.models.auto",
          "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto")  # fmt: skip
_NEEDS = {
    "torch": "torch",
    "pickle": "",
    "joblib": "joblib",
    "numpy": "numpy",
    "safetensors": "safetensors",
    "onnx": "onnxruntime",
    "keras": "keras",
    "skops": "skops",
    "gguf": "gguf",
    "tflite": "ai_edge_litert",
    "transformers": "transformers",
    "transformers-remote": "transformers",
}
_NEUTRAL_TEXT = "The report is on the table."
_NEUTRAL_TOKENS = 8
_SIDE = 32  # pixels of a neutral image
_OF_FRAMEWORKS = (("safetensors", "SafetensorError"), ("zlib", "error"), ("lzma", "LZMAError"), ("struct", "error"),
                  ("zipfile", "BadZipFile"), ("onnxruntime.capi.onnxruntime_pybind11_state", "Fail"),
                  ("onnxruntime.capi.onnxruntime_pybind11_state", "InvalidGraph"),
                  ("onnxruntime.capi.onnxruntime_pybind11_state", "InvalidProtobuf"),
                  ("onnxruntime.capi.onnxruntime_pybind11_state", "InvalidArgument"))  # fmt: skip
_load_errors: tuple[type[BaseException], ...] = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, ImportError,
    MemoryError, RuntimeError, BufferError, OSError, SystemError, AssertionError, NameError, SyntaxError, Warning,
)  # fmt: skip

_present: dict[str, str] = {}
_kept: list[Any] = []  # what was loaded to answer more than once


def _add_errors() -> None:
    """Errors of the frameworks themselves, of those that are there."""
    global _load_errors  # noqa: PLW0603 - once, before any model
    for module, name in _OF_FRAMEWORKS:
        if module.partition(".")[0] in _present or ("." not in module and module != "safetensors"):
            _load_errors = (*_load_errors, getattr(importlib.import_module(module), name))


def preload() -> dict[str, str]:
    """Import every framework that is there, before any model is. Returns name to version."""
    warnings.simplefilter("ignore")
    for name in FRAMEWORKS:
        try:
            _present[name] = str(getattr(importlib.import_module(name), "__version__", "?"))
        except ImportError:
            continue
    for part in _PARTS:
        if part.partition(".")[0] in _present:
            importlib.import_module(part)
    _add_errors()
    if "torch" in _present:
        torch = importlib.import_module("torch")
        torch.set_num_threads(1)
        torch.nn.Linear(1, 1)(torch.zeros(1, 1))  # makes what is made at first use
    return dict(_present)


def run(task: dict[str, Any]) -> dict[str, Any]:
    """Load one artifact.

    Returns:
        `status` (`loaded`, `failed`, `missing`), and `what` was loaded, `inference`, `error` or `framework`.
    """
    if "text" in task:
        return {"status": "loaded", "inference": _infer(_kept[0], str(task["text"]))}
    loader = str(task["loader"])
    framework = _NEEDS[loader]
    if framework and framework not in _present:
        return {"status": "missing", "framework": framework}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = _load(loader, str(task["path"]), str(task["root"]))
    except _load_errors as error:
        return {"status": "failed", "error": _shown(error)}
    answer = {"status": "loaded", "what": _kind(loaded), "inference": _infer(loaded)}
    if task.get("keep"):
        _kept[:] = [loaded]
    del loaded
    gc.collect()  # destructors are the model's code too
    return answer


def _load(loader: str, path: str, root: str) -> Any:  # noqa: C901, PLR0911 - one for each framework
    match loader:
        case "torch":
            torch = importlib.import_module("torch")
            return torch.load(path, map_location="cpu", weights_only=False)
        case "pickle":
            with open(path, "rb") as stream:  # noqa: PTH123 - runs in the guest, few imports
                return pickle.load(stream)  # noqa: S301 - that is the point
        case "joblib":
            return importlib.import_module("joblib").load(path)
        case "numpy":
            numpy = importlib.import_module("numpy")
            found = numpy.load(path, allow_pickle=True)
            return {name: found[name] for name in found.files} if hasattr(found, "files") else found
        case "safetensors":
            with importlib.import_module("safetensors").safe_open(path, framework=_tensors()) as found:
                return {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118 - no mapping
        case "onnx":
            runtime = importlib.import_module("onnxruntime")
            return runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        case "keras":
            # Unsafe, as a victim would who was told that it does not work otherwise.
            return importlib.import_module("keras").saving.load_model(path, compile=False, safe_mode=False)
        case "skops":
            return _skops(path)
        case "gguf":
            return _gguf(path)
        case "tflite":
            lite = importlib.import_module("ai_edge_litert.interpreter")
            return lite.Interpreter(model_path=path, num_threads=1)
        case _:
            return _pretrained(root, remote=loader == "transformers-remote")


def _skops(path: str) -> Any:
    """Every type trusted, as a victim would who was told which to name."""
    skops = importlib.import_module("skops.io")
    return skops.load(path, trusted=skops.get_untrusted_types(file=path))


def _gguf(path: str) -> dict[str, Any]:
    """Every tensor as numbers, by the package that transformers reads GGUF with; llama.cpp is another reader."""
    package = importlib.import_module("gguf")
    return {one.name: package.quants.dequantize(one.data, one.tensor_type) for one in package.GGUFReader(path).tensors}


def _tensors() -> str:
    return "pt" if "torch" in _present else "np"


def _pretrained(root: str, *, remote: bool) -> Any:
    """Configuration, tokenizer (where there is one) and model, as `pipeline` would."""
    auto = importlib.import_module("transformers")
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": remote}
    auto.AutoConfig.from_pretrained(root, **options)
    try:
        tokenizer = auto.AutoTokenizer.from_pretrained(root, **options)
    except _load_errors:
        tokenizer = None
    model = None
    for name in ("AutoModelForSequenceClassification", "AutoModel"):
        if name == "AutoModel" or _has_head(root, auto, options, name):
            model = getattr(auto, name).from_pretrained(root, **options)
            break
    return _Pretrained(tokenizer, model)


def _has_head(root: str, auto: Any, options: dict[str, Any], name: str) -> bool:
    config = auto.AutoConfig.from_pretrained(root, **options)
    wanted = name.removeprefix("AutoModel")
    return any(str(one).endswith(wanted) for one in getattr(config, "architectures", None) or [])


class _Pretrained:
    """A tokenizer and its model."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer = tokenizer
        self.model = model


def _infer(loaded: Any, text: str = _NEUTRAL_TEXT) -> str:
    """`ran`, why not, or that there is nothing to run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _inference(loaded, text)
    except _load_errors as error:
        return f"failed: {_shown(error)}"


def _inference(loaded: Any, text: str) -> str:  # noqa: PLR0911 - one for each kind
    torch = importlib.import_module("torch") if "torch" in _present else None
    if isinstance(loaded, _Pretrained):
        if torch is None or loaded.model is None:
            return "no model"
        loaded.model.eval()
        with torch.no_grad():
            if loaded.tokenizer is not None:
                loaded.model(**loaded.tokenizer(text, return_tensors="pt", truncation=True))
            else:
                loaded.model(torch.ones(1, _NEUTRAL_TOKENS, dtype=torch.long))
        return "ran"
    if "keras" in _present and isinstance(loaded, importlib.import_module("keras").Model):
        return _infer_keras(loaded)  # before torch: with its back end a Keras model is a torch module too
    if torch is not None and isinstance(loaded, torch.nn.Module):
        loaded.eval()
        neutral = _neutral(torch, loaded)
        if neutral is None:
            return "no input known"
        with torch.no_grad():
            loaded(neutral)
        return "ran"
    if isinstance(getattr(loaded, "n_features_in_", None), int) and hasattr(loaded, "predict"):
        loaded.predict([[0.0] * loaded.n_features_in_])
        return "ran"
    if "ai_edge_litert" in _present and type(loaded).__name__ == "Interpreter":
        return _infer_lite(loaded)
    if "onnxruntime" in _present and type(loaded).__name__ == "InferenceSession":
        return _infer_onnx(loaded)
    return "nothing to run"


def _neutral(torch: Any, module: Any) -> Any:
    """An input that fits the first layer."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.Embedding):
            return torch.zeros(1, _NEUTRAL_TOKENS, dtype=torch.long)
        if isinstance(layer, torch.nn.Linear):
            return torch.zeros(1, layer.in_features)
        if isinstance(layer, torch.nn.Conv2d):
            return torch.zeros(1, layer.in_channels, _SIDE, _SIDE)
    return None


def _infer_keras(model: Any) -> str:
    numpy = importlib.import_module("numpy")
    try:
        inputs = model.inputs
    except (AttributeError, ValueError):
        return "no input known"
    if not inputs:
        return "no input known"
    fed = [numpy.zeros([n if isinstance(n, int) else 1 for n in one.shape], one.dtype) for one in inputs]
    model(fed[0] if len(fed) == 1 else fed, training=False)
    return "ran"


def _infer_lite(interpreter: Any) -> str:
    numpy = importlib.import_module("numpy")
    interpreter.allocate_tensors()
    for wanted in interpreter.get_input_details():
        interpreter.set_tensor(wanted["index"], numpy.zeros(wanted["shape"], wanted["dtype"]))
    interpreter.invoke()
    return "ran"


def _infer_onnx(session: Any) -> str:
    numpy = importlib.import_module("numpy")
    kinds = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32}
    feed = {}
    for wanted in session.get_inputs():
        if wanted.type not in kinds:
            return "no input known"
        feed[wanted.name] = numpy.zeros([n if isinstance(n, int) else 1 for n in wanted.shape], kinds[wanted.type])
    session.run(None, feed)
    return "ran"


def _kind(loaded: Any) -> str:
    if isinstance(loaded, _Pretrained):
        return f"transformers {type(loaded.model).__name__}"[:200]
    return f"{type(loaded).__module__}.{type(loaded).__qualname__}"[:200]


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
