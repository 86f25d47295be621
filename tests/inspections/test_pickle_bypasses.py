"""Published ways to walk past a pickle scanner, by class. Each must be found, with the call named.

Payloads never run here: the bytes are only inspected. What they would do is touch a file.
"""

from __future__ import annotations

import bz2
import io
import pickle
import zipfile

import pytest

from assay.core.finding import Finding, Severity
from assay.inspections.parts import Collector, Ledger, Part
from assay.inspections.pickle import Pickle
from assay.inspections.pickle_reading import BOTH_BYTES
from tests.support import pickle_asm as asm

SHELL = "touch /tmp/assay-marker"
SYSTEM = asm.call("posix", "system", SHELL)


def inspect(data: bytes) -> Ledger:
    inspector, ledger = Pickle(), Ledger()
    out = Collector(ledger, "model.bin")
    inspector.inspect_part(Part("model.bin", (), ("pickle",), io.BytesIO(data), len(data)), out)
    inspector.finish(out)
    return ledger


def found(data: bytes, named: str) -> Finding:
    """The worst finding that names something, at medium or above."""
    findings = [f for f in inspect(data).findings if f.severity >= Severity.MEDIUM]
    matching = [f for f in findings if named in f.message]
    assert matching, [f.message for f in findings]
    return max(matching, key=lambda f: f.severity)


_NAMES = """
os:system nt:system subprocess:Popen _posixsubprocess:fork_exec pty:spawn builtins:exec __builtin__:eval
runpy:run_path code:InteractiveInterpreter timeit:timeit cProfile:run profile:Profile.run pdb:run bdb:Bdb.run
trace:Trace.run doctest:debug_script idlelib.pyshell:ModifiedInterpreter.runcommand
idlelib.debugobj:ObjectTreeItem.SetText lib2to3.pgen2.pgen:ParserGenerator.make_label
asyncio.unix_events:_UnixSubprocessTransport._start ensurepip:_run_pip pip:main pydoc:pipepager webbrowser:open
imaplib:IMAP4_stream uuid:_get_command_stdout distutils.file_util:write_file shutil:rmtree
importlib:import_module importlib.machinery:SourceFileLoader pkgutil:resolve_name operator:methodcaller
functools:reduce types:CodeType types:FunctionType ctypes:CDLL _ctypes:dlopen socket:create_connection
urllib.request:urlopen http.client:HTTPSConnection smtplib:SMTP ssl:get_server_certificate
aiohttp.client:ClientSession requests.api:get sqlite3:connect logging:FileHandler logging.config:listen
threading:Thread multiprocessing:Process signal:signal sys:setprofile site:main venv:create
zipimport:zipimporter mmap:mmap io:open _io:FileIO linecache:getline fileinput:input pathlib:Path.touch
tempfile:mkstemp unittest.mock:_importer marshal:loads pickle:loads _pickle:Unpickler dill:loads
cloudpickle.cloudpickle:_make_function numpy:load numpy:memmap numpy.testing._private.utils:runstring
numpy.f2py.crackfortran:getlincoef numpy.distutils.exec_command:exec_command torch:load torch.hub:load
torch.jit.unsupported_tensor_ops:execWrapper torch.utils.bottleneck.__main__:run_cprofile
torch.utils.collect_env:run torch.utils._config_module:load_config
torch.fx.experimental.symbolic_shapes:ShapeEnv.evaluate_guards_expression torch._dynamo.guards:GuardBuilder.get
torch.package:PackageImporter torch.utils.data.datapipes.utils.decoder:basichandlers torch.serialization:load
pandas:eval pandas:read_pickle pandas.io.pickle:read_pickle joblib:load sklearn.externals.joblib:load
scipy.stats._distn_infrastructure:rv_continuous sympy.core.sympify:sympify keras.models:load_model
transformers:pipeline transformers.utils.hub:cached_file huggingface_hub:hf_hub_download
"""
GADGETS = _NAMES.split()
"""`module:name` of callables that deny-lists have missed."""


@pytest.mark.parametrize("gadget", GADGETS)
def test_gadgets_are_named(gadget: str) -> None:
    module, _, name = gadget.partition(":")
    finding = found(asm.pickle(asm.call(module, name, SHELL)), f"{module}.{name}('{SHELL}')")
    assert finding.severity >= Severity.MEDIUM


