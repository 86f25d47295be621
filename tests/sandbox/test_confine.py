"""The confined child: what it may not do, and that it says what confines it."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from assay.core.errors import SandboxError
from assay.sandbox import seccomp
from assay.sandbox.confine import LAYER_NAMES, require

PRELUDE = "import json, os, socket, sys, ctypes, mmap\nfrom assay.sandbox.confine import confine\n"


def child(body: str, *, memory: int = 1 << 29) -> subprocess.CompletedProcess[str]:
    code = PRELUDE + f"layers = confine({memory}, 20)\n" + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, env={}, check=False)


def test_all_layers_are_active_and_proven() -> None:
    done = child("print(json.dumps(layers))")
    layers = json.loads(done.stdout)
    assert {name: layers[name] for name in LAYER_NAMES} == dict.fromkeys(LAYER_NAMES, True)
    require(layers, LAYER_NAMES)


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/hostname')",
        "os.open('/tmp', os.O_RDONLY)",
        "os.stat('/tmp')",
        "os.listdir('/')",
        "socket.socket(socket.AF_UNIX)",
        "os.kill(1, 0)",
        "os.rename('/tmp/a', '/tmp/b')",
        "os.dup(0)",
        "os.memfd_create('x')",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    ],
)
def test_refused_with_an_error(attempt: str) -> None:
    done = child(f"try:\n    {attempt}\n    print('did it')\nexcept OSError as error:\n    print(error.errno)\n")
    assert done.stdout.strip() == "1", (done.stdout, done.stderr)


@pytest.mark.parametrize(
    "attempt", ["os.fork()", "os.execv('/bin/true', ['true'])", "os.posix_spawn('/bin/true', ['true'], {})"]
)
def test_ends_the_child(attempt: str) -> None:
    assert child(f"{attempt}\nprint('did it')").returncode == -signal.SIGSYS


def test_still_computes_and_writes_results() -> None:
    body = "x = [bytearray(1 << 20) for _ in range(50)]\ndel x\nos.write(1, b'fine')"
    assert child(body).stdout == "fine"


def test_memory_is_bounded() -> None:
    body = "try:\n    bytearray(1 << 30)\n    print('got it')\nexcept MemoryError:\n    print('no')"
    assert child(body, memory=1 << 28).stdout.strip() == "no"


def test_it_writes_no_file_even_through_an_open_descriptor(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with target.open("wb") as stream:
        code = PRELUDE + "confine(1 << 29, 20)\nos.write(1, b'x')"
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], stdout=stream, stderr=subprocess.PIPE, env={}, check=False
        )
    assert done.returncode != 0
    assert target.read_bytes() == b""


def test_a_missing_layer_is_named() -> None:
    with pytest.raises(SandboxError, match=r"seccomp.*no filter for processor"):
        require(
            {"rlimits": True, "seccomp": False, "seccomp_reason": "no filter for processor riscv64"},
            ("rlimits", "seccomp"),
        )


def test_the_environment_is_reported() -> None:
    code = PRELUDE + "print(json.dumps(confine(1 << 29, 20)))"
    environment = {"SECRET": "x"}
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout)["empty_environment"] is False


def test_only_workers_are_started() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "assay.sandbox.confine", "os"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0


@pytest.mark.parametrize("name", sorted(seccomp.MACHINES))
def test_every_jump_of_the_program_lands_inside(name: str) -> None:
    """Walk the filter for every system call number: it must end, and deny what is not listed."""
    machine = seccomp.MACHINES[name]
    code = seccomp.program(machine)
    instructions = [
        (
            int.from_bytes(code[i : i + 2], sys.byteorder),
            code[i + 2],
            code[i + 3],
            int.from_bytes(code[i + 4 : i + 8], sys.byteorder),
        )
        for i in range(0, len(code), 8)
    ]
    for number in range(500):
        for arguments in ([0] * 6, [4] * 6):
            verdict = _run(instructions, machine.audit_arch, number, arguments)
            if number in machine.allow:
                assert verdict == seccomp._ALLOW
            elif number in machine.kill:
                assert verdict == seccomp._KILL
            elif number in machine.memory:
                assert (verdict == seccomp._ALLOW) == (arguments[2] & 4 == 0)
            elif number != machine.prlimit:
                assert verdict == seccomp._ERRNO_EPERM
    assert _run(instructions, 0, 0, [0] * 6) == seccomp._KILL
    if machine.x32:
        assert _run(instructions, machine.audit_arch, 0x40000000, [0] * 6) == seccomp._KILL


def _run(instructions: list[tuple[int, int, int, int]], arch: int, number: int, arguments: list[int]) -> int:
    accumulator, at = 0, 0
    while True:
        code, jump_true, jump_false, k = instructions[at]
        at += 1
        if code == 0x20:
            accumulator = {0: number, 4: arch}.get(k, arguments[(k - 16) // 8] if k >= 16 else 0)
        elif code == 0x06:
            return k
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[code]
            at += jump_true if holds else jump_false


def test_this_machine_is_covered() -> None:
    assert platform.machine() in seccomp.MACHINES
    assert os.uname().sysname == "Linux"
