"""Commands in a repository that tools run by themselves: on install, on clone, on opening the folder, on push.

A model's repository is cloned, opened in an editor and installed from by people who never mean to run anything in it.
Read are: npm's `package.json` (life-cycle scripts), VS Code's `tasks.json` and `devcontainer.json`, `.gitmodules` and
`.lfsconfig`, configurations of pre-commit, lefthook and Gitpod, workflows of GitHub, GitLab, CircleCI, Azure and
Travis; compose files, task files, and what MLflow, DVC, Cog and builders in a cloud start. Sources: the tools' own
documentation.
"""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_DEPTH: Final = 12
_LIFE_CYCLE = ("preinstall", "install", "postinstall", "prepare", "prepublish", "preprepare", "postprepare")
_CONTAINER = {
    "initializeCommand": "the folder is opened in a container, on the machine itself",
    "onCreateCommand": "a container is made of the folder", "updateContentCommand": "a container is made of the folder",
    "postCreateCommand": "a container is made of the folder", "postStartCommand": "its container starts",
    "postAttachCommand": "an editor attaches to its container",
}  # fmt: skip
_DESCRIBED = frozenset((
    "docker-compose", "compose", "taskfile", "mlproject", "dvc", "cog", "buildspec", "cloudbuild", ".drone",
    "bitbucket-pipelines", "appveyor", ".appveyor", ".woodpecker", ".readthedocs",
))  # fmt: skip
_ONE, _MANY = frozenset(("command", "entrypoint", "cmd", "args")), frozenset((
    "cmds", "commands", "run", "script", "install", "before_build", "build_script", "test_script", "deploy_script",
    "before_test", "after_test", "pre_build", "post_install", "post_build", "init", "jobs",
))  # fmt: skip
_HELPER = re.compile(r"\s*(?:ext::|[\w+.-]+::|-)")  # a transport of git that is a command, or an option


@dataclass(frozen=True, slots=True)
class Command:
    """Something that runs by itself.

    Attributes:
        when: end of the sentence "it runs when …".
        text: the command as written.
        person: whether it runs on the machine of whoever works with the repository; else on a server, at its owner's.
    """

    when: str
    text: str
    person: bool = True


def reader_of(path: str) -> Callable[[Any], Iterator[Command]] | None:
    """What reads the file at this path, given its parsed content; None when nothing in it runs by itself."""
    lower = path.lower()
    base = lower.rpartition("/")[2]
    if base == "tasks.json":
        return _tasks if ".vscode/" in lower else None
    if base in _BY_NAME:
        return _BY_NAME[base]
    if ".github/workflows/" in lower or ".circleci/" in lower:
        return _workflow if base.endswith((".yml", ".yaml")) else None
    return _services if base.partition(".y")[0] in _DESCRIBED else None


def is_git_settings(path: str) -> bool:
    """Whether git reads its settings for this repository from there."""
    return path.rpartition("/")[2].lower() in {".gitmodules", ".lfsconfig"}


def without_comments(text: str) -> str:
    """JSON as VS Code reads it: comments and trailing commas taken out, texts left alone."""
    text = re.sub(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda m: m.group(1) or " ", text, flags=re.DOTALL)
    return re.sub(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])', lambda m: m.group(1) or "", text)


