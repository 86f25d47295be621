"""Payloads times containers: whatever holds a pickle, the call in it is named.

Payloads call names that published bypasses used, that a loader would find in its own libraries, and that nobody knows.
None of them is executed here: the corpus has each class of payload and of container with its oracle.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import sqlite3
import struct
import zlib
from typing import TYPE_CHECKING

from .archives_joblib import npy
from .archives_other import seven_zip
from .archives_torch import tarred, torch_zip
from .asm import Call, Global, pickled
from .zipper import Entry, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

# As `module qualified-name`.
PAYLOADS = tuple(
    line.strip().replace(" ", ":")
    for line in """
    os system
    posix system
    nt system
    builtins exec
    __builtin__ eval
    subprocess Popen
    operator methodcaller
    functools reduce
    types FunctionType
    types CodeType
    importlib import_module
    runpy _run_code
    pty spawn
    idlelib.pyshell main
    idlelib.autocomplete AutoComplete.get_entity
    lib2to3.pgen2.pgen ParserGenerator.make_label
    lib2to3.pgen2.grammar Grammar.loads
    pip._internal.cli.main main
    ensurepip _run_pip
    torch.utils._config_module ConfigModule.load_config
    torch._dynamo.guards GuardBuilder.get
    torch.fx.experimental.symbolic_shapes ShapeEnv.evaluate_guards_expression
    torch.fx.graph_module reduce_graph_module
    torch.jit.unsupported_tensor_ops execWrapper
    torch.utils.bottleneck.__main__ run_cprofile
    torch.utils.collect_env run
    torch.utils.cpp_extension load_inline
    torch.distributed.rpc rpc_sync
    torch.hub load
    torch.package PackageImporter
    torch.ops load_library
    numpy.f2py.crackfortran getlincoef
    numpy.f2py.crackfortran _eval_length
    numpy.testing._private.utils runstring
    numpy.distutils.exec_command exec_command
    asyncio.unix_events _UnixSubprocessTransport._start
    cProfile run
    profile Profile.runctx
    pdb run
    bdb Bdb.run
    doctest debug_script
    trace Trace.run
    timeit timeit
    code InteractiveInterpreter.runcode
    logging.config dictConfig
    distutils.file_util write_file
    ctypes CDLL
    multiprocessing.util spawnv_passfds
    pydoc pipepager
    pydoc locate
    uuid _get_command_stdout
    _osx_support _read_output
    webbrowser open
    imaplib IMAP4_stream
    smtplib SMTP
    urllib.request urlretrieve
    shutil rmtree
    site addsitedir
    pandas read_pickle
    pandas.core.computation.eval eval
    sklearn.externals.joblib load
    numexpr evaluate
    joblib load
    dill loads
    cloudpickle.cloudpickle _make_function
    pickle loads
    marshal loads
    transformers.dynamic_module_utils get_class_in_module
    hydra.utils instantiate
    nltk.data load
    PIL.ImageMath unsafe_eval
    linecache getlines
    antigravity geohash
    __main__ Model
    evil_package run
    sklearn.evil run
    torch.nn.evil run
    """.strip().splitlines()
)


def pickle_of(payload: str, protocol: int = 4) -> bytes:
    """A pickle that calls the payload."""
    module, _, name = payload.partition(":")
    target = Global(module, name) if protocol >= 4 or "." not in name else Global(f"{module}.{name}")
    return pickled({"weight": [1.0], "state": Call(target, "touch x")}, protocol)


def named(payload: str) -> str:
    """How a report writes it."""
    return payload.replace(":", ".")


def _hdf5(data: bytes) -> bytes:
    import h5py
    import numpy as np

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["state"] = np.void(data)
    return out.getvalue()


def _sqlite(data: bytes) -> bytes:
    """A cache as `diskcache` or Python 3.13's `shelve` keeps it."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE Dict (key BLOB, value BLOB)")
    database.execute("INSERT INTO Dict VALUES (?, ?)", (b"a", data))
    database.commit()
    return bytes(database.serialize())


