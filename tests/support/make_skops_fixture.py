"""Write tests/formats/fixtures/pipeline.skops with skops 0.16.0 and scikit-learn 1.9.1; the tests need neither."""

import zipfile
from pathlib import Path

import numpy as np
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

TARGET = Path(__file__).resolve().parent.parent / "formats" / "fixtures" / "pipeline.skops"


def main() -> None:
    """Write the file."""
    data = np.random.RandomState(0).rand(20, 3)
    labels = (data[:, 0] > 0.5).astype(int)
    columns = ColumnTransformer([("a", StandardScaler(), [0, 1]), ("l", FunctionTransformer(np.log1p), [2])])
    model = make_pipeline(columns, LogisticRegression()).fit(data, labels)
    skops.io.dump(model, TARGET, compression=zipfile.ZIP_DEFLATED, compresslevel=9)


if __name__ == "__main__":
    main()
