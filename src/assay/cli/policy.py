"""`assay policy show|test`: the policy that decides, and its tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("action", choices=("show", "test"), help="show the policy in force, or run its tests")
    parser.add_argument(
        "tests",
        nargs="*",
        metavar="TESTS",
        help="test: files of cases (default: <policy>.tests.toml beside the policy)",
    )
    parser.add_argument("--policy", metavar="FILE", help="policy file (default: policy.toml in the data directory)")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show or test the policy in force."""
    from assay.core.errors import UsageError  # noqa: PLC0415

    path = load_settings(args).policy
    if args.action == "test":
        return _test(args, path)
    if args.tests:
        raise UsageError("`assay policy show` takes no file of tests", hint="did you mean `assay policy test`?")
    return _show(args, path)


def _show(args: argparse.Namespace, path: Path | None) -> int:
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.policy.model import builtin_text, load_policy, read_policy  # noqa: PLC0415

    text = builtin_text() if path is None else read_policy(path)
    policy = load_policy(text)
    where = "built in" if path is None else str(path)
    if args.format == "json":
        document = {"path": None if path is None else where, "digest": str(policy.digest), "policy": policy.to_json()}
        print_json({"schema": "assay.policy.show/v1", **document})
        return 0
    print("\n".join(printable(line) for line in text.splitlines()))
    print(f"\n# {policy.name} version {policy.version}, {where}\n# digest {policy.digest}")
    return 0


def _test(args: argparse.Namespace, path: Path | None) -> int:
    from assay.core.errors import PolicyError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.policy.cases import builtin_cases, load_cases, run_cases  # noqa: PLC0415
    from assay.policy.model import load_policy, read_policy  # noqa: PLC0415

    policy = load_policy(None if path is None else read_policy(path))
    texts = [read_policy(file) for file in _test_files(path, args.tests)]
    if path is None and not texts:
        texts = [builtin_cases()]
    results = [result for text in texts for result in run_cases(policy, load_cases(text))]
    if not results:
        raise PolicyError("this policy has no tests", hint="write them, or name a file of cases")
    failed = [result for result in results if result.problem]
    if args.format == "json":
        cases = [
            {
                "name": one.case.name,
                "expect": one.case.expect.value,
                "decision": one.decision.value if one.decision else None,
                "ok": not one.problem,
                "problem": one.problem,
            }
            for one in results
        ]
        print_json({"schema": "assay.policy.test/v1", "digest": str(policy.digest), "ok": not failed, "cases": cases})
        return 1 if failed else 0
    for one in results:
        if one.problem or not args.quiet:
            print(printable(f"{'FAILED' if one.problem else 'passed'}  {one.case.name}  {one.problem}".rstrip()))
    print(f"{len(results) - len(failed)} of {len(results)} cases passed; policy {policy.digest}")
    return 1 if failed else 0


def _test_files(policy: Path | None, named: list[str]) -> list[Path]:
    from pathlib import Path  # noqa: PLC0415

    if named or policy is None:
        return [Path(name) for name in named]
    beside = policy.with_suffix(".tests.toml")
    return [beside] if beside.exists() else []
