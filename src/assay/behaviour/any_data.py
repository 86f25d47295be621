"""The data of a probe, read as the kind of the model asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.data_file import Labelled, read_labelled
from assay.behaviour.image_file import Pictured, read_images
from assay.behaviour.kinds import IMAGE, kind_of

if TYPE_CHECKING:
    from pathlib import Path


def read_data(path: Path, config: dict[str, Any]) -> Labelled | Pictured:
    """Texts or images, with classes.

    Args:
        path: of the data.
        config: of the model that they are for.

    Raises:
        UsageError: nothing that fits the kind of model.
        EnvironmentFault: Parquet without pyarrow.
    """
    return read_images(path) if kind_of(config) == IMAGE else read_labelled(path)
