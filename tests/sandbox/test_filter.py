"""The filter as a program, run here by a small BPF machine for both processors; what is read from a guest's memory."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct

import pytest

from assay.sandbox import landlock, notify
from assay.sandbox.calls import calls
from assay.sandbox.cgroups import _sweep
from assay.sandbox.memory import Memory, address_text, dns_name
from assay.sandbox.seccomp import MACHINES

ALLOW, NOTIFY, KILL = "allow", "notify", "kill"


def run(code: bytes, number: int, arch: int, arguments: tuple[int, ...] = ()) -> str:
    """seccomp's part of BPF, from linux/filter.h."""
    data = struct.pack("=iIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    program = list(struct.iter_unpack("=HBBI", code))
    at = accumulator = 0
    while True:
        operation, yes, no, k = program[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, k)[0]
        elif operation == 0x06:
            return {0x7FFF: ALLOW, 0x7FC0: NOTIFY, 0x8000: KILL}.get(k >> 16) or errno.errorcode[k & 0xFFFF]
        else:
            hit = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[operation]
            at += yes if hit else no


@pytest.mark.parametrize("processor", sorted(MACHINES))
def test_every_call_ends_as_the_table_says(processor):
    table = calls(processor)
    code = notify.program(table)
    arch = table.machine.audit_arch
    special = {table.numbers[name] for name in ("clone", "socket", "sendto", "prctl", "prlimit64", "ioctl")}
    for number in table.allow:
        assert run(code, number, arch) == ALLOW
    for number in table.absent:
        assert run(code, number, arch) == "ENOSYS"
    for number, (name, _) in table.notify.items():
        if number not in special:
            assert run(code, number, arch) == NOTIFY, name
    named = {*table.allow, *table.absent, *table.notify, *special}
    for number in set(range(600)) - named:
        assert run(code, number, arch) == "EPERM"
    assert not set(table.allow) & set(table.notify)


@pytest.mark.parametrize("processor", sorted(MACHINES))
def test_calls_that_are_judged_by_their_arguments(processor):
    table = calls(processor)
    code, arch, number = notify.program(table), table.machine.audit_arch, table.numbers

    def ends(name: str, *arguments: int) -> str:
        return run(code, number[name], arch, arguments)

    assert ends("clone", 0x3D0F00) == ALLOW  # a thread, as glibc makes it
    assert ends("clone", 17) == NOTIFY
    assert ends("clone", 0x4000 | 0x100 | 17) == NOTIFY  # vfork
    assert [ends("socket", family) for family in (1, 2, 10)] == [ALLOW] * 3
    assert [ends("socket", family) for family in (0, 16, 17, 38, 40, 2 + (1 << 31))] == [NOTIFY] * 6
    assert ends("sendto", 3, 0, 0, 0, 0) == ALLOW
    assert ends("sendto", 3, 0, 0, 0, 4096) == NOTIFY
    assert ends("sendto", 3, 0, 0, 0, 1 << 32) == NOTIFY
    assert ends("prctl", 15) == ALLOW  # the name of a thread
    assert ends("prctl", 22) == NOTIFY
    assert ends("prlimit64", 0) == ALLOW
    assert ends("prlimit64", 1) == NOTIFY
    assert ends("ioctl", 1, 0x5401) == ALLOW
    assert ends("ioctl", 1, 0x5412) == NOTIFY


def test_other_tables_of_calls_end_the_guest():
    table = calls("x86_64")
    code = notify.program(table)
    assert run(code, 0, 0x40000003) == KILL  # i386
    assert run(code, 0x40000000, table.machine.audit_arch) == KILL  # x32


def test_an_unknown_processor_has_no_filter():
    assert calls("vax") is None


def test_strings_and_arrays_of_another_process_are_read_within_bounds():
    text = ctypes.create_string_buffer(b"/bin/\xffsh")
    array = (ctypes.c_char_p * 3)(b"sh", b"-c", None)
    endless = ctypes.create_string_buffer(b"a" * 9000)
    memory = Memory(os.getpid())
    try:
        assert memory.string(ctypes.addressof(text)) == "/bin/\\xffsh"
        assert memory.strings(ctypes.addressof(array)) == ["sh", "-c"]
        assert len(memory.string(ctypes.addressof(endless))) == 4096
        assert memory.string(0) == ""
        assert memory.string(8) == ""
        assert memory.strings((1 << 63) + 8) == []
    finally:
        memory.close()
    gone = Memory(2**22)
    assert not gone.readable
    assert gone.read(4096, 10) == b""


def test_addresses():
    assert address_text(struct.pack("=H", 2) + b"\x01\xbb\x7f\0\0\1" + bytes(8)) == ("127.0.0.1:443", 443)
    v6 = struct.pack("=H", 10) + b"\0\x50" + bytes(4) + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + bytes(4)
    assert address_text(v6) == ("[2001:db8::1]:80", 80)
    assert address_text(b"\1\0/run/x\0rest") == ("unix:/run/x", 0)
    assert address_text(b"\1\0\0name") == ("unix:@name", 0)
    assert address_text(struct.pack("=HHII", 40, 0, 99, 2)) == ("vsock:2:99", 99)
    assert address_text(b"\2\0") == ("family 2", 0)
    assert address_text(b"") == ("family 0", 0)


def test_names_in_queries():
    head = bytes.fromhex("abcd01000001000000000000")
    assert dns_name(head + b"\3www\7example\3org\0\0\1\0\1") == "www.example.org"
    assert dns_name(head + b"\xc0\x0c") == ""
    assert dns_name(b"GET / HTTP/1.1\r\n") == ""
    assert dns_name(head + b"\x20cut") == "cut"
    assert dns_name(b"") == ""


def test_landlock_is_told_apart_from_its_absence(monkeypatch):
    assert landlock.version() >= 0
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert landlock.restrict([], []) == "the kernel has no Landlock"


def test_groups_of_killed_supervisors_are_taken_away(tmp_path):
    gone, living, other = tmp_path / f"assay-{2**22}-x", tmp_path / f"assay-{os.getpid()}-x", tmp_path / "mine"
    for folder in (gone, living, other):
        folder.mkdir()
    _sweep(tmp_path)
    assert [folder.exists() for folder in (gone, living, other)] == [False, True, True]
