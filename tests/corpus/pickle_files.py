"""Raw pickles that write, move or open files, or reach the network (the oracle listens on loopback)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asm import Call, Get, Global, Memo, Then, globals_of
from .sample import Kit, Sample, gadget

G, C = Global, Call


def samples() -> list[Sample]:
    """All of this module."""
    return [*_files(), *_network()]


def _files() -> list[Sample]:
    entries: dict[str, Callable[[Kit], Any]] = {
        "open": lambda k: C(G("builtins.open"), k.path, "w"),
        "io-open": lambda k: C(G("io.open"), k.path, "w"),
        "fileio": lambda k: C(G("_io.FileIO"), k.path, "w"),
        "pyio-fileio": lambda k: C(G("_pyio.FileIO"), k.path, "w"),
        "codecs-open": lambda k: C(G("codecs.open"), k.path, "w"),
        "os-open": lambda k: C(G("os.open"), k.path, 0o101),
        "os-mkdir": lambda k: C(G("os.mkdir"), k.path),
        "os-makedirs": lambda k: C(G("os.makedirs"), k.path),
        "os-symlink": lambda k: C(G("os.symlink"), "/dev/null", k.path),
        "os-mkfifo": lambda k: C(G("os.mkfifo"), k.path),
        "path-touch": lambda k: C(G("pathlib", "Path.touch"), C(G("pathlib.Path"), k.path)),
        "path-write-text": lambda k: C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), k.path), "x"),
        "shutil-copyfile": lambda k: C(G("shutil.copyfile"), "/dev/null", k.path),
        "shutil-copytree": lambda k: C(G("shutil.copytree"), ".", k.path),
        "tempfile-mkdtemp": lambda k: C(
            G("os.rename"), C(G("tempfile.mkdtemp"), "", "a", k.path.rpartition("/")[0]), k.path
        ),
        "log-handler": lambda k: C(G("logging.FileHandler"), k.path),
        "rotating-handler": lambda k: C(G("logging.handlers.RotatingFileHandler"), k.path),
        "gzip-file": lambda k: C(G("gzip.GzipFile"), k.path, "wb"),
        "bz2-open": lambda k: C(G("bz2.open"), k.path, "wb"),
        "lzma-open": lambda k: C(G("lzma.open"), k.path, "wb"),
        "zip-file": lambda k: C(G("zipfile.ZipFile"), k.path, "w"),
        "tar-open": lambda k: C(G("tarfile.open"), k.path, "w"),
        "make-archive": lambda k: C(G("shutil.move"), C(G("shutil.make_archive"), "payload", "zip", "."), k.path),
        "sqlite": lambda k: C(G("sqlite3", "Connection.execute"), C(G("sqlite3.connect"), k.path), "create table t(x)"),
        "dbm-dumb": lambda k: Then(
            C(G("dbm.dumb", "_Database.close"), Memo(1, C(G("dbm.dumb.open"), "x", "c"))),
            C(G("shutil.move"), "x.dat", k.path),
        ),
        "wave": lambda k: C(G("wave.open"), k.path, "wb"),
        "urlretrieve": lambda k: C(G("urllib.request.urlretrieve"), "file:///dev/null", k.path),
        "profile-dump": lambda k: C(G("cProfile", "Profile.dump_stats"), C(G("cProfile.Profile")), k.path),
        "fault-handler": lambda k: C(G("faulthandler.enable"), C(G("builtins.open"), k.path, "w")),
        "linecache-read": lambda k: C(
            G("pathlib", "Path.write_text"),
            C(G("pathlib.Path"), k.path),
            C(G("linecache.getline"), "/etc/hostname", 1),
        ),
        "maildir": lambda k: C(G("mailbox.Maildir"), k.path),
        "py-compile": lambda k: Then(
            C(G("pathlib", "Path.write_text"), C(G("pathlib.Path"), "a.py"), ""),
            C(G("py_compile.compile"), "a.py", k.path),
        ),
        "tarfile-extract": lambda k: Then(
            C(G("os.mkdir"), "inner"),
            C(G("shutil.make_archive"), "payload", "tar", "inner"),
            C(G("shutil.unpack_archive"), "payload.tar", k.path),
        ),
        "distutils-copy": lambda k: C(G("distutils.dir_util.mkpath"), k.path),
    }
    return [
        gadget(f"file-{name}", "writes, moves or reads a file", build, calls=_names(build))
        for name, build in entries.items()
    ]


def _names(build: Callable[[Kit], Any]) -> tuple[str, ...]:
    """Every global but the path constructors; any of them is the call to name."""
    return tuple(n for n in globals_of(build(Kit("x"))) if n != "pathlib.Path")


def _network() -> list[Sample]:
    host = "127.0.0.1"
    entries: dict[str, Callable[[Kit], Any]] = {
        "socket-create": lambda k: C(G("socket.create_connection"), (host, k.port)),
        "socket-connect": lambda k: C(G("socket", "socket.connect"), C(G("socket.socket")), (host, k.port)),
        "urlopen": lambda k: C(G("urllib.request.urlopen"), f"http://{host}:{k.port}/"),
        "http-client": lambda k: C(
            G("http.client", "HTTPConnection.connect"), C(G("http.client.HTTPConnection"), host, k.port)
        ),
        "smtplib": lambda k: C(G("smtplib.SMTP"), host, k.port),
        "ftplib": lambda k: C(G("ftplib", "FTP.connect"), C(G("ftplib.FTP")), host, k.port),
        "poplib": lambda k: C(G("poplib.POP3"), host, k.port),
        "imaplib": lambda k: C(G("imaplib.IMAP4"), host, k.port),
        "telnetlib": lambda k: C(G("telnetlib.Telnet"), host, k.port),
        "nntplib": lambda k: C(G("nntplib.NNTP"), host, k.port),
        "ssl-certificate": lambda k: C(G("ssl.get_server_certificate"), (host, k.port)),
        "xmlrpc": lambda k: C(
            C(G("builtins.getattr"), C(G("xmlrpc.client.ServerProxy"), f"http://{host}:{k.port}/"), "f")
        ),
        "multiprocessing-client": lambda k: C(G("multiprocessing.connection.Client"), (host, k.port)),
        "socket-handler": lambda k: C(
            G("logging.handlers", "SocketHandler.createSocket"), C(G("logging.handlers.SocketHandler"), host, k.port)
        ),
        "asyncore": lambda k: C(
            G("asyncore", "dispatcher.connect"),
            Then(
                C(G("asyncore", "dispatcher.create_socket"), Memo(1, C(G("asyncore.dispatcher")))),
                Get(1),
            ),
            (host, k.port),
        ),
        "asyncio-open": lambda k: C(G("asyncio.run"), C(G("asyncio.open_connection"), host, k.port)),
        "url-opener": lambda k: C(
            G("urllib.request", "URLopener.open"), C(G("urllib.request.URLopener")), f"http://{host}:{k.port}/"
        ),
        "xml-sax": lambda k: C(G("xml.sax.saxutils.prepare_input_source"), f"http://{host}:{k.port}/"),
        "robot-parser": lambda k: C(
            G("urllib.robotparser", "RobotFileParser.read"),
            C(G("urllib.robotparser.RobotFileParser"), f"http://{host}:{k.port}/"),
        ),
        "requests": lambda k: C(G("requests.get"), f"http://{host}:{k.port}/"),
        "requests-api": lambda k: C(G("requests.api.post"), f"http://{host}:{k.port}/"),
        "httpx": lambda k: C(G("httpx.get"), f"http://{host}:{k.port}/"),
        "urllib3": lambda k: C(G("urllib3.request"), "GET", f"http://{host}:{k.port}/"),
    }
    needs = {"requests": ("requests",), "requests-api": ("requests",), "httpx": ("httpx",), "urllib3": ("urllib3",)}
    return [
        gadget(f"network-{name}", "connects to a host", build, listens=True, needs=needs.get(name, ()))
        for name, build in entries.items()
    ]
