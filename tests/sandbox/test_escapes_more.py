"""Further ways out of a guest: memory through /proc, newer calls, terminals, races, floods, odd paths."""

from __future__ import annotations

import json
import os

import pytest

from assay.sandbox.recorder import MAX_FORKS
from tests.sandbox.attack import attack, control, printed, tried

pytestmark = pytest.mark.xdist_group("sandbox")
x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="calls of x86-64 alone")
ERROR = "errno.errorcode.get(ctypes.get_errno())"


def test_its_own_memory_is_not_written_through_proc(guest, tmp_path):
    code = 'print(tried(open, "/proc/self/mem", "r+b"))'
    assert control(code, tmp_path) == "worked"
    done = attack(guest, code)
    assert printed(done) == "EACCES"
    assert tried(done, "write") == ["/proc/self/mem"]


def test_clone3_can_not_be_judged_so_it_is_not_there(guest):
    """Its flags lie in memory; the C library falls back to `clone`, which is judged."""
    code = f"""
    import struct
    wanted = ctypes.create_string_buffer(struct.pack("11Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0))
    print(libc.syscall(435, wanted, 88), {ERROR})
    """
    assert printed(attack(guest, code)) == "-1 ENOSYS"


def test_nothing_is_typed_into_a_terminal(guest):
    code = """
    import fcntl
    for request in (0x5412, 0x541C):  # TIOCSTI, TIOCLINUX
        print(tried(fcntl.ioctl, 0, request, b"x"))
    print(libc.syscall(424, 0, 9, 0, 0))  # pidfd_send_signal
    """
    done = attack(guest, code)
    assert printed(done).split() == ["EPERM", "EPERM", "-1"]
    assert tried(done, "escape") == ["ioctl", "ioctl", "pidfd_send_signal"]


def test_no_memory_is_shared_by_name_and_nothing_watched(guest, tmp_path):
    code = f"""
    for name in ("/dev/shm/x", "/dev/mqueue/x"):
        print(tried(os.open, name, os.O_CREAT | os.O_RDWR))
    for call in (libc.semget, libc.msgget):
        print(call(1, 0o1666), {ERROR})
    print(libc.inotify_init1(0), {ERROR})
    """
    assert "worked" in control(code, tmp_path)
    assert printed(attack(guest, code)).split() == ["EACCES", "EACCES", "-1", "EPERM", "-1", "EPERM", "-1", "EPERM"]


@x86
@pytest.mark.parametrize(
    "code",
    [
        "libc.syscall(0x40000000 | 39)",
        """
        import mmap
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(bytes.fromhex("b814000000cd80c3"))  # int 0x80: the calls of 32 bits
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        """,
    ],
    ids=["x32", "int80"],
)
def test_other_tables_of_calls_end_the_worker(guest, tmp_path, code):
    assert control(f"{code}\nprint('alive')".replace("\n        ", "\n"), tmp_path) == "alive"
    done = attack(guest, f"{code}\nprint('alive')".replace("\n        ", "\n"))
    assert (done.ended, printed(done)) == ("worker", "")


def test_a_path_that_changes_while_it_is_judged_opens_nothing_else(guest):
    code = """
    import threading
    path, over = ctypes.create_string_buffer(b"/model/attack.pkl" + bytes(40)), []
    def flip():
        while not over:
            path.value = b"/etc/passwd"
            path.value = b"/model/attack.pkl"
    thread = threading.Thread(target=flip)
    thread.start()
    seen = set()
    for _ in range(300):
        opened = libc.open(path, 0)
        if opened >= 0:
            seen.add(os.read(opened, 2))
            os.close(opened)
    over.append(1)
    thread.join()
    print(seen <= {b"\\x80\\x04"})
    """
    assert printed(attack(guest, code, seconds=60)) == "True"


def test_records_hold_any_path_and_no_flood(guest):
    code = """
    for name in (b"/etc/\\xff\\xfe", b"/etc/\\x1b[31m", b"/" + b"x" * 3000):
        print(tried(os.open, name, 0))
    print(tried(os.execv, "/bin/sh", ["A" * 100_000] * 20))
    for _ in range(3000):
        tried(os.open, b"/etc/shadow", 0)
    """
    done = attack(guest, code, seconds=60)
    assert printed(done).split()[:4] == ["EACCES"] * 4
    text = json.dumps([[a.kind, a.target, a.detail] for a in done.attempts])
    assert "/etc/\\\\xff\\\\xfe" in text
    assert len(text) < 1 << 20
    assert 100 < len(done.attempts) < 2000


def test_children_that_nobody_waits_for_and_sessions_of_their_own(guest, tmp_path):
    code = """
    born = 0
    for _ in range(30):
        try:
            if os.fork() == 0:
                tried(os.setsid)
                os._exit(0)
            born += 1
        except OSError:
            break
    print(born)
    """
    assert control(code, tmp_path) == "30"
    assert printed(attack(guest, code)) == str(MAX_FORKS)


def test_a_file_with_holes_is_no_larger_than_allowed(guest, tmp_path):
    code = """
    path = os.path.join(os.environ.get("HF_HOME", "."), "holes")
    opened = os.open(path, os.O_CREAT | os.O_RDWR)
    print(tried(os.ftruncate, opened, 1 << 34))
    """
    (tmp_path / "holes").touch()
    assert control(code, tmp_path) == "worked"
    (tmp_path / "holes").unlink()
    assert printed(attack(guest, code)) == "EFBIG"


def test_it_takes_no_rights_back(guest, tmp_path):
    code = """
    import resource
    print(tried(os.setpriority, 0, 0, -5))
    try:
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        print("raised")
    except ValueError:
        print("refused")
    """
    assert control(code, tmp_path).split()[1] == "raised"
    assert printed(attack(guest, code)).split() in (["EPERM", "refused"], ["EACCES", "refused"])
