"""Torch archives: zip files that torch reads and other zip readers do not, legacy files, TorchScript, packages."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable
from typing import Any

from .asm import Call, Global, pickled
from .pickle_opcodes import NAMED, SYSTEM
from .pickle_torch import legacy_torch
from .sample import ABUSES, EXECUTES, Kit, Maker, Sample
from .zipper import Entry, zipped

G, C = Global, Call
BENIGN = pickled({"weight": [1.0, 2.0]}, 2)


def samples() -> list[Sample]:
    """All of this module."""
    return [*_zips(), *_names(), *_legacy(), *_tensors(), *_packages(), *_made_by_torch()]


def hostile(kit: Kit, protocol: int = 2) -> bytes:
    """os.system of the payload as a state dict's value."""
    return pickled({"state": C(SYSTEM, kit.shell)}, protocol)


def torch_zip(data: bytes, *more: Entry, prefix: str = "archive", **options: Any) -> bytes:
    """The members that `torch.load` looks for."""
    return zipped([Entry(f"{prefix}/data.pkl", data), Entry(f"{prefix}/version", b"3\n"), *more], **options)


def _sample(name: str, technique: str, make: Maker, **options: Any) -> Sample:
    options.setdefault("expected", EXECUTES)
    if options["expected"] == EXECUTES:
        options.setdefault("loader", "torch")
    return Sample(path=f"torch/{name}", technique=technique, make=make, calls=NAMED, needs=("torch",), **options)


def _zips() -> list[Sample]:
    def changed(name: str, technique: str, reference: str = "", expected: str = EXECUTES, **fields: Any) -> Sample:
        return _sample(
            f"zip-{name}.pt",
            technique,
            lambda k: zipped([Entry("archive/data.pkl", hostile(k), **fields), Entry("archive/version", b"3\n")]),
            reference=reference,
            expected=expected,
        )

    return [
        _sample("zip-plain.pt", "data.pkl calls os.system", lambda k: torch_zip(hostile(k))),
        _sample("zip-protocol-4.pth", "data.pkl of protocol 4", lambda k: torch_zip(hostile(k, 4))),
        changed("encrypted-flag", "the encryption flag is set in both headers and nothing is encrypted", "CVE-2025-1945", flags=1, expected=ABUSES),
        changed("local-encrypted-flag", "the encryption flag in the local header alone", "CVE-2025-1945", local_flags=1),
        changed("strong-encryption-flag", "flag bit 6", "CVE-2025-1945", flags=0x40, expected=ABUSES),
        changed("patch-flag", "flag bit 5 (compressed patched data)", "CVE-2025-1945", flags=0x20, expected=ABUSES),
        changed("masked-flag", "flag bit 13 (masked headers)", "CVE-2025-1945", flags=0x2000, expected=ABUSES),
        changed("local-name", "the local header gives another name", "CVE-2025-1944", local_name="archive/config.md"),
        changed("crc", "wrong CRC in both headers", "CVE-2025-10156", crc=0),
        changed("local-crc", "wrong CRC in the local header", "CVE-2025-10156", local_crc=1),
        changed("local-method", "the local header says deflate, the directory says stored", local_method=8),
        changed("local-size", "the local header gives another size", local_size=3),
        changed("deflated", "data.pkl is deflated", deflate=True),
        changed("descriptor-flag", "flag bit 3 without a data descriptor", flags=8),
        changed("directory-attribute", "data.pkl carries the directory attribute: torch reads zero bytes", expected=ABUSES, attributes=0x10),
        changed("symlink-attribute", "data.pkl carries the symbolic-link mode", attributes=0o120777 << 16),
        _sample("zip-prepended.pt", "a stray local header stands before the archive; offsets count it",
                lambda k: torch_zip(hostile(k), prepend=b"PK\x03\x04" + b"\x00" * 60)),
        _sample("zip-appended.pt", "bytes after the end record", lambda k: torch_zip(hostile(k), append=b"\x00" * 500)),
        _sample("zip-comment.pt", "an archive comment that looks like an end record",
                lambda k: torch_zip(hostile(k), comment=b"PK\x05\x07" + bytes(18))),
        _sample("zip-hidden-first.pt", "two data.pkl: the hostile one first in the directory", lambda k: zipped(
            [Entry("archive/data.pkl", hostile(k)), Entry("archive/data.pkl", BENIGN), Entry("archive/version", b"3\n")])),
        _sample("zip-hidden-last.pt", "two data.pkl: the hostile one last in the directory", lambda k: zipped(
            [Entry("archive/data.pkl", BENIGN), Entry("archive/version", b"3\n"), Entry("archive/data.pkl", hostile(k))])),
        _sample("zip-local-only.pt", "a hostile entry that the directory does not list", lambda k: zipped(
            [Entry("archive/data.pkl", hostile(k), central=False), Entry("archive/data.pkl", BENIGN), Entry("archive/version", b"3\n")]),
            expected=ABUSES),
        _sample("zip-overlap.pt", "the directory points two names at one local entry", _overlap),
        _sample("zip-64.pt", "sizes in a zip64 extra field", _zip64),
        _sample("zip-many-members.pt", "data.pkl among 3,000 tensor records", lambda k: zipped(
            [*(Entry(f"archive/data/{i}", b"\x00" * 4) for i in range(3000)), Entry("archive/data.pkl", hostile(k)),
             Entry("archive/version", b"3\n")])),
        _sample("zip-nested-bytes.pt", "data.pkl calls torch's own _load_from_bytes on another torch file",
                lambda k: torch_zip(pickled(C(G("torch.storage._load_from_bytes"), torch_zip(hostile(k))), 4))),
        _sample("zip-nested-legacy.pt", "data.pkl calls _load_from_bytes on a legacy file",
                lambda k: torch_zip(pickled(C(G("torch.storage._load_from_bytes"), legacy_torch(k)), 4))),
        _sample("zip-persistent-id.pt", "the call is an argument of a persistent id", lambda k: torch_zip(
            pickled([1.0, _persistent(("storage", C(SYSTEM, k.shell), "0", "cpu", 1))], 2))),
        _sample("zip-truncated-pickle.pt", "data.pkl ends right after the call", lambda k: torch_zip(pickled(C(SYSTEM, k.shell), 2)[:-1])),
        _sample("zip-second-pickle.pt", "a hostile pickle as a tensor record", lambda k: torch_zip(
            BENIGN, Entry("archive/data/0", hostile(k))), expected=ABUSES),
        _sample("zip-other-extension.pt", "a hostile pickle under another member name", lambda k: torch_zip(
            BENIGN, Entry("archive/config.p", hostile(k))), expected=ABUSES, reference="CVE-2025-1889"),
    ]  # fmt: skip


