"""`assay lineage REF`: what a model comes from, and what comes from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

    from assay.registry.lineage import Lineage, Node
    from assay.store.index import Index

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "reference",
        metavar="REF",
        help="ORG/NAME[@REV], sha256:… of a snapshot or file, or KIND:KEY (model, dataset, deployment, file, snapshot)",
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--ancestors", action="store_true", help="everything that it comes from")
    way.add_argument("--descendants", action="store_true", help="everything that comes from it (default: both)")
    add_data_argument(parser)
    add_output_arguments(parser)
    parser.epilog = "exit status: 0 shown; 3 error, also for what the lineage does not have."


def run(args: argparse.Namespace) -> int:
    """Walk and show."""
    from assay.registry.lineage import Lineage  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    index = Index.open(load_settings(args).database_url)
    try:
        lineage = Lineage(index)
        node = _node(index, lineage, args.reference)
        document: dict[str, Any] = {"schema": "assay.lineage/v1", "node": _shown(node)}
        document["edges"] = [
            {"child": _shown(e.child), "relation": e.relation, "parent": _shown(e.parent), "basis": e.basis}
            for e in lineage.edges(node)
        ]
        if not args.descendants:
            document["ancestors"] = [_shown(one) for one in sorted(lineage.sources(node))]
        if not args.ancestors:
            document["descendants"] = [_shown(one) for one in sorted(lineage.descendants(node))]
    finally:
        index.close()
    if args.format == "json":
        print_json(document)
    else:
        _print(document, quiet=args.quiet)
    return 0


def _node(index: Index, lineage: Lineage, reference: str) -> Node:
    """The node that a person means."""
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.registry.lineage import KINDS, Node  # noqa: PLC0415

    kind, colon, key = reference.partition(":")
    if colon and kind in KINDS:
        candidates = [Node(kind, key.removeprefix("sha256:"))]
    elif digest := _DIGEST.fullmatch(reference):
        candidates = [Node("snapshot", digest[1]), Node("file", digest[1])]
    elif "@" in reference:
        from assay.registry.catalog import Catalog  # noqa: PLC0415

        name, _, revision = reference.partition("@")
        candidates = [Node("snapshot", one.snapshot_id.hex) for one in _revisions(Catalog(index), name, revision)]
    else:
        candidates = [Node("model", reference)]
    for node in candidates:
        if lineage.has(node):
            return node
    raise UsageError(f"the lineage has no {reference[:200]!r}", hint="vet it first, or give KIND:KEY")


def _revisions(catalog: Any, name: str, revision: str) -> list[Any]:
    moved = {ref.revision for ref in catalog.refs(name) if ref.ref == revision}
    return [one for one in catalog.revisions(name) if one.revision == revision or one.revision in moved]


def _shown(node: Node) -> dict[str, str]:
    return {"kind": node.kind, "key": node.key}


def _print(document: dict[str, Any], *, quiet: bool) -> None:
    from assay.core.escape import printable  # noqa: PLC0415

    def text(node: dict[str, str]) -> str:
        return f"{node['kind']}:{printable(node['key'], limit=200)}"

    print(text(document["node"]))
    if not quiet:
        for edge in document["edges"]:
            print(f"  {text(edge['child'])} {printable(edge['relation'])} {text(edge['parent'])} ({edge['basis']})")
    for way in ("ancestors", "descendants"):
        if way in document:
            print(f"{way}: {len(document[way])}")
            for node in document[way]:
                print(f"  {text(node)}")
