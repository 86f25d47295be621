"""Write the TensorFlow fixtures of tests/formats/fixtures with TensorFlow 2.21.0; the tests themselves do not need it.

`saved-model/` (an ordinary model with a vocabulary table), `writes.pb` and `writes.tflite` (a function that writes and
reads a file), `dense.tflite` (an ordinary converted Keras model).
"""

import shutil
import sys
import tempfile
from pathlib import Path

import tensorflow as tf

HERE = Path(__file__).resolve().parent.parent / "formats" / "fixtures"
LINES = (tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)


class Ordinary(tf.Module):
    """A matrix and a vocabulary."""

    def __init__(self, vocabulary: str) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.ones((3, 2)))
        self.table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(vocabulary, tf.string, *LINES), 1)

    @tf.function(input_signature=[tf.TensorSpec((None, 3))])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x @ self.weights)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def look_up(self, x: tf.Tensor) -> tf.Tensor:
        return self.table.lookup(x)


class Writes(tf.Module):
    """Writes a file, and reads the one that it is told."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        tf.io.write_file("/tmp/pwn", "x")
        return tf.io.read_file(x)


def main() -> None:
    """Write all files."""
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = Path(folder) / "vocab.txt"
        vocabulary.write_text("a\nb\n")
        ordinary = Ordinary(str(vocabulary))
        tf.saved_model.save(ordinary, f"{folder}/m", signatures={"serving_default": ordinary.__call__})
        for name in ("saved_model.pb", "fingerprint.pb", "variables"):
            target = HERE / "saved-model" / name
            copy = shutil.copytree if name == "variables" else shutil.copyfile
            copy(f"{folder}/m/{name}", target, **({"dirs_exist_ok": True} if name == "variables" else {}))
        tf.saved_model.save(Writes(), f"{folder}/w")
        shutil.copyfile(f"{folder}/w/saved_model.pb", HERE / "writes.pb")
        converter = tf.lite.TFLiteConverter.from_saved_model(f"{folder}/w")
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        (HERE / "writes.tflite").write_bytes(converter.convert())
    layers = [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(3, "relu"), tf.keras.layers.Dense(1)]
    dense = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Sequential(layers))
    (HERE / "dense.tflite").write_bytes(dense.convert())
    sys.stdout.write(f"TensorFlow {tf.__version__}\n")


if __name__ == "__main__":
    main()