def _persistent(value: Any) -> Any:
    from .asm import Raw, encode

    return Raw(encode(value, 2) + b"Q")


def _overlap(kit: Kit) -> bytes:
    whole = bytearray(
        zipped(
            [Entry("archive/data.pkl", BENIGN), Entry("archive/x.pkl", hostile(kit)), Entry("archive/version", b"3\n")]
        )
    )
    first = whole.index(b"PK\x01\x02")
    second = whole.index(b"PK\x01\x02", first + 4)
    whole[first + 42 : first + 46] = whole[second + 42 : second + 46]
    whole[first + 16 : first + 28] = whole[second + 16 : second + 28]
    return bytes(whole)


def _zip64(kit: Kit) -> bytes:
    data = hostile(kit)
    extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
    whole = bytearray(zipped([Entry("archive/data.pkl", data, extra=extra), Entry("archive/version", b"3\n")]))
    central = whole.index(b"PK\x01\x02")
    whole[18:26] = b"\xff" * 8
    whole[central + 20 : central + 28] = b"\xff" * 8
    return bytes(whole)


def _names() -> list[Sample]:
    prefixes = {
        "empty-folder": "",
        "deep": "a/b/c",
        "dots": "x/../y",
        "unicode": "модель",
        "space": " ",
        "long": "n" * 200,
    }
    found = [
        _sample(f"prefix-{name}.pt", "an unusual archive folder", lambda k, p=prefix: torch_zip(hostile(k), prefix=p))
        for name, prefix in prefixes.items()
        if prefix and "/" not in prefix
    ]
    found += [
        _sample(f"prefix-{name}.pt", "an unusual archive folder; this torch refuses it",
                lambda k, p=prefix: torch_zip(hostile(k), prefix=p), expected=ABUSES)
        for name, prefix in prefixes.items()
        if not prefix or "/" in prefix
    ]  # fmt: skip
    found.append(
        _sample("case-insensitive.pt", "DATA.PKL: torch's zip reader ignores the case of names", lambda k: zipped(
            [Entry("archive/DATA.PKL", hostile(k)), Entry("archive/version", b"3\n")]))
    )  # fmt: skip
    wrong = (
        "model.safetensors", "config.json", "README.md", "model.weights", "model.gguf", "model.onnx", "model.txt", "model.h5",
        "picture.png", "noextension", "model.npy", "model.zip", "model.csv", "tokenizer.model", "model.pt.bak", "model.keras",
    )  # fmt: skip
    for name in wrong:
        refused = name.endswith(".safetensors")
        found.append(_sample(f"extension-{name}", "a torch zip under another extension", lambda k: torch_zip(hostile(k)),
                             reference="CVE-2025-10155", loader="" if refused else "torch",
                             unloaded="torch 2.13 parses .safetensors itself; older ones unpickle it" if refused else ""))  # fmt: skip
        found.append(
            Sample(f"renamed/{name}", "a raw pickle under another extension", EXECUTES, lambda k: hostile(k, 4),
                   calls=NAMED, loader="pickle", reference="CVE-2025-10155")
        )  # fmt: skip
    return found