def read_git_settings(text: str) -> Iterator[Command]:
    """Addresses of submodules and of large files that are commands."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except configparser.Error:
        return
    for section in parser.sections():
        for key, value in parser.items(section):
            if key == "url" and value and _HELPER.match(value):
                yield Command("git fetches the submodule", value)
            if key in {"update", "clean", "smudge", "process", "textconv", "command"} and value and key != value:
                if key == "update" and not value.startswith("!"):
                    continue
                yield Command("git handles its files", value)


def _npm(value: Any) -> Iterator[Command]:
    scripts = value.get("scripts") if isinstance(value, dict) else None
    for name, text in scripts.items() if isinstance(scripts, dict) else ():
        if name in _LIFE_CYCLE and isinstance(text, str):
            yield Command(f"npm installs it ({name})", text)


def _tasks(value: Any) -> Iterator[Command]:
    tasks = value.get("tasks") if isinstance(value, dict) else None
    for task in tasks if isinstance(tasks, list) else ():
        options = task.get("runOptions") if isinstance(task, dict) else None
        if isinstance(options, dict) and options.get("runOn") == "folderOpen":
            words = [task.get("command"), *(task.get("args") if isinstance(task.get("args"), list) else ())]
            yield Command("the folder is opened in an editor that trusts it", " ".join(map(_text, words)))


def _container(value: Any) -> Iterator[Command]:
    for key, when in _CONTAINER.items():
        command = value.get(key) if isinstance(value, dict) else None
        if command:
            yield Command(when, _text(command))


def _hooks(value: Any) -> Iterator[Command]:
    repos = value.get("repos") if isinstance(value, dict) else None
    for repo in repos if isinstance(repos, list) else ():
        if not isinstance(repo, dict) or repo.get("repo") != "local":
            continue
        for hook in repo["hooks"] if isinstance(repo.get("hooks"), list) else ():
            if isinstance(hook, dict) and hook.get("entry"):
                yield Command("somebody who installed its hooks commits", _text(hook["entry"]))


def _lefthook(value: Any) -> Iterator[Command]:
    for command in _workflow(value):
        yield Command("somebody who installed its hooks commits", command.text)


def _gitpod(value: Any) -> Iterator[Command]:
    tasks = value.get("tasks") if isinstance(value, dict) else None
    for task in tasks if isinstance(tasks, list) else ():
        for key in ("before", "init", "command"):
            if isinstance(task, dict) and isinstance(task.get(key), str):
                yield Command("the folder is opened in Gitpod", task[key])


def _services(value: Any, depth: int = 0) -> Iterator[Command]:
    """Compose files, task files, and descriptions of builds, stages and projects."""
    if isinstance(value, dict) and depth <= _MAX_DEPTH:
        for key, item in value.items():
            if key in _ONE | _MANY and isinstance(item, str | list):
                for line in item if isinstance(item, list) and key in _MANY else [item]:
                    yield Command("somebody starts what it describes", _text(line), person=False)
            else:
                yield from _services(item, depth + 1)
    elif isinstance(value, list) and depth <= _MAX_DEPTH:
        for item in value:
            yield from _services(item, depth + 1)


def _workflow(value: Any, depth: int = 0) -> Iterator[Command]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"run", "script", "before_script", "after_script"} and isinstance(item, str | list):
                for line in [item] if isinstance(item, str) else item:
                    yield Command("its workflow runs", _text(line), person=False)
            else:
                yield from _workflow(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _workflow(item, depth + 1)


def _text(command: Any) -> str:
    if isinstance(command, list):
        return " ".join(map(_text, command))
    return command if isinstance(command, str) else json.dumps(command) if command is not None else ""


def conda_requirements(value: Any) -> str:
    """The pip part of a conda environment, as a requirements file."""
    found = value.get("dependencies") if isinstance(value, dict) else None
    items = found if isinstance(found, list) else []
    lists = [item["pip"] for item in items if isinstance(item, dict) and "pip" in item]
    return "\n".join(line for one in lists if isinstance(one, list) for line in one if isinstance(line, str))


def project_requirements(value: Any) -> str:
    """What installing a `pyproject.toml` pulls in, as a requirements file: `name @ url` becomes the address."""
    lines: list[Any] = []
    for table, key in (("build-system", "requires"), ("project", "dependencies")):
        part = value.get(table) if isinstance(value, dict) else None
        listed = part.get(key) if isinstance(part, dict) else None
        lines += listed if isinstance(listed, list) else []
    return "\n".join(line.splitlines()[0] if line else "" for line in lines if isinstance(line, str))


_BY_NAME: dict[str, Callable[[Any], Iterator[Command]]] = {
    "package.json": _npm,
    "devcontainer.json": _container,
    ".devcontainer.json": _container,
    ".pre-commit-config.yaml": _hooks,
    "lefthook.yml": _lefthook,
    "lefthook.yaml": _lefthook,
    ".gitpod.yml": _gitpod,
    ".gitlab-ci.yml": _workflow,
    ".travis.yml": _workflow,
    "azure-pipelines.yml": _workflow,
    "azure-pipelines.yaml": _workflow,
}
