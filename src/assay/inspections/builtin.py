"""The static inspectors, in order. A new one is a file, a line here, a rule in `data/`, and a corpus folder."""

from __future__ import annotations

from assay.inspections.archive import Archive
from assay.inspections.config import Config
from assay.inspections.coverage import Coverage
from assay.inspections.crossfile import CrossFile
from assay.inspections.gguf import GgufFile
from assay.inspections.keras import Keras
from assay.inspections.licence import Licence
from assay.inspections.lookalike import LookAlike
from assay.inspections.native import NativeCode
from assay.inspections.onnx import OnnxModel
from assay.inspections.pickle import Pickle
from assay.inspections.safetensors import SafetensorsHeader
from assay.inspections.skops import Skops
from assay.inspections.sourcecode import SourceCode
from assay.inspections.template import Templates
from assay.inspections.tensorflow import TensorFlow
from assay.inspections.tflite import FlatModels
from assay.inspections.torch_archive import TorchArchives

# Classes: each run makes its own, so that nothing passes from one snapshot to the next.
BUILTIN: tuple[type, ...] = (
    Coverage,
    Archive,
    Pickle,
    SafetensorsHeader,
    Config,
    SourceCode,
    Templates,
    Keras,
    TensorFlow,
    OnnxModel,
    GgufFile,
    FlatModels,
    TorchArchives,
    Skops,
    NativeCode,
    CrossFile,
    Licence,
    LookAlike,
)