@pytest.mark.parametrize(
    ("module", "name"),
    [("torch.serialization", "os.system"), ("torch", "serialization.os.system"), ("collections", "_sys.modules"),
     ("logging", "os.system"), ("sklearn.utils._testing", "os.system"), ("numpy", "os.system"),
     ("builtins", "exec"), ("builtins", "getattr.__class__")],
)  # fmt: skip
def test_dotted_names_walk_into_other_modules(module: str, name: str) -> None:
    data = asm.pickle(
        asm.SHORT_UNICODE(module), asm.SHORT_UNICODE(name), asm.STACK_GLOBAL, asm.value((SHELL,)), asm.REDUCE, proto=4
    )
    assert found(data, name).severity >= Severity.HIGH


OPCODES = {
    "inst": asm.pickle(asm.MARK, asm.value(SHELL), asm.INST("posix", "system")),
    "obj": asm.pickle(asm.MARK, asm.GLOBAL("posix", "system"), asm.value(SHELL), asm.OBJ),
    "newobj_ex": asm.pickle(asm.GLOBAL("posix", "system"), asm.value((SHELL,)), asm.EMPTY_DICT, asm.NEWOBJ_EX, proto=4),
    "stack-global-from-memo": asm.pickle(
        asm.SHORT_UNICODE("system"), asm.MEMOIZE, asm.POP, asm.SHORT_UNICODE("posix"), asm.BINGET(0), asm.STACK_GLOBAL,
        asm.value((SHELL,)), asm.REDUCE, proto=4,
    ),
    "hex-int-first": asm.pickle(asm.INT("0x10"), asm.POP, SYSTEM),
    "pop-decoy": asm.pickle(
        asm.SHORT_UNICODE("collections"), asm.POP, asm.SHORT_UNICODE("OrderedDict"), asm.POP, SYSTEM
    ),
    "memo-swap": asm.pickle(
        asm.SHORT_UNICODE("collections"), asm.PUT(0), asm.POP, asm.SHORT_UNICODE("posix"), asm.PUT(0), asm.POP,
        asm.GET(0), asm.SHORT_UNICODE("system"), asm.STACK_GLOBAL, asm.value((SHELL,)), asm.REDUCE,
    ),
    "extension-in-stream": asm.pickle(
        asm.call("copyreg", "add_extension", "posix", "system", 88), asm.POP, asm.EXT1(88), asm.value((SHELL,)),
        asm.REDUCE,
    ),
    "truncated": asm.pickle(SYSTEM, stop=False),
    "broken-after": asm.pickle(SYSTEM, b"\xff"),
    "second-pickle": pickle.dumps({"weights": [1, 2]}, 4) + asm.pickle(SYSTEM),
    "after-thousand-pickles": pickle.dumps(1) * 1000 + asm.pickle(SYSTEM),
    "frame-lies-short": asm.PROTO(4) + asm.FRAME(SYSTEM + asm.STOP, claim=2),
    "frame-lies-long": asm.PROTO(4) + asm.FRAME(SYSTEM + asm.STOP, claim=1 << 30),
    "list-as-arguments": asm.pickle(asm.GLOBAL("posix", "system"), asm.value([SHELL]), asm.REDUCE),
    "protocol-changes": asm.pickle(
        asm.PROTO(0), asm.PROTO(5), asm.PROTO(2), asm.call("__builtin__", "eval", "posix.system")
    ),
    "unused-import": asm.pickle(asm.GLOBAL("posix", "system"), asm.POP, asm.NONE),
    "call-inside-data": asm.pickle(asm.EMPTY_LIST, asm.MARK, asm.value({"a": [1] * 50}), SYSTEM, asm.APPENDS),
    "padding": asm.pickle(asm.value([[i, str(i)] for i in range(60_000)]), asm.POP, SYSTEM),
    "padding-of-calls": asm.pickle(*[asm.call("datetime", "timedelta", n) + asm.POP for n in range(3000)], SYSTEM),
    "big-literal-first": asm.pickle(asm.BINBYTES8(bytes(BOTH_BYTES)), asm.POP, SYSTEM),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OPCODES))
