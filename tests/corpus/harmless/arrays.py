"""numpy, joblib, scipy and pandas."""

from __future__ import annotations

import pickle
from pathlib import Path

Made = list[tuple[str, str, str]]
SEED = 7


def numpy(out: Path) -> Made:
    """Arrays of many types, saved and pickled."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    arrays = {
        "float": rng.random((3, 4)), "int": np.arange(12), "bool": np.array([True, False]), "complex": np.array([1 + 2j]), "half": np.ones(3, "f2"),
        "text": np.array(["a", "bcd"]), "bytes": np.array([b"a", b"bc"]), "dates": np.array(["2026-01-01"], "datetime64[D]"),
        "record": np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), "empty": np.zeros((0, 3)), "scalar": np.array(5), "fortran": np.asfortranarray(rng.random((3, 4))),
        "objects": np.array([{"a": 1}, [2], None], dtype=object), "masked": np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
        "matrix": np.matrix([[1, 2]]) if hasattr(np, "matrix") else np.ones(2),
    }  # fmt: skip
    made: Made = []
    for name, value in arrays.items():
        (out / f"{name}.pkl").write_bytes(pickle.dumps(value, 4))
        made.append((f"{name}.pkl", "a pickled array", "pickle"))
        if name not in {"masked", "matrix"}:
            np.save(out / f"{name}.npy", value)
            made.append((f"{name}.npy", "a saved array", "numpy"))
    np.savez(out / "several.npz", a=arrays["float"], b=arrays["int"], c=arrays["text"])
    np.savez_compressed(out / "compressed.npz", a=arrays["float"], b=arrays["objects"])
    (out / "states.pkl").write_bytes(
        pickle.dumps([np.random.RandomState(3), rng, np.float32(1.5), np.int64(3), np.dtype("f4")])
    )
    made += [
        ("several.npz", "several arrays", "numpy"),
        ("compressed.npz", "compressed arrays with objects", "numpy"),
        ("states.pkl", "random states and scalars", "pickle"),
    ]
    return made


def joblib(out: Path) -> Made:
    """The same dictionary with every compressor."""
    import joblib as jl
    import numpy as np

    value = {
        "weights": np.arange(1000.0),
        "objects": np.array([1, "a"], dtype=object),
        "labels": ["a", "b"],
        "f": np.asfortranarray(np.ones((5, 4))),
    }
    made: Made = []
    for compress in (0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)):
        name = f"{compress if isinstance(compress, int) else compress[0]}.joblib"
        jl.dump(value, out / name, compress=compress)
        made.append((name, f"joblib with compression {compress}", "joblib"))
    return made


def scipy(out: Path) -> Made:
    """Sparse matrices and fitted objects."""
    import numpy as np
    import scipy.interpolate
    import scipy.sparse as sp
    import scipy.spatial

    dense = np.eye(4)
    made: Made = []
    for kind in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr"):
        (out / f"{kind}.pkl").write_bytes(pickle.dumps(getattr(sp, f"{kind}_matrix")(dense)))
        made.append((f"{kind}.pkl", "a sparse matrix", "pickle"))
    sp.save_npz(out / "sparse.npz", sp.csr_matrix(dense))
    objects = {
        "tree": scipy.spatial.cKDTree(dense), "rotation": scipy.spatial.transform.Rotation.from_quat([0, 0, 0, 1]),
        "spline": scipy.interpolate.BSpline(np.arange(8.0), np.ones(4), 3), "interpolator": scipy.interpolate.CubicSpline([0, 1, 2], [0, 1, 4]),
    }  # fmt: skip
    for name, value in objects.items():
        (out / f"{name}.pkl").write_bytes(pickle.dumps(value))
        made.append((f"{name}.pkl", "a scipy object", "pickle"))
    return [*made, ("sparse.npz", "a saved sparse matrix", "numpy")]


def pandas(out: Path) -> Made:
    """Frames, series and indexes."""
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame(
        {"a": [1, 2, 3], "b": ["x", "y", "z"], "c": [1.5, None, 2.5], "d": pd.Categorical(["u", "v", "u"])}
    )
    objects = {
        "frame": frame, "series": frame["a"], "dated": frame.set_index(pd.date_range("2026-01-01", periods=3)), "multi": frame.set_index(["a", "b"]),
        "nullable": frame.convert_dtypes(), "period": pd.Series(pd.period_range("2026-01", periods=3, freq="M")), "interval": pd.interval_range(0, 3),
        "timezone": pd.Series(pd.date_range("2026-01-01", periods=3, tz="UTC")), "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1])),
        "grouped-values": {"mean": frame["c"].mean(), "frame": frame.T, "array": np.ones(3)}, "timestamp": pd.Timestamp("2026-01-01"), "delta": pd.Timedelta("1D"),
    }  # fmt: skip
    made: Made = []
    for name, value in objects.items():
        (out / f"{name}.pkl").write_bytes(pickle.dumps(value))
        made.append((f"{name}.pkl", "a pickled pandas object", "pandas"))
    frame.to_pickle(out / "compressed.pkl.xz")
    return [*made, ("compressed.pkl.xz", "a frame in xz", "pandas")]
