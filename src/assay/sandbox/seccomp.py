"""A seccomp filter for a child that only computes: deny by default, installed through ctypes.

The child may read and write descriptors that it already holds, receive more over its socket, allocate memory and end.
Whatever starts a program, a thread or a tracer kills it; all else (open, socket, connect, …) fails with EPERM, so
that the child can prove that the filter works.

References: seccomp(2), linux/seccomp.h, linux/bpf_common.h; system call numbers from the kernel's
arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

import ctypes
import os
import struct

_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4
_SECCOMP_MODE_FILTER = 2

_KILL = 0x8000_0000  # SECCOMP_RET_KILL_PROCESS
_ERRNO_EPERM = 0x0005_0000 | 1
_ALLOW = 0x7FFF_0000

_LD_ABS = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JEQ = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JGE = 0x35
_JSET = 0x45
_RET = 0x06
_OFF_NR, _OFF_ARCH, _OFF_ARGS = 0, 4, 16  # struct seccomp_data
_PROT_EXEC = 4
_X32_BIT = 0x4000_0000


class Machine:
    """What the filter must know about a processor.

    Attributes:
        audit_arch: AUDIT_ARCH_* of the native system call table.
        allow: numbers that pass.
        kill: numbers that end the child.
        memory: mmap, mprotect: pass without PROT_EXEC (third argument).
        prlimit: passes for the caller itself (first argument 0).
        x32: whether numbers with the x32 bit exist (x86-64) and must be refused.
    """

    __slots__ = ("allow", "audit_arch", "kill", "memory", "prlimit", "x32")

    def __init__(
        self,
        *,
        audit_arch: int,
        allow: tuple[int, ...],
        kill: tuple[int, ...],
        memory: tuple[int, ...],
        prlimit: int,
        x32: bool,
    ) -> None:
        self.audit_arch = audit_arch
        self.allow = allow
        self.kill = kill
        self.memory = memory
        self.prlimit = prlimit
        self.x32 = x32


MACHINES = {
    "x86_64": Machine(
        audit_arch=0xC000003E,
        # read write close fstat poll lseek munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pread64 readv writev
        # sched_yield mremap madvise nanosleep getpid sendto recvfrom sendmsg recvmsg exit getrusage sigaltstack gettid
        # futex restart_syscall clock_gettime clock_getres clock_nanosleep exit_group ppoll preadv getrandom membarrier
        # preadv2 rseq
        allow=(0, 1, 3, 5, 7, 8, 11, 12, 13, 14, 15, 17, 19, 20, 24, 25, 28, 35, 39, 44, 45, 46, 47, 60, 98, 131, 186,
               202, 219, 228, 229, 230, 231, 271, 295, 318, 324, 327, 334),
        # execve execveat fork vfork clone clone3 ptrace process_vm_readv process_vm_writev bpf io_uring_setup
        # userfaultfd keyctl init_module finit_module kexec_load mount unshare setns
        kill=(59, 322, 57, 58, 56, 435, 101, 310, 311, 321, 425, 323, 250, 175, 313, 246, 165, 272, 308),
        memory=(9, 10),
        prlimit=302,
        x32=True,
    ),
    "aarch64": Machine(
        audit_arch=0xC00000B7,
        allow=(63, 64, 57, 80, 62, 215, 214, 134, 135, 139, 67, 65, 66, 124, 216, 233, 101, 172, 206, 207, 211, 212, 93,
               165, 132, 178, 98, 128, 113, 114, 115, 94, 73, 69, 278, 283, 286, 293),
        kill=(221, 281, 220, 435, 117, 270, 271, 280, 425, 282, 219, 105, 273, 104, 40, 97, 268),
        memory=(222, 226),
        prlimit=261,
        x32=False,
    ),
}  # fmt: skip


class Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def instruction(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    """One `struct sock_filter`; `jt` and `jf` are instructions to skip."""
    return struct.pack("=HBBI", code, jt, jf, k)


def program(machine: Machine) -> bytes:
    """The filter as an array of `struct sock_filter`."""
    out = [
        instruction(_LD_ABS, _OFF_ARCH),
        instruction(_JEQ, machine.audit_arch, 1, 0),
        instruction(_RET, _KILL),
        instruction(_LD_ABS, _OFF_NR),
    ]
    if machine.x32:
        out += [instruction(_JGE, _X32_BIT, 0, 1), instruction(_RET, _KILL)]
    for number in machine.allow:
        out += [instruction(_JEQ, number, 0, 1), instruction(_RET, _ALLOW)]
    for number in machine.kill:
        out += [instruction(_JEQ, number, 0, 1), instruction(_RET, _KILL)]
    for number in machine.memory:
        out += [
            instruction(_JEQ, number, 0, 4),
            instruction(_LD_ABS, _OFF_ARGS + 2 * 8),
            instruction(_JSET, _PROT_EXEC, 0, 1),
            instruction(_RET, _ERRNO_EPERM),
            instruction(_RET, _ALLOW),
        ]
    out += [
        instruction(_JEQ, machine.prlimit, 0, 4),
        instruction(_LD_ABS, _OFF_ARGS),
        instruction(_JEQ, 0, 0, 1),
        instruction(_RET, _ALLOW),
        instruction(_RET, _KILL),
        instruction(_RET, _ERRNO_EPERM),
    ]
    return b"".join(out)


def no_new_privileges() -> bool:
    """Set no_new_privs for this process; False when the kernel refuses."""
    return bool(ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)


def not_dumpable() -> bool:
    """Forbid core dumps and tracing by others of the same user; False when the kernel refuses."""
    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def install() -> str:
    """Install the filter for this process, for good.

    Returns:
        An empty string, or why it is not active (unknown processor, a kernel without seccomp).
    """
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        return f"no filter for processor {os.uname().machine}"
    code = program(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(prog), 0, 0) != 0:
        return f"the kernel refused the filter: {os.strerror(ctypes.get_errno())}"
    return ""
