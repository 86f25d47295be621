"""Entry point: picks the command's module by name and imports only that one."""

from __future__ import annotations

import argparse
import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import TracebackType

EXIT_ERROR = 3

# command → (module, help). Static, so that `assay --help` imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("assay.cli.init", "make the data directory, keys and trust file"),
    "scan": ("assay.cli.scan", "inspect files without loading them; no server, no model library"),
    "evaluate": ("assay.cli.evaluate", "re-run an evaluation in the sandbox and compare it with what is claimed"),
    "probe": ("assay.cli.probe", "search a classifier's weights for a backdoor, in the sandbox"),
    "suite": ("assay.cli.suite", "sign a suite of `assay evaluate`, or verify who did"),
    "vet": ("assay.cli.vet", "the whole admission: fetch, inspect, decide, sign, publish"),
    "serve": ("assay.cli.serve", "the registry for unmodified Hugging Face clients"),
    "worker": ("assay.cli.worker", "vet what waits in the queue, and carry on what was interrupted"),
    "verify": ("assay.cli.verify", "check a folder against its signed statements before it is loaded"),
    "convert": ("assay.cli.convert", "pickle weights to safe formats, in the sandbox, proven equal"),
    "revoke": (
        "assay.cli.revoke",
        "take an admitted model out of use, until another person lifts it",
    ),
    "lift": ("assay.cli.lift", "lift a revocation, by a key of the role lift that is not the revoker's"),
    "attest": ("assay.cli.attest", "list, show, verify or export the signed statements; sign and verify other files"),
    "approve": ("assay.cli.approve", "a person's approval, signed with their own key; or a move of `main`"),
    "reject": ("assay.cli.reject", "a person's rejection, signed with their own key"),
    "waive": ("assay.cli.waive", "set a finding aside until a day, signed with one's own key"),
    "incident": ("assay.cli.incident", "quarantine a model"),
    "access": ("assay.cli.access", "who may do what: tokens, teams, keys"),
    "token": ("assay.cli.token", "access tokens of the registry"),
    "key": ("assay.cli.key", "make, trust, rotate and revoke keys"),
    "log": ("assay.cli.log", "check the append-only log, sign checkpoints of it, prove and witness"),
    "lineage": ("assay.cli.lineage", "what a model comes from, and what comes from it"),
    "bom": ("assay.cli.bom", "bills of materials: of a model, found by what stands in them, imported"),
    "scrub": ("assay.cli.scrub", "read every stored blob again and compare it with its name"),
    "ref": ("assay.cli.ref", "where main and the aliases pointed, who moved them, what they were on a given day"),
    "purge": ("assay.cli.purge", "remove revoked revisions from the cache of a hub client"),
    "gc": ("assay.cli.gc", "delete the bytes that nothing needs any more; a storage report"),
    "backup": ("assay.cli.backup", "copy the registry: databases, blobs, policy, trust file"),
    "restore": ("assay.cli.restore", "make a registry of such a copy, and verify it"),
    "hold": ("assay.cli.hold", "legal holds: what must not be deleted"),
    "policy": ("assay.cli.policy", "show the policy that decides"),
}


class _Parser(argparse.ArgumentParser):
    """argparse, but a usage error is one line and exit status 3."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"assay: error: {message} (see `{self.prog} --help`)\n")
        raise SystemExit(EXIT_ERROR)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status (`interface.md`)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal can't show is no crash
    if argv is None:
        argv, sys.excepthook = sys.argv[1:], _last_resort
    parser = _Parser(
        prog="assay",
        description="Vet, sign, serve and gate machine-learning models.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items()),
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("command", nargs="?", choices=[*COMMANDS], metavar="COMMAND", help="one of the commands below")
    head = parser.parse_args(argv[:1])
    if head.version:
        from assay import __version__  # noqa: PLC0415

        sys.stdout.write(f"assay {__version__}\n")
        return 0
    if head.command is None:
        parser.print_help()
        return 0
    return _run(head.command, argv[1:])


def _run(name: str, argv: list[str]) -> int:
    module_name, text = COMMANDS[name]
    module = import_module(module_name)
    parser = _Parser(prog=f"assay {name}", description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    module.configure(parser)
    args = parser.parse_args(argv)
    from assay.core.errors import AssayError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415

    try:
        status: int = module.run(args)
    except AssayError as error:
        sys.stderr.write(f"assay: error: {printable(str(error), limit=2000)}\n")
        return EXIT_ERROR
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_ERROR
    except KeyboardInterrupt:
        sys.stderr.write("assay: error: interrupted (run the command again; finished steps are kept)\n")
        return EXIT_ERROR
    except OSError as error:
        sys.stderr.write(f"assay: error: {printable(_describe(error), limit=2000)}\n")
        return EXIT_ERROR
    return status


def _last_resort(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> NoReturn:
    """A fault of assay itself: still one line and exit status 3; `ASSAY_DEBUG=1` shows where."""
    from assay.core.escape import printable  # noqa: PLC0415

    if os.environ.get("ASSAY_DEBUG"):
        sys.__excepthook__(kind, error, trace)
    text = printable(f"{kind.__name__}: {error}", limit=500)
    sys.stderr.write(f"assay: error: internal fault: {text} (please report it; ASSAY_DEBUG=1 shows where)\n")
    sys.stderr.flush()
    os._exit(EXIT_ERROR)  # after the hook the interpreter would end with 1, which means "findings"


def _describe(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or type(error).__name__}{where} (check disk space and permissions)"


if __name__ == "__main__":
    raise SystemExit(main())
