"""XGBoost, LightGBM and CatBoost: their own formats and pickles."""

from __future__ import annotations

import pickle
from pathlib import Path

Made = list[tuple[str, str, str]]


def _table() -> tuple[object, object]:
    import numpy as np

    rng = np.random.default_rng(7)
    return rng.random((60, 4)), np.arange(60) % 2


def xgboost(out: Path) -> Made:
    """Booster and estimators."""
    import xgboost as xgb

    x, y = _table()
    model = xgb.XGBClassifier(n_estimators=3, max_depth=2).fit(x, y)
    model.save_model(out / "model.json")
    model.save_model(out / "model.ubj")
    (out / "classifier.pkl").write_bytes(pickle.dumps(model))
    (out / "booster.pkl").write_bytes(pickle.dumps(model.get_booster()))
    (out / "regressor.pkl").write_bytes(pickle.dumps(xgb.XGBRegressor(n_estimators=2).fit(x, y)))
    pickles = [(f"{name}.pkl", "a pickled model", "pickle") for name in ("classifier", "booster", "regressor")]
    return [("model.json", "a model in JSON", ""), ("model.ubj", "a model in UBJSON", ""), *pickles]


def lightgbm(out: Path) -> Made:
    """Booster and estimators."""
    import lightgbm as lgb

    x, y = _table()
    model = lgb.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1).fit(x, y)
    model.booster_.save_model(str(out / "model.txt"))
    (out / "classifier.pkl").write_bytes(pickle.dumps(model))
    (out / "booster.pkl").write_bytes(pickle.dumps(model.booster_))
    return [
        ("model.txt", "a model in text", ""),
        ("classifier.pkl", "a pickled model", "pickle"),
        ("booster.pkl", "a pickled booster", "pickle"),
    ]


def catboost(out: Path) -> Made:
    """Classifier."""
    import catboost as cb

    x, y = _table()
    model = cb.CatBoostClassifier(iterations=3, depth=2, verbose=False, allow_writing_files=False).fit(x, y)
    model.save_model(str(out / "model.cbm"))
    model.save_model(str(out / "model.json"), format="json")
    (out / "classifier.pkl").write_bytes(pickle.dumps(model))
    return [
        ("model.cbm", "a model in CatBoost's format", ""),
        ("model.json", "a model in JSON", ""),
        ("classifier.pkl", "a pickled model", "pickle"),
    ]
