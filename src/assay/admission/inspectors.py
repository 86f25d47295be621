"""Every inspector of an admission, in the order they run. A new one is one file in its room and one line here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from assay.inspections.builtin import BUILTIN
from assay.inspections.copied_card import CopiedCard
from assay.inspections.history import History
from assay.inspections.load import Load
from assay.inspections.load_triggers import LoadTriggers
from assay.inspections.origin import OriginProof
from assay.inspections.publisher import Publisher
from assay.inspections.tensors import Tensors
from assay.registry.inventory import Inventory
from assay.registry.past import Past
from assay.registry.weights import Weights
from assay.sandbox.guest import DEFAULT_REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assay.policy.model import Policy
    from assay.store.index import Index

INSPECTORS: tuple[Any, ...] = (*BUILTIN,)


def inspectors_for(policy: Policy, trust: Path | None = None, layers: tuple[str, ...] | None = None) -> tuple[Any, ...]:
    """The built-in ones, and those that run only where the policy requires or names them: they need more than assay.

    Args:
        policy: names them.
        trust: the trust file, for what came signed.
        layers: of the sandbox that must be active; those of the policy by default.
    """
    wanted = {*policy.required, *policy.run}
    required = tuple(dict.fromkeys((*DEFAULT_REQUIRED, *(policy.layers if layers is None else layers))))
    further = {Load.name: Load(required), OriginProof.name: OriginProof(trust)}
    return (*INSPECTORS, *(one for name, one in further.items() if name in wanted))


def second_pass(policy: Policy, layers: tuple[str, ...] | None = None) -> tuple[Callable[[], LoadTriggers], ...]:
    """What watches a model answer to the trigger candidates of its probes, where the policy has it loaded at all."""
    if Load.name not in {*policy.required, *policy.run}:
        return ()
    asked = policy.layers if layers is None else layers
    return (partial(LoadTriggers, tuple(dict.fromkeys((*DEFAULT_REQUIRED, *asked)))),)


def tensors_of(index: Index) -> Callable[[], Tensors]:
    """Makes the inspector that holds a model's tensors against those of every model in this index."""
    return partial(Tensors, Weights(index))


def copies_of(index: Index) -> Callable[[], CopiedCard]:
    """Makes the inspector that holds a model's card against those of every model judged here."""
    return partial(CopiedCard, Inventory(index))


def provenance_of(index: Index) -> tuple[Any, ...]:
    """What is told beside the bytes: the publisher's account, and the history there and in this index."""
    return Publisher, partial(History, Past(index))
