"""From what a pickle does to what is to be thought of it. No bytes here, only traces; no thresholds of policy either.

Verdicts: data only (no finding) · known framework code (no finding) · unknown code (medium, reviewable) · dangerous
(high or critical) · incomplete. Whatever is on no allow-list is at least unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.finding import Confidence, Severity
from assay.formats.pickle import events as ev
from assay.formats.pickle import hooks, tensors
from assay.formats.pickle.show import show, show_call
from assay.inspections import pickle_arrays, pickle_kept, pickle_states, pickle_storages
from assay.inspections import pickle_checks as checks
from assay.inspections.pickle_names import Danger, Known, danger, known, python3_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.inspections.pickle_difference import Difference

_PYTHON3_PROTOCOL = 3
_CALLING = frozenset(("reduce", "inst", "obj", hooks.HOOK))
_LOAD_NAMES = frozenset(("load", "loads", "_load", "_loads", "Unpickler", "_Unpickler", "load_build", "read_pickle"))
_LOADERS = frozenset(
    (package, name)
    for package in (
        "pickle",
        "_pickle",
        "cPickle",
        "dill",
        "cloudpickle",
        "joblib",
        "torch",
        "numpy",
        "pandas",
        "shelve",
    )
    for name in _LOAD_NAMES
)
_CARRIERS = frozenset(
    ("io", "_io", "_pyio", "codecs", "_codecs", "base64", "binascii", "zlib", "builtins", "__builtin__")
)
# Known functions that return what was there before: a class, a method, a logger. Nothing restores a state of those.
_LIVE = frozenset(
    (("builtins", "type"), ("__builtin__", "type"), ("builtins", "getattr"), ("__builtin__", "getattr"),
     ("logging", "getLogger"), ("torch.serialization", "_get_layout"))
)  # fmt: skip
_CONTENTS = 100  # literals that are remembered until something loads them
_LISTED = 20  # findings of one kind about one name; the rest is counted


@dataclass
class Observation:
    """A finding before it has a place in a snapshot.

    Attributes:
        rule: see `data/rules-pickle.toml`.
        offset: in the stream of the pickle.
        facts: `call`, `module`, `name`, `count`, `acceptable_if`, …
    """

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    offset: int | None
    facts: dict[str, Any] = field(default_factory=dict)


class Judge:
    """Judges the traces of one stream.

    Args:
        script: the stream lies in a TorchScript archive: `__torch__` names stand for code in the archive itself, which
            is inspected on its own.
    """

    def __init__(self, *, script: bool = False) -> None:
        self._script = script
        self.observations: list[Observation] = []
        self.nested: list[tuple[checks.Nested, str]] = []  # what may be loaded in turn, and by what
        self._loads = False  # something was called that loads pickles
        self._content: list[tuple[checks.Nested, str]] = []
        self.globals: set[str] = set()
        self._storages = pickle_storages.Storages()
        self._by_key: dict[tuple[str, str], Observation] = {}
        self._called: set[str] = set()
        self._made: dict[int, checks.Nested] = {}  # bytes that a call of the present trace returned, by its number
        self._reached: dict[int, list[ev.Term]] = {}  # known functions that a `getattr` of it returned, as a global
        self._protocol = 5

    def judge(self, trace: ev.Trace) -> None:
        """Add what one trace shows."""
        self._protocol = trace.protocol
        self._made.clear()
        self._reached.clear()
        self._called = {
            f"{e.target[1]} {e.target[2]}" for e in trace.events if e.kind == ev.CALL and _tag(e.target) == "global"
        }
        for event in trace.events:
            handler = _HANDLERS.get(event.kind)
            if handler is not None:
                handler(self, event)
            if (found := pickle_kept.kept(event, self._resolve)) is not None:
                self._unknown(event, *found, f"keeps {'.'.join(found)}, which picklers only call, as a value")

    def judge_also(self, what: str, events: list[ev.Event], trace: ev.Trace) -> None:
        """Add what only another loader would do with the same bytes."""
        before = len(self.observations)
        self.judge(ev.Trace(events=events, protocol=trace.protocol))
        for seen in self.observations[before:]:
            seen.message += f" ({what})"

    def until_refused(self, events: list[ev.Event]) -> list[ev.Event]:
        """Up to a name that is no text: every unpickler refuses what a known class made as part of a name."""
        for place, event in enumerate(events):
            if (
                event.kind == ev.IMPORT
                and _tag(event.target) == "computed"
                and any(map(self._is_made, event.target[1:]))
            ):
                return events[:place]
        return events

    def _is_made(self, term: ev.Term) -> bool:
        made_by = checks.callee(term[2]) if _tag(term) == "result" else None
        entry = known(*made_by) if made_by else None
        return entry is not None and entry.framework != "stdlib" and entry.use in {"class", "new"}

    def differ(self, difference: Difference, start: int) -> None:
        """Add that two readings of the same bytes differ."""
        severity = Severity.HIGH if difference.acting else Severity.LOW
        self.observations.append(
            Observation(
                "pickle-readings-differ", severity, Confidence.HIGH, f"two readings differ: {difference.text}", start,
                {"acceptable_if": "the file is written again by a stock pickler"},
            )
        )  # fmt: skip

    def incomplete(self, offset: int, reason: str, *, limit: bool) -> None:
        """Add that no reading got to the end of a pickle that acts, or that a limit of ours was reached."""
        why = "reading it exceeds a limit" if limit else "the pickle acts and then breaks off"
        self.observations.append(
            Observation(
                "pickle-incomplete", Severity.MEDIUM, Confidence.HIGH, f"{why}: {reason}", offset, {"error": reason}
            )
        )

    def storage_bytes(self) -> int:
        """Bytes that the storages of a legacy torch file need behind its pickles; -1 when there are none."""
        return self._storages.bytes_behind() if self._storages.seen else -1

    def records(self, sizes: Mapping[str, int], folder: str) -> None:
        """Compare the storages with the records of their archive (`pickle_storages.Storages.too_large`)."""
        for name, stated, there in self._storages.too_large(sizes, folder):
            self.observations.append(
                Observation(
                    "torch-tensor-layout", Severity.HIGH, Confidence.HIGH,
                    f"a storage of {stated} bytes lies in the record {name!r} of {there} bytes", None,
                    {"stated": stated, "bytes": there},
                )
            )  # fmt: skip

    # -- names

    def _resolve(self, module: str, name: str) -> tuple[str, str, Known | None, Danger | None]:
        """Name as the loader resolves it, what is known of it, and its danger when it is not acceptable."""
        if self._script and module.partition(".")[0] == "__torch__":
            return module, name, Known("torchscript", "class"), None
        entry = known(module, name)
        if entry is None and self._protocol < _PYTHON3_PROTOCOL:
            new_module, new_name = python3_name(module, name)
            if (new_module, new_name) != (module, name):
                module, name = new_module, new_name
                entry = known(module, name)
        return module, name, entry, None if entry else danger(module, name)

    def _import(self, event: ev.Event) -> None:
        if _tag(event.target) == "computed":
            self._add(
                "pickle-computed-name", Severity.HIGH, event,
                f"a name to import is computed while loading: {show(event.target, 300)}", key=str(event.offset),
            )  # fmt: skip
            return
        _, raw_module, raw_name = event.target
        module, name, entry, risk = self._resolve(raw_module, raw_name)
        self.globals.add(f"{module}.{name}")
        if entry is not None or f"{raw_module} {raw_name}" in self._called:
            return
        if risk is not None:
            self._add(
                "pickle-dangerous-import", Severity.HIGH, event,
                f"imports {show(event.target, 300)}, which {risk.says}", key=f"{module} {name}", module=module,
                name=name,
            )  # fmt: skip
        else:
            self._unknown(event, module, name, f"imports {show(event.target, 300)}, which is on no allow-list")

    def _unknown(self, event: ev.Event, module: str, name: str, message: str, **facts: Any) -> None:
        self._add(
            "pickle-unknown-code", Severity.MEDIUM, event, message, key=f"{module} {name}", module=module, name=name,
            acceptable_if="the code behind this name is reviewed and waived, or the model is saved without it", **facts,
        )  # fmt: skip

    # -- calls

    def _call(self, event: ev.Event) -> None:
        shown = show_call(event.target, event.arguments)
        target = checks.callee(self._reached.get(event.target[1]) if _tag(event.target) == "result" else event.target)
        if target is None:
            if _tag(event.target) == "extension":
                return  # the extension code itself is reported
            self._add(
                "pickle-computed-name", Severity.HIGH, event, f"calls what an earlier call returned: {shown}",
                key=shown, call=shown,
            )  # fmt: skip
            return
        module, name, entry, risk = self._resolve(*target)
        if event.how == hooks.HOOK:
            self._danger(event, shown, f"calls {shown}, which an earlier state hung up under the name of a method")
        self._note_content(event, module, name)
        if f"{module} {name}" in tensors.TENSORS and (lie := tensors.misfit(event.arguments)):
            self._add(
                "torch-tensor-layout", Severity.HIGH, event, f"a tensor does not fit its storage: {lie}", key=lie,
                call=shown, acceptable_if="never; save the weights again with torch",
            )  # fmt: skip
        if entry is not None:
            if (odd := pickle_arrays.odd_call(event, entry, name)) is not None:
                self._danger(event, shown, f"calls {shown}: {odd.why}")
            self._known_call(event, entry, shown, module, name)
        elif risk is not None:
            self._dangerous(event, module, name, shown, risk)
        else:
            self._unknown(event, module, name, f"calls {shown}, which is on no allow-list", call=shown)

    def _note_content(self, event: ev.Event, module: str, name: str) -> None:
        """Remember bytes that a pickle loader among the calls may get, directly or through a stream object."""
        self._loads = self._loads or (module.partition(".")[0], name.rpartition(".")[2]) in _LOADERS
        if len(self._content) < _CONTENTS and (module.partition(".")[0] in _CARRIERS or name in _LOAD_NAMES):
            self._content += [(found, f"{module}.{name}") for found in checks.literals(event.arguments)]
        if self._loads:
            self.nested += self._content
            self._content = []

    def _known_call(self, event: ev.Event, entry: Known, shown: str, module: str, name: str) -> None:
        only = self._only_known_as(event, entry)
        if only:
            self._not_as_known(event, module, name, shown, only)
            return
        if entry.use in {"class", "call"} and not entry.check and (what := checks.touches(event, entry, self._resolve)):
            self._unknown(event, module, name, f"calls {shown}: the methods of {what} run", call=shown)
        if entry.use == "state" or not entry.check:
            return
        if entry.check == "getattr" and (function := checks.reached(event, self._resolve)) is not None:
            self._reached[event.result] = function
        if entry.check == "codec" and (text := checks.encoded(event)) is not None:
            self._made[event.result] = text
        verdict: checks.Answer
        if entry.check == "nested":
            verdict = checks.nested(event, self._made)
        else:
            verdict = checks.CHECKS[entry.check](event, self._resolve)
        if isinstance(verdict, checks.Indirect):
            self._call(ev.Event(ev.CALL, event.offset, verdict.target, verdict.arguments, event.result, "reduce"))
        elif isinstance(verdict, checks.Nested):
            self.nested.append((verdict, f"{module}.{name}"))
        elif verdict is not None:
            self._add(
                verdict.rule, verdict.severity, event, f"calls {shown}: {verdict.why}", key=shown, call=shown,
                module=module, name=name, acceptable_if=verdict.acceptable_if,
            )  # fmt: skip

    @staticmethod
    def _only_known_as(event: ev.Event, entry: Known) -> str:
        """What a known name is not known to be called as; empty when this call is one that its framework makes."""
        if entry.use == "refer":
            return "this name is only known as a reference"
        called = event.how in _CALLING or (entry.use == "state" and event.how != "newobj")
        if entry.use in {"new", "state"} and called:
            return "this class is only known as something that is restored without being called"
        return ""

    def _not_as_known(self, event: ev.Event, module: str, name: str, shown: str, only: str) -> None:
        risk = danger(module, name)
        if risk is None:
            self._unknown(event, module, name, f"calls {shown}; {only}", call=shown)
        else:
            self._dangerous(event, module, name, shown, risk)

    def _dangerous(self, event: ev.Event, module: str, name: str, shown: str, risk: Danger) -> None:
        self._add(
            "pickle-dangerous-call", risk.severity, event, f"calls {shown}, which {risk.says}",
            key=f"{shown}", call=shown, module=module, name=name, danger=risk.group,
            acceptable_if="never by itself; get the weights in a format that holds no code",
        )  # fmt: skip

    # -- the rest

    def _build(self, event: ev.Event) -> None:
        made_by = checks.callee(event.target[2]) if _tag(event.target) == "result" else None
        entry = self._resolve(*made_by)[2] if made_by else None
        shown = f"{show(event.target, 300)}.__setstate__({show(event.arguments, 500)})"
        if entry is not None and entry.use == "state" and not pickle_states.STATES[entry.check](event.arguments):
            why = "the class runs a text of its state, and this is not the one that its framework writes"
            self._danger(event, shown, f"{shown}: {why}")
        if _tag(event.target) == "global" or made_by in _LIVE:
            self._danger(event, shown, f"changes {show(event.target, 300)} itself instead of an object: {shown}")
        if entry is not None and made_by and (odd := pickle_arrays.odd_state(event, entry, made_by[1])) is not None:
            self._danger(event, shown, f"{shown}: {odd.why}")
        if event.how == hooks.SPECIAL:
            self._danger(event, shown, f"{shown}: it replaces the object's class, or a method that loaders call")
        if event.how == hooks.OBJECTS:
            why = "a type of objects says that it holds none, so that an array takes their addresses from the file"
            self._danger(event, shown, f"{shown}: {why}")
        self._added_late(event, shown)

    def _set_item(self, event: ev.Event) -> None:
        made_by = checks.callee(event.target[2]) if _tag(event.target) == "result" else None
        target, shown = show(event.target, 300), show(event.arguments, 500)
        if _tag(event.target) == "global" or made_by in _LIVE:
            self._danger(event, f"{target}[…] = …", f"changes {target} itself: {shown}", key=f"set {target}")
        if event.how == hooks.SPECIAL:
            self._danger(event, f"{target}[…] = …", f"gives {target} a method that loaders call: {shown}")
        self._added_late(event, f"{target}.append({shown})")

    def _added_late(self, event: ev.Event, shown: str) -> None:
        if event.how == hooks.AGAIN:
            self._add(
                "pickle-unknown-code", Severity.MEDIUM, event,
                f"{shown}: the object had its state already, and no pickler goes on after that", key=shown, call=shown,
            )  # fmt: skip

    def _danger(self, event: ev.Event, call: str, message: str, key: str = "") -> None:
        self._add("pickle-dangerous-call", Severity.HIGH, event, message, key=key or message, call=call)

    def _extension(self, event: ev.Event) -> None:
        self._add(
            "pickle-extension-code", Severity.MEDIUM, event,
            f"extension code {event.target} stands for whatever the loading process has registered",
            key=str(event.target), code=event.target,
        )  # fmt: skip

    def _persistent(self, event: ev.Event) -> None:
        self._storages.add(event.target)
        if not pickle_storages.torch_storage_id(event.target):
            self._add(
                "pickle-persistent-id", Severity.LOW, event,
                f"persistent id {show(event.target, 200)} is resolved by the loader", key="",
            )  # fmt: skip

    def _add(self, rule: str, severity: Severity, event: ev.Event, message: str, *, key: str, **facts: Any) -> None:
        earlier = self._by_key.get((rule, key))
        if earlier is not None:
            earlier.facts["count"] = earlier.facts.get("count", 1) + 1
            return
        found = Observation(rule, severity, Confidence.HIGH, message, event.offset, dict(facts))
        self._by_key[rule, key] = found
        self.observations.append(found)


def _tag(term: ev.Term) -> str:
    return term[0] if isinstance(term, list) and term else ""


_HANDLERS = {
    ev.IMPORT: Judge._import,  # noqa: SLF001
    ev.CALL: Judge._call,  # noqa: SLF001
    ev.BUILD: Judge._build,  # noqa: SLF001
    ev.SET_ITEM: Judge._set_item,  # noqa: SLF001
    ev.APPEND: Judge._set_item,  # noqa: SLF001
    ev.EXTENSION: Judge._extension,  # noqa: SLF001
    ev.PERSISTENT: Judge._persistent,  # noqa: SLF001
}
