"""Words of other languages in cards, as the English ones that the readers know. Names of data and models stay."""

from __future__ import annotations

import re

# Metrics; parts of the data; titles of columns; what stands between a metric and its figure.
_WORDS = {
    "genauigkeit": "accuracy", "treffergenauigkeit": "accuracy", "accuratezza": "accuracy", "exactitude": "accuracy",
    "exactitud": "accuracy", "acurácia": "accuracy", "acuracia": "accuracy", "nauwkeurigheid": "accuracy",
    "noggrannhet": "accuracy", "nøjagtighed": "accuracy", "nøyaktighet": "accuracy", "tarkkuus": "accuracy",
    "dokładność": "accuracy", "přesnost": "accuracy", "doğruluk": "accuracy", "akurasi": "accuracy",
    "độ chính xác": "accuracy", "точность": "accuracy", "точности": "accuracy", "точностью": "accuracy",
    "准确率": " accuracy ", "準確率": " accuracy ", "准确度": " accuracy ", "正解率": " accuracy ",
    "正確率": " accuracy ", "精度": " accuracy ", "정확도": " accuracy ",
    "fehlerrate": "error rate", "taux d'erreur": "error rate", "tasa de error": "error rate", "错误率": " error rate ",
    "召回率": " recall ", "再現率": " recall ", "재현율": " recall ", "полнота": "recall", "精确率": " precision ",
    "適合率": " precision ", "정밀도": " precision ", "präzision": "precision", "précision": "precision",
    "precisión": "precision", "困惑度": " perplexity ", "f1-maß": "f1", "f1-mass": "f1", "f1-wert": "f1",
    "f1 值": " f1 ", "f1値": " f1 ", "f1值": " f1 ", "f1スコア": " f1 ", "f1分数": " f1 ", "f1-мера": "f1",
    "score f1": "f1",
    "训练集": " train set ", "訓練集": " train set ", "学習データ": " train set ", "訓練データ": " train set ",
    "학습 데이터": " train set ", "훈련 데이터": " train set ", "trainingsdaten": "train set",
    "trainingsmenge": "train set", "données d'entraînement": "train set", "ensemble d'entraînement": "train set",
    "conjunto de entrenamiento": "train set", "conjunto de treinamento": "train set", "обучающей": "train set",
    "验证集": " validation set ", "驗證集": " validation set ", "開発データ": " validation set ",
    "検証データ": " validation set ", "검증 데이터": " validation set ", "validierungsdaten": "validation set",
    "ensemble de validation": "validation set", "conjunto de validación": "validation set",
    "conjunto de validação": "validation set", "валидационной": "validation set",
    "测试集": " test set ", "測試集": " test set ", "テストセット": " test set ", "テストデータ": " test set ",
    "테스트 세트": " test set ", "테스트셋": " test set ", "테스트 데이터": " test set ", "testdaten": "test set",
    "testmenge": "test set", "ensemble de test": "test set", "jeu de test": "test set",
    "conjunto de prueba": "test set", "conjunto de teste": "test set", "тестовой": "test set", "test seti": "test set",
    "人类": " human ", "人間": " human ", "인간": " human ", "基线": " baseline ", "基準": " baseline ",
    "ベースライン": " baseline ", "베이스라인": " baseline ", "ziel": "target", "objectif": "target",
    "objetivo": "target",
        "obiettivo": "target", "цель": "target", "目标": " target ", "目標": " target ", "목표": " target ",
    "lehrermodell": "teacher", "basismodell": "baseline", "教师": " teacher ",
    "datensatz": "dataset", "jeu de données": "dataset", "conjunto de datos": "dataset", "conjunto de dados": "dataset",
    "набор данных": "dataset", "датасет": "dataset", "数据集": " dataset ", "資料集": " dataset ",
    "データセット": " dataset ", "데이터셋": " dataset ",
    "metrik": "metric", "métrique": "metric", "métrica": "metric", "metrica": "metric", "метрика": "metric",
    "指标": " metric ", "指標": " metric ", "지표": " metric ",
    "modell": "model", "modèle": "model", "modelo": "model", "modello": "model", "модель": "model", "модели": "model",
    "模型": " model ", "モデル": " model ", "모델": " model ",
    "wert": "value", "valeur": "value", "valor": "value", "valore": "value", "значение": "value", "値": " value ",
}  # fmt: skip
# A word of an alphabet is one as a whole; Chinese and its like have no spaces between.
_FOREIGN = re.compile(
    "|".join(
        rf"\b{re.escape(word)}\b" if word[-1].isalpha() and ord(word[-1]) < 0x2E80 else re.escape(word)  # noqa: PLR2004
        for word in sorted(_WORDS, key=len, reverse=True)
    ),
    re.IGNORECASE,
)
_TWICE = re.compile(r"\b(\w{3,20})\s*\(\s*\1\s*\)", re.IGNORECASE)  # 精度 (accuracy)
_SIGN_FIRST = re.compile(r"(?<!\S)%\s?(\d{1,3}(?:[.,]\d+)?)(?![\d%])")  # Turkish


def in_english(text: str) -> str:
    """Words for metrics, data and models in other languages, as the English ones."""
    found = _FOREIGN.sub(lambda match: _WORDS[match[0].lower()], text)
    found = _TWICE.sub(r"\1", found) if found is not text else found
    return _SIGN_FIRST.sub(r"\1%", found) if "%" in found else found
