"""Which admitted models a suspect is held against when nobody names references. What is offered comes from outside.

Never the model itself, nor another revision of its name, nor a copy of its weights under another name, nor what its
card says it was made from. What is left is taken in this order: the same names of classes, the same architecture, found
clean by probes of its own, another publisher, the newest. Names of classes only order what was admitted anyway; whether
a reference does the suspect's task is measured when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.behaviour.kinds import kind_of
from assay.behaviour.model_config import config_of, labels_of
from assay.behaviour.plan import architecture_class
from assay.behaviour.tasks import parents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from assay.core.inspector import Subject

    Shelf = Callable[[Subject], tuple["Chosen", ...]]

MOST = 2  # references that are taken: two are better than one, and each costs
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".onnx", ".gguf", ".msgpack", ".npz")


@dataclass(frozen=True)
class Chosen:
    """A reference that nobody named.

    Attributes:
        subject: its files.
        name: under which it is served.
        decided_at: of the verdict it is served by.
        probed: whether probes of its own found nothing.
    """

    subject: Subject
    name: str
    decided_at: str
    probed: bool

    def said(self) -> str:
        """In a sentence."""
        own = "probed itself, nothing found" if self.probed else "never probed itself"
        return f"{self.subject.snapshot.id} ({self.name}, admitted {self.decided_at}, {own})"


@dataclass(frozen=True, slots=True)
class Offer:
    """An admitted model.

    Attributes:
        name: under which it is served.
        architecture: class of architectures.
        labels: names of its classes, lower case, sorted.
        probed: whether probes of its own found nothing.
        decided_at: of the verdict it is served by.
        fetch: gives its files.
    """

    name: str
    architecture: str
    labels: tuple[str, ...]
    probed: bool
    decided_at: str
    fetch: Callable[[], Subject]


def kind_text(config: dict[str, Any]) -> str:
    """Kind of model and number of classes, `text/2`; empty for what no probe is made for."""
    kind = kind_of(config)
    return f"{kind}/{len(labels_of(config)) or 2}" if kind else ""


def class_names(config: dict[str, Any]) -> tuple[str, ...]:
    """Names of the classes, lower case, sorted."""
    return tuple(sorted(one.lower() for one in labels_of(config)))


def choose(model: Subject, offers: Iterable[Offer], most: int = MOST) -> tuple[Chosen, ...]:
    """Take references for a model.

    Args:
        model: under test; its origin has the name that it is judged under.
        offers: admitted models of its kind, newest first.
        most: how many are taken.
    """
    config = config_of(model)
    architecture, names = architecture_class(config), class_names(config)
    own = {model.snapshot.origin.name, *parents_of(model)}
    publisher = model.snapshot.origin.name.partition("/")[0]
    fits = [one for one in offers if one.name not in own]
    fits.sort(
        key=lambda one: (
            one.labels != names,
            one.architecture != architecture,
            not one.probed,
            one.name.partition("/")[0] == publisher,
        )
    )
    seen = {model.snapshot.id}
    weights = weights_of(model)
    taken: list[Chosen] = []
    for one in fits:
        if len(taken) == most:
            break
        subject = one.fetch()
        theirs = weights_of(subject)
        if subject.snapshot.id in seen or theirs & weights:
            continue
        seen.add(subject.snapshot.id)
        weights |= theirs  # two copies of one model are one reference
        taken.append(Chosen(subject, one.name, one.decided_at, one.probed))
    return tuple(taken)


def weights_of(model: Subject) -> set[str]:
    """Digests of its files of weights."""
    return {entry.digest.hex for entry in model.snapshot.files if entry.path.lower().endswith(WEIGHTS)}
