"""Magic numbers, and what file extensions promise. Sources: each format's specification or reference reader."""

from __future__ import annotations

# Each row: where, which bytes, what it then is.
_MAGIC_LIST: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    *((0, bytes((0x50 + number,)) + b"\x2a\x4d\x18", "zstd") for number in range(16)),  # a skippable frame first
    (0, b"\x04\x22\x4d\x18", "lz4"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"\x93NUMPY", "npy"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (512, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (1024, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (2048, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (4096, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (8192, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (16384, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (32768, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (0, b"GGUF", "gguf"),
    (0, b"FUGG", "gguf"),
    (0, b"lmgg", "ggml"),
    (0, b"fmgg", "ggml"),
    (0, b"tjgg", "ggml"),
    (0, b"algg", "ggml"),
    (4, b"TFL3", "tflite"),
    (4, b"ET12", "executorch"),
    (4, b"ET13", "executorch"),
    (0, b"CBM1", "catboost"),
    (0, b"RDX2\n", "r-data"),
    (0, b"RDX3\n", "r-data"),
    (0, b"RDA2\n", "r-data"),
    (0, b"RDA3\n", "r-data"),
    (0, b"X\n\0\0\0\x02", "r-rds"),
    (0, b"X\n\0\0\0\x03", "r-rds"),
    (0, b"A\n2\n", "r-rds"),
    (0, b"A\n3\n", "r-rds"),
    (0, b"B\n\x02\0\0\0", "r-rds"),
    (0, b"B\n\x03\0\0\0", "r-rds"),
    (0, b"\x12\x01\0\0\0\0\0\0", "mxnet-params"),
    (0, b"{L\0\0\0\0\0\0\0\x07learner", "xgboost-ubj"),
    (0, b"{L\0\0\0\0\0\0\0\x06Config", "xgboost-ubj"),  # a booster with its settings, as skops keeps it
    (0, b"binf", "xgboost-binary"),
    (0, b"PAR1", "parquet"),
    (0, b"ARROW1\0\0", "arrow"),
    (0, b"%PDF-", "pdf"),
    (0, b"\x7fELF", "elf"),
    (0, b"!<arch>\n", "object-archive"),
    (0, b"\xfe\xed\xfa\xce", "macho"),
    (0, b"\xfe\xed\xfa\xcf", "macho"),
    (0, b"\xce\xfa\xed\xfe", "macho"),
    (0, b"\xcf\xfa\xed\xfe", "macho"),
    (0, b"\xca\xfe\xba\xbe", "macho"),
    (0, b"\0asm", "wasm"),
    (0, b"\xac\xed\0\x05", "java-object"),
    (0, b"dex\n03", "dex"),
    (0, b"MZqFpD=", "ape"),
    (0, b"jartsr=", "ape"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (8, b"WEBP", "webp"),
    (8, b"WAVE", "wav"),
    (8, b"AVI ", "avi"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (4, b"ftyp", "mp4"),
    (0, b"SQLite format 3\0", "sqlite"),
    (23, b"\x1a\x0dbrain.Event:", "tensorboard-log"),
    (0, b"\0\0\0\1Bud1", "ds-store"),
    (0, b"\0\1\0\0\0", "font"),
    (0, b"OTTO", "font"),
    (0, b"wOFF", "font"),
    (0, b"wOF2", "font"),
    (0, b"ttcf", "font"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (8, b"AIFF", "aiff"),
    (0, b"MThd\0\0\0\6", "midi"),
    (0, b"8BPS\0\1", "photoshop"),
    (0, b"\x76\x2f\x31\x01", "openexr"),
    (4, b"jP  \r\n\x87\n", "jpeg2000"),
    (128, b"DICM", "dicom"),
    (344, b"n+1\0", "nifti"),
    (0, b"SIMPLE  =                    T", "fits"),
    (0, b"mmap lm http://kheafield.com/code format version", "kenlm"),
    (0, b"MATLAB 5.0 MAT-file", "matlab-data"),
    (0, b"______LightGBM_Binary_File_Token______\n", "lightgbm-data"),
    (0, b"\x01\xab\xff\xff", "xgboost-data"),  # DMatrix (xgboost/src/data/simple_dmatrix.h, kMagic)
    (0, b"version https://git-lfs.github.com/spec/", "git-lfs-pointer"),
    (0, b"version https://hawser.github.com/spec/", "git-lfs-pointer"),
    (0, b"# xet version", "git-lfs-pointer"),
)


def _by_first_byte() -> dict[int, tuple[tuple[int, bytes, str], ...]]:
    """Magic numbers at offset 0 by their first byte; the others under -1."""
    table: dict[int, list[tuple[int, bytes, str]]] = {-1: []}
    for offset, magic, reading in _MAGIC_LIST:
        table.setdefault(magic[0] if offset == 0 else -1, []).append((offset, magic, reading))
    return {key: tuple(rows) for key, rows in table.items()}


MAGICS = _by_first_byte()

# A zip is more than a zip when its directory names one of these. More than one may hold.
ZIP_FLAVOURS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("torch-export", (b"serialized_exported_program.json", b"archive_format", b"models/model.json")),
    ("torchscript", (b"constants.pkl", b"/code/__torch__")),
    ("torch-zip", (b"/data.pkl", b"data.pkl")),
    ("keras-zip", (b"model.weights.h5", b"metadata.json\0", b"config.json\0model")),
    ("npz", (b".npy",)),
    ("skops", (b"schema.json",)),
    ("mar", (b"MAR-INF/",)),
    ("docx", (b"[Content_Types].xml",)),
    ("jar", (b"META-INF/MANIFEST.MF",)),
)

_PICKLES = frozenset(
    ("pickle", "torch-legacy", "torch-zip", "torchscript", "torch-export", "torch-tar", "zip", "tar",
     "gzip", "bzip2", "xz", "lzma", "zlib", "lz4", "zstd")
)  # fmt: skip
_TEXT = frozenset(
    ("text", "markdown", "json", "jsonl", "yaml", "csv", "xml", "python", "shell", "jinja", "html", "toml")
)

# What an extension promises. `.bin`, `.model`, `.dat`, `.data`, `.weights` promise nothing.
EXPECTED: dict[str, frozenset[str]] = {
    ".safetensors": frozenset(("safetensors",)),
    ".pkl": _PICKLES, ".pickle": _PICKLES, ".pck": _PICKLES, ".pt": _PICKLES, ".pth": _PICKLES, ".ckpt": _PICKLES,
    ".joblib": _PICKLES, ".jbl": _PICKLES, ".dill": _PICKLES,
    ".cloudpickle": _PICKLES, ".p": _PICKLES, ".sav": _PICKLES,
    ".pt2": frozenset(("torch-export", "zip")), ".ptl": frozenset(("torchscript", "zip")),
    ".pte": frozenset(("executorch",)),
    ".npy": frozenset(("npy", "pickle")), ".npz": frozenset(("npz", "zip")),
    ".h5": frozenset(("hdf5",)), ".hdf5": frozenset(("hdf5",)), ".keras": frozenset(("keras-zip", "zip")),
    ".onnx": frozenset(("onnx",)),
    ".pb": frozenset(("tf-saved-model", "tf-graph", "tf-fingerprint", "keras-metadata", "onnx")),
    ".tflite": frozenset(("tflite",)), ".gguf": frozenset(("gguf",)), ".ggml": frozenset(("ggml",)),
    ".zip": frozenset(("zip",)), ".mar": frozenset(("mar", "zip", "tar", "gzip")), ".nemo": frozenset(("tar", "gzip")),
    ".skops": frozenset(("skops", "zip")), ".tar": frozenset(("tar",)), ".gz": frozenset(("gzip",)),
    ".tgz": frozenset(("gzip",)), ".bz2": frozenset(("bzip2",)), ".xz": frozenset(("xz",)), ".7z": frozenset(("7z",)),
    ".zst": frozenset(("zstd",)), ".lz4": frozenset(("lz4",)), ".lzma": frozenset(("lzma",)),
    ".rds": frozenset(("r-rds", "gzip", "bzip2", "xz")), ".rda": frozenset(("r-data", "gzip", "bzip2", "xz")),
    ".rdata": frozenset(("r-data", "gzip", "bzip2", "xz")),
    ".json": frozenset(("json", "jsonl")), ".jsonl": frozenset(("json", "jsonl")), ".ipynb": frozenset(("notebook",)),
    ".txt": _TEXT, ".md": _TEXT, ".rst": _TEXT, ".yaml": _TEXT, ".yml": _TEXT, ".toml": _TEXT, ".csv": _TEXT,
    ".tsv": _TEXT, ".py": _TEXT, ".sh": _TEXT, ".jinja": _TEXT, ".xml": _TEXT, ".cfg": _TEXT, ".ini": _TEXT,
    ".html": _TEXT, ".pmml": frozenset(("pmml", "xml")),
    ".png": frozenset(("png",)), ".jpg": frozenset(("jpeg",)), ".jpeg": frozenset(("jpeg",)),
    ".gif": frozenset(("gif",)),
    ".webp": frozenset(("webp",)), ".pdf": frozenset(("pdf",)), ".parquet": frozenset(("parquet",)),
    ".arrow": frozenset(("arrow",)), ".mp4": frozenset(("mp4",)), ".wav": frozenset(("wav",)),
    ".svg": _TEXT | {"svg"},
    ".msgpack": frozenset(("msgpack",)), ".cbm": frozenset(("catboost",)), ".ubj": frozenset(("xgboost-ubj",)),
    ".mlmodel": frozenset(("coreml",)), ".pdmodel": frozenset(("paddle", "json")), ".exe": frozenset(("pe",)),
    ".so": frozenset(("elf",)), ".dll": frozenset(("pe",)), ".dylib": frozenset(("macho",)),
    ".pyc": frozenset(("python-bytecode",)), ".wasm": frozenset(("wasm",)),
}  # fmt: skip

# What the whole end of a name promises, where its extension alone would promise something else.
EXPECTED_ENDS: dict[str, frozenset[str]] = {
    ".pth.tar": _PICKLES | {"tar"}, ".pt.tar": _PICKLES | {"tar"}, ".ckpt.tar": _PICKLES | {"tar"},
    "serialized_state_dict.json": _PICKLES,  # torch.export of 2.1
}  # fmt: skip

# Formats without any mark of their own: only the name tells them, and only when nothing else fits.
EXTENSION_ADDS: dict[str, tuple[str, ...]] = {
    ".pdiparams": ("paddle-params",),
    ".pdparams": ("paddle-params",),
    ".params": ("mxnet-params",),
    ".lite": ("tflite",),
    ".tflite": ("tflite",),
    ".onnx": ("onnx",),
    ".pb": ("tf-saved-model", "tf-graph"),
    ".mlmodel": ("coreml",),
    ".pdmodel": ("paddle",),
    ".msgpack": ("msgpack",),
}
