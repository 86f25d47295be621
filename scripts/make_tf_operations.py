"""Write `src/assay/inspections/data/tf-known-operations.txt`: every operation that TensorFlow itself registers.

Run with a Python that has TensorFlow (a scratch environment; assay does not need it):
`python scripts/make_tf_operations.py DATE`.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src/assay/inspections/data/tf-known-operations.txt"


def main() -> None:
    """Ask TensorFlow's registry."""
    import tensorflow as tf  # noqa: PLC0415
    from tensorflow.core.framework import op_def_pb2  # noqa: PLC0415
    from tensorflow.python.client import pywrap_tf_session  # noqa: PLC0415

    listing = op_def_pb2.OpList()
    listing.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    names = sorted(operation.name for operation in listing.op)
    made = f"written by scripts/make_tf_operations.py on {sys.argv[1]}"
    head = f"# Operations registered by TensorFlow {tf.__version__}, {made}.\n"
    TARGET.write_text(head + "\n".join(names) + "\n", "utf-8")


if __name__ == "__main__":
    main()
