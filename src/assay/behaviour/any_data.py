"""The data of a probe, read as the kind of the model asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.data_file import Labelled, read_labelled
from assay.behaviour.image_file import Pictured, read_images
from assay.behaviour.kinds import IMAGE, LANGUAGE, kind_of
from assay.behaviour.prompt_file import Prompts, read_prompts

if TYPE_CHECKING:
    from pathlib import Path


def read_data(path: Path, config: dict[str, Any]) -> Labelled | Pictured | Prompts:
    """Texts or images with classes, or prompts.

    Args:
        path: of the data.
        config: of the model that they are for.

    Raises:
        UsageError: nothing that fits the kind of model.
        EnvironmentFault: Parquet without pyarrow.
    """
    kind = kind_of(config)
    if kind == IMAGE:
        return read_images(path)
    return read_prompts(path) if kind == LANGUAGE else read_labelled(path)
