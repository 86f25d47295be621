"""Raw pickles that abuse what harmless files really use: rebuild functions and classes that take callables or paths.

An allow-list that holds these names must look at their arguments, and at what BUILD, SETITEM and friends do to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asm import Build, Call, Global, New, Raw, Then, encode
from .pickle_opcodes import NAMED, SYSTEM
from .pickle_torch import family, nested
from .sample import Kit, Sample, gadget

G, C = Global, Call


def samples() -> list[Sample]:
    """All of this module."""
    return [*_standard(), *_numpy(), *_torch(), *_scipy(), *_sklearn(), *_pandas(), *_boosters(), *_transformers()]


def _quiet(kit: Kit) -> Call:
    """A callable that runs the payload whatever arguments it is given."""
    return C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (kit.shell,))


def _made(name: str, value: Any) -> Call:
    """A class made in the stream, with one attribute."""
    return C(G("builtins.type"), "X", (), {name: value})


def _allowed(needs: str, entries: dict[str, Callable[[Kit], Any]]) -> list[Sample]:
    found = family(needs, {f"allowed-{name}": build for name, build in entries.items()})
    return [Sample(**{**sample.__dict__, "calls": (*sample.calls, *NAMED)}) for sample in found]


def _standard() -> list[Sample]:
    entries: dict[str, Callable[[Kit], Any]] = {
        "reconstructor": lambda k: C(G("copyreg._reconstructor"), _made("__new__", _quiet(k)), _made("__new__", _quiet(k)), None),
        "newobj-opcode": lambda k: New(_made("__new__", _quiet(k))),
        "defaultdict-opcode": lambda k: Then(
            C(G("operator.getitem"), C(G("collections.defaultdict"), C(G("functools.partial"), SYSTEM, k.shell)), 1)),
        "counter-update": lambda k: C(G("collections.Counter"), C(G("builtins.map"), SYSTEM, [k.shell])),
        "ordered-dict-of-map": lambda k: C(G("collections.OrderedDict"), C(G("builtins.map"), C(G("functools.partial"), G("builtins.eval")), [
            f"({k.code}, 1)"])),
        "set-of-hash": lambda k: C(G("builtins.set"), [C(_made("__hash__", C(G("functools.partial"), SYSTEM, k.shell)))]),
        "sorted-by-lt": lambda k: C(G("builtins.sorted"), [C(_made("__lt__", _quiet(k))), C(_made("__lt__", _quiet(k)))]),
        "bytes-of-index": lambda k: C(G("builtins.bytes"), C(_made("__bytes__", _quiet(k)))),
        "str-of-str": lambda k: C(G("builtins.str"), C(_made("__str__", _quiet(k)))),
        "int-of-int": lambda k: C(G("builtins.int"), C(_made("__int__", _quiet(k)))),
        "complex-of-complex": lambda k: C(G("builtins.complex"), C(_made("__complex__", _quiet(k)))),
        "list-of-iter": lambda k: C(G("builtins.list"), C(_made("__iter__", _quiet(k)))),
        "datetime-timezone": lambda k: C(
            G("datetime", "datetime.utcoffset"), C(G("datetime.datetime"), 2026, 1, 1, 0, 0, 0, 0, C(C(G("builtins.type"), "T", (
                G("datetime.tzinfo"),), {"utcoffset": _quiet(k)})))),
        "fraction-of-made": lambda k: C(G("uuid.UUID"), C(_made("replace", _quiet(k)))),
        "path-of-fspath": lambda k: C(G("pathlib.PurePosixPath"), C(_made("__fspath__", _quiet(k)))),
        "slice-equality": lambda k: Raw(b"}" + encode(C(G("builtins.type"), "X", (), {"__hash__": C(G("functools.partial"), SYSTEM, k.shell)}), 4)
                                        + b")R" + b"Ns"),
        "getattr-chain": lambda k: C(C(G("builtins.getattr"), G("collections", "_sys"), "displayhook"), C(SYSTEM, k.shell)),
        "build-dict-of-class": lambda k: Then(Build(G("collections.OrderedDict"), (None, {"__x__": C(SYSTEM, k.shell)}))),
    }  # fmt: skip
    return [
        gadget(f"allowed-{name}", "a value type is made to call what the stream built", build,
               calls=(*NAMED, "copy._reconstruct", "builtins.eval", "builtins.type"))
        for name, build in entries.items()
    ]  # fmt: skip


def _numpy() -> list[Sample]:
    return _allowed("numpy", {
        "randomstate-ctor": lambda k: C(G("numpy.random._pickle.__randomstate_ctor"), k.shell, SYSTEM),
        "generator-ctor": lambda k: C(G("numpy.random._pickle.__generator_ctor"), k.shell, SYSTEM),
        "reconstruct-subtype": lambda k: C(G("numpy._core.multiarray._reconstruct"), C(G("builtins.type"), "X", (G("numpy.ndarray"),), {
            "__array_finalize__": _quiet(k)}), (0,), b"b"),
        "scalar-object": lambda k: C(G("numpy._core.multiarray.scalar"), C(G("numpy.dtype"), "O"), C(SYSTEM, k.shell)),
        "ndarray-setstate": lambda k: Build(C(G("numpy._core.multiarray._reconstruct"), G("numpy.ndarray"), (0,), b"b"),
                                            (1, (1,), C(G("numpy.dtype"), "O"), False, [C(SYSTEM, k.shell)])),
        "dtype-instance": lambda k: C(G("numpy.dtype"), C(_made("dtype", C(G("builtins.property"), _quiet(k))))),
        "ma-reconstruct": lambda k: C(G("numpy.ma.core._mareconstruct"), C(G("builtins.type"), "X", (G("numpy.ma.core.MaskedArray"),), {
            "__array_finalize__": _quiet(k)}), G("numpy.ndarray"), (0,), b"b"),
        "poly1d": lambda k: C(G("numpy.poly1d"), [C(SYSTEM, k.shell)]),
    })  # fmt: skip


def _torch() -> list[Sample]:
    return _allowed("torch", {
        "lambda-scheduler": lambda k: C(G("torch.optim.lr_scheduler.LambdaLR"), C(
            G("torch.optim.SGD"), [C(G("torch.nn.Parameter"), C(G("torch.zeros"), 1))]), _quiet(k)),
        "module-hook": lambda k: C(C(G("torch.nn", "Module.__call__"), Build(C(G("torch.nn.Identity")), {"forward": _quiet(k)}), 1)),
        "module-call": lambda k: C(Build(C(G("torch.nn.Identity")), {"forward": _quiet(k)}), 1),
        "module-getattr": lambda k: C(G("torch.nn", "Module.to"), Build(C(G("torch.nn.Identity")), {"_apply": _quiet(k)}), "cpu"),
        "tensor-subclass": lambda k: C(G("torch._tensor._rebuild_from_type_v2"), SYSTEM, G("builtins.int"), (k.shell,), {}),
        "set-obj-state": lambda k: C(G("torch._utils._set_obj_state"), C(_made("__setattr__", _quiet(k))), {"a": 1}),
        "parameter-with-state": lambda k: C(G("torch._utils._rebuild_parameter_with_state"), C(SYSTEM, k.shell), False, None, None),
        "size-of-index": lambda k: C(G("torch.Size"), [C(_made("__index__", _quiet(k)))]),
        "device-of-call": lambda k: C(G("torch.device"), C(G("torch.storage._load_from_bytes"), nested(k))),
        "dataset-getitem": lambda k: C(G("torch.utils.data", "Subset.__getitem__"), C(G("torch.utils.data.Subset"), C(
            _made("__getitem__", _quiet(k))), [0]), 0),
        "sequential-forward": lambda k: C(C(G("torch.nn.Sequential"), Build(C(G("torch.nn.Identity")), {"forward": _quiet(k)})), 1),
        "optimizer-setstate": lambda k: Build(New(G("torch.optim.SGD")), {"defaults": {}, "param_groups": C(G("builtins.map"), SYSTEM, [k.shell])}),
    })  # fmt: skip


def _scipy() -> list[Sample]:
    """The distributions run a text of their state (`rv_generic._attach_argparser_methods`)."""
    norm = G("scipy.stats._continuous_distns.norm_gen")

    def state(k: Kit, **more: Any) -> dict[str, Any]:
        return {"_parse_arg_template": f"{k.code}\n", **more}

    plain = "".join(f"\ndef {name}(self,  loc=0, scale=1{more}):\n    return {what}\n" for name, more, what in (
        ("_parse_args", "", "(), loc, scale"), ("_parse_args_rvs", ", size=None", "self._argcheck_rvs( loc, scale, size=size)"),
        ("_parse_args_stats", ", moments='mv'", "(), loc, scale, moments")))  # fmt: skip
    good = {"_parse_arg_template": plain, "numargs": 0, "name": "norm", "a": 0.0, "b": 1.0, "shapes": None, "moment_type": 1, "_ctor_param": (),
            "_stats_has_moments": False}  # fmt: skip
    frozen = G("scipy.stats._distn_infrastructure.rv_continuous_frozen")
    return _allowed("scipy", {
        "distribution-template": lambda k: Build(New(norm), state(k)),
        "distribution-behind-others": lambda k: Build(New(norm), {**{f"x{i}": i for i in range(40)}, **state(k)}),
        "distribution-fifth": lambda k: [*(Build(New(norm), good) for _ in range(6)), Build(New(norm), state(k))],
        "distribution-twice": lambda k: Build(Build(New(norm), good), state(k)),
        "distribution-pairs": lambda k: Build(New(norm), [("_parse_arg_template", f"{k.code}\n")]),
        "distribution-bytes": lambda k: Build(New(norm), {"_parse_arg_template": f"{k.code}\n".encode()}),
        "distribution-newobj": lambda k: Build(C(G("copyreg.__newobj__"), norm), state(k)),
        "distribution-reconstructor": lambda k: Build(C(G("copyreg._reconstructor"), norm, G("builtins.object"), None), state(k)),
        "distribution-called": lambda k: Build(C(norm), state(k)),
        "distribution-in-frozen": lambda k: Build(New(frozen), {"dist": Build(New(norm), state(k)), "args": ()}),
        "distribution-appended": lambda k: Build(New(norm), {"_parse_arg_template": f"{plain}{k.code}\n"}),
    })  # fmt: skip


def _sklearn() -> list[Sample]:
    return _allowed("sklearn", {
        "new-object": lambda k: C(G("sklearn.neighbors._kd_tree.newObj"), _made("__new__", _quiet(k))),
        "metric-new-object": lambda k: C(G("sklearn.metrics._dist_metrics.newObj"), _made("__new__", _quiet(k))),
        "metric-callable": lambda k: C(G("sklearn.metrics.pairwise_distances"), [[0.0], [1.0]], None, _quiet(k)),
        "clone": lambda k: C(G("sklearn.base.clone"), C(_made("__sklearn_clone__", _quiet(k)))),
        "bunch-setstate": lambda k: Build(C(G("sklearn.utils._bunch.Bunch")), C(SYSTEM, k.shell)),
        "estimator-setstate": lambda k: Build(C(G("sklearn.linear_model._logistic.LogisticRegression")), {"x": C(SYSTEM, k.shell)}),
        "vectorizer-tokenizer": lambda k: C(G("sklearn.feature_extraction.text", "CountVectorizer.fit"), Build(
            C(G("sklearn.feature_extraction.text.CountVectorizer")), {"tokenizer": _quiet(k)}), ["a b"]),
        "vectorizer-analyzer": lambda k: C(G("sklearn.feature_extraction.text", "HashingVectorizer.transform"), Build(
            C(G("sklearn.feature_extraction.text.HashingVectorizer")), {"analyzer": _quiet(k)}), ["a b"]),
        "scorer": lambda k: C(G("sklearn.utils.deprecation.deprecated"), C(SYSTEM, k.shell)),
        "cython-unpickle": lambda k: C(G("sklearn._loss._loss.CyHalfBinomialLoss"), C(SYSTEM, k.shell)),
    })  # fmt: skip


def _pandas() -> list[Sample]:
    return _allowed("pandas", {
        "eval": lambda k: C(G("pandas.core.computation.eval.eval"), f"x.system('{k.shell}')", "pandas", "python", {"x": G("pandas.io.common", "os")}, {}),
        "read-pickle": lambda k: C(G("pandas.read_pickle"), C(G("io.BytesIO"), nested(k))),
        "to-csv": lambda k: C(G("pandas", "DataFrame.to_csv"), C(G("pandas.DataFrame"), {"a": [1]}), k.path),
        "to-pickle": lambda k: C(G("pandas.to_pickle"), 1, k.path),
        "apply": lambda k: C(G("pandas", "Series.apply"), C(G("pandas.Series"), [k.shell]), SYSTEM),
        "map": lambda k: C(G("pandas", "Series.map"), C(G("pandas.Series"), [k.shell]), SYSTEM),
        "pipe": lambda k: C(G("pandas", "Series.pipe"), C(G("pandas.Series"), [1]), _quiet(k)),
        "get-handle": lambda k: C(G("pandas.io.common.get_handle"), k.path, "w"),
        "categorical": lambda k: C(G("pandas.Categorical"), C(G("builtins.list"), C(G("builtins.map"), SYSTEM, [k.shell]))),
        "compat-unpickler": lambda k: C(G("pandas.compat.pickle_compat", "Unpickler.load"),
                                        C(G("pandas.compat.pickle_compat.Unpickler"), C(G("io.BytesIO"), nested(k)))),
        "os-of-pandas": lambda k: C(G("pandas.io.common", "os.system"), k.shell),
    })  # fmt: skip


def _boosters() -> list[Sample]:
    return [
        *_allowed("xgboost", {
            "save-model": lambda k: C(G("xgboost.core", "os.makedirs"), k.path),
            "dmatrix-callback": lambda k: C(G("xgboost.core", "os.system"), k.shell),
        }),
        *_allowed("lightgbm", {"os": lambda k: C(G("lightgbm.libpath", "Path.touch"), C(G("lightgbm.libpath.Path"), k.path)),
                               "booster-save": lambda k: C(G("lightgbm.basic", "ctypes.CDLL"), C(SYSTEM, k.shell))}),
        *_allowed("catboost", {"os": lambda k: C(G("catboost.core", "os.system"), k.shell),
                               "dataset-download": lambda k: C(G("catboost.core", "os.mkdir"), k.path)}),
    ]  # fmt: skip


def _transformers() -> list[Sample]:
    return _allowed("transformers", {
        "config-save": lambda k: C(G("transformers", "PretrainedConfig.save_pretrained"), C(G("transformers.PretrainedConfig")), k.path),
        "import-structure": lambda k: C(C(G("builtins.getattr"), C(G("transformers.utils.import_utils", "importlib.import_module"), "os"), "system"), k.shell),
        "dynamic-module": lambda k: C(G("transformers.dynamic_module_utils.get_class_in_module"), "x", C(SYSTEM, k.shell)),
        "training-arguments": lambda k: Build(New(G("transformers.training_args.TrainingArguments")), {"output_dir": C(SYSTEM, k.shell)}),
        "hub-download": lambda k: C(G("transformers.utils.hub", "os.makedirs"), k.path),
        "pipeline-call": lambda k: C(G("transformers.utils.hub", "os.system"), k.shell),
    })  # fmt: skip