def _legacy() -> list[Sample]:
    def parts(kit: Kit) -> list[bytes]:
        return [
            pickled(0x1950A86A20F9469CFC6C, 2),
            pickled(1001, 2),
            pickled(
                {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2
            ),
            pickled({"weight": 1.0}, 2),
            pickled([], 2),
        ]

    def at(index: int) -> Callable[[Kit], bytes]:
        return lambda k: b"".join([*parts(k)[:index], hostile(k), *parts(k)[index + 1 :]])

    where = ("magic number", "protocol version", "system information", "object", "storage keys")
    found = [
        _sample(f"legacy-{index}.bin", f"legacy file: the pickle of the {name} is hostile", at(index))
        for index, name in enumerate(where)
    ]
    return [
        *found,
        _sample("legacy-tar.tar", "tar file of before 0.1.10: hostile `pickle` member", legacy_tar, loader="torch", reference="CVE-2025-32434"),
        _sample("legacy-after-zip.pt", "a raw pickle with a zip behind it: torch takes the pickle, unzip takes the zip",
                lambda k: hostile(k) + zipped([Entry("archive/data.pkl", BENIGN), Entry("archive/version", b"3\n")])),
        _sample("legacy-exception.pt", "the first pickle raises, after it has run", lambda k: hostile(k)[:-1] + b"\xff."),
    ]  # fmt: skip


def _tensors() -> list[Sample]:
    """Tensors that lie about their storage, and files of distributed checkpoints."""

    def tensor(numel: int, size: int, stride: int, offset: int = 0, storage: Any = None) -> bytes:
        kind = storage or G("torch.FloatStorage")
        pid = _persistent(("storage", kind, "0", "cpu", numel))
        built = C(
            G("torch._utils._rebuild_tensor_v2"),
            pid,
            offset,
            (size,),
            (stride,),
            False,
            C(G("collections.OrderedDict")),
        )
        return torch_zip(pickled({"w": built}, 2), Entry("archive/data/0", bytes(16)))

    lies = {
        "beyond-storage": tensor(4, 4096, 1),
        "record-too-small": tensor(1 << 20, 4, 1),
        "offset-beyond": tensor(4, 4, 1, 1 << 40),
        "negative-stride": tensor(4, 4, -1),
        "negative-size": tensor(4, -4, 1),
        "overflowing": tensor(4, 1 << 62, 1 << 62),
    }
    found = [
        _sample(f"tensor-{name}.pt", "a tensor's shape does not fit its storage", lambda _, d=data: d, expected=ABUSES, reference="CVE-2026-24747")
        for name, data in lies.items()
    ]  # fmt: skip
    return [
        *found,
        _sample("tensor-storage-kind.pt", "the storage type of a tensor is the result of a call", lambda k: tensor(
            4, 4, 1, 0, C(SYSTEM, k.shell))),
        _sample("distributed/.metadata", "the metadata of a distributed checkpoint is a bare pickle", hostile, loader="torch-distributed"),
        _sample("distributed-item/__0_0.distcp", "an item of a distributed checkpoint is a torch file", lambda k: torch_zip(hostile(k))),
    ]  # fmt: skip


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    """A tar with fixed times."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def legacy_tar(kit: Kit) -> bytes:
    """What torch wrote before 0.1.10."""
    return tarred({"sys_info": pickled({"protocol_version": 1000}, 2), "pickle": hostile(kit), "storages": hostile(kit),
                   "tensors": pickled(0, 2)})  # fmt: skip


def _packages() -> list[Sample]:
    def package(kit: Kit) -> bytes:
        return zipped([
            Entry("p/.data/extern_modules", b"os\n"), Entry("p/.data/version", b"6\n"), Entry("p/version", b"6\n"),
            Entry("p/model/model.pkl", pickled(C(G("payload.run")), 2)),
            Entry("p/payload.py", f"{kit.code}\ndef run(): return 1\n".encode()),
        ])  # fmt: skip

    def package_pickle(kit: Kit) -> bytes:
        return zipped([
            Entry("p/.data/extern_modules", b"os\nposix\n"), Entry("p/.data/version", b"6\n"), Entry("p/version", b"6\n"),
            Entry("p/model/model.pkl", pickled(C(SYSTEM, kit.shell), 2)),
        ])  # fmt: skip

    return [
        Sample("torch/package-source.pt", "torch.package: Python source inside the archive runs on import", EXECUTES, package,
               calls=("open", "payload.run", "payload.py"), loader="torch-package", needs=("torch",)),
        Sample("torch/package-pickle.pt", "torch.package: hostile pickle and os among the extern modules", EXECUTES,
               package_pickle, calls=NAMED, loader="torch-package", needs=("torch",)),
    ]  # fmt: skip


def _made_by_torch() -> list[Sample]:
    return [
        Sample("torch/script-setstate.pt", "TorchScript: __setstate__ writes a file while the module loads", EXECUTES,
               _script_setstate, calls=("aten::save", "torch.save", "save"), loader="torch-jit", needs=("torch",), builder="torch"),
        Sample("torch/script-forward.pt", "TorchScript: forward writes a file", EXECUTES,
               _script_forward, calls=("aten::save", "torch.save", "save"), loader="torch-jit-call", needs=("torch",), builder="torch"),
        Sample("torch/export-weights.pt2", "torch.export: a pickled weight is loaded without weights_only", EXECUTES, _export,
               calls=NAMED, loader="torch-export", needs=("torch",), builder="torch"),
        Sample("torch/fx-graph-module.pt", "a whole torch.fx GraphModule carries its forward as source", EXECUTES, _graph_module,
               calls=("torch.fx.graph_module.reduce_graph_module",), loader="torch", needs=("torch",), builder="torch"),
    ]  # fmt: skip


_SCRIPT = """
import torch
class M(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))
    def forward(self, x):
        {forward}
        return x
    @torch.jit.export
    def __getstate__(self):
        return (self.w, self.training)
    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        {setstate}
        self.w = state[0]
        self.training = state[1]
