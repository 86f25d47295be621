"""Readings that no loader executes, and readings that one does. Data, not judgement."""

from __future__ import annotations

# Text and media: shown or tokenised, never run by a model loader. `text` alone is what remains when nothing else fits.
PASSIVE: frozenset[str] = frozenset(
    (
        "text", "empty", "markdown", "csv", "licence-text", "toml", "ini", "html", "svg", "xml",
        "png", "jpeg", "gif", "webp", "tiff", "wav", "flac", "ogg", "mp3", "mp4", "avi",
        "tensor-storage", "torch-record", "npy", "sentencepiece", "makefile", "dockerfile",
        "pdf", "tensorboard-log", "ds-store", "font", "bmp", "ico", "matroska", "aiff", "midi", "photoshop", "openexr",
        "jpeg2000", "netpbm", "dicom", "nifti", "fits", "kenlm", "word-vectors",
        "matlab-data", "lightgbm-data", "xgboost-data",
    )
)  # fmt: skip

# Readings that can make a loader, an interpreter or the system run something.
RUNS: frozenset[str] = frozenset(
    (
        "pickle", "torch-legacy", "torch-zip", "torchscript", "torch-export", "torch-tar", "python", "python-bytecode",
        "shell", "javascript", "perl", "ruby", "lua", "elf", "pe", "macho", "wasm", "dex", "jar", "notebook", "ape",
    )
)  # fmt: skip
