"""`assay log verify|checkpoint|prove|witness|export`: the append-only log, and what others keep of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings
    from assay.provenance.notes import Checkpoint
    from assay.registry.transparency import Proof
    from assay.store.index import Index

EXIT_WHOLE = 0
EXIT_NOT_WHOLE = 1

_EPILOG = """\
  verify      the chain, the tables that it records, and every checkpoint; or, with --proof, one proof without the log
  checkpoint  sign how the log stands now; print it, so that others can keep it
  prove       --entry N is in the log of the newest checkpoint; or that log begins with the one of --checkpoint FILE
  witness     cosign the checkpoint of --proof FILE, when its log begins with what --state FILE says was seen before
  export      print every entry, --format jsonl with its hashes or cef for a SIEM

exit status: 0 whole, 1 not whole, 3 error

The chain shows entries that were edited, removed or put in another order. An end that was cut off, or a log that was
written anew, shows only against a head or a checkpoint kept elsewhere: give it with --head or --checkpoint.

With --state FILE a verification begins where the last one ended: FILE keeps the signed checkpoint up to which the log
was verified. It proves that the log begins with the tree of that checkpoint, reads every entry since, what the tables
say of them, and in turn a part of the entries before. Rows of tables that were changed in their place before the
checkpoint are seen by a full verification alone: --full. Keep FILE where whoever writes the database can't write.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `assay log`."""
    from assay.cli.output import add_output_arguments  # noqa: PLC0415
    from assay.cli.settings import add_data_argument  # noqa: PLC0415

    parser.epilog = _EPILOG
    parser.add_argument("action", choices=["verify", "checkpoint", "prove", "witness", "export"], help="see below")
    parser.add_argument("--after", type=int, default=0, metavar="SEQ", help="export: only entries after this number")
    parser.add_argument(
        "--head", metavar="SEQ:HASH", help="end of the log as it was noted earlier: must still be in it"
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", action="append", default=[], help="signed checkpoint that was kept elsewhere"
    )
    parser.add_argument("--witnesses", metavar="N", type=int, default=0, help="cosignatures that a checkpoint needs")
    parser.add_argument("--proof", metavar="FILE", help="a proof that `assay log prove` wrote")
    parser.add_argument("--entry", metavar="N", type=int, help="prove: number of the entry")
    parser.add_argument("--state", metavar="FILE", help="verify: begin where FILE ended; witness: what was seen before")
    parser.add_argument("--full", action="store_true", help="verify: read everything, and write --state anew")
    parser.add_argument("--key", metavar="FILE", help="witness: private key of the role witness")
    parser.add_argument("--name", metavar="NAME", default="witness", help="witness: name beside the signature")
    parser.add_argument("--out", metavar="FILE", help="write the checkpoint or proof there as well")
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    add_data_argument(parser)
    add_output_arguments(parser, ("text", "json", "jsonl", "cef"))


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    from assay.cli.settings import load_settings  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415

    if (args.format in {"jsonl", "cef"}) is not (args.action == "export"):
        raise UsageError("`export` takes --format jsonl or cef, the others text or json")
    settings = load_settings(args)
    if args.action == "verify" and args.proof:
        return _verify_proof(args, settings)
    if args.action == "witness":
        return _witness(args, settings)
    index = _open(settings)
    actions = {"verify": _verify, "checkpoint": _checkpoint, "prove": _prove, "export": _export}
    try:
        return actions[args.action](args, settings, index)
    finally:
        index.close()


def _open(settings: Settings) -> Index:
    from pathlib import Path  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    file = settings.database_url.removeprefix("sqlite:///")
    if file != settings.database_url and not Path(file).exists():
        raise UsageError(f"no index at {file}", hint="give --data DIR, or run `assay init` first")
    return Index.open(settings.database_url)


