"""Readings that no loader executes, and readings that one does. Data, not judgement."""

from __future__ import annotations

# Pictures, sound, film and print: their own loaders run nothing.
MEDIA = (
    "png", "jpeg", "gif", "webp", "tiff", "wav", "flac", "ogg", "mp3", "mp4", "avi", "pdf", "font", "bmp", "ico",
    "matroska", "aiff", "midi", "photoshop", "openexr", "jpeg2000", "netpbm", "dicom", "nifti", "fits",
    "sentencepiece", "tensorboard-log", "kenlm", "word-vectors",
)  # fmt: skip

# Text and media: shown or tokenised, never run by a model loader. `text` alone is what remains when nothing else fits.
PASSIVE: frozenset[str] = frozenset(
    (
        "text", "empty", "sqlite", "markdown", "csv", "licence-text", "toml", "ini", "html", "svg", "xml",
        *MEDIA, "tensor-storage", "torch-record", "npy", "makefile", "dockerfile", "ds-store", "matlab-data",
        "lightgbm-data", "xgboost-data",
    )
)  # fmt: skip

# Readings that can make a loader, an interpreter or the system run something.
RUNS: frozenset[str] = frozenset(
    (
        "pickle", "torch-legacy", "torch-zip", "torchscript", "torch-export", "torch-tar", "python", "python-bytecode",
        "shell", "javascript", "perl", "ruby", "lua", "elf", "pe", "macho", "wasm", "dex", "jar", "notebook", "ape",
    )
)  # fmt: skip
