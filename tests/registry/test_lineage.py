"""The graph on both databases: any depth, cycles, the same twice, and what an admission adds to it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.evidence import Evidence, Outcome
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.registry.lineage import Edge, Lineage, Node
from assay.registry.lineage_record import record_admission, record_conversion, record_deployment

if TYPE_CHECKING:
    from assay.store.index import Index


def node(name: str) -> Node:
    return Node("model", name)


def test_any_depth_and_cycles(index: Index) -> None:
    lineage = Lineage(index)
    with index.transaction() as tx:
        for number in range(300):
            lineage.link(node(f"m{number + 1}"), node(f"m{number}"), "finetune-of", tx=tx)
        lineage.link(node("m0"), node("m300"), "finetune-of", tx=tx)
    everyone = {node(f"m{number}") for number in range(301)}
    assert lineage.descendants(node("m7")) == everyone - {node("m7")}
    assert lineage.ancestors(node("m7")) == everyone - {node("m7")}


def test_a_random_graph_against_a_plain_walk(index: Index) -> None:
    chance = random.Random(5)
    lineage = Lineage(index)
    links = {(chance.randrange(60), chance.randrange(60)) for _ in range(80)}
    with index.transaction() as tx:
        for child, parent in links:
            lineage.link(node(str(child)), node(str(parent)), "merge-of", tx=tx)
    for start in range(0, 60, 7):
        seen, todo = set(), [start]
        while todo:
            at = todo.pop()
            new = {child for child, parent in links if parent == at} - seen
            seen |= new
            todo += new
        assert lineage.descendants(node(str(start))) == {node(str(one)) for one in seen - {start}}


def test_the_same_twice_is_once(index: Index) -> None:
    lineage = Lineage(index)
    for _ in range(2):
        lineage.link(node("child"), node("parent"), "finetune-of", "declared")
    assert lineage.edges(node("child")) == (Edge(node("child"), "finetune-of", node("parent"), "declared"),)
    lineage.link(node("self"), node("self"), "finetune-of")
    assert lineage.edges(node("self")) == ()
    assert lineage.descendants(node("nobody")) == frozenset()
    with pytest.raises(UsageError):
        Node("planet", "mars")


def snapshot(name: str, *contents: bytes) -> Snapshot:
    files = [FileEntry(f"f{number}", len(data), Digest.of(data)) for number, data in enumerate(contents)]
    return Snapshot.of(files, Origin("directory", "file:///x", name))


def test_an_admission_a_conversion_and_a_deployment(index: Index) -> None:
    base, child, safe = snapshot("org/base", b"a"), snapshot("org/child", b"b", b"c"), snapshot("org/safe", b"d")
    facts = {
        "declared": {"bases": ["org/base"], "relation": "adapter", "datasets": ["squad"], "adapter": True},
        "relatives": [{"snapshot": base.id.hex, "names": ["org/base"], "equal": 0.5, "similar": 1.0}],
    }
    for one, said in ((base, {}), (child, facts), (safe, {})):
        index.put_snapshot(one)
        with index.transaction() as tx:
            record_admission(index, one, [Evidence(one.id, "tensors", "1", {}, Outcome.CLEAN, facts=said)], tx)
            record_admission(index, one, [Evidence(one.id, "tensors", "1", {}, Outcome.CLEAN, facts=said)], tx)
    record_conversion(index, safe.id, child.id)
    record_deployment(index, safe.id, "prod/eu")
    lineage = Lineage(index)
    down = lineage.descendants(Node("snapshot", base.id.hex))
    assert down == {
        Node("snapshot", child.id.hex),
        Node("snapshot", safe.id.hex),
        Node("deployment", "prod/eu"),
    }
    assert Node("deployment", "prod/eu") in lineage.descendants(Node("dataset", "squad"))
    assert Node("deployment", "prod/eu") in lineage.descendants(Node("file", Digest.of(b"c").hex))
    assert Node("deployment", "prod/eu") in lineage.descendants(Node("model", "org/base"))
    up = lineage.ancestors(Node("deployment", "prod/eu"))
    assert Node("dataset", "squad") in up
    of_name = Node("model", child.origin.name)  # a name comes from nothing; its revisions do
    assert lineage.ancestors(of_name) == frozenset()
    assert lineage.sources(of_name) == lineage.ancestors(Node("snapshot", child.id.hex)) - {of_name}
    assert Node("model", "org/base") in lineage.sources(of_name)
    relations = {edge.relation for edge in lineage.edges(Node("snapshot", child.id.hex))}
    assert relations == {
        "holds", "revision-of", "adapter-of", "trained-on", "shares-weights-with", "converted-from",
    }  # fmt: skip


def test_a_refuted_base_stays_a_claim_that_was_refuted(index: Index) -> None:
    child = snapshot("org/child", b"x")
    facts = {"declared": {"bases": ["org/base"], "relation": "", "datasets": []}, "bases": {"org/base": "refuted"}}
    index.put_snapshot(child)
    with index.transaction() as tx:
        record_admission(index, child, [Evidence(child.id, "tensors", "1", {}, Outcome.CLEAN, facts=facts)], tx)
    edges = Lineage(index).edges(Node("model", "org/base"))
    assert [(edge.relation, edge.basis) for edge in edges] == [("finetune-of", "refuted")]
