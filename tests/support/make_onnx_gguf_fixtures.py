"""Write tests/formats/fixtures/*.onnx and *.gguf with onnx 1.x and gguf 0.x; the tests themselves need neither.

Run with a Python that has both: `python tests/support/make_onnx_gguf_fixtures.py`.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent.parent / "formats" / "fixtures"


def small() -> onnx.ModelProto:
    """Two operators, an initializer, metadata, and a graph nested in an If."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")
    inner = helper.make_graph(
        [helper.make_node("Relu", ["m"], ["z"])],
        "then",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Neg", ["m"], ["z"])],
        "else",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    condition = numpy_helper.from_array(np.array(True), "c")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=other),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [weight, condition])
    model = helper.make_model(graph, producer_name="assay-tests", opset_imports=[helper.make_opsetid("", 20)])
    helper.set_model_props(model, {"author": "tests"})
    onnx.checker.check_model(model)
    return model


def functional() -> onnx.ModelProto:
    """A model-local function."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    twice = helper.make_function("local", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 20)])
    graph = helper.make_graph([helper.make_node("Twice", ["x"], ["y"], domain="local")], "g", [x], [y])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=[twice])


def main() -> None:
    """Write all files."""
    onnx.save(small(), HERE / "small.onnx")
    onnx.save(functional(), HERE / "function.onnx")
    onnx.save(small(), HERE / "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=0)
    writer = gguf.GGUFWriter(HERE / "small.gguf", "llama")
    writer.add_name("small")
    writer.add_context_length(8)
    writer.add_token_list(["<s>", "</s>", "a"])
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    writer.add_tensor("a.weight", np.zeros((4, 8), np.float32))
    writer.add_tensor("b.weight", np.zeros((32,), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    sys.stdout.write(f"onnx {onnx.__version__}, gguf {version('gguf')}\n")


if __name__ == "__main__":
    main()