"""


def _scripted(forward: str, setstate: str) -> bytes:
    import importlib.util
    import tempfile
    import warnings
    from pathlib import Path

    import torch

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = Path(folder) / "scripted_module.py"
        source.write_text(_SCRIPT.format(forward=forward, setstate=setstate))
        spec = importlib.util.spec_from_file_location("scripted_module", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        out = io.BytesIO()
        torch.jit.save(torch.jit.script(module.M()), out)
    return out.getvalue()


def _script_setstate(kit: Kit) -> bytes:
    return _scripted("pass", f"torch.save(state[0], {kit.path!r})")


def _script_forward(kit: Kit) -> bytes:
    return _scripted(f"torch.save(x, {kit.path!r})", "pass")


def _export(kit: Kit) -> bytes:
    import json
    import warnings
    import zipfile

    import torch

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(2))

        def forward(self, x: Any) -> Any:
            return x + self.w

    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(Linear(), (torch.zeros(2),)), out)
    members = []
    with zipfile.ZipFile(io.BytesIO(out.getvalue())) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("weights_config.json"):
                config = json.loads(data)
                for entry in config["config"].values():
                    entry["use_pickle"] = True
                data = json.dumps(config).encode()
            elif name.rpartition("/")[0].endswith("weights"):
                data = torch_zip(hostile(kit))
            members.append(Entry(name, data))
    return zipped(members)


def _graph_module(kit: Kit) -> bytes:
    source = f"import torch\n{kit.code}\ndef forward(self, x):\n    return x\n"
    return torch_zip(pickled(C(G("torch.fx.graph_module.reduce_graph_module"), {"_code": source}, ""), 4))
