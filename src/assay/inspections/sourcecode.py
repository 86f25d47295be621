"""What code beside the model does, read from its syntax.

What it reads: Python files, notebooks, scripts and requirement files, at every depth of containers; files that make
tools run something by themselves (npm, editors, git, hooks, workflows), and the commands in files of build tools and
pipelines (CMake, Gradle, Meson, Bazel, Jenkins and others); and which Python files a loader would import: those that
configuration files name, those with the names and base classes that loaders look for, and what these import in turn.
What it reports: programs started, text executed, network access, unpickling, native libraries, files written, secrets
read, names put together to slip past a search, hidden characters; and when each of these runs.
Why it matters: with `trust_remote_code`, in an endpoint or in a loading script this code runs with the rights of
whoever loads the model.
What it cannot see: values that are only known when the code runs; code in other languages than Python and shell.
References: CVE-2021-42574 (Trojan Source); Hugging Face documentation of custom models; MITRE ATLAS AML.T0011.000.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.inspections.hidden import judge_hidden
from assay.inspections.references import references

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part
    from assay.sourcecode.facts import PythonSource

_REFERENCES = frozenset(("auto-map", "pipeline", "module-path", "library"))
_REQUIREMENTS = re.compile(r"(?:.*/)?(?:[\w.-]*requirements[\w.-]*|constraints[\w.-]*)\.(?:txt|in)", re.IGNORECASE)
_INSTRUCTION = re.compile(r"^[ \t]*(?:RUN|CMD|ENTRYPOINT)[ \t]+(?:--\S+[ \t]+)*", re.MULTILINE)  # Dockerfile
_RECIPE = re.compile(r"^\t[@+-]*", re.MULTILINE)  # Makefile
_MAKE_SHELL = re.compile(r"\$[({]shell\s+([^\n]*?)[)}](?=\s*$)", re.MULTILINE)
_AUTOMATION = re.compile(  # files that make tools run something: `sourcecode.automation`
    r"(?:.*/)?(?:package\.json|\.?devcontainer\.json|\.vscode/tasks\.json|pyproject\.toml|\.gitmodules|\.lfsconfig"
    r"|\.pre-commit-config\.yaml|(?:docker-)?compose\.ya?ml|taskfile\.ya?ml|\.gitlab-ci\.yml|(?:mlproject|(?:dvc|cog|buildspec|cloudbuild|bitbucket-pipelines|appveyor|\.appveyor|\.drone|\.woodpecker|\.readthedocs)\.ya?ml)|\.github/workflows/[^/]+\.ya?ml|(?:environment|conda|conda_env)\.ya?ml"
    r"|\.gitpod\.yml|\.circleci/config\.yml|azure-pipelines\.ya?ml|\.travis\.yml|lefthook\.ya?ml"
    r"|\.(?:gdbinit|lldbinit|pdbrc|exrc|[nl]?vimrc|rprofile|dir-locals\.el)|[^/]+\.desktop)",
    re.IGNORECASE,
)
_BUILD = re.compile(  # files of build tools with commands: `sourcecode.builds`
    r"(?:.*/)?(?:cmakelists\.txt|jenkinsfile(?:\.[^/]+)?|meson\.build|(?:build|workspace)(?:\.bazel)?|module\.bazel|build\.rs"
    r"|rakefile|gemfile|vagrantfile|tox\.ini|procfile|\.?justfile|\.envrc"
    r"|[^/]+\.(?:cmake|jenkinsfile|gradle|gradle\.kts|gypi?|bzl|gemspec|rake))",
    re.IGNORECASE,
)
_LONG_LINE = 20_000  # characters; data tables in published model code stay below it


@dataclass
class _File:
    """One Python file that waits for the question whether anything loads it."""

    path: str
    inner: tuple[str, ...]
    source: PythonSource
    out: Collector
    by: str = ""  # what loads it


class SourceCode:
    """The inspector `code`."""

    name = "code"
    version = "1"

    def __init__(self) -> None:
        self._files: dict[tuple[str, tuple[str, ...]], _File] = {}
        self._referenced: dict[str, str] = {}

    def wants(self, part: Part) -> bool:
        """Source code, requirement files, and configuration that may refer to code."""
        if "torchscript" in part.within and "/code/" in part.name and ".data/extern_modules" not in part.siblings:
            return False  # TorchScript has Python's syntax and never runs as Python: see torch_archive.py
        if {"python", "notebook", "shell", "mako"}.intersection(part.formats):
            return True
        if "text" in part.formats and (_REQUIREMENTS.fullmatch(part.name) or _acted_on(part) or _built(part)):
            return True
        return not part.inner and "json" in part.formats and part.path.endswith(".json")

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read one file; Python files are judged in `finish`."""
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.text_bytes} bytes")
            return
        readings = set(part.formats)
        if "mako" in readings:
            _mako(data, part, out)
        if "python" in readings:
            from assay.sourcecode.python import read_python  # noqa: PLC0415 - most repositories have no code

            source = read_python(data, part.limits)
            self._files[part.path, part.inner] = _File(part.path, part.inner, source, out)
            _python_settings(data, out)
        if "shell" in readings:
            _shell(data, out, readings)
        if "json" in readings and not part.inner:
            self._configuration(part, data)
        if _REQUIREMENTS.fullmatch(part.name) and "text" in readings:
            from assay.inspections.sourcecode_scripts import judge_requirements  # noqa: PLC0415

            judge_requirements(data.decode("utf-8", "replace"), out)
        if "text" in readings and _acted_on(part):
            _automation(part, data, out)
        if "text" in readings and _built(part):
            _build(part, data, out)
        if "notebook" in readings:
            _notebook(data, part, out)

    def finish(self, out: Collector) -> None:
        """Judge the Python files by whether anything imports them."""
        del out
        queue = [file for file in self._files.values() if self._loader(file)]
        while queue:
            file = queue.pop()
            for other in self._imported_by(file):
                if not other.by:
                    other.by = posixpath.basename(file.inner[-1] if file.inner else file.path)
                    queue.append(other)
        for file in self._files.values():
            _judge(file)

    def _configuration(self, part: Part, data: bytes) -> None:
        if not any(key in data for key in (b"auto_map", b"impl", b"_class_name", b'"type"')):
            return
        try:
            document = read_json(data, depth=part.limits.json_depth)
        except ContentError:
            return  # the inspector of configuration files reports it
        folder = posixpath.dirname(part.path)
        for reference in references(document.value, posixpath.basename(part.path)):
            if reference.kind in _REFERENCES and not reference.repository:
                module = reference.module.replace(".", "/").removesuffix("/py")
                self._referenced[posixpath.normpath(posixpath.join(folder, f"{module}.py"))] = part.path

    def _loader(self, file: _File) -> bool:
        """Whether a loader imports the file by itself; notes what does."""
        from assay.inspections.sourcecode_python import lists  # noqa: PLC0415

        name = file.inner[-1] if file.inner else file.path
        base = posixpath.basename(name)
        if not file.inner and file.path in self._referenced:
            file.by = self._referenced[file.path]
        elif base in lists()["by_convention"] or re.fullmatch(lists()["like_remote_code"], base):
            file.by = "its name"
        elif any(re.fullmatch(lists()["loaded_bases"], b) for c in file.source.classes for b in c.bases):
            file.by = "its classes"
        elif file.inner:
            file.by = "its place in the archive"
        return bool(file.by)

    def _imported_by(self, file: _File) -> list[_File]:
        name = file.inner[-1] if file.inner else file.path
        folder = posixpath.dirname(name)
        found = []
        for item in file.source.imports:
            dots = len(item.module) - len(item.module.lstrip("."))
            module = item.module.lstrip(".").replace(".", "/")
            start = posixpath.normpath(posixpath.join(folder, *[".."] * max(0, dots - 1)))
            for tail in [module, *(posixpath.join(module, taken) for taken in item.names)]:
                for candidate in (f"{tail}.py", f"{tail}/__init__.py"):
                    path = posixpath.normpath(posixpath.join("" if start == "." else start, candidate))
                    key = (file.path, (*file.inner[:-1], path)) if file.inner else (path, ())
                    if key in self._files:
                        found.append(self._files[key])
        return found


