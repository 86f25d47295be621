"""Write tests/formats/fixtures/*.h5 with h5py 3.16.0 (HDF5 2.0.0), which the tests themselves do not need.

Run with a Python that has h5py: `python tests/support/make_hdf5_fixtures.py`. The files are small, so they are kept;
what each holds is stated in tests/formats/test_hdf5.py.
"""

import json
import sys
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent.parent / "formats" / "fixtures"
CONFIG = json.dumps(
    {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"name": "d"}}]}}
)


def fill(file: h5py.File, config: str = CONFIG) -> None:
    """As Keras 2 writes a model."""
    file.attrs["backend"] = "tensorflow"
    file.attrs["keras_version"] = "2.15.0"
    file.attrs["model_config"] = config
    group = file.create_group("model_weights")
    group.attrs["layer_names"] = np.array([b"dense", b"lambda"])
    layer = group.create_group("dense")
    layer.attrs["weight_names"] = ["dense/kernel:0", "dense/bias:0"]
    layer.create_dataset("kernel:0", data=np.zeros((2, 2), "f4"))


def main() -> None:
    """Write all files."""
    HERE.mkdir(exist_ok=True)
    for name, options in (
        ("earliest", {"libver": "earliest"}),
        ("latest", {"libver": "latest"}),
        ("v110", {"libver": ("v110", "v110")}),
        ("ordered", {"libver": "latest", "track_order": True}),
        ("userblock", {"userblock_size": 1024}),
    ):
        with h5py.File(HERE / f"keras-{name}.h5", "w", **options) as file:
            fill(file)
    with h5py.File(HERE / "keras-bytes.h5", "w") as file:
        fill(file, np.bytes_(CONFIG.encode()))
    with h5py.File(HERE / "dense.h5", "w", libver="latest") as file:
        for index in range(150):
            file.attrs[f"attribute-{index:03}"] = f"value {index} " + "x" * 40
        file.attrs["huge"] = np.bytes_(b"y" * 66_000)
        file.attrs["model_config"] = CONFIG
        group = file.create_group("many")
        for index in range(100):
            group.create_group(f"group-{index:03}").attrs["n"] = str(index)
    with h5py.File(HERE / "many-old.h5", "w", libver="earliest") as file:
        for index in range(40):
            file.create_group(f"group-{index:03}").attrs["n"] = str(index)
        for index in range(3):
            file.attrs[f"attribute-{index}"] = "v" * 2000
    with h5py.File(HERE / "pickled.h5", "w") as file:
        pickled = b"\x80\x02cposix\nsystem\nX\x07\x00\x00\x00touch x\x85R."
        file.attrs["TITLE"] = np.bytes_(b"cposix\nsystem\n(S'touch x'\ntR.")
        group = file.create_group("data")
        group.attrs["values"] = np.void(pickled)
        group.attrs["array"] = np.frombuffer(pickled, "u1")
        group.attrs["plain"] = "cat."
    with h5py.File(HERE / "outside.h5", "w", libver="latest") as file:
        file["soft"] = h5py.SoftLink("/nowhere")
        file["link"] = h5py.ExternalLink("/etc/passwd", "/x")
        file.create_dataset("storage", (4,), "u1", external=[("/etc/hostname", 0, 4)])
        layout = h5py.VirtualLayout((8,), "u1")
        layout[:4] = h5py.VirtualSource(".", "storage", (4,))
        layout[4:] = h5py.VirtualSource("../other.h5", "data", (4,))
        file.create_virtual_dataset("virtual", layout)
    sys.stdout.write(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}\n")


if __name__ == "__main__":
    main()
