"""Files of programs that everybody has: logging configurations, YAML where it is not looked for, databases, tables."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
import tempfile
import zlib
from pathlib import Path

from .asm import Call, Global, pickled
from .sample import EXECUTES, Kit, Maker, Sample

_SYSTEM = ("os.system", "posix.system")


def samples() -> list[Sample]:
    """All of this module."""
    return [*_logging(), *_yaml(), *_databases(), *_texts()]


def _sample(
    path: str, technique: str, loader: str, make: Maker, calls: tuple[str, ...] = _SYSTEM, *, needs: str = ""
) -> Sample:
    return Sample(
        f"program/{path}", technique, EXECUTES, make, calls=calls, loader=loader, needs=(needs,) if needs else ()
    )


def _text(text: str) -> Maker:
    return lambda kit: text.replace("SHELL", kit.shell).replace("CODE", kit.code).encode()


_INI = """[loggers]
keys=root
[handlers]
keys=h
[formatters]
keys=
[logger_root]
handlers=h
[handler_h]
"""


def _logging() -> list[Sample]:
    document = {"version": 1, "handlers": {"h": {"()": "os.system", "command": "SHELL"}}, "root": {"handlers": ["h"]}}
    return [
        _sample("logging/logging.ini", "arguments of a handler, which are evaluated", "logging-ini",
                _text(_INI + "class=StreamHandler\nargs=(__import__('os').system('SHELL'),)\n"), ("system",)),
        _sample("logging-class/logging.conf", "the class of a handler, which is evaluated", "logging-ini",
                _text(_INI + "class=__import__('os').system('SHELL') or logging.StreamHandler\nargs=()\n"), ("system",)),
        _sample("logging-keywords/log.cfg", "keywords of a handler, over two lines", "logging-ini",
                _text(_INI + "class=StreamHandler\nargs=()\nkwargs={'stream':\n  CODE}\n"), ("open",)),
        _sample("logging-json/logging.json", "a factory in JSON", "logging-json", _text(json.dumps(document))),
        _sample("logging-yaml/logging.yaml", "a factory in YAML", "logging-yaml",
                _text("version: 1\nhandlers:\n  h:\n    (): os.system\n    command: SHELL\n"), needs="yaml"),
        _sample("logging-formatter/logging.yml", "a factory of a formatter", "logging-yaml",
                _text("version: 1\nformatters:\n  f:\n    (): ext://subprocess.getoutput\n    cmd: SHELL\n".replace("ext://", "")),
                ("subprocess.getoutput",), needs="yaml"),
        _sample("logging-nested/config.json", "inside another configuration", "logging-nested",
                _text(json.dumps({"lr": 1, "log": document}))),
    ]  # fmt: skip


def _yaml() -> list[Sample]:
    tags = ("python/object", "os.system", "tag:yaml.org", "!")
    return [
        _sample(f"yaml-{name}/{file}", technique, "yaml", _text(text), tags, needs="yaml")
        for name, file, technique, text in (
            ("handle", "a.yaml", "a handle for the primary tag", "%TAG ! tag:yaml.org,2002:python/\n--- !object/apply:os.system ['SHELL']\n"),
            ("secondary", "a.yaml", "the secondary handle is redefined", "%TAG !! tag:yaml.org,2002:python/object/\n---\na: !!apply:os.system ['SHELL']\n"),
            ("prefix", "a.yaml", "a handle that ends in the middle of a word", "%TAG !p! tag:yaml.org,2002:pyth\n---\na: !p!on/object/apply:os.system ['SHELL']\n"),
            ("escaped", "a.yaml", "the tag is written with an escape", "a: !!%70ython/object/apply:os.system ['SHELL']\n"),
            ("verbatim", "a.yaml", "the tag in full", "a: !<tag:yaml.org,2002:python/object/apply:os.system> ['SHELL']\n"),
            ("new", "a.yaml", "object/new", "a: !!python/object/new:os.system ['SHELL']\n"),
            ("json", "config.json", "under the name of JSON", '{"a": !!python/object/apply:os.system ["SHELL"]}'),
        )
    ] + [_sample("yaml-card/README.md", "in the front matter of a model card", "yaml-card",
                 _text("---\nlicense: mit\na: !!python/object/apply:os.system ['SHELL']\n---\n# x\n"), tags, needs="yaml")]  # fmt: skip


def _pickle(kit: Kit, protocol: int, padding: int = 0) -> bytes:
    return pickled(Call(Global("os.system"), kit.shell + " " + "#" * padding), protocol)


def _databases() -> list[Sample]:
    def database(protocol: int, padding: int, rows: int) -> Maker:
        def make(kit: Kit) -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "x.db"
                connection = sqlite3.connect(path)
                connection.execute(
                    "create table Dict (key blob unique not null, value blob not null, primary key (key))"
                )
                rest = [(b"%d" % n, pickled(["x" * 3000], 4)) for n in range(rows)]
                connection.executemany(
                    "insert into Dict values (?, ?)", [*rest, (b"k", _pickle(kit, protocol, padding))]
                )
                connection.commit()
                connection.close()
                return path.read_bytes()

        return make

    return [
        _sample("shelf/values.db", "a shelf in SQLite", "sqlite", database(4, 0, 0)),
        _sample("shelf-overflow/values.db", "a shelf whose value goes on in other pages", "sqlite", database(4, 30_000, 0)),
        _sample("shelf-among/values.db", "the same among others", "sqlite", database(4, 9_000, 40)),
        _sample("shelf-protocol-0/values.db", "of protocol 0", "sqlite", database(0, 0, 3)),
    ]  # fmt: skip


def _parquet(codec: str) -> Maker:
    """Without the statistics, which hold the least and the greatest value as they are."""

    def make(kit: Kit) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        table = pa.table({"v": [pickled(["x" * 900], 4), _pickle(kit, 4, padding=900)]})
        pq.write_table(table, buffer, compression=codec, write_statistics=False)
        return buffer.getvalue()

    return make


def _texts() -> list[Sample]:
    return [
        _sample("table/objects.csv", "a pickle as base64 in a column", "csv-base64",
                lambda k: b"id,model\n1," + base64.b64encode(_pickle(k, 4)) + b"\n"),
        _sample("packed/state.json", "a pickle packed by zlib, as base64 in JSON", "json-base64-zlib",
                lambda k: json.dumps({"x": base64.b64encode(zlib.compress(_pickle(k, 4))).decode()}).encode()),
        _sample("hexadecimal/state.json", "a pickle as hexadecimal digits in JSON", "json-hex",
                lambda k: json.dumps({"x": _pickle(k, 4).hex()}).encode()),
        _sample("characters/state.json", "a pickle of one character for each byte in JSON", "json-characters",
                lambda k: json.dumps({"x": _pickle(k, 2).decode("latin-1")}).encode()),
        _sample("base85/state.jsonl", "a pickle as base85 in lines of JSON", "json-base85",
                lambda k: json.dumps({"x": base64.b85encode(_pickle(k, 4)).decode()}).encode()),
        _sample("base64-old/state.json", "a pickle of protocol 0 as base64 in JSON", "json-base64",
                lambda k: json.dumps({"x": base64.b64encode(_pickle(k, 0)).decode()}).encode()),
        _sample("mako/prompt.mako", "a block of Python in a Mako template", "mako",
                _text("Hello\n<%\n  import os\n  os.system('SHELL')\n%>\n${x}\n"), needs="mako"),
        _sample("mako-expression/prompt.mako", "an expression in a Mako template", "mako",
                _text("Hello ${__import__('os').system('SHELL')}\n"), needs="mako"),
        *(_sample(f"packed-{codec}/objects.parquet", f"a pickle in a column that is packed by {codec}", "parquet",
                  _parquet(codec), needs="pyarrow") for codec in ("snappy", "gzip", "zstd", "lz4")),
        _sample("picture/logo.png", "a pickle behind the head of a picture", "png-pickle",
                lambda k: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17) + _pickle(k, 4)),
    ]  # fmt: skip
