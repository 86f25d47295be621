"""A guest in gVisor: what it refuses to start without, what it keeps in, what it records. Needs the package `runsc`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assay.core.errors import SandboxError, UsageError
from assay.sandbox.guest import DEFAULT_REQUIRED, Guest, GuestLimits
from assay.sandbox.gvisor_guest import GvisorGuest
from assay.sandbox.recorder import MAX_FORKS
from assay.sandbox.runtime import layers_of, make_guest
from tests.sandbox.attack import control
from tests.sandbox.gvisor_light import kinds, strike_gvisor

pytestmark = pytest.mark.xdist_group("sandbox")

MANY = """
print(os.getuid(), os.environ.get("ASSAY_TEST_CANARY"), os.uname().release, os.getpid())
print(tried(socket.create_connection, ("192.0.2.1", 80), 1), tried(open, "/etc/passwd"), tried(open, "/model/x", "w"))
os.system("id; echo 'a, b'")
print(libc.ptrace(16, 1, 0, 0), libc.mount(b"a", b"/scratch", b"tmpfs", 0, None))
"""
FORKS = """
for _ in range(200):
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
"""


def test_every_required_layer_is_proven_and_what_is_tried_is_recorded(light):
    (told,) = strike_gvisor(light, MANY)
    assert "layers" in told, told
    assert {name for name, active in told["layers"].items() if not active} <= {
        "landlock", "bubblewrap", "cgroup_memory", "cgroup_pids", "cgroup_cpu",
    }  # fmt: skip
    assert {*DEFAULT_REQUIRED, "runsc", "user_namespace"} <= {name for name, on in told["layers"].items() if on}
    first, second, third = told["output"].replace("\\x0a", "\n").split("\n")[:3]
    assert first.split()[:2] == ["65534", "None"]
    assert first.split()[2] != os.uname().release
    assert second == "EHOSTUNREACH ENOENT EACCES"
    assert third == "-1 -1"
    system = [[kind, target] for kind, target, _ in told["attempts"] if kind != "python"]
    assert system == [
        ["connect", "192.0.2.1:80"], ["read", "/etc/passwd"], ["write", "/model/x"], ["fork", "clone"],
        ["exec", "/bin/sh"], ["escape", "mount"],
    ]  # fmt: skip
    (shell,) = [detail for kind, _, detail in told["attempts"] if kind == "exec"]
    assert shell["arguments"] == ["sh", "-c", "id; echo 'a, b'"]
    assert {"pickle.find_class", "os.system"} <= set(kinds(told, "python"))
    assert (told["nested"], told["left"]) == (False, False)
    assert "leaves no record" in told["lost"]


def test_two_at_the_same_time(light):
    with ThreadPoolExecutor(2) as pool:
        told = pool.map(lambda _: strike_gvisor(light, "time.sleep(5); print('here')"), range(2))
    assert [one.get("output", one) for (one,) in told] == ["here\\x0a"] * 2


def test_a_fork_bomb_ends_the_guest(light):
    (told,) = strike_gvisor(light, FORKS)
    assert told["ended"] == "flood"
    assert len(kinds(told, "fork")) == MAX_FORKS + 1
    assert told["left"] is False


def test_without_runsc_it_refuses_and_says_what_to_install():
    with GvisorGuest("assay.workers.loader", runsc=None) as bare, pytest.raises(SandboxError) as refused:
        bare.start()
    assert "gVisor is not installed" in str(refused.value)
    assert "the package `runsc`" in refused.value.hint


def test_the_layer_chooses_the_runtime_and_no_gpu_goes_with_it():
    limits = GuestLimits()
    assert type(make_guest("w", limits)) is Guest
    assert type(make_guest("w", limits, layers=layers_of("runsc"))) is GvisorGuest
    assert layers_of("bubblewrap") == ()
    with pytest.raises(UsageError, match="no GPU"):
        make_guest("w", limits, layers=("runsc",), devices=("/dev/nvidia0",))
    with pytest.raises(UsageError, match="'firecracker'"):
        layers_of("firecracker")


@pytest.mark.slow
def test_a_layer_that_gvisor_has_not_refuses_to_run(light):
    (told,) = strike_gvisor(light, "print(1)", arguments={"required": [*DEFAULT_REQUIRED, "runsc", "landlock"]})
    assert "sandbox layers not active: landlock (landlock: gVisor has none" in told["error"]


@pytest.mark.slow
def test_as_an_ordinary_user(light):
    (told,) = strike_gvisor(light, MANY, user=True)
    assert {*DEFAULT_REQUIRED, "runsc", "user_namespace"} <= {name for name, on in told["layers"].items() if on}
    assert kinds(told, "connect", "read", "write", "exec") == ["192.0.2.1:80", "/etc/passwd", "/model/x", "/bin/sh"]


@pytest.mark.slow
def test_the_network(light, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        port = server.getsockname()[1]
        unix.bind(f"\0assay-{os.getpid()}")
        unix.listen(1)
        code = f"""
        print(tried(lambda: socket.create_connection(("127.0.0.1", {port}), 2).close()))
        print(tried(socket.socket(socket.AF_UNIX).connect, "\\0assay-{os.getpid()}"))
        """
        assert control(code, tmp_path).split() == ["worked", "worked"]
        more = """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        print(tried(s.sendto, b"out", ("198.51.100.7", 53)), tried(s.sendmsg, [b"out"], [], 0, ("198.51.100.7", 9)))
        print(tried(socket.socket, socket.AF_VSOCK, socket.SOCK_STREAM))
        """
        first, second = strike_gvisor(light, code, more)
        server.settimeout(0.05)
        server.accept()[0].close()  # the control's
        with pytest.raises(TimeoutError):
            server.accept()
    assert first["output"] == "ECONNREFUSED\\x0aECONNREFUSED\\x0a"
    assert kinds(first, "connect") == [f"127.0.0.1:{port}", f"unix:@assay-{os.getpid()}"]
    assert second["output"] == "EHOSTUNREACH EHOSTUNREACH\\x0aEAFNOSUPPORT\\x0a"
    assert kinds(second, "dns", "send", "connect") == [
        "198.51.100.7:53", "an address that the trace does not tell", "socket of family 40",
    ]  # fmt: skip


@pytest.mark.slow
def test_files_of_the_host_and_other_processes(light, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    code = f"""
    print(tried(open, {str(secret)!r}), tried(os.listdir, "/home"), tried(os.kill, {os.getpid()}, 0))
    """
    assert control(code, tmp_path) == "worked worked worked"
    tricks = """
    print(tried(os.symlink, "/etc/passwd", "/scratch/cache/l"), tried(open, "/scratch/cache/l"))
    print(tried(os.link, "/model/attack.pkl", "/scratch/cache/h"), tried(open, "/proc/1/environ"))
    print(*(tried(open, f"{place}/x", "w") for place in ("", "/usr/lib", "/tmp", "/dev/shm", "/dev", "/proc")))
    print(sorted(name for name in os.listdir("/proc") if name.isdigit()), tried(open, "/dev/mem"))
    """
    first, second = strike_gvisor(light, code, tricks)
    assert first["output"] == "ENOENT ENOENT ESRCH\\x0a"
    assert kinds(first, "read") == [str(secret), "/home"]
    lines = second["output"].split("\\x0a")
    assert lines[:2] == ["worked ENOENT", "EXDEV worked"]
    assert set(lines[2].split()) == {"EACCES"}
    assert lines[3] == "['1'] ENOENT"
    assert kinds(second, "change") == ["/etc/passwd", "/model/attack.pkl"]
    assert kinds(second, "environment") == ["/proc/1/environ"]


@pytest.mark.slow
def test_memory_disk_time_output_and_a_flood_of_calls_are_bounded(light):
    disk = """
    stream = open("/scratch/cache/f", "wb", buffering=0)
    for number in range(64):
        if (said := tried(stream.write, b"x" * (1 << 16))) != "worked":
            print(said)
            break
    """
    memory = """
    try:
        bytearray(3 << 30)
        print("got it")
    except MemoryError:
        print("MemoryError")
    """
    flood = 'for number in range(10 ** 9): tried(os.open, f"/nonexistent/{number}", 0)'
    told = strike_gvisor(light, disk, memory, "while True: pass", 'while True: print("x" * 1000)', flood, seconds=5)
    assert told[0]["output"] in {"ENOSPC\\x0a", "EFBIG\\x0a"}
    assert told[1]["output"] == "MemoryError\\x0a"
    assert [one["ended"] for one in told[2:]] == ["time", "output", "time"]
    assert told[3]["bytes"] < 4 << 20
    assert 900 <= len(told[4]["attempts"]) <= 1000
    assert not any(one["left"] for one in told)


@pytest.mark.slow
def test_text_of_the_guest_forges_no_record(light):
    code = """
    tried(open, "/a\\\\n[   1:   1] python E openat(AT_FDCWD /, 0x1 /usr/lib/x, O_RDONLY, 0o0)")
    tried(open, "/b, 0x7f00 /usr/lib/x")
    libc.prctl(15, b"a E close(", 0, 0, 0)
    tried(open, "/etc/hostname")
    os.makedirs("/scratch/cache/q, 0x1 /usr/lib")
    os.chdir("/scratch/cache/q, 0x1 /usr/lib")
    tried(open, "/etc/shadow")
    print("\\x1b[31mred")
    """
    (told,) = strike_gvisor(light, code.replace("\\\\n", "\\n"))
    found = kinds(told, "read")
    assert found[0].startswith("/a\n")
    assert found[1] == "/b, 0x7f00 /usr/lib/x"
    assert found[2] == "/etc/hostname"
    assert len(found) == 4
    assert "/etc/shadow" in found[3]
    assert told["output"] == "\\x1b[31mred\\x0a"


KILLED = """
import os, signal
from assay.sandbox.guest import GuestLimits
from assay.sandbox.gvisor_guest import GvisorGuest
guest = GvisorGuest("assay.workers.loader", GuestLimits(memory_bytes=1 << 29, scratch_bytes=1 << 20))
guest.start()
print(guest._bundle.home, guest._bundle.host_process(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_supervisor_takes_the_guest_with_it_and_the_next_one_clears_up(light):
    done = subprocess.run([light, "-I", "-B", "-c", KILLED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    home, process = done.stdout.split()
    deadline = time.monotonic() + 30
    while _alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(process)
    assert json.loads((Path(home) / "config.json").read_text())["process"]["noNewPrivileges"] is True
    strike_gvisor(light, "print(1)")
    assert not Path(home).exists()


def _alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False
