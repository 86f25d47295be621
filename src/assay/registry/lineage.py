"""The lineage: what comes from what, at any depth, in the index.

A node is a snapshot (by id), a file (by digest), a model (by name), a data set or a deployment. An edge leads from a
child to a parent: a snapshot to its files, to the models that it is said or measured to come from, to what it was
converted from, to its data sets; a deployment to what runs there. Cycles are harmless: a node is visited once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sqlalchemy import Connection, insert, select, text

from assay.core.errors import UsageError
from assay.store.schema_lineage import lineage_edges, lineage_nodes

if TYPE_CHECKING:
    from assay.store.index import Index

KINDS = ("snapshot", "file", "model", "dataset", "deployment")

# Whole ids first, then one look at each node: on both databases this is the bare query and little more.
_WALK = """
WITH RECURSIVE reach(id) AS (
  SELECT {to} FROM lineage_edges WHERE {at} = :start
  UNION
  SELECT e.{to} FROM lineage_edges e JOIN reach r ON e.{at} = r.id
)
SELECT n.kind, n.key FROM reach CROSS JOIN lineage_nodes n WHERE n.id = reach.id
"""
_DESCENDANTS = text(_WALK.format(to="child", at="parent"))
_ANCESTORS = text(_WALK.format(to="parent", at="child"))


class _Pair(NamedTuple):
    kind: str
    key: str


class Node(_Pair):
    """A node: `kind` and its `key`. A tuple: ten thousand of an answer are made in a millisecond."""

    __slots__ = ()

    def __new__(cls, kind: str, key: str) -> Self:
        """Check both; rows of the database were checked when they were written.

        Raises:
            UsageError: for an unknown kind or an empty key.
        """
        if kind not in KINDS or not key:
            raise UsageError(f"no node of the lineage: {kind!r} {key[:100]!r}")
        return super().__new__(cls, kind, key)


_AS_NODE = partial(tuple.__new__, Node)  # of a row, which was checked when it was written


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One step: `child` comes from, holds or runs `parent`; `basis` is declared, refuted, measured or signed."""

    child: Node
    relation: str
    parent: Node
    basis: str


class Lineage:
    """The graph of one index."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def link(
        self, child: Node, parent: Node, relation: str, basis: str = "declared", tx: Connection | None = None
    ) -> None:
        """Add an edge; the same one twice is once."""
        with self._index.transaction(tx) as connection:
            ends = {"child": _node_id(connection, child), "parent": _node_id(connection, parent)}
            row = {**ends, "relation": relation}
            known = select(lineage_edges.c.basis).filter_by(**row)
            if ends["child"] != ends["parent"] and connection.execute(known).first() is None:
                connection.execute(insert(lineage_edges).values(**row, basis=basis))

    def descendants(self, node: Node, tx: Connection | None = None) -> frozenset[Node]:
        """Everything that comes from a node, at any depth; empty for an unknown one."""
        return self._walk(_DESCENDANTS, node, tx)

    def ancestors(self, node: Node, tx: Connection | None = None) -> frozenset[Node]:
        """Everything that a node comes from, at any depth; empty for an unknown one."""
        return self._walk(_ANCESTORS, node, tx)

    def sources(self, node: Node) -> frozenset[Node]:
        """What a node comes from; of a model's name, what any of its revisions comes from."""
        revisions = [one.child for one in self.edges(node) if one.relation == "revision-of" and one.parent == node]
        found = self.ancestors(node).union(*(self.ancestors(one) for one in revisions))
        return found - {node}

    def edges(self, node: Node, tx: Connection | None = None) -> tuple[Edge, ...]:
        """The edges at a node, sorted."""
        with self._index.reading(tx) as connection:
            own = _known_id(connection, node)
            rows = [] if own is None else connection.execute(_edges_at(own)).all()
        return tuple(
            sorted(
                Edge(
                    Node(row.child_kind, row.child_key), row.relation, Node(row.parent_kind, row.parent_key), row.basis
                )
                for row in rows
            )
        )

    def has(self, node: Node) -> bool:
        """Whether the graph has it."""
        with self._index.reading() as connection:
            return _known_id(connection, node) is not None

    def _walk(self, query: Any, node: Node, tx: Connection | None) -> frozenset[Node]:
        with self._index.reading(tx) as connection:
            start = _known_id(connection, node)
            if start is None:
                return frozenset()
            result = connection.execute(query, {"start": start})
            rows = result.cursor.fetchall()  # the driver's own tuples: a third of the time went into wrapping them
            result.close()
        found = set(map(_AS_NODE, rows))
        found.discard(node)
        return frozenset(found)


def _edges_at(own: int) -> Any:
    child, parent = lineage_nodes.alias(), lineage_nodes.alias()
    return (
        select(
            child.c.kind.label("child_kind"),
            child.c.key.label("child_key"),
            lineage_edges.c.relation,
            lineage_edges.c.basis,
            parent.c.kind.label("parent_kind"),
            parent.c.key.label("parent_key"),
        )
        .select_from(lineage_edges)
        .join(child, child.c.id == lineage_edges.c.child)
        .join(parent, parent.c.id == lineage_edges.c.parent)
        .where((lineage_edges.c.child == own) | (lineage_edges.c.parent == own))
    )


def _known_id(connection: Connection, node: Node) -> int | None:
    query = select(lineage_nodes.c.id).filter_by(kind=node.kind, key=node.key)
    found: int | None = connection.execute(query).scalar()
    return found


def _node_id(connection: Connection, node: Node) -> int:
    known = _known_id(connection, node)
    if known is not None:
        return known
    made = connection.execute(insert(lineage_nodes).values(kind=node.kind, key=node.key))
    return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
