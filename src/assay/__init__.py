"""assay: the office every machine-learning model passes before anyone can load it."""

__version__ = "0.1.0"
