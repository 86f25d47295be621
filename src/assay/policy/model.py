"""The policy as a value, and its strict reading from TOML."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay.core.canonical import json_digest
from assay.core.errors import PolicyError
from assay.core.finding import Severity

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.digest import Digest

POLICY_SCHEMA = "assay.policy/v1"
MAX_LIFETIME_DAYS = 3650  # ten years: longer is no expiry
MAX_POLICY_BYTES = 1 << 20  # a policy is read by people

_MOST_APPROVALS = 10
_NONE = "none"
BEHAVIOUR = "behaviour"  # the inspector that `run.tasks` requires
TASKS = ("text-classification", "image-classification", "text-generation")  # that it has probes for
LAYERS = (
    "bubblewrap", "private_root", "read_only_root", "private_scratch", "net_namespace", "pid_namespace",
    "mnt_namespace", "ipc_namespace", "user_namespace", "uts_namespace", "not_root", "no_capabilities",
    "no_new_privs", "rlimits", "empty_environment", "landlock", "seccomp", "recording", "cgroup_memory",
    "cgroup_pids", "cgroup_cpu", "runsc",
)  # fmt: skip
_OTHER_NAMES = {"gvisor": "the layer of gVisor is `runsc`"}
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_SECTIONS = {
    "verdict": {"lifetime_days"},
    "required": {"inspectors"},
    "unread": {"decision"},
    "reject": {"severity"},
    "hold": {"severity"},
}
_OPTIONAL = {"rules", "run", "people"}
_TOP = {"schema", "name", "version", *_OPTIONAL, *_SECTIONS}


class Action(Enum):
    """What a clause does with what it speaks of."""

    ACCEPT = "accept"
    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class PeoplePolicy:
    """What people may decide.

    Attributes:
        approvals: persons who must approve before anything is admitted, besides whoever asked for it.
        waive: strongest finding that a waiver sets aside: HOLD, REJECT, or ACCEPT for none.
        waiver_days: longest life of a waiver, from its signature.
        break_glass: whether one person may stand for all, loudly.
    """

    approvals: int = 0
    waive: Action = Action.HOLD
    waiver_days: int = 90
    break_glass: bool = False

    def to_json(self) -> dict[str, Any]:
        """As in the file."""
        return {
            "approvals": self.approvals,
            "waive": _NONE if self.waive is Action.ACCEPT else self.waive.value,
            "waiver_days": self.waiver_days,
            "break_glass": self.break_glass,
        }


@dataclass(frozen=True)
class Policy:
    """Thresholds, and nothing else.

    Attributes:
        name: identifier.
        version: of this text, chosen by its author.
        lifetime_days: days until a verdict expires.
        required: inspectors that must have looked, in the file's order. Empty: nothing is ever admitted.
        unread: HOLD or REJECT for what nobody could read.
        reject_at: a finding at or above it is a REJECT.
        hold_at: a finding at or above it is at least a HOLD.
        rules: rule id to what happens, whatever the severity.
        run: inspectors that run besides the built-in ones, required or not (`load`).
        layers: layers of the sandbox that must be active, besides those that it asks for itself.
        tasks: whose models must be probed; the inspector `behaviour` is required then, and not applicable to models of
            other tasks. Empty: it probes what it can, where it is named at all.
        people: what people may decide.
    """

    name: str
    version: str
    lifetime_days: int
    required: tuple[str, ...]
    unread: Action = Action.HOLD
    reject_at: Severity = Severity.HIGH
    hold_at: Severity = Severity.MEDIUM
    rules: dict[str, Action] = field(default_factory=dict)
    run: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    people: PeoplePolicy = PeoplePolicy()

    def __post_init__(self) -> None:
        if self.unread is Action.ACCEPT:
            raise PolicyError("policy: what nobody could read can't be accepted", hint='unread.decision = "hold"')
        if self.hold_at > self.reject_at:
            raise PolicyError("policy: hold.severity is above reject.severity", hint="hold at the same level or lower")

    def to_json(self) -> dict[str, Any]:
        """Every field, as `digest` is taken over; comments and layout of the file do not count."""
        extra: dict[str, Any] = (
            {"run": {"inspectors": list(self.run), "layers": list(self.layers)}} if self.run or self.layers else {}
        )
        if self.tasks:
            extra["run"] = extra.get("run", {}) | {"tasks": list(self.tasks)}
        if self.people != PeoplePolicy():
            extra["people"] = self.people.to_json()
        return extra | {
            "schema": POLICY_SCHEMA,
            "name": self.name,
            "version": self.version,
            "verdict": {"lifetime_days": self.lifetime_days},
            "required": {"inspectors": list(self.required)},
            "unread": {"decision": self.unread.value},
            "reject": {"severity": self.reject_at.label},
            "hold": {"severity": self.hold_at.label},
            "rules": {rule: action.value for rule, action in sorted(self.rules.items())},
        }

    @cached_property
    def digest(self) -> Digest:
        """Digest of the canonical JSON of the parsed policy; every verdict names it."""
        return json_digest(self.to_json())


def builtin_text() -> str:
    """The built-in policy as it stands in the package."""
    return files("assay.policy").joinpath("builtin.toml").read_text("utf-8")


def read_policy(path: Path) -> str:
    """The text of a policy file, or of a file of its tests.

    Raises:
        PolicyError: when it is missing or not text.
    """
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise PolicyError(f"no policy file {path}", hint="without one the built-in policy decides") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path} is not UTF-8 text", hint="is this the right file?") from error


def load_policy(text: str | None) -> Policy:
    """Read a policy; `None` is the built-in one.

    Raises:
        PolicyError: for anything that is not exactly a policy of this schema: unknown or missing keys included.
    """
    source = builtin_text() if text is None else text
    if len(source) > MAX_POLICY_BYTES:
        raise PolicyError(f"policy: longer than {MAX_POLICY_BYTES} characters", hint="is this the right file?")
    try:
        document = tomllib.loads(source)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"policy: not TOML: {error}", hint="compare with `assay policy show`") from error
    _check_shape(document)
    run = _run(document.get("run", {}))
    required = _inspectors(document["required"]["inspectors"])
    if run["tasks"] and BEHAVIOUR not in required:
        required = (*required, BEHAVIOUR)
    return Policy(
        name=_identifier(document, "name"),
        version=_identifier(document, "version"),
        lifetime_days=_lifetime(document["verdict"]["lifetime_days"]),
        required=required,
        unread=_action("unread.decision", document["unread"]["decision"], (Action.HOLD, Action.REJECT)),
        reject_at=_severity("reject.severity", document["reject"]["severity"]),
        hold_at=_severity("hold.severity", document["hold"]["severity"]),
        rules=_rules(document.get("rules", {})),
        **run,
        people=_people(document.get("people", {})),
    )


def _check_shape(document: dict[str, Any]) -> None:
    if document.get("schema") != POLICY_SCHEMA:
        raise PolicyError(f"policy: schema is not {POLICY_SCHEMA!r}", hint=f'begin with schema = "{POLICY_SCHEMA}"')
    if unknown := set(document) - _TOP:
        raise PolicyError(f"policy: unknown key {min(unknown)!r}", hint=f"known: {', '.join(sorted(_TOP))}")
    if missing := _TOP - _OPTIONAL - set(document):
        raise PolicyError(f"policy: {min(missing)!r} is missing", hint="compare with `assay policy show`")
    for section, keys in _SECTIONS.items():
        table = document[section]
        if not isinstance(table, dict) or set(table) != keys:
            raise PolicyError(f"policy: [{section}] must hold exactly {', '.join(sorted(keys))}")


def _identifier(document: dict[str, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise PolicyError(f"policy: {key} must be text of a-z, 0-9, '.', '_', '-': {value!r}")
    return value


def _lifetime(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_LIFETIME_DAYS:
        raise PolicyError(f"policy: verdict.lifetime_days must be a number from 1 to {MAX_LIFETIME_DAYS}: {value!r}")
    return value


def _inspectors(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise PolicyError("policy: required.inspectors is empty", hint="a policy that asks for nothing admits nothing")
    for name in value:
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
            raise PolicyError(f"policy: required.inspectors: not the name of an inspector: {name!r}")
    if len(set(value)) != len(value):
        raise PolicyError("policy: required.inspectors names one twice")
    return tuple(value)


def _run(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not set(value) <= {"inspectors", "layers", "tasks"}:
        raise PolicyError("policy: [run] may hold inspectors, layers, tasks", hint="compare with `assay policy show`")
    found = {}
    for key, field_name in (("inspectors", "run"), ("layers", "layers"), ("tasks", "tasks")):
        names = value.get(key, [])
        if not isinstance(names, list) or not all(isinstance(n, str) and _IDENTIFIER.fullmatch(n) for n in names):
            raise PolicyError(f"policy: run.{key} must be a list of names: {names!r}")
        found[field_name] = tuple(names)
    if unknown := set(found["layers"]) - set(LAYERS):
        hint = _OTHER_NAMES.get(min(unknown), f"known: {', '.join(LAYERS)}")
        raise PolicyError(f"policy: run.layers: the sandbox has no layer {min(unknown)!r}", hint=hint)
    if unknown := set(found["tasks"]) - set(TASKS):
        raise PolicyError(f"policy: run.tasks: nothing probes {min(unknown)!r}", hint=f"known: {', '.join(TASKS)}")
    return found


def _people(value: Any) -> PeoplePolicy:
    usual = PeoplePolicy().to_json()
    if not isinstance(value, dict) or not set(value) <= set(usual):
        raise PolicyError(f"policy: [people] may hold {', '.join(usual)}", hint="compare with `assay policy show`")
    table = usual | value
    for key, least, most in (("approvals", 0, _MOST_APPROVALS), ("waiver_days", 1, MAX_LIFETIME_DAYS)):
        number = table[key]
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise PolicyError(f"policy: people.{key} must be a number from {least} to {most}: {number!r}")
    if not isinstance(table["break_glass"], bool):
        raise PolicyError(f"policy: people.break_glass must be true or false: {table['break_glass']!r}")
    strongest = table["waive"]
    waive = _action("people.waive", strongest, (Action.HOLD, Action.REJECT)) if strongest != _NONE else Action.ACCEPT
    return PeoplePolicy(table["approvals"], waive, table["waiver_days"], table["break_glass"])


def _severity(key: str, value: Any) -> Severity:
    labels = [severity.label for severity in Severity]
    if not isinstance(value, str) or value not in labels:
        raise PolicyError(f"policy: {key} must be one of {', '.join(labels)}: {value!r}")
    return Severity.parse(value)


def _action(key: str, value: Any, allowed: tuple[Action, ...]) -> Action:
    for action in allowed:
        if value == action.value:
            return action
    raise PolicyError(f"policy: {key} must be one of {', '.join(a.value for a in allowed)}: {value!r}")


def _rules(value: Any) -> dict[str, Action]:
    if not isinstance(value, dict):
        raise PolicyError("policy: [rules] must be a table of rule id to decision")
    for rule in value:
        if not _IDENTIFIER.fullmatch(rule):
            raise PolicyError(f"policy: [rules]: not a rule id: {rule!r}")
    return {rule: _action(f"rules.{rule}", action, tuple(Action)) for rule, action in value.items()}
