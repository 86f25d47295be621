"""Write tests/formats/fixtures/booster.* with XGBoost 3 and LightGBM 4; the tests themselves need neither."""

import sys
from pathlib import Path

import lightgbm
import numpy as np
import xgboost

HERE = Path(__file__).resolve().parent.parent / "formats" / "fixtures"


def main() -> None:
    """Write all files."""
    data = np.random.RandomState(0).rand(50, 3)
    labels = (data[:, 0] > 0.5).astype(int)
    booster = xgboost.train({"max_depth": 2, "objective": "binary:logistic"}, xgboost.DMatrix(data, labels), 2)
    booster.set_attr(author="tests")
    booster.save_model(HERE / "booster.ubj")
    booster.save_model(HERE / "booster.json")
    parameters = {"num_leaves": 3, "min_data_in_leaf": 2, "verbose": -1}
    lightgbm.train(parameters, lightgbm.Dataset(data, labels), 2).save_model(HERE / "booster.txt")
    sys.stdout.write(f"XGBoost {xgboost.__version__}, LightGBM {lightgbm.__version__}\n")


if __name__ == "__main__":
    main()