def _verify(args: argparse.Namespace, settings: Settings, index: Index) -> int:
    """Check the chain first; rows are compared with a log that is whole."""
    import json  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.registry.audit import audit  # noqa: PLC0415
    from assay.registry.resumed import newest_signed  # noqa: PLC0415
    from assay.registry.transparency import check_log  # noqa: PLC0415
    from assay.store.log import LogHead  # noqa: PLC0415

    known = LogHead.parse(args.head) if args.head else None
    noted = [_noted(args, settings, file) for file in args.checkpoint]
    keys = _keys(settings) if settings.trust.exists() else []
    if args.full and not args.state:
        raise UsageError("without --state FILE every verification is a full one", hint="leave --full out")
    if args.state and not args.full and Path(args.state).exists():
        if known is not None:
            raise UsageError("--head is looked for in the whole log", hint="give --full as well, or a --checkpoint")
        return _verify_since(args, index, noted, keys)
    check = check_log(index, known, noted, keys)
    problems = (check.problem,) if check.problem else audit(index)
    document = {
        "ok": not problems,
        "entries": check.entries,
        "head": str(check.head),
        "root": check.root.hex(),
        "checkpoints": len(check.roots),
        "problems": list(problems),
    }
    if args.state and not problems:
        seen = newest_signed(index, keys) if keys else None
        if seen is None:
            raise UsageError("there is no signed checkpoint to keep", hint="`assay log checkpoint`, and a trust file")
        _keep(args.state, json.dumps(seen.to_json(), indent=1) + "\n")
    if args.format == "json":
        _json("assay.log-verify/v1", document)
    elif problems:
        print("The log is NOT whole:")
        for problem in problems:
            print(f"  {printable(problem)}")
    else:
        print(f"The log is whole: {check.entries} entries, head {check.head}")
        if check.roots and not args.quiet:
            print(f"signed checkpoints over {', '.join(str(size) for size in sorted(check.roots)[-5:])} entries fit it")
    return EXIT_NOT_WHOLE if problems else EXIT_WHOLE


def _verify_since(args: argparse.Namespace, index: Index, noted: list[Checkpoint], keys: list[Any]) -> int:
    """From the checkpoint of the state file on."""
    import json  # noqa: PLC0415

    from assay.core.errors import TrustError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.registry.resumed import Seen, check_since  # noqa: PLC0415

    try:
        seen = Seen.from_json(json.loads(_text(args.state)))
    except (ValueError, RecursionError) as error:
        raise TrustError(f"{args.state} is not JSON", hint="verify with --full") from error
    found = check_since(index, seen, noted, keys)
    if not found.problems:
        _keep(args.state, json.dumps(found.seen.to_json(), indent=1) + "\n")
    document = {
        "ok": not found.problems,
        "entries": found.head.seq,
        "head": str(found.head),
        "root": found.root.hex(),
        "since": found.since,
        "again": list(found.again),
        "problems": list(found.problems),
    }
    if args.format == "json":
        _json("assay.log-verify/v1", document)
    elif found.problems:
        print("The log is NOT whole:")
        for problem in found.problems:
            print(f"  {printable(problem)}")
    else:
        print(f"The log is whole since entry {found.since}: {found.head.seq} entries, head {found.head}")
        if not args.quiet:
            low, high = found.again
            again = f"entries {low} to {high}" if high else "nothing"
            print(f"it begins with the {found.since} entries that were verified before; of them, read again: {again}")
    return EXIT_NOT_WHOLE if found.problems else EXIT_WHOLE


def _keep(file: str, text: str) -> None:
    """Write a state file at once or not at all."""
    from pathlib import Path  # noqa: PLC0415

    path = Path(file)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(text, encoding="utf-8")
    scratch.rename(path)


def _checkpoint(args: argparse.Namespace, settings: Settings, index: Index) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415
    from assay.registry.transparency import make_checkpoint  # noqa: PLC0415

    key = KeyRing.load(settings.keys, read_passphrase(settings.keys), roles=("log",)).key("log")
    note = str(make_checkpoint(index, key, datetime.now(UTC)))
    _write(args.out, note)
    if args.format == "json":
        _json("assay.log-checkpoint/v1", {"checkpoint": note})
    else:
        print(note, end="")
    return EXIT_WHOLE


def _prove(args: argparse.Namespace, settings: Settings, index: Index) -> int:
    import json  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.registry.transparency import prove_entry, prove_growth  # noqa: PLC0415

    if (args.entry is None) is (len(args.checkpoint) != 1):
        raise UsageError("what is to be proven?", hint="give --entry N, or one --checkpoint FILE")
    if args.entry is not None:
        proof = prove_entry(index, args.entry)
    else:
        proof = prove_growth(index, _noted(args, settings, args.checkpoint[0]))
    text = json.dumps(proof.to_json(), indent=1)
    _write(args.out, text + "\n")
    print(text)
    return EXIT_WHOLE


def _verify_proof(args: argparse.Namespace, settings: Settings) -> int:
    """A proof, offline: nothing but the proof, the trust file, and for growth the checkpoint that was kept."""
    from assay.core.errors import IntegrityError, TrustError, UsageError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.registry.transparency import check_entry, check_growth  # noqa: PLC0415

    proof = _read_proof(args.proof)
    if proof.entry is None and len(args.checkpoint) != 1:
        raise UsageError(
            "this proof is about how a log grew", hint="give the checkpoint from before: --checkpoint FILE"
        )
    try:
        if proof.entry is not None:
            checkpoint = check_entry(proof, _keys(settings))
            told = f"entry {proof.entry.seq} ({proof.entry.kind}, {proof.entry.at})"
        else:
            old = _noted(args, settings, args.checkpoint[0])
            _, checkpoint = check_growth(old, proof, _keys(settings))
            told = f"the log of {old.size} entries"
        _cosigned(args, settings, proof.checkpoint)
    except (IntegrityError, TrustError) as error:
        problem = printable(str(error))
        ok, text = False, f"NOT proven: {problem}"
    else:
        ok, text = True, f"proven: {printable(told)} is in the log {checkpoint.origin} of {checkpoint.size} entries"
    if args.format == "json":
        _json("assay.log-proof-check/v1", {"ok": ok, "detail": text})
    else:
        print(text)
    return EXIT_WHOLE if ok else EXIT_NOT_WHOLE


