"""Out of the guest by processes and resources: programs, forks, memory, time, signals, tracing, output."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from assay.sandbox.recorder import MAX_FORKS
from assay.sandbox.session import OUTPUT_KEPT
from tests.sandbox.attack import attack, control, printed, tried

pytestmark = pytest.mark.xdist_group("sandbox")


def test_a_program_is_named_and_not_started(guest, tmp_path):
    code = f'os.system("touch {tmp_path}/started")'
    control(code, tmp_path)
    assert (tmp_path / "started").exists()
    (tmp_path / "started").unlink()
    done = attack(guest, code)
    assert not (tmp_path / "started").exists()
    found = [a for a in done.attempts if a.kind == "exec"]
    assert found[0].target == "/bin/sh"
    assert found[0].detail["arguments"] == ["sh", "-c", f"touch {tmp_path}/started"]
    assert [a.target for a in done.attempts if a.kind == "python" and a.target == "os.system"] == ["os.system"]


def test_native_code_that_python_does_not_see_is_seen(guest):
    code = """
    arguments = (ctypes.c_char_p * 3)(b"/usr/bin/id", b"-u", None)
    print(libc.execv(b"/usr/bin/id", arguments), errno.errorcode[ctypes.get_errno()])
    """
    done = attack(guest, code)
    assert printed(done) == "-1 EACCES"
    found = [a for a in done.attempts if a.kind == "exec"]
    assert (found[0].target, found[0].detail["arguments"]) == ("/usr/bin/id", ["/usr/bin/id", "-u"])


def test_a_program_in_memory_is_not_started(guest):
    done = attack(guest, 'print(tried(os.memfd_create, "program"))')
    assert printed(done) == "EPERM"
    assert tried(done, "escape") == ["memfd_create"]


def test_a_fork_bomb_stops_after_a_few(guest, tmp_path):
    code = """
    born = 0
    for _ in range(20):
        try:
            child = os.fork()
        except OSError as error:
            print(errno.errorcode[error.errno])
            break
        if child == 0:
            time.sleep(2)
            os._exit(0)
        born += 1
    print(born)
    """
    assert control(code, tmp_path) == "20"
    done = attack(guest, code)
    assert printed(done).split() == ["EAGAIN", str(MAX_FORKS)]
    assert len(tried(done, "fork")) == MAX_FORKS + 1


def test_threads_are_bounded(guest):
    code = """
    import threading
    threads, stop = [], threading.Event()
    try:
        for _ in range(200):
            threads.append(threading.Thread(target=stop.wait))
            threads[-1].start()
    except RuntimeError:
        print("bounded", len(threads) <= 40)
    stop.set()
    """
    assert printed(attack(guest, code)) == "bounded True"


def test_memory_is_bounded(guest, tmp_path):
    code = """
    import mmap
    try:
        mmap.mmap(-1, 2 << 30)
        print("mapped")
    except OSError as error:
        print(errno.errorcode[error.errno])
    """
    assert control(code, tmp_path) == "mapped"
    assert printed(attack(guest, code)) == "ENOMEM"


def test_memory_that_is_used_up_is_no_more_than_allowed(guest):
    code = """
    kept = []
    try:
        while len(kept) < 64:
            kept.append(bytearray(32 << 20))
    except MemoryError:
        count = len(kept)
        kept.clear()
        print("bounded", count < 33)
    """
    assert printed(attack(guest, code)) == "bounded True"


@pytest.mark.parametrize("deaf", ["", "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))"])
def test_a_load_without_end_is_ended(guest, deaf):
    begun = time.monotonic()
    done = attack(guest, f"{deaf}\nprint('began', flush=True)\nwhile True: pass", seconds=0.5)
    assert done.ended == "time"
    assert done.result is None
    assert printed(done) == "began"
    assert time.monotonic() - begun < 10
    assert printed(attack(guest, "print('next')")) == "next"


def test_signals_reach_nobody(guest, tmp_path):
    code = "print(tried(os.kill, os.getppid(), 0))"
    assert control(code, tmp_path) == "worked"
    done = attack(guest, f"for target in (os.getppid(), 1, -1, {os.getpid()}): print(tried(os.kill, target, 9))")
    assert printed(done).split() == ["EPERM"] * 4
    assert tried(done, "escape") == ["kill"] * 4
    assert printed(attack(guest, "print('template lives')")) == "template lives"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ptrace", 101), ("process_vm_readv", 310), ("process_vm_writev", 311), ("io_uring_setup", 425), ("bpf", 321),
        ("keyctl", 250), ("add_key", 248), ("userfaultfd", 323), ("perf_event_open", 298), ("mount", 165),
        ("umount2", 166), ("unshare", 272), ("setns", 308), ("pivot_root", 155), ("chroot", 161), ("init_module", 175),
        ("finit_module", 313), ("kexec_load", 246), ("open_by_handle_at", 304), ("pidfd_open", 434), ("seccomp", 317),
        ("pidfd_getfd", 438), ("reboot", 169), ("swapon", 167), ("settimeofday", 164), ("sethostname", 170),
        ("personality", 135), ("open_tree", 428), ("fsopen", 430), ("setuid", 105), ("shmget", 29), ("acct", 163),
    ],
)  # fmt: skip
def test_calls_that_no_load_needs(guest, name, number):
    if os.uname().machine != "x86_64":
        from assay.sandbox.calls import calls

        number = calls().numbers[name]
    done = attack(guest, f"print(libc.syscall({number}, 0, 0, 0, 0, 0, 0), errno.errorcode[ctypes.get_errno()])")
    assert printed(done) == "-1 EPERM"
    assert tried(done, "escape") == [name]


def test_a_child_in_namespaces_of_its_own_is_not_born(guest):
    """`clone` with CLONE_NEWUSER would give every capability inside."""
    number = 56 if os.uname().machine == "x86_64" else 220
    done = attack(
        guest, f"print(libc.syscall({number}, 0x10000000 | 17, 0, 0, 0, 0), errno.errorcode[ctypes.get_errno()])"
    )
    assert printed(done) == "-1 EPERM"
    assert tried(done, "escape") == ["clone"]


def test_plain_devices_are_there(guest):
    code = """
    open("/dev/null", "w").write("x")
    print(len(open("/dev/urandom", "rb").read(4)), tried(open, "/dev/null"))
    """
    done = attack(guest, code)
    assert printed(done) == "4 worked"
    assert [a for a in done.attempts if a.kind != "python"] == []


def test_ptrace_works_without_the_sandbox(tmp_path):
    code = "print(libc.ptrace(0, 0, 0, 0))"
    assert control(code, tmp_path) == "0"


def test_unnamed_calls_are_refused(guest):
    done = attack(guest, "print(libc.syscall(500, 0), errno.errorcode[ctypes.get_errno()])")
    assert printed(done) == "-1 EPERM"


def test_a_flood_of_output_is_cut(guest):
    done = attack(guest, "while True: os.write(1, bytes(65536))")
    assert done.ended == "output"
    assert done.output_bytes < 3 << 20
    assert len(done.output) <= 4 * OUTPUT_KEPT + 100


def test_terminal_escapes_do_not_reach_a_terminal(guest):
    done = attack(guest, 'os.write(1, b"\\x1b]0;owned\\x07\\x1b[2J\\xe2\\x80\\xae\\r")')
    assert done.output.isascii()
    assert done.output.isprintable()
    assert "\\x1b]0;owned\\x07" in done.output


def test_nothing_is_left_of_a_session(guest, tmp_path):
    """A child that outlives its parent, its signals blocked."""
    code = """
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    if os.fork() == 0:
        if os.fork() == 0:
            os.close(0)
            {tail}
            time.sleep(20)
        os._exit(0)
    time.sleep(0.3)
    """
    mark = tmp_path / "child"
    control(
        code.format(tail=f"open({str(mark)!r}, 'w').write(str(os.getpid())); [os.close(n) for n in (1, 2)]"), tmp_path
    )
    deadline = time.monotonic() + 5
    while (not mark.exists() or not mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    survivor = int(mark.read_text())
    assert Path(f"/proc/{survivor}").exists()  # the control's parent has ended, its child has not
    os.kill(survivor, 9)
    done = attack(guest, code.format(tail='tried(open, "/child")'), seconds=5)
    pids = {a.pid for a in done.attempts if a.pid}
    assert len(pids) >= 2
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
