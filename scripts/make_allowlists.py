"""Make the allow-lists of the pickle inspector from frameworks as they are distributed.

    python scripts/make_allowlists.py --site FOLDER… --python INTERPRETER… [--out DIRECTORY] [--date YYYY-MM-DD]

A FOLDER is a site-packages folder, or the unpacked wheel of one version. Sources are parsed, never imported; types of
compiled modules come from the INTERPRETERs, which have the frameworks installed. A name must be acceptable in every
version that was read, and the versions stand in the data file. `--why MODULE.NAME` tells why a name is left out.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from allowlists.frameworks import Framework, frameworks
from allowlists.index import Class, Index, shown_as
from allowlists.safety import Safety

OUT = Path(__file__).parent.parent / "src/assay/inspections/data/pickle-allow"
_VERSION = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)\.(?:dist|egg)-info")
# Calls that fill large pickles; after a few they are only counted. None of them has an argument check.
_QUIET = (
    "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "torch._utils _rebuild_tensor",
    "collections OrderedDict", "numpy dtype", "numpy.core.multiarray scalar",
    "numpy._core.multiarray scalar", "numpy._core.numeric _frombuffer", "numpy.core.numeric _frombuffer",
    "datetime datetime", "datetime date", "datetime timedelta", "decimal Decimal", "uuid UUID", "builtins set",
    "builtins bytearray", "builtins frozenset", "fractions Fraction", "pathlib PosixPath", "torch Size", "torch device",
    "torch FloatStorage", "torch HalfStorage", "torch BFloat16Storage", "torch LongStorage", "sklearn.tree._tree Tree",
    "sklearn.tree._classes DecisionTreeClassifier", "sklearn.tree._classes DecisionTreeRegressor",
    "joblib.numpy_pickle NumpyArrayWrapper", "pandas._libs.internals _unpickle_block",
    "pandas._libs.tslibs.timestamps _unpickle_timestamp", "pandas._libs.tslibs.timestamps Timestamp",
)  # fmt: skip

_CONTEXT = ("torch/nn", "torch/optim", "sklearn", "accelerate", "pandas/core")  # bases of classes elsewhere

Names = dict[str, dict[str, str]]


def versions_in(site: Path, packages: list[str]) -> dict[str, str]:
    """Distribution → version, for those of `site` that hold one of the packages."""
    found = {}
    for info in site.glob("*-info"):
        match = _VERSION.fullmatch(info.name)
        record = info / "RECORD"
        if match and record.is_file():
            tops = {line.partition("/")[0] for line in record.read_text("utf-8", "replace").splitlines()}
            if tops.intersection(packages):
                found[match["name"]] = match["version"]
    return found


def within(name: str, prefixes: list[str]) -> bool:
    """Whether a module is one of the prefixes or lies below."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def read_site(framework: Framework, index: Index, safety: Safety) -> tuple[Names, dict[str, str]]:
    """Acceptable names of one version, and why others are not."""
    names: Names = defaultdict(dict)
    refused: dict[str, str] = {}
    modules = [module for module in index.modules.values() if not within(module.name, framework.left_out)]
    for module in modules:
        for qualname, found in module.classes.items() if within(module.name, framework.classes) else ():
            use, why = use_of_class(framework, safety, found)
            if why:
                refused[f"{module.name}.{qualname}"] = why
            else:
                for home in (module.name, *found.shown_as):
                    names[home][qualname] = use
    for module in modules:
        for name, function in module.functions.items() if within(module.name, framework.functions) else ():
            why = safety.of_reference(module, name)
            if why:
                refused[f"{module.name}.{name}"] = why
            else:
                for home in (module.name, *shown_as([ast.unparse(text) for text in function.decorator_list])):
                    names[home].setdefault(name, "refer")
    return names, refused


def use_of_class(framework: Framework, safety: Safety, found: Class) -> tuple[str, str | None]:
    """What pickles may do with a class, or why nothing."""
    called = safety.reduces_itself(found) or safety.is_enum(found)
    why = safety.of_class(found, called=called)
    if why and called:
        called, why = False, safety.of_class(found, called=False)
    use = "class" if called else "new"
    for state, bases in framework.states.items():
        use = f"state:{state}" if safety.below(found, bases) else use
    return use, why


def compiled(framework: Framework, interpreters: list[str]) -> Names:
    """Types and helpers of compiled modules."""
    names: Names = defaultdict(dict)
    script = Path(__file__).parent / "allowlists" / "extensions.py"
    for interpreter in interpreters if framework.extensions else ():
        done = subprocess.run(
            [interpreter, str(script), *framework.extensions], capture_output=True, text=True, check=True
        )
        for module, found in json.loads(done.stdout).items():
            if within(module, framework.left_out):
                continue
            for name, kind in found.items():
                names[module][name] = "class" if kind == "class" else ("call:newobj" if name == "newObj" else "call")
    return names