def _witness(args: argparse.Namespace, settings: Settings) -> int:
    """Cosign: at the witness's side, with its own key, state and trust file."""
    from datetime import UTC, datetime  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.core.errors import IntegrityError, UsageError  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415
    from assay.provenance.notes import cosign, open_checkpoint  # noqa: PLC0415
    from assay.registry.transparency import WITNESS, check_growth  # noqa: PLC0415

    if not args.key or not args.state or bool(args.proof) is bool(args.checkpoint):
        hint = "--proof FILE from `assay log prove --checkpoint STATE`; the first time --checkpoint FILE"
        raise UsageError("a witness needs --key, --state and what to cosign", hint=hint)
    state, keys = Path(args.state), _keys(settings)
    key = KeyRing.read(Path(args.key), WITNESS, read_passphrase(Path(args.key).parent))
    if args.checkpoint:
        if state.exists():
            raise UsageError(f"{state} says what was seen before", hint="give --proof FILE that the log grew since")
        note, _ = open_checkpoint(_text(args.checkpoint[0]), keys)
    else:
        _, seen = open_checkpoint(_text(args.state), keys)
        try:
            note, _ = check_growth(seen, _read_proof(args.proof), keys)
        except IntegrityError as error:
            print(f"NOT cosigned: {error}")
            return EXIT_NOT_WHOLE
    made = str(cosign(note, args.name, key, datetime.now(UTC)))
    _keep(args.state, made)
    _write(args.out, made)
    print(made, end="")
    return EXIT_WHOLE


def _keys(settings: Settings) -> list[Any]:
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.provenance.trust import Trust  # noqa: PLC0415
    from assay.registry.transparency import log_keys  # noqa: PLC0415

    return log_keys(Trust.load(settings.trust), datetime.now(UTC))


def _noted(args: argparse.Namespace, settings: Settings, file: str) -> Checkpoint:
    from assay.provenance.notes import open_checkpoint  # noqa: PLC0415

    text = _text(file)
    _, checkpoint = open_checkpoint(text, _keys(settings))
    _cosigned(args, settings, text)
    return checkpoint


def _cosigned(args: argparse.Namespace, settings: Settings, text: str) -> None:
    """Make sure that as many witnesses as were asked for cosigned a checkpoint."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.errors import TrustError  # noqa: PLC0415
    from assay.provenance.notes import Note  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415
    from assay.registry.transparency import WITNESS, log_keys  # noqa: PLC0415

    if args.witnesses < 1:
        return
    note, keys = Note.parse(text), log_keys(Trust.load(settings.trust), datetime.now(UTC), WITNESS)
    found = sum(note.cosigned_by(key) is not None for key in keys)
    if found < args.witnesses:
        raise TrustError(f"{found} trusted witnesses cosigned the checkpoint, {args.witnesses} needed")


def _read_proof(file: str) -> Proof:
    import json  # noqa: PLC0415

    from assay.core.errors import TrustError  # noqa: PLC0415
    from assay.registry.transparency import Proof  # noqa: PLC0415

    try:
        return Proof.from_json(json.loads(_text(file)))
    except (ValueError, RecursionError) as error:
        raise TrustError(f"{file} is not JSON") from error


def _text(file: str) -> str:
    from pathlib import Path  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415

    try:
        return Path(file).read_text("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"no file {file}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not text") from error


def _write(file: str | None, text: str) -> None:
    from pathlib import Path  # noqa: PLC0415

    if file:
        Path(file).write_text(text, encoding="utf-8")


def _json(schema: str, document: dict[str, Any]) -> None:
    from assay.cli.output import print_json  # noqa: PLC0415

    print_json({"schema": schema} | document)


def _export(args: argparse.Namespace, _settings: Settings, index: Index) -> int:
    from assay.registry.export import to_cef, to_jsonl  # noqa: PLC0415
    from assay.store import log  # noqa: PLC0415

    show = to_cef if args.format == "cef" else to_jsonl
    with index.reading() as tx:
        for entry in log.entries(tx, args.after):
            print(show(entry))
    return EXIT_WHOLE
