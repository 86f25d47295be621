"""safetensors, ONNX, GGUF, Keras, skops, HDF5, dill, msgpack and tokenizers."""

from __future__ import annotations

import os
from pathlib import Path

Made = list[tuple[str, str, str]]


def safetensors(out: Path) -> Made:
    """Tensors of several types, with and without metadata."""
    import numpy as np
    from safetensors.numpy import save_file

    tensors = {
        "a": np.ones((2, 3), "f4"),
        "b": np.arange(4),
        "c": np.array([True]),
        "d": np.ones(3, "f2"),
        "empty": np.zeros((0, 2), "f4"),
    }
    save_file(tensors, str(out / "model.safetensors"), metadata={"format": "pt"})
    save_file({"x": np.ones(1000, "f4")}, str(out / "plain.safetensors"))
    save_file({}, str(out / "nothing.safetensors"), metadata={"format": "np"})
    return [(name, "safetensors", "") for name in ("model.safetensors", "plain.safetensors", "nothing.safetensors")]


def onnx(out: Path) -> Made:
    """Models with weights inside and beside."""
    import numpy as np
    import onnx as ox
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((4, 300), "f4"), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 300])], [weight],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    ox.save(model, str(out / "model.onnx"))
    (out / "external").mkdir(exist_ok=True)
    ox.save(
        model,
        str(out / "external" / "model.onnx"),
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=10,
    )
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])],
        "b",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    inputs = [
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4]),
    ]
    ox.save(
        helper.make_model(
            helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
        ),
        str(out / "branches.onnx"),
    )
    return [
        (name, "an ONNX model", "")
        for name in ("model.onnx", "external/model.onnx", "external/model.onnx_data", "branches.onnx")
    ]


def gguf(out: Path) -> Made:
    """Written by the reference writer."""
    import gguf as gg
    import numpy as np

    writer = gg.GGUFWriter(str(out / "model.gguf"), "llama")
    writer.add_name("small")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_token_list(["a", "b", "<s>"])
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    writer.add_tensor("token_embd.weight", np.ones((3, 32), "f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return [("model.gguf", "a GGUF model", "")]


def keras(out: Path) -> Made:
    """Functional and sequential models in both formats."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras as ks

    inputs = ks.Input((4,))
    hidden = ks.layers.Dropout(0.1)(ks.layers.Dense(8, activation="relu")(inputs))
    model = ks.Model(inputs, ks.layers.Dense(2, activation="softmax")(hidden))
    image = ks.Sequential(
        [
            ks.Input((8, 8, 3)),
            ks.layers.Conv2D(2, 3),
            ks.layers.BatchNormalization(),
            ks.layers.Flatten(),
            ks.layers.Dense(1),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(out / "functional.keras")
    image.save(out / "sequential.keras")
    model.save(out / "legacy.h5")
    model.save_weights(out / "only.weights.h5")
    (out / "model.json").write_text(model.to_json())
    loaders = {"functional.keras": "keras", "sequential.keras": "keras", "legacy.h5": "keras"}
    return [
        (name, "a Keras model", loaders.get(name, ""))
        for name in ("functional.keras", "sequential.keras", "legacy.h5", "only.weights.h5", "model.json")
    ]


def skops(out: Path) -> Made:
    """scikit-learn estimators."""
    import numpy as np
    import skops.io as sio
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    sio.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y), out / "pipeline.skops")
    sio.dump(RandomForestClassifier(3).fit(x, y), out / "forest.skops")
    return [("pipeline.skops", "a scikit-learn pipeline", ""), ("forest.skops", "a scikit-learn forest", "")]


def h5py(out: Path) -> Made:
    """Groups, chunks, compression, references within the file."""
    import h5py as h5
    import numpy as np

    with h5.File(out / "weights.h5", "w") as file:
        group = file.create_group("layer")
        group.create_dataset("kernel", data=np.ones((4, 4)), compression="gzip", chunks=(2, 2))
        group.attrs["names"] = ["kernel"]
        file["alias"] = h5.SoftLink("/layer/kernel")
        file.create_dataset("text", data=[b"a", b"b"])
    return [("weights.h5", "an HDF5 file", "")]


def dill(out: Path) -> Made:
    """Values only."""
    import dill as dl

    with (out / "values.dill").open("wb") as stream:
        dl.dump({"a": [1, 2.5], "b": ("x", None)}, stream)
    return [("values.dill", "values written by dill", "dill")]


def msgpack(out: Path) -> Made:
    """Flax's encoding of arrays, by hand: extension 1 holds (shape, type, bytes)."""
    import msgpack as mp
    import numpy as np

    array = np.ones((2, 2), "f4")
    packed = mp.ExtType(1, mp.packb([array.shape, array.dtype.name, array.tobytes()]))
    (out / "flax_model.msgpack").write_bytes(mp.packb({"params": {"dense": {"kernel": packed, "bias": packed}}}))
    return [("flax_model.msgpack", "Flax parameters", "")]


def tokenizers(out: Path) -> Made:
    """Three kinds of tokenizer."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    made: Made = []
    for name, model, trainer in (
        ("bpe", models.BPE(unk_token="[UNK]"), trainers.BpeTrainer(special_tokens=["[UNK]"], show_progress=False)),
        (
            "wordpiece",
            models.WordPiece(unk_token="[UNK]"),
            trainers.WordPieceTrainer(special_tokens=["[UNK]"], show_progress=False),
        ),
        (
            "unigram",
            models.Unigram(),
            trainers.UnigramTrainer(special_tokens=["[UNK]"], unk_token="[UNK]", show_progress=False),
        ),
    ):
        (out / name).mkdir(exist_ok=True)
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.train_from_iterator(["a small corpus of words", "another corpus of words"], trainer)
        tokenizer.save(str(out / name / "tokenizer.json"))
        made.append((f"{name}/tokenizer.json", "a tokenizer", ""))
    return made