def _python_settings(data: bytes, out: Collector) -> None:
    """Configurations of MMEngine written in Python."""
    from assay.inspections.config_judgement import judge_reference  # noqa: PLC0415
    from assay.inspections.references_serving import python_references  # noqa: PLC0415

    for line, reference in python_references(data):
        judge_reference(reference, out, line)


def _shell(data: bytes, out: Collector, readings: set[str]) -> None:
    from assay.inspections.sourcecode_scripts import judge_shell  # noqa: PLC0415

    text = data.decode("utf-8", "replace")
    if "dockerfile" in readings:
        text = _INSTRUCTION.sub("", text)
    if "makefile" in readings:
        text = _MAKE_SHELL.sub(r"\n\1\n", _RECIPE.sub("", text)).replace("$$", "$")
    judge_shell(text, out)


def _mako(data: bytes, part: Part, out: Collector) -> None:
    """A template of Mako is a Python program that runs when it is rendered."""
    from assay.sourcecode.mako import read_mako  # noqa: PLC0415
    from assay.sourcecode.python import read_python  # noqa: PLC0415

    mako = read_mako(data.decode("utf-8", "replace"))
    if mako.broken and part.name.lower().endswith((".mako", ".mak")):
        out.incomplete(f"{mako.broken} pieces of Python in a Mako template can't be parsed")
    if mako.blocks:
        out.finding(
            "code-present", Severity.NOTE, Confidence.HIGH, "a Mako template: its Python runs when it is rendered"
        )
        report(
            read_python(mako.python.encode("utf-8", "surrogatepass"), part.limits),
            out,
            loaded=True,
            where="when rendered, ",
        )


