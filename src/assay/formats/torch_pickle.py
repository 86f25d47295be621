"""The pickles of PyTorch checkpoints, as data: dicts, lists and where each tensor lies. Nothing is imported or called.

A second reading beside the loader's own (`torch.load(weights_only=True)`): it knows the few callables that plain
tensors need and refuses every other one by name. Opcodes: Python's `pickletools`; callables: `torch/_utils.py`,
`torch/serialization.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.torch_dtypes import DTYPES, STORAGES

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_OPCODES = 20_000_000  # some forty for each tensor
_MAX_DIMS = 64
_MARK = object()

_PLAIN = frozenset((
    "torch.device", "collections.Counter", "__builtin__.set", "builtins.set", "_codecs.encode", "builtins.complex",
    "__builtin__.complex", "builtins.bytearray", "__builtin__.bytearray", "torch._C.DisableTorchFunctionSubclass",
))  # fmt: skip
_REFUSED = {
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch.serialization._get_layout": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a subclass",
    "torch._tensor._rebuild_from_type_v2": "a tensor of a subclass",
    "torch._utils._rebuild_parameter_with_state": "a parameter with attributes of its own",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without data",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor kept as a NumPy array",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of a device",
}


@dataclass(frozen=True, slots=True)
class Ref:
    """Something named by the pickle; only ever compared by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Other:
    """A plain value that is no tensor and no container; `kind` says which."""

    kind: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage: `count` elements of `dtype` (None: untyped, then bytes) under `key`."""

    key: str
    dtype: str | None
    count: int


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A dense tensor in a storage. `offset`, `shape` and `stride` count elements; `dtype` is safetensors' name."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class TorchPickle:
    """Reads one pickle after another from bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        """The next pickle's value.

        Raises:
            ContentError: cut off, or it needs anything but plain tensors, numbers, text and containers.
            LimitExceeded: more than `MAX_OPCODES`.
        """
        self._stack, self._memo = [], {}
        try:
            for _ in range(MAX_OPCODES):
                code = self._data[self.position]
                self.position += 1
                if code == ord("."):
                    return self._stack.pop()
                handler = _HANDLERS.get(code)
                if handler is None:
                    raise ContentError(f"opcode {code:#04x} has no place in a checkpoint")
                handler(self)
        except (IndexError, struct.error, KeyError, ValueError, TypeError, AttributeError) as error:
            raise ContentError(f"the checkpoint's pickle is broken at byte {self.position}") from error
        raise LimitExceeded("pickle_events", f"more than {MAX_OPCODES} opcodes in a checkpoint")

    def take(self, count: int) -> bytes:
        """The next bytes (IndexError when they are not there)."""
        end = self.position + count
        if end > len(self._data):
            raise IndexError
        found = self._data[self.position : end]
        self.position = end
        return found

    def number(self, form: str) -> int:
        """A number by `struct` format."""
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def line(self) -> str:
        """Text up to the next line feed."""
        end = self._data.index(b"\n", self.position)
        text = self._data[self.position : end].decode("utf-8")
        self.position = end + 1
        return text

    def push(self, value: Any) -> None:
        """Onto the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """From the stack."""
        return self._stack.pop()

    def since_mark(self) -> list[Any]:
        """Everything above the last mark; the mark goes too."""
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise IndexError
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def put(self, key: int) -> None:
        """Memoize the top."""
        self._memo[key] = self._stack[-1]

    def memoize(self) -> None:
        """Memoize under the next number."""
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, key: int) -> None:
        """From the memo."""
        self.push(self._memo[key])

    def set_items(self, items: list[Any]) -> None:
        """Into the mapping on top."""
        target = self._stack[-1]
        if isinstance(target, Other):
            return
        for index in range(0, len(items), 2):
            key = items[index]
            target[key if isinstance(key, str | int | float | bool | tuple) else repr(type(key))] = items[index + 1]

    def extend(self, items: list[Any]) -> None:
        """Into the list on top."""
        target = self._stack[-1]
        if not isinstance(target, Other):
            target.extend(items)

    def build(self) -> None:
        """State of the object on top: a state dict's `_metadata` is the only one that a checkpoint needs."""
        state, target = self.pop(), self._stack[-1]
        if not isinstance(target, dict) or not isinstance(state, dict):
            raise ContentError("an object is given state of its own; only tensors in dicts can be converted")

    def persistent(self) -> None:
        """A storage."""
        value = self.pop()
        if not isinstance(value, tuple) or len(value) < 5 or value[0] != "storage":  # noqa: PLR2004
            raise ContentError("a persistent id that is no storage")
        kind, key, count = value[1], value[2], value[4]
        if not isinstance(kind, Ref) or not isinstance(key, str) or not natural(count):
            raise ContentError("a storage that can't be read")
        if len(value) > 5 and value[5] is not None:  # noqa: PLR2004
            raise ContentError("a storage that is a view of another one (PyTorch before 0.4)")
        if kind.name not in STORAGES:
            quantised = "a quantised tensor" if ".Q" in kind.name else f"a storage of type {kind.name[:100]}"
            raise ContentError(f"{quantised}; only dense, plain tensors can be converted")
        self.push(Storage(key, STORAGES[kind.name], count))

    def reduce(self) -> None:
        """Call by name: only what makes plain tensors."""
        arguments, target = self.pop(), self.pop()
        name = target.name if isinstance(target, Ref) else "an object"
        if name == "collections.OrderedDict" and not arguments:
            self.push({})
        elif name in _TENSORS:
            self.push(_TENSORS[name](arguments))
        elif name == "torch.Size":
            self.push(tuple(arguments[0]))
        elif name in _PLAIN:
            self.push(Other(name))
        elif name in _REFUSED:
            raise ContentError(f"it holds {_REFUSED[name]}; only dense, plain tensors can be converted")
        else:
            raise ContentError(f"it needs {name[:200]}, which no state dict does: only tensors in dicts convert")


