"""How bad an effect of Python code is: by what is done, when it runs, and whether a loader imports the file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay.core.finding import Confidence, Severity
from assay.sourcecode.facts import Level
from assay.sourcecode.shell import read_shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.sourcecode.facts import Effect, PythonSource

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_AT_LOAD = frozenset((Level.IMPORT, Level.LOAD))
_ALARMING = frozenset(
    ("download-and-run", "reverse-shell", "decode-and-run", "persistence", "send-away", "destructive")
)
_WHEN = {
    Level.IMPORT: "when the file is imported",
    Level.LOAD: "when a loader builds the object",
    Level.USE: "when the model is used",
    Level.MAIN: "when the file is started as a program",
    Level.OTHER: "in a function that nothing in the file calls",
}
_IP = re.compile(r"^(?:\w+://)?(?:\d{1,3}\.){3}\d{1,3}(?:[:/ ]|$)")
_OUTSIDE = re.compile(r"[(,]\s*[rbf]?['\"](?:/|~|C:)")
_HOST = re.compile(r"(?:https?|ftp|wss?)://([\w.-]+)")


@dataclass(frozen=True)
class Judgement:
    """One finding about one effect."""

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    effect: Effect


@cache
def lists() -> dict[str, Any]:
    """The lists of `data/code-judgement.toml`."""
    found = tomllib.loads((files("assay.inspections") / "data" / "code-judgement.toml").read_text("utf-8"))
    for key in ("known_hosts", "known_indexes"):
        found[key] += ["".join(pieces) for pieces in found.pop(f"{key}_pieces")]
    return found


def judge_python(source: PythonSource, *, loaded: bool) -> Iterator[Judgement]:
    """Findings about the effects of one file.

    Args:
        source: the file as read.
        loaded: whether a loader imports the file by itself.
    """
    together = _together(source)
    for effect in source.effects:
        rule, severity, why = _JUDGES.get(effect.kind, _other)(_Case(effect, loaded, together))
        if not rule:
            continue
        call = (
            f"{effect.call}({', '.join(repr(a) for a in effect.arguments[:3])})"
            if not effect.reference
            else effect.call
        )
        message = f"{call[:300]} runs {_WHEN[effect.level]}{': ' + why if why else ''}"
        yield Judgement(
            rule, severity, Confidence.HIGH if effect.level in _AT_LOAD else Confidence.MEDIUM, message, effect
        )


_TOP = frozenset(("__base__", "__bases__", "__mro__", "__subclasses__"))
_DEEP = frozenset(("__subclasses__", "__globals__", "__builtins__", "func_globals"))


def _together(source: PythonSource) -> frozenset[str]:
    """Kinds of effect that meet in one file, with what an exit needs: a socket bound to standard input, say."""
    found = {effect.kind for effect in source.effects}
    lines: dict[int, set[str]] = {}
    for effect in source.effects:
        if effect.kind == "introspection":
            lines.setdefault(effect.line, set()).add(effect.call.rpartition(".")[2])
    if any(len(names & (_TOP | _DEEP)) > 1 and names & _DEEP for names in lines.values()):
        found.add("object-walk")
    if {"network", "redirect", "process"} <= found:
        found.add("reverse-shell")
    return frozenset(found)


@dataclass(frozen=True)
class _Case:
    """One effect, whether a loader imports its file, and what else the file does."""

    effect: Effect
    loaded: bool
    together: frozenset[str]

    def step(self, *, at_load: Severity, at_use: Severity, script: Severity) -> Severity:
        """Severity by when the effect runs and whether the file is one that loaders import."""
        if self.effect.level in _AT_LOAD:
            return at_load if self.loaded else min(script, at_load)
        if self.effect.level is Level.USE and self.loaded:
            return at_use
        return min(_LOW, at_use)


def _process(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    rule = "code-runs-program"
    acts = [act for text in effect.arguments for act in read_shell(text) if act.kind in _ALARMING | {"credentials"}]
    reach = effect.level is not Level.OTHER or case.loaded
    if acts:
        severity = _CRITICAL if reach and (case.loaded or effect.level in _AT_LOAD) else _HIGH
        return rule, severity, f"{acts[0].kind}: {acts[0].text[:200]}"
    if "reverse-shell" in case.together and effect.level is not Level.OTHER:
        return rule, _CRITICAL, "together with a socket put in place of standard input (reverse shell)"
    if effect.tags & {"decoded", "network"} and effect.level is not Level.OTHER:
        return rule, _CRITICAL if effect.level in _AT_LOAD else _HIGH, "with a command that is decoded or fetched"
    if _benign_program(effect):
        return rule, _LOW, ""
    why = "the name of the function is put together from pieces" if "assembled" in effect.tags and effect.nested else ""
    return rule, case.step(at_load=_HIGH, at_use=_MEDIUM, script=_MEDIUM), why


def _benign_program(effect: Effect) -> bool:
    if not effect.arguments or effect.reference or effect.nested:
        return False
    command = effect.arguments[0].strip()
    if read_shell(command) and any(a.kind != "install" for a in read_shell(command)):
        return False
    words = re.split(r"\s*(?:&&|;|\|\|?)\s*", command)
    names = [part.split()[0].rpartition("/")[2] for part in words if part.split()]
    if names == ["…"] and re.match(r"… -m pip (?:install|uninstall|show|freeze|list)\b", command):
        return True  # [sys.executable, "-m", "pip", …]
    inline = re.search(r"\s-(?:c|e)\s", command) is not None
    return bool(names) and not inline and all(name in lists()["benign_programs"] for name in names)


def _code(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    rule = "code-executes-text"
    if effect.tags & {"decoded", "network"}:
        what = "decoded" if "decoded" in effect.tags else "fetched from the network"
        severity = _CRITICAL if effect.level in _AT_LOAD or (case.loaded and effect.level is Level.USE) else _HIGH
        return rule, severity, f"the text is {what}"
    if effect.call in {"compile", "sympy.sympify"} or effect.call.startswith(_COMPILES):
        return rule, _LOW, ""
    if effect.reference:
        return rule, case.step(at_load=_MEDIUM, at_use=_LOW, script=_LOW), "handed on as a function"
    return rule, *_text(case)


_COMPILES = ("importlib.", "types.LambdaType", "imp.")


def _text(case: _Case) -> tuple[Severity, str]:
    """What is executed is neither decoded nor fetched: is it here to be read?"""
    effect = case.effect
    argument = effect.arguments[0] if effect.arguments else "…"
    constant = "…" not in argument and "partial" not in effect.tags
    if constant and "assembled" in effect.tags:
        return case.step(at_load=_HIGH, at_use=_HIGH, script=_MEDIUM), "the text is put together"
    if constant or re.match(r"[A-Za-z_][\w.]*\.…", argument):  # eval(f"nn.{name}")
        return _LOW, ""
    if effect.call.rpartition(".")[2] in {"loads", "load", "CodeType"}:
        return case.step(at_load=_HIGH, at_use=_HIGH, script=_MEDIUM), "code as bytes"
    return case.step(at_load=_MEDIUM, at_use=_MEDIUM, script=_LOW), "the text is not known here"


_YAML_OBJECT = re.compile(r"!python|!!?<?\S*python/|2002:python")


def _render(case: _Case) -> tuple[str, Severity, str]:
    severity = case.step(at_load=_HIGH, at_use=_HIGH, script=_MEDIUM)
    return "code-executes-text", severity, "the template reaches out of itself"


def _deserialise(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    if effect.tags & {"decoded", "network"} and effect.level is not Level.OTHER:
        return "code-unpickles", _CRITICAL if case.loaded else _HIGH, "what is unpickled is decoded or fetched"
    constant = bool(effect.arguments) and "…" not in effect.arguments[0]
    builds = bool(effect.arguments) and _YAML_OBJECT.search(effect.arguments[0]) is not None
    if (effect.call.endswith(".loads") and constant) or "embedded" in effect.tags or builds:
        severity = case.step(at_load=_HIGH, at_use=_HIGH, script=_MEDIUM)
        return "code-unpickles", severity, "what is unpickled stands in the code"
    return "code-unpickles", _LOW, ""


def _network(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    rule = "code-network"
    text = " ".join(effect.arguments)
    if any(host in text for host in lists()["drop_hosts"]):
        return rule, _HIGH if effect.level is not Level.OTHER else _MEDIUM, "the host is made to receive stolen data"
    sends = effect.call.rpartition(".")[2] in _SENDS
    if sends and effect.tags & {"environment", "file"} and (effect.level in _AT_LOAD or case.loaded):
        severity = _HIGH if effect.level in _AT_LOAD and not _known_host(text) else _MEDIUM
        return (
            rule,
            severity if case.loaded else min(severity, _MEDIUM),
            "what is sent is read from files or the environment",
        )
    if effect.call.startswith(("torch.hub", "torch.utils.model_zoo", "keras.", "tensorflow.")) or _known_host(text):
        return rule, _LOW, ""
    if effect.call.rpartition(".")[2] in {"fileno", "close", "settimeout", "gethostname", "setsockopt"}:
        return "", _NOTE, ""
    raw = effect.call.startswith(("socket.", "_socket.", "telnetlib.", "smtplib.", "paramiko.", "ftplib."))
    numbered = any(_IP.match(argument) for argument in effect.arguments)
    if raw or numbered:
        return rule, case.step(at_load=_HIGH, at_use=_MEDIUM, script=_MEDIUM), ""
    at_load = _HIGH if effect.level is Level.IMPORT else _MEDIUM
    named = _HOST.search(text) is not None  # a script that fetches from an unusual place as soon as it is imported
    return rule, case.step(at_load=at_load, at_use=_LOW, script=_MEDIUM if named else _LOW), ""


_SENDS = frozenset(("post", "put", "patch", "send", "sendall", "sendto", "urlopen", "Request", "request"))


def _known_host(text: str) -> bool:
    hosts = _HOST.findall(text)
    known = lists()["known_hosts"]
    return bool(hosts) and all(any(host == name or host.endswith("." + name) for name in known) for host in hosts)


def _native(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    text = effect.arguments[0] if effect.arguments else ""
    system = re.search(r"lib(?:c|m|cuda|cudart|nvrtc|dl|pthread|gomp|iomp\w*)\b|find_library|^None$", text) is not None
    if (
        system
        or effect.reference
        or effect.call.startswith(("mmap.", "ctypes.util", "ctypes.CFUNCTYPE", "ctypes.cast"))
    ):
        return "code-native-library", _LOW, ""
    return "code-native-library", case.step(at_load=_MEDIUM, at_use=_LOW, script=_LOW), ""


def _write(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    text = " ".join(effect.arguments)
    if re.search(lists()["persist_paths"], text):
        severity = case.step(at_load=_CRITICAL, at_use=_HIGH, script=_HIGH)
        return "code-writes-files", severity, "the place is run at every start"
    outside = bool(effect.arguments) and effect.arguments[0].startswith(("/", "~", "C:"))
    if effect.level is Level.IMPORT and (case.loaded or outside):
        return "code-writes-files", _MEDIUM, "outside the model's folder" if outside else ""
    return "code-writes-files", _LOW if effect.level in _AT_LOAD else _NOTE, ""


def _create(case: _Case) -> tuple[str, Severity, str]:
    """What makes a file or a folder is worth a word where it lies outside, or where it is run at every start."""
    effect = case.effect
    if re.search(lists()["persist_paths"], f"{' '.join(effect.arguments)} {effect.text}"):
        severity = case.step(at_load=_CRITICAL, at_use=_HIGH, script=_HIGH)
        return "code-writes-files", severity, "the place is run at every start"
    if effect.level is Level.IMPORT and _OUTSIDE.search(f"({effect.arguments[:2]!r} {effect.text}"):
        return "code-writes-files", _MEDIUM, "outside the model's folder"
    return "", _NOTE, ""


def _secrets(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    if effect.call.endswith("open") or "read" in effect.call:
        severity = case.step(at_load=_HIGH, at_use=_HIGH, script=_MEDIUM)
        return "code-reads-secrets", severity, "the file holds credentials"
    whole = effect.call.rpartition(".")[2] in {"copy", "items", "values"} and "network" in case.together
    at_load = _MEDIUM if whole else _LOW
    return "code-reads-secrets", case.step(at_load=at_load, at_use=_LOW, script=_LOW), ""


def _introspection(case: _Case) -> tuple[str, Severity, str]:
    if "object-walk" not in case.together:
        return "", _NOTE, ""
    severity = case.step(at_load=_HIGH, at_use=_MEDIUM, script=_MEDIUM)
    return "code-obfuscated", severity, "a walk over Python's objects to reach what is not imported"


def _computed(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    if effect.kind == "computed-import":
        hidden = bool(effect.tags & {"decoded", "network"})
        severity = _HIGH if hidden and effect.level is not Level.OTHER else _LOW
        return "code-computed-import", severity, "the module's name is decoded or fetched" if hidden else ""
    severity = case.step(at_load=_HIGH, at_use=_MEDIUM, script=_MEDIUM)
    return "code-obfuscated", severity, "the function is fetched under a computed name"


def _interpreter(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    if effect.kind == "environment-change":
        return "code-changes-interpreter", case.step(at_load=_MEDIUM, at_use=_LOW, script=_LOW), ""
    return "code-changes-interpreter", _LOW if effect.level is Level.IMPORT and case.loaded else _NOTE, ""


def _decode(case: _Case) -> tuple[str, Severity, str]:
    effect = case.effect
    large = any(len(argument) >= 400 for argument in effect.arguments)  # noqa: PLR2004 - as much as is kept of one
    return ("code-obfuscated", _LOW, "a long encoded constant") if large else ("", _NOTE, "")


def _other(case: _Case) -> tuple[str, Severity, str]:
    """Effects that are only worth a word with others: hub access, redirections."""
    del case
    return "", _NOTE, ""


_JUDGES = {
    "process": _process,
    "code": _code,
    "deserialise": _deserialise,
    "render": _render,
    "network": _network,
    "native": _native,
    "write": _write,
    "create": _create,
    "secrets": _secrets,
    "introspection": _introspection,
    "computed-import": _computed,
    "computed-attribute": _computed,
    "interpreter": _interpreter,
    "environment-change": _interpreter,
    "decode": _decode,
}
