"""Pickles in HDF5 data sets, packed and in pieces, as hickle stores and loads objects that it doesn't know."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from .asm import Call, Global, pickled
from .sample import EXECUTES, Kit, Sample

CALLS = ("os.system", "posix.system")


def samples() -> list[Sample]:
    """All of this module."""
    return [
        _sample("gzip", "deflated", compression="gzip"),
        _sample("gzip-shuffled", "deflated, its bytes sorted, with a checksum", compression="gzip", shuffle=True, fletcher32=True),
        _sample("lzf", "packed by LZF", compression="lzf"),
        _sample("pieces", "in chunks of seven bytes", chunks=(7,)),
        _sample("pieces-gzip", "in chunks of seven bytes, each deflated", chunks=(7,), compression="gzip"),
        _sample("pieces-extensible", "in chunks that an extensible array lists", libver="latest", chunks=(5,), maxshape=(None,),
                compression="gzip"),
        _sample("pieces-fixed", "in chunks that a fixed array lists", libver="latest", chunks=(5,), compression="gzip"),
        _sample("protocol-0", "of protocol 0", protocol=0),
        _sample("protocol-0-gzip", "of protocol 0, deflated", protocol=0, compression="gzip"),
    ]  # fmt: skip


def _sample(name: str, technique: str, *, protocol: int = 4, libver: str = "earliest", **options: Any) -> Sample:
    return Sample(
        f"hdf5-set/{name}.hkl", f"a pickle in a data set, {technique}", EXECUTES, _made(protocol, libver, options),
        calls=CALLS, loader="hickle", builder="h5py",
    )  # fmt: skip


def _made(protocol: int, libver: str, options: dict[str, Any]) -> Callable[[Kit], bytes]:
    def make(kit: Kit) -> bytes:
        import h5py
        import numpy as np

        data = np.frombuffer(pickled(Call(Global("os.system"), kit.shell), protocol), "u1")
        out = io.BytesIO()
        with h5py.File(out, "w", libver=libver) as file:
            file.attrs["HICKLE_VERSION"] = "5.0.3"
            file.attrs["HICKLE_PYTHON_VERSION"] = "3.11.7"
            file.create_group("hickle_types_table")
            file.create_dataset("data", data=data, **options)
        return out.getvalue()

    return make