def test_opcode_tricks(name: str) -> None:
    found(OPCODES[name], "system")


def test_a_computed_name_is_reported_as_such() -> None:
    name = asm.call("builtins", "str", "system")
    data = asm.pickle(asm.SHORT_UNICODE("posix"), name, asm.STACK_GLOBAL, asm.value((SHELL,)), asm.REDUCE)
    assert found(data, "computed").rule == "pickle-computed-name"


def test_a_call_of_a_result_is_reported() -> None:
    found(asm.pickle(asm.call("builtins", "getattr", "x", "y"), asm.value((SHELL,)), asm.REDUCE), "earlier call")


ABUSES = {
    "load-from-bytes": asm.call("torch.storage", "_load_from_bytes", asm.pickle(SYSTEM, proto=2)),
    "getattr": asm.GLOBAL("builtins", "getattr") + asm.GLOBAL("posix", "x") + asm.value("system") + asm.TUPLE2
    + asm.REDUCE,
    "partial": asm.GLOBAL("functools", "partial") + asm.GLOBAL("posix", "system") + asm.value(SHELL) + asm.TUPLE2
    + asm.REDUCE,
    "ufunc": asm.call("numpy.core", "_ufunc_reconstruct", "posix", "system"),
    "type": asm.call("builtins", "type", "X", (), {}),
    "bit-generator": asm.GLOBAL("numpy.random._pickle", "__generator_ctor") + asm.value("x")
    + asm.GLOBAL("posix", "system")
    + asm.TUPLE2 + asm.REDUCE,
    "class-attribute": asm.GLOBAL("collections", "OrderedDict") + asm.value((None, {"__init__": 1})) + asm.BUILD,
    "codec": asm.call("_codecs", "encode", "x", "zlib_codec"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ABUSES))
def test_permitted_callables_are_not_abused(name: str) -> None:
    assert [f for f in inspect(asm.pickle(ABUSES[name])).findings if f.severity >= Severity.MEDIUM], name


def test_rebuild_calls_what_it_is_given() -> None:
    arguments = (
        asm.MARK
        + asm.GLOBAL("posix", "system")
        + asm.GLOBAL("torch", "Tensor")
        + asm.value((SHELL,))
        + asm.NONE
        + asm.TUPLE
    )
    data = asm.pickle(asm.GLOBAL("torch._tensor", "_rebuild_from_type_v2"), arguments, asm.REDUCE)
    assert found(data, f"posix.system('{SHELL}')").rule == "pickle-dangerous-call"


def test_a_nested_torch_file_is_opened() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("archive/data.pkl", asm.pickle(SYSTEM, proto=2))
        archive.writestr("archive/version", "3\n")
    finding = found(asm.pickle(asm.call("torch.storage", "_load_from_bytes", target.getvalue())), "posix.system")
    assert finding.where.inner[-1].endswith("data.pkl")


def test_compressed_bytes_that_are_unpacked_while_loading_are_at_least_unknown() -> None:
    inner = asm.call("bz2", "decompress", bz2.compress(asm.pickle(SYSTEM)))
    data = asm.pickle(asm.GLOBAL("torch.storage", "_load_from_bytes"), inner, asm.TUPLE1, asm.REDUCE)
    assert max(f.severity for f in inspect(data).findings) >= Severity.HIGH


HARMLESS = {
    "bound-class-method": asm.call("builtins", "type", None),
    "latin1": asm.call("_codecs", "encode", "abc", "latin1"),
    "set": asm.call("builtins", "set", [1, 2]),
    "ordered": asm.call("collections", "OrderedDict", [["a", 1]]),
    "path": asm.call("pathlib", "PosixPath", "a", "b"),
    "ufunc": asm.call("numpy.core", "_ufunc_reconstruct", "numpy", "log1p"),
}


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_harmless_calls_stay_harmless(name: str) -> None:
    assert not [f for f in inspect(asm.pickle(HARMLESS[name])).findings if f.severity >= Severity.LOW]


def test_python2_names_are_understood_in_old_protocols_only() -> None:
    old = asm.pickle(asm.call("__builtin__", "set", [1]), proto=2)
    assert not inspect(old).findings
    new = asm.pickle(asm.call("__builtin__", "set", [1]), proto=4)
    assert found(new, "__builtin__")