def _acted_on(part: Part) -> bool:
    return not part.inner and _AUTOMATION.fullmatch(part.path) is not None


def _automation(part: Part, data: bytes, out: Collector) -> None:
    from assay.inspections.sourcecode_automation import judge_automation  # noqa: PLC0415

    try:
        judge_automation(part.path, data, part.limits, out)
    except ContentError as error:
        message = f"tools may run something in it, and it can't be read: {error}"
        out.finding("automatic-command", Severity.LOW, Confidence.LOW, message)


def _built(part: Part) -> bool:
    return not part.inner and _BUILD.fullmatch(part.path) is not None


def _build(part: Part, data: bytes, out: Collector) -> None:
    from assay.inspections.sourcecode_scripts import judge_shell  # noqa: PLC0415
    from assay.sourcecode.builds import build_commands  # noqa: PLC0415

    judge_shell(build_commands(part.path, data.decode("utf-8", "replace")) or "", out)


def _notebook(data: bytes, part: Part, out: Collector) -> None:
    from assay.inspections.sourcecode_scripts import judge_shell  # noqa: PLC0415
    from assay.sourcecode.notebook import read_notebook  # noqa: PLC0415
    from assay.sourcecode.python import read_python  # noqa: PLC0415

    notebook = read_notebook(data, part.limits)
    judge_shell(notebook.shell, out)
    for cell, excerpt in notebook.active_outputs:
        message = f"the stored output of cell {cell} has a script: {excerpt[:100]}"
        out.finding("notebook-active-output", Severity.NOTE, Confidence.MEDIUM, message, cell=cell)
    if "python" in notebook.language.lower() or not notebook.language:
        source = read_python(notebook.python.encode("utf-8", "surrogatepass"), part.limits)
        judge_hidden(source.hidden, out, code=True)
        report(source, out, loaded=False)


def _judge(file: _File) -> None:
    source, out = file.source, file.out
    if file.by:
        message = f"runs when the model is loaded with its own code (because of {file.by})"
        out.finding("code-loaded", Severity.LOW, Confidence.HIGH, message, by=file.by)
    else:
        out.finding("code-present", Severity.NOTE, Confidence.HIGH, "a Python program beside the model")
    judge_hidden(source.hidden, out, code=True)
    if source.encoding not in {"utf-8", "ascii", "iso-8859-1", "iso-8859-15", "cp1252", "gbk", "euc-jp", "shift_jis"}:
        message = (
            f"the source is written in the encoding {source.encoding!r}, in which a reviewer does not see the code"
        )
        out.finding("code-obfuscated", Severity.HIGH if file.by else Severity.MEDIUM, Confidence.MEDIUM, message)
    if source.longest_line > _LONG_LINE:
        message = f"a line of {source.longest_line} characters"
        out.finding("code-obfuscated", Severity.LOW, Confidence.LOW, message)
    if source.truncated:
        out.incomplete("more effects than are kept of one file")
    if source.error:
        _broken(file)
    report(source, out, loaded=bool(file.by))


def _broken(file: _File) -> None:
    """A file that this Python can't parse: another language version, or not code that can run."""
    old = re.search(
        r"Missing parentheses in call to|invalid (?:octal|decimal) literal|leading zeros|multiple exception types",
        file.source.error,
    )
    message = f"can't be parsed: {file.source.error}"
    file.out.finding("code-unparsed", Severity.LOW, Confidence.HIGH, message, line=file.source.error_line or None)
    if not old:
        file.out.incomplete(message)


def report(source: PythonSource, out: Collector, *, loaded: bool, where: str = "") -> None:
    """Report the effects of Python source; `where` stands before each message."""
    from assay.inspections.sourcecode_python import judge_python  # noqa: PLC0415

    for judgement in judge_python(source, loaded=loaded):
        effect = judgement.effect
        out.finding(
            judgement.rule,
            judgement.severity,
            judgement.confidence,
            f"{where}{judgement.message}",
            line=effect.line,
            call=effect.call,
            arguments=list(effect.arguments),
            level=effect.level.value,
            text=effect.text,
            function=effect.function,
        )
