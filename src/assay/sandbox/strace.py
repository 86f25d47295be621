"""Read what gVisor's `--strace` writes: one line for each system call, its arguments as text, some of it hostile.

The log is JSON lines, so a line can't be forged by a line end in a path. Inside a line the name of the thread and the
paths are the guest's own text: what can be read in more than one way says so (`certain`), and is then never taken for
harmless.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

MAX_LINE = 64 << 10  # a path of 4096 characters, an argument vector of 1024 bytes each, escaped
_NAME_MOST = 15  # TASK_COMM_LEN less its end
_TASK = re.compile(r"\[ *(\d+): *(\d+)\] ")
_CALL = re.compile(r" ([EX]) ([a-z0-9_]+)\(")
_SEPARATOR = re.compile(r", (?=0x[0-9a-f]+(?:[ ,]|$)|AT_FDCWD(?:[ ,]|$)|0o[0-7]+(?:,|$)|S_IF|null(?:,|$)|<null>)")
_POINTER = re.compile(r"(?:0x[0-9a-f]+|AT_FDCWD) ?")
_OPEN = re.compile(
    r"(?:(?P<at>AT_FDCWD|0x[0-9a-f]+)(?: (?P<base>.*?))?, )?0x[0-9a-f]+ (?P<path>.*), "
    r"(?P<flags>[A-Z][A-Z0-9_|x]*|0x[0-9a-f]+)(?:, 0o[0-7]+)?",
    re.DOTALL,
)
_NEXT_POINTER = re.compile(r", 0x[0-9a-f]+ ")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ADDRESS = re.compile(r"\{Family: (AF_[A-Z0-9_]+|0x[0-9a-f]+)(?:, Addr: (.*?))?(?:, Port: (\d+))?\}", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Traced:
    """One system call, before it was made.

    Attributes:
        name: of the system call.
        thread: number of the caller inside.
        arguments: as gVisor writes them.
        certain: False when the line can be read in another way.
    """

    name: str
    thread: int
    arguments: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Opened:
    """Arguments of an open.

    Attributes:
        base: folder that a relative path starts from; empty when it is not told.
        path: as the guest wrote it.
        writing: anything but reading.
        certain: as in `Traced`.
    """

    base: str
    path: str
    writing: bool
    certain: bool


def read_line(line: bytes) -> Traced | None:
    """A call that begins; None for its end and for whatever else gVisor logs.

    Raises:
        ValueError: not JSON: gVisor broke off in the middle of a line.
    """
    message = json.loads(line)
    text = message.get("msg") if isinstance(message, dict) else None
    if not isinstance(text, str) or (task := _TASK.match(text)) is None:
        return None
    rest = text[task.end() :]
    # The thread's name can hold what looks like a call, too: the last that still begins within a name's length is real.
    found = [one for one in _CALL.finditer(rest[: _NAME_MOST + 40]) if one.start() <= _NAME_MOST]
    if not found or found[-1][1] == "X":
        return None
    arguments = rest[found[-1].end() :]
    return Traced(found[-1][2], int(task[2]), arguments.removesuffix(")"), certain=len(found) == 1)


def opened(call: Traced) -> Opened:
    """Arguments of `open`, `openat` and `creat`."""
    at = call.name.endswith("at") and call.name != "creat"
    text = f"{call.arguments.rpartition(',')[0]}, O_CREAT" if call.name == "creat" else call.arguments
    match = _OPEN.fullmatch(text)
    if match is None or (match["at"] is not None) is not at:
        return Opened("", call.arguments, writing=False, certain=False)
    once = len(_NEXT_POINTER.findall(text)) == int(at)
    flags = match["flags"].split("|")
    writing = flags[0] != "O_RDONLY" or not {"O_CREAT", "O_TRUNC", "O_APPEND"}.isdisjoint(flags)
    return Opened(match["base"] or "", match["path"], writing and "O_PATH" not in flags, call.certain and once)


def texts(call: Traced, count: int) -> list[str] | None:
    """What stands behind the pointers of a call with `count` arguments, paths mostly; None when that is not certain."""
    parts = _SEPARATOR.split(call.arguments)
    if len(parts) != count or not call.certain:
        return None
    return [part[one.end() :] if (one := _POINTER.match(part)) else part for part in parts]


def program(call: Traced) -> tuple[str, list[str]]:
    """Path and argument vector of `execve` and `execveat`."""
    head, bracket, tail = call.arguments.partition(" [")
    path = re.sub(r", 0x[0-9a-f]+$", "", head) if bracket else call.arguments
    for _ in range(2 if call.name == "execveat" else 1):
        path = _POINTER.sub("", path, count=1).removeprefix(", ")
    found, position = [], 0
    while (one := _QUOTED.match(tail, position)) is not None:
        found.append(unquote(one[1]))
        position = one.end() + 2 if tail.startswith(", ", one.end()) else len(tail)
    return path, found


def address(call: Traced) -> tuple[str, int]:
    """Address of `connect`, `bind`, `sendto` and `sendmsg`, and its port; empty when there is none."""
    match = _ADDRESS.search(call.arguments)
    if match is None:
        return "", 0
    family, where, port = match[1], match[2] or "", int(match[3] or 0)
    if family == "AF_UNIX":
        quoted = _QUOTED.fullmatch(where)
        path = unquote(quoted[1]) if quoted else where
        return f"unix:{'@' + path[1:] if path.startswith(chr(0)) else path}", 0
    if family == "AF_INET":
        return f"{where or '0.0.0.0'}:{port}", port  # noqa: S104 - text of a record
    if family == "AF_INET6":
        return f"[{where or '::'}]:{port}", port
    return f"family {family} {where}".strip(), port


def unquote(text: str) -> str:
    """Text that Go's `%q` wrote, without its quotation marks; bytes that are no UTF-8 as backslash escapes."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU" and len(code) > 1:
            number = int(code[1:], 16)
            shown = code[0] == "x" and number >= 0x80  # noqa: PLR2004 - a byte of no character
            return f"\\x{number:02x}" if shown or number > 0x10FFFF else chr(number)  # noqa: PLR2004 - Unicode's last
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(one, text)