def kept(path: Path, framework: Framework) -> tuple[Names, dict[str, set[str]]]:
    """Names and versions of a data file that was made before, without modules that are left out by now."""
    names: Names = defaultdict(dict)
    versions: dict[str, set[str]] = defaultdict(set)
    data = json.loads(path.read_text("utf-8")) if path.is_file() else {"names": {}, "versions": {}}
    for module, uses in data["names"].items():
        for use, text in uses.items() if not within(module, framework.left_out) else ():
            names[module] |= dict.fromkeys(text.split(), use)
    for name, found in data["versions"].items():
        versions[name] |= set(found)
    return names, versions


def make(
    framework: Framework, sites: list[Path], context: Index, interpreters: list[str], before: Path | None
) -> tuple[dict, dict]:
    """The data file of one framework, and why names were left out; `before`: an earlier one that is added to."""
    refused: dict[str, str] = {}
    merged, versions = kept(before, framework) if before else (defaultdict(dict), defaultdict(set))
    packages = [package for package in framework.packages if package != "_catboost"]
    for site in sites:
        present = [package for package in packages if (site / package).is_dir()]
        if not present:
            continue
        for name, version in versions_in(site, present).items():
            versions[name].add(version)
        index = Index(context)
        index.add_folder(site, present)
        found, why = read_site(framework, index, Safety(index))
        refused |= why
        for module, entries in found.items():
            for name, use in entries.items():
                merged[module][name] = _wider(merged[module].get(name), use)
        print(f"  {framework.key}: read {site}", flush=True)
    for name in list(refused):
        module, _, attribute = name.rpartition(".")
        merged.get(module, {}).pop(attribute, None)
    for source in (compiled(framework, interpreters), framework.reviewed):
        for module, entries in source.items():
            merged[module].update(entries)
    names = {module: dict(sorted(entries.items())) for module, entries in sorted(merged.items()) if entries}
    shown = {name: sorted(found) for name, found in sorted(versions.items())}
    return {"framework": framework.key, "versions": shown, "names": names}, refused


def _wider(before: str | None, use: str) -> str:
    """A class that one version reduces by calling it may be called."""
    order = ("refer", "new", "class", "state", "call")
    uses = [order.index(text.partition(":")[0]) for text in (use, before or use)]
    return use if before is None or uses[0] > uses[1] else before


def write(out: Path, framework: Framework, data: dict, date: str) -> int:
    """Write one data file, a module to a line; returns the number of names."""
    lines = []
    for module, entries in data["names"].items():
        by_use: dict[str, list[str]] = defaultdict(list)
        for name, use in entries.items():
            by_use[use].append(name)
        lines.append(f"{json.dumps(module)}: {json.dumps({use: ' '.join(names) for use, names in by_use.items()})}")
    head = {"framework": data["framework"], "made": date, "versions": data["versions"]}
    text = json.dumps(head)[:-1] + ',\n"names": {\n' + ",\n".join(lines) + "\n}}\n"
    path = out / f"{framework.key}.json"
    path.write_text(text, "utf-8")
    return sum(len(entries) for entries in data["names"].values())


def write_index(out: Path, date: str) -> None:
    """Write which package stands in which file, for all data files that are there."""
    packages: dict[str, str] = {}
    digest = sha256()
    for framework in frameworks():
        path = out / f"{framework.key}.json"
        if path.is_file():
            digest.update(path.read_bytes())
            names = json.loads(path.read_text("utf-8"))["names"]
            tops = {*framework.packages, *(module.partition(".")[0] for module in names)}
            packages |= dict.fromkeys(sorted(tops), path.name)
    index = {"version": f"{date}.{digest.hexdigest()[:8]}", "packages": packages, "quiet": list(_QUIET)}
    (out / "index.json").write_text(json.dumps(index, indent=0) + "\n", "utf-8")


def main() -> int:
    """Write all data files and the index."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--context", type=Path, nargs="*", default=[], help="where bases in other packages are looked up"
    )
    parser.add_argument("--python", nargs="*", default=[])
    parser.add_argument("--only", nargs="*", default=[], help="keys of frameworks; the index is then left as it is")
    parser.add_argument(
        "--keep", action="store_true", help="add to the present files: what they read from other versions stays"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--date", default=datetime.now(UTC).strftime("%Y-%m-%d"))
    parser.add_argument("--why", default="")
    args = parser.parse_args()
    sys.setrecursionlimit(20_000)
    context = Index()
    for site in args.context:
        context.add_folder(site, [package for package in _CONTEXT if (site / package).is_dir()])
    args.out.mkdir(parents=True, exist_ok=True)
    for framework in frameworks():
        if args.only and framework.key not in args.only:
            continue
        before = args.out / f"{framework.key}.json" if args.keep else None
        data, refused = make(framework, args.site, context, args.python, before)
        count = write(args.out, framework, data, args.date)
        print(f"{framework.key}: {count} names, {len(refused)} left out, {data['versions']}", flush=True)
        if args.why and args.why in refused:
            print(f"  {args.why}: {refused[args.why]}")
    write_index(args.out, args.date)
    return 0


if __name__ == "__main__":
    sys.exit(main())
