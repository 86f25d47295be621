"""scikit-learn: fitted estimators of many kinds."""

from __future__ import annotations

import pickle
from pathlib import Path

Made = list[tuple[str, str, str]]


def sklearn(out: Path) -> Made:
    """Each fitted on a toy table, then pickled; some with joblib."""
    import joblib
    import numpy as np

    rng = np.random.default_rng(7)
    x, y = rng.random((40, 4)), np.arange(40) % 2
    made: Made = []
    for name, estimator in _estimators().items():
        try:
            estimator.fit(x, y)
        except TypeError:
            estimator.fit(x)
        if len(made) % 3:
            (out / f"{name}.pkl").write_bytes(pickle.dumps(estimator))
            made.append((f"{name}.pkl", "a fitted estimator, pickled", "pickle"))
        else:
            joblib.dump(estimator, out / f"{name}.joblib", compress=len(made) % 2)
            made.append((f"{name}.joblib", "a fitted estimator, with joblib", "joblib"))
    return made + _text(out)


def _estimators() -> dict[str, object]:
    from sklearn import (
        cluster,
        covariance,
        decomposition,
        discriminant_analysis,
        ensemble,
        feature_selection,
        gaussian_process,
        impute,
        kernel_ridge,
        linear_model,
        manifold,
        mixture,
        model_selection,
        multiclass,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )  # fmt: skip
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer

    scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    return {
        "logistic": linear_model.LogisticRegression(), "ridge": linear_model.Ridge(), "lasso": linear_model.Lasso(), "sgd": linear_model.SGDClassifier(),
        "perceptron": linear_model.Perceptron(), "huber": linear_model.HuberRegressor(), "tree": tree.DecisionTreeClassifier(), "forest": ensemble.RandomForestClassifier(5),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=5), "histogram": ensemble.HistGradientBoostingClassifier(max_iter=5),
        "isolation": ensemble.IsolationForest(n_estimators=5), "adaboost": ensemble.AdaBoostClassifier(n_estimators=3), "bagging": ensemble.BaggingClassifier(n_estimators=3),
        "extra": ensemble.ExtraTreesRegressor(5), "voting": ensemble.VotingClassifier([("a", tree.DecisionTreeClassifier()), ("b", naive_bayes.GaussianNB())]),
        "stacking": ensemble.StackingClassifier([("a", tree.DecisionTreeClassifier()), ("b", naive_bayes.GaussianNB())]),
        "svc": svm.SVC(probability=False), "linear-svc": svm.LinearSVC(), "one-class": svm.OneClassSVM(), "neighbours": neighbors.KNeighborsClassifier(),
        "ball-tree": neighbors.KNeighborsClassifier(algorithm="ball_tree"), "outlier": neighbors.LocalOutlierFactor(novelty=True), "density": neighbors.KernelDensity(),
        "bayes": naive_bayes.GaussianNB(), "bernoulli": naive_bayes.BernoulliNB(), "perceptron-net": neural_network.MLPClassifier(max_iter=5),
        "process": gaussian_process.GaussianProcessRegressor(), "kmeans": cluster.KMeans(2, n_init=1), "dbscan": cluster.DBSCAN(), "birch": cluster.Birch(n_clusters=2),
        "mini-kmeans": cluster.MiniBatchKMeans(2, n_init=1), "pca": decomposition.PCA(2), "svd": decomposition.TruncatedSVD(2), "nmf": decomposition.NMF(2),
        "ica": decomposition.FastICA(2), "lda": discriminant_analysis.LinearDiscriminantAnalysis(), "qda": discriminant_analysis.QuadraticDiscriminantAnalysis(),
        "mixture": mixture.GaussianMixture(2), "covariance": covariance.EmpiricalCovariance(), "standard": preprocessing.StandardScaler(),
        "minmax": preprocessing.MinMaxScaler(), "one-hot": preprocessing.OneHotEncoder(handle_unknown="ignore"), "polynomial": preprocessing.PolynomialFeatures(),
        "quantile": preprocessing.QuantileTransformer(n_quantiles=10), "power": preprocessing.PowerTransformer(), "function": preprocessing.FunctionTransformer(),
        "imputer": impute.SimpleImputer(), "knn-imputer": impute.KNNImputer(), "select": feature_selection.SelectKBest(k=2), "isomap": manifold.Isomap(),
        "kernel-ridge": kernel_ridge.KernelRidge(), "calibrated": CalibratedClassifierCV(svm.LinearSVC()), "one-vs-rest": multiclass.OneVsRestClassifier(linear_model.LogisticRegression()),
        "pipeline": scaled, "columns": ColumnTransformer([("a", preprocessing.StandardScaler(), [0, 1])]),
        "grid": model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), "bayesian-ridge": linear_model.BayesianRidge(),
    }  # fmt: skip


def _text(out: Path) -> Made:
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels = ["a good film", "a bad film", "very good", "very bad"], [1, 0, 1, 0]
    objects = {
        "text-pipeline": make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels), "count": CountVectorizer().fit(texts),
        "hashing": HashingVectorizer(n_features=16).fit(texts),
    }  # fmt: skip
    for name, value in objects.items():
        (out / f"{name}.pkl").write_bytes(pickle.dumps(value))
    return [(f"{name}.pkl", "a fitted text estimator", "pickle") for name in objects]
