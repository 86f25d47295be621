"""Model cards and other Markdown.

What it reads: Markdown files: their text, links, raw HTML, and the commands in their code blocks.
What it reports: hidden characters, active HTML, links that show another host than they lead to, commands that open a
shell or hide what they run.
Why it matters: people and assistants read a card and do what it says.
What it cannot see: whether what it claims is true: that is evaluated.
References: CWE-1007; https://www.unicode.org/reports/tr36/.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.inspections.hidden import judge_hidden
from assay.sourcecode.hidden import find_hidden

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part
    from assay.sourcecode.shell import ShellAct

_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
_ACTIVE = re.compile(
    r"<script\b|javascript:|<iframe\b|\son(?:error|load|click|mouseover)\s*=|<object\b|<embed\b|<form\b", re.IGNORECASE
)
_LINK = re.compile(r"\[([^\]\n]{1,300})\]\(\s*<?([^)\s>]{1,1000})")
_HOST = re.compile(r"^(?:https?://)?(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?:[/:?#]|$)", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(?:```|~~~)\s*([\w+-]*)")
_SHELL = frozenset(("", "bash", "sh", "shell", "console", "zsh", "powershell", "terminal", "cmd"))
_COMMANDS = {
    "reverse-shell": _HIGH,
    "decode-and-run": _HIGH,
    "persistence": _HIGH,
    "send-away": _MEDIUM,
    "download-and-run": _LOW,
}
_CUSTOM_GENERATE = re.compile(r"custom_generate['\"]?\s*[=:]\s*['\"]([\w.-]+/[\w.-]+)['\"]")
_MAX_LINKS = 5_000


class Cards:
    """The inspector `card`."""

    name = "card"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """Markdown."""
        return "markdown" in part.formats

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Judge text, links and commands."""
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.text_bytes} bytes")
            return
        text = data.decode("utf-8", "replace")
        judge_hidden(find_hidden(text), out, code=False)
        prose, commands = _split(text)
        for act in _acts(commands):
            if act.kind in _COMMANDS:
                message = f"tells to run a command: {act.kind}: {act.text[:200]}"
                out.finding("card-command", _COMMANDS[act.kind], Confidence.LOW, message, line=act.line, kind=act.kind)
        for match in list(_ACTIVE.finditer(prose))[:20]:
            line = prose.count("\n", 0, match.start()) + 1
            excerpt = prose[match.start() : match.start() + 100].strip()
            out.finding("card-active-content", _LOW, Confidence.MEDIUM, f"active content: {excerpt!r}", line=line)
        _links(prose, out)
        for match in _CUSTOM_GENERATE.finditer(text):
            message = f"tells to generate with code from another repository, {match[1]!r}"
            line = text.count("\n", 0, match.start()) + 1
            out.finding("config-remote-code", _MEDIUM, Confidence.MEDIUM, message, line=line, repository=match[1])


def _acts(commands: str) -> tuple[ShellAct, ...]:
    if not commands.strip():
        return ()
    from assay.sourcecode.shell import read_shell  # noqa: PLC0415 - many cards have no commands

    return read_shell(commands)


def _split(text: str) -> tuple[str, str]:
    """(prose, commands), each with empty lines where the other has its own."""
    prose: list[str] = []
    commands: list[str] = []
    language: str | None = None
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if fence:
            language = fence.group(1).lower() if language is None else None
        inside = language is not None and not fence
        shell = inside and language in _SHELL
        prose.append("" if inside or fence else line)
        commands.append(re.sub(r"^\s*[$>%#]\s+", "", line) if shell else "")
    return "\n".join(prose), "\n".join(commands)


def _links(prose: str, out: Collector) -> None:
    """Links whose text is one host and whose target is another."""
    for count, match in enumerate(_LINK.finditer(prose)):
        if count >= _MAX_LINKS:
            return
        shown, target = (_HOST.match(part.strip()) for part in match.groups())
        if shown is None or target is None or not target.string.startswith("http"):
            continue
        names = shown.group(1).lower(), target.group(1).lower()
        if names[0].split(".")[-2:] != names[1].split(".")[-2:]:
            line = prose.count("\n", 0, match.start()) + 1
            message = f"a link shows {names[0]!r} and leads to {names[1]!r}"
            out.finding(
                "card-link", _LOW, Confidence.MEDIUM, message, line=line, shown=names[0], target=match.group(2)[:300]
            )