def natural(value: Any) -> bool:
    """Whether a value is a whole number from zero."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _tensor(arguments: Any) -> TensorRef:
    storage, offset, shape, stride = arguments[:4]
    dtype = storage.dtype
    if dtype is None:
        raise ContentError("a tensor of an untyped storage without a dtype")
    if len(arguments) > 6 and arguments[6]:  # noqa: PLR2004
        raise ContentError("a tensor with a conjugate or negative bit can't be converted as it lies")
    return _made(storage, dtype, offset, shape, stride)


def _tensor_v3(arguments: Any) -> TensorRef:
    storage, offset, shape, stride = arguments[:4]
    dtype = arguments[6]
    if not isinstance(dtype, Ref) or dtype.name not in DTYPES:
        shown = dtype.name if isinstance(dtype, Ref) else "unknown"
        raise ContentError(f"safetensors has no dtype for {shown[:100]}")
    if len(arguments) > 7 and arguments[7]:  # noqa: PLR2004
        raise ContentError("a tensor with a conjugate or negative bit can't be converted as it lies")
    return _made(storage, DTYPES[dtype.name], offset, shape, stride)


def _made(storage: Storage, dtype: str, offset: Any, shape: Any, stride: Any) -> TensorRef:
    shape, stride = tuple(shape), tuple(stride)
    if not (
        isinstance(storage, Storage)
        and natural(offset)
        and len(shape) == len(stride) <= _MAX_DIMS
        and all(natural(item) for item in (*shape, *stride))
    ):
        raise ContentError("a tensor whose place can't be told")
    return TensorRef(storage, dtype, offset, shape, stride)


_TENSORS: dict[str, Callable[[Any], TensorRef]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": lambda arguments: arguments[0],
}


def _text(reader: TorchPickle, form: str, encoding: str = "utf-8") -> None:
    reader.push(reader.take(reader.number(form)).decode(encoding))


def _stack_global(reader: TorchPickle) -> None:
    name, module = reader.pop(), reader.pop()
    reader.push(Ref(f"{module}.{name}"))


def _decimal(text: str) -> int | bool:
    return text == "01" if text in {"00", "01"} else int(text.removesuffix("L"))


def _tuple(reader: TorchPickle, count: int) -> None:
    items = [reader.pop() for _ in range(count)]
    reader.push(tuple(reversed(items)))


def _pop(reader: TorchPickle) -> None:
    reader.pop()


def _new_object(reader: TorchPickle) -> None:
    reader.reduce()


_HANDLERS: dict[int, Callable[[TorchPickle], None]] = {
    0x80: lambda r: _pop_nothing(r.take(1)),
    0x95: lambda r: _pop_nothing(r.take(8)),
    ord("}"): lambda r: r.push({}),
    ord("]"): lambda r: r.push([]),
    ord(")"): lambda r: r.push(()),
    0x8F: lambda r: r.push(Other("set")),
    ord("("): lambda r: r.push(_MARK),
    ord("N"): lambda r: r.push(None),
    0x88: lambda r: r.push(True),
    0x89: lambda r: r.push(False),
    ord("K"): lambda r: r.push(r.number("<B")),
    ord("M"): lambda r: r.push(r.number("<H")),
    ord("J"): lambda r: r.push(r.number("<i")),
    ord("I"): lambda r: r.push(_decimal(r.line())),
    ord("L"): lambda r: r.push(_decimal(r.line())),
    0x8A: lambda r: r.push(int.from_bytes(r.take(r.number("<B")), "little", signed=True)),
    ord("G"): lambda r: r.push(r.number(">d")),
    ord("F"): lambda r: r.push(float(r.line())),
    ord("X"): lambda r: _text(r, "<I"),
    0x8C: lambda r: _text(r, "<B"),
    0x8D: lambda r: _text(r, "<Q"),
    ord("V"): lambda r: r.push(r.line()),
    ord("U"): lambda r: _text(r, "<B", "latin-1"),
    ord("T"): lambda r: _text(r, "<I", "latin-1"),
    ord("C"): lambda r: r.push(r.take(r.number("<B"))),
    ord("B"): lambda r: r.push(r.take(r.number("<I"))),
    0x8E: lambda r: r.push(r.take(r.number("<Q"))),
    ord("q"): lambda r: r.put(r.number("<B")),
    ord("r"): lambda r: r.put(r.number("<I")),
    ord("p"): lambda r: r.put(int(r.line())),
    0x94: lambda r: r.memoize(),
    ord("h"): lambda r: r.get(r.number("<B")),
    ord("j"): lambda r: r.get(r.number("<I")),
    ord("g"): lambda r: r.get(int(r.line())),
    ord("c"): lambda r: r.push(Ref(f"{r.line()}.{r.line()}")),
    0x93: _stack_global,
    ord("R"): TorchPickle.reduce,
    0x81: _new_object,
    ord("b"): TorchPickle.build,
    ord("Q"): TorchPickle.persistent,
    ord("s"): lambda r: r.set_items(list(reversed([r.pop(), r.pop()]))),
    ord("u"): lambda r: r.set_items(r.since_mark()),
    ord("d"): lambda r: r.push(_mapping(r.since_mark())),
    ord("a"): lambda r: r.extend([r.pop()]),
    ord("e"): lambda r: r.extend(r.since_mark()),
    ord("l"): lambda r: r.push(r.since_mark()),
    0x90: lambda r: _pop_nothing(r.since_mark()),
    ord("t"): lambda r: r.push(tuple(r.since_mark())),
    0x85: lambda r: _tuple(r, 1),
    0x86: lambda r: _tuple(r, 2),
    0x87: lambda r: _tuple(r, 3),
    ord("0"): _pop,
}


def _pop_nothing(_taken: Any) -> None:
    """Taken and not needed."""


def _mapping(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))
