"""Known names that are used as their framework never does; and what older versions write."""

from __future__ import annotations

import io

import pytest

from assay.core.finding import Finding, Severity
from assay.inspections.parts import Collector, Ledger, Part
from assay.inspections.pickle import Pickle
from tests.corpus.asm import Build, Call, Get, Global, Memo, New, Then, pickled

G, C = Global, Call
LAYER = G("torch.nn.modules.linear.Identity")
READER = G("transformers.tokenization_utils_base.PreTrainedTokenizerBase")
TEXT = G("sklearn.feature_extraction.text.CountVectorizer")
FLAG = C(G("builtins.getattr"), G("re.RegexFlag"), "UNICODE")
ARRAY = G("numpy.core.multiarray._reconstruct")


def hidden(flags: int) -> Build:
    """A type of records with one object, whose flags say so (27) or not (0)."""
    inner = Build(C(G("numpy.dtype"), "O8", False, True), (3, "|", None, None, None, -1, -1, 63))
    return Build(C(G("numpy.dtype"), "V8", False, True), (3, "|", None, ("a",), {"a": (inner, 0)}, 8, 1, flags))


def serious(value: object) -> list[Finding]:
    inspector, ledger, data = Pickle(), Ledger(), pickled(value, 4)
    part = Part("model.pkl", (), ("pickle",), io.BytesIO(data), len(data))
    inspector.inspect_part(part, Collector(ledger, part.path))
    inspector.finish(Collector(ledger, ""))
    return [finding for finding in ledger.findings if finding.severity >= Severity.MEDIUM]


NEVER = {
    "called-without-arguments": C(LAYER),  # its constructor runs, which nobody has read
    "kept-with-arguments": C(G("functools.partial"), READER, "some/model"),
    "class-of-an-object": Build(C(G("builtins.type"), New(LAYER)), (None, {"__setstate__": G("torch.tanh")})),
    "logger": Build(C(G("logging.getLogger"), "root"), {"handlers": [New(LAYER)]}),
    "class-through-torch": C(
        G("torch._tensor._rebuild_from_type_v2"), G("builtins.type"), G("torch.Tensor"), (New(LAYER),), {"forward": 1}
    ),
    "attributes-of-a-class": C(G("torch._utils._set_obj_state"), LAYER, {"__setstate__": G("torch.tanh")}),
    "array-of-an-object": C(G("numpy.matrix"), New(TEXT)),
    "arrays-of-objects": C(G("pandas.core.series.Series"), [New(LAYER)]),
    "state-through-dill": C(
        G("dill._dill._create_array"), G("collections.OrderedDict"), (), {"_parse_arg_template": "x"}, None
    ),
    "flags-of-an-object": C(G("_operator.or_"), New(LAYER), 1),
    "class-by-slots": Build(New(LAYER), (None, {"__class__": G("torch.nn.modules.linear.Linear")})),
    "second-state": Build(Build(New(LAYER), {"a": 1}), {"b": 2}),
    "state-that-is-called": Build(Build(New(LAYER), {"__setstate__": G("torch.tanh")}), {"b": 2}),
    "array-in-a-state": Build(
        New(LAYER), {"__array_interface__": {"data": (1, True), "shape": (1,), "typestr": "<i8"}}
    ),
    "class-by-values": C(G("enum.Enum"), "E", [("append", G("torch.tanh")), ("A", 1)]),
    "class-through-torchscript": Build(C(G("torch.jit._pickle.restore_type_tag"), LAYER, "x"), (None, {"forward": 1})),
    "interval-of-an-object": C(
        G("pandas.core.indexes.interval._new_IntervalIndex"),
        Build(New(G("argparse.Namespace")), {"from_arrays": G("torch.tanh")}),
        {"input": 1},
    ),
    "array-of-addresses": C(G("numpy.ndarray"), (1,), C(G("numpy.dtype"), "O8"), b"AAAAAAAA"),
    "records-of-addresses": New(G("numpy.recarray"), (1,), C(G("numpy.dtype"), "O8"), b"AAAAAAAA"),
    "type-that-hides-objects": hidden(0),
    "foreign-memory": C(G("pyarrow.lib.foreign_buffer"), 4096, 64),
    "array-elsewhere": Build(New(G("joblib.numpy_pickle.NDArrayWrapper")), {"filename": "/tmp/x.npy"}),
    "array-elsewhere-padded": Build(
        New(G("joblib.numpy_pickle_compat.NDArrayWrapper")), {**{f"a{n}": n for n in range(40)}, "filename": "../x"}
    ),
    "loader-kept": Build(New(LAYER), {"forward": G("torch.storage._load_from_bytes")}),
    "method-of-any-object": C(G("builtins.getattr"), New(LAYER), "forward"),
}
OLDER = {
    "objects-in-a-field": hidden(27),
    "array-beside": Build(New(G("joblib.numpy_pickle.NDArrayWrapper")), {"filename": "model.pkl_01.npy"}),
    "torchscript-list": C(G("torch.jit._pickle.restore_type_tag"), [1, 2], "List[int]"),
    "sklearn-1.5-loss": C(G("_loss.__pyx_unpickle_CyHalfBinomialLoss"), G("_loss.CyHalfBinomialLoss"), 238750788, None),
    "numpy-1.24-function": [G("numpy.core._multiarray_umath.log1p"), G("numpy._core._multiarray_umath.exp")],
    "scipy-1.10-array": Build(New(G("scipy.sparse._arrays.csr_array")), {"_shape": (1, 1)}),
    "flags": C(
        G("_operator.or_"), C(G("_operator.or_"), FLAG, C(G("builtins.getattr"), G("re.RegexFlag"), "DOTALL")), 8
    ),
    "dill-array": C(
        G("dill._dill._create_array"), ARRAY, (G("numpy.ndarray"), (0,), b"b"), (1, (1,), None, False, b"x"), None
    ),
    "stemmer": Then(
        Memo(0, New(G("nltk.stem.snowball.EnglishStemmer"))),
        Build(Get(0), {"stem": C(G("builtins.getattr"), Get(0), "stem")}),
    ),
    "layer-kept": C(G("functools.partial"), G("torch.nn.modules.normalization.LayerNorm")),
    "pipeline-cache": Build(New(G("joblib.memory.Memory")), {"location": None}),
    "kalman-filter": G("statsmodels.tsa.statespace._kalman_filter.dKalmanFilter"),
}


@pytest.mark.parametrize("value", NEVER.values(), ids=NEVER)
def test_known_names_are_not_used_otherwise(value: object) -> None:
    assert serious(value)


@pytest.mark.parametrize("value", OLDER.values(), ids=OLDER)
def test_what_older_versions_write_is_no_finding(value: object) -> None:
    assert not serious(value)