def _nested(data: bytes) -> bytes:
    return gzip.compress(tarred({"a/inner.zip": zipped([Entry("b/model.bin", data, deflate=True)])}), mtime=0)


_MANIFEST = b'{"model": {"modelName": "m", "serializedFile": "m.pt", "handler": "image_classifier"}}'

CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "raw.pkl": lambda data: data,
    "raw.bin": lambda data: data,
    "raw.safetensors": lambda data: data,
    "raw.txt": lambda data: data,
    "row.pkl": lambda data: pickled({"a": 1}, 2) + data,
    "trailing.pkl": lambda data: data + b"\0" * 99,
    "cut.pkl": lambda data: data[:-1],
    "stored.zip": lambda data: zipped([Entry("a/model.pkl", data)]),
    "deflated.zip": lambda data: zipped([Entry("a/model", data, deflate=True)]),
    "bzip2.zip": lambda data: zipped([Entry("model.bin", data, packed=bz2.compress(data), method=12)]),
    "prepended.zip": lambda data: zipped([Entry("model.pkl", data)], prepend=b"GIF89a" + bytes(64)),
    "model.tar": lambda data: tarred({"model.pkl": data}),
    "model.tar.gz": lambda data: gzip.compress(tarred({"model.pkl": data}), mtime=0),
    "model.tar.xz": lambda data: lzma.compress(tarred({"x": data})),
    "model.7z": seven_zip,
    "lzma.7z": lambda data: seven_zip(data, lzma2=True),
    "model.pkl.gz": lambda data: gzip.compress(data, mtime=0),
    "model.pkl.bz2": bz2.compress,
    "model.pkl.xz": lzma.compress,
    "model.pkl.lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "model.joblib": zlib.compress,
    "zfile.joblib": lambda data: b"ZF" + hex(len(data)).encode().ljust(len(hex(1 << 64))) + zlib.compress(data),
    "object.npy": npy,
    "object.npz": lambda data: zipped([Entry("a.npy", npy(data), deflate=True)]),
    "pytorch_model.bin": torch_zip,
    "model.ckpt": lambda data: torch_zip(data, Entry("archive/data/0", bytes(8))),
    "legacy.pt": lambda data: (
        pickled(0x1950A86A20F9469CFC6C, 2) + pickled(1001, 2) + pickled({"little_endian": True}, 2) + data
    ),
    "model.nemo": lambda data: tarred({"./model_config.yaml": b"a: 1\n", "./model_weights.ckpt": torch_zip(data)}),
    "model.mar": lambda data: zipped([Entry("MAR-INF/MANIFEST.json", _MANIFEST), Entry("m.pt", torch_zip(data))]),
    "model.keras": lambda data: zipped(
        [Entry("metadata.json", b"{}"), Entry("config.json", b"{}"), Entry("assets/x.pkl", data)]
    ),
    "model.pt2": lambda data: zipped(
        [Entry("m/archive_format", b"pt2"), Entry("m/models/model.json", b"{}"), Entry("m/data/weights/w", torch_zip(data))]
    ),
    "package.pt": lambda data: zipped(
        [Entry("p/.data/version", b"6\n"), Entry("p/.data/extern_modules", b"torch\n"), Entry("p/model/model.pkl", data)]
    ),
    "stable.zip": lambda data: zipped(
        [Entry("data", json.dumps({"policy": {":serialized:": base64.b64encode(data).decode()}}).encode())]
    ),
    "mlflow.zip": lambda data: zipped([Entry("MLmodel", b"flavors: {}\n"), Entry("python_model.pkl", data)]),
    "shelve.dat": lambda data: pickled({"a": 1}, 2).ljust(512, b"\0") + data,
    "cache.db": _sqlite,
    "records.tfrecord": lambda data: struct.pack("<QL", len(data), 0) + data + bytes(4),
    "base64.yaml": lambda data: b"state: " + base64.b64encode(data) + b"\n",
    "attribute.h5": _hdf5,
    "nested.tar.gz": _nested,
}  # fmt: skip
