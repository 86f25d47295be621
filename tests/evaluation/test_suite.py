"""A suite is exactly what is written down, its data exactly the pinned bytes."""

from __future__ import annotations

import hashlib
import json

import pytest

from assay.core.digest import Digest
from assay.core.errors import ContentError, EnvironmentFault, UsageError
from assay.evaluation.data import load_data
from assay.evaluation.labels import class_indices, id_to_label
from assay.evaluation.safety import judge
from assay.evaluation.suite import load_suite
from tests.evaluation.small import sentiment_suite, write_suite

COLUMNS = 'text = "t"\nlabel = "l"'


def test_the_suite_of_the_interface_page(tmp_path):
    suite = load_suite(sentiment_suite(tmp_path, 5, tolerance=0.01))
    assert (suite.name, suite.task, suite.metrics, suite.tolerance) == (
        "toy",
        "text-classification",
        ("accuracy",),
        0.01,
    )
    assert suite.dataset == "toy"
    assert len(load_data(suite).rows) == 5
    assert str(tmp_path) not in json.dumps(suite.to_json())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("task = ", "tusk = "), "unknown key 'tusk'"),
        (('"text-classification"', '"poetry"'), "unknown task"),
        (('["accuracy"]', '["perplexity"]'), "no metric 'perplexity'"),
        (('["accuracy"]', "[]"), "metrics is missing or empty"),
        (('["accuracy"]', '["accuracy", "accuracy"]'), "names one twice"),
        (("[data]", "tolerance = -1\n[data]"), "tolerance"),
        (("[data]", "tolerance = nan\n[data]"), "tolerance"),
        (("[data]", "seed = 1.5\n[data]"), "seed"),
        (("[data]", "repeats = 0\n[data]"), "repeats"),
        (("[data]", 'dtype = "int8"\n[data]'), "dtype"),
        (("[data]", "[date]"), "unknown key 'date'"),
        (("path = ", "pith = "), "unknown key data.pith"),
        (('"data.tsv"', '"https://example.org/data.tsv"'), "an address"),
        (('label = "label"', ""), "data.label is missing"),
        (('sha256 = "', 'sha256 = "x'), "sha256"),
        (('"data.tsv"', '"data.xml"'), "data format 'xml'"),
        (("name", "\0"), "not TOML"),
    ],
)
def test_anything_else_is_refused(tmp_path, change, message):
    path = sentiment_suite(tmp_path, 3)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    with pytest.raises(UsageError, match=message):
        load_suite(path)


def test_an_altered_suite_is_not_the_pinned_one(tmp_path):
    path = sentiment_suite(tmp_path, 3)
    pinned = Digest.of(path.read_bytes())
    assert load_suite(path, pinned=pinned).digest == pinned
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UsageError, match="not the suite that was agreed on"):
        load_suite(path, pinned=pinned)


def test_altered_data_is_refused(tmp_path):
    suite = load_suite(sentiment_suite(tmp_path, 3))
    suite.data.path.write_text(suite.data.path.read_text().replace("film", "flim") + "a fine film\t1\n")
    with pytest.raises(UsageError, match="not the data that the suite pins"):
        load_data(suite)


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("d.csv", 't,l\n"a, ""b""\nc",1\n'),
        ("d.tsv", 't\tl\na, ""b""\t1\n'),
        ("d.jsonl", '{"t": "a, \\"b\\"\\nc", "l": 1}\n\n'),
    ],
)
def test_data_formats(tmp_path, file, rows):
    suite = load_suite(write_suite(tmp_path, "text-classification", ["accuracy"], COLUMNS, rows, file=file))
    (row,) = load_data(suite).rows
    assert row["text"] == ('a, ""b""' if file == "d.tsv" else 'a, "b"\nc')
    assert str(row["label"]) == "1"


def test_parquet_needs_pyarrow_or_is_read(tmp_path):
    suite = load_suite(write_suite(tmp_path, "text-classification", ["accuracy"], COLUMNS, "PAR1", file="d.parquet"))
    with pytest.raises((EnvironmentFault, UsageError), match=r"pyarrow|not Parquet"):
        load_data(suite)


@pytest.mark.parametrize("rows", ["t\tl\n", "t\tx\na\t1\n", "t\tl\na\n"])
def test_missing_rows_and_columns(tmp_path, rows):
    suite = load_suite(write_suite(tmp_path, "text-classification", ["accuracy"], COLUMNS, rows))
    with pytest.raises(UsageError, match=r"no examples|has no"):
        load_data(suite)


def test_labels():
    names = id_to_label({"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}})
    assert class_indices(["positive", "negative"], names, {}) == ((1, 0), "id2label, case ignored")
    assert class_indices(["POSITIVE"], names, {}) == ((1,), "id2label")
    assert class_indices([0, 1, 1.0], names, {}) == ((0, 1, 1), "index")
    assert class_indices(["LABEL_1"], {0: "LABEL_0", 1: "LABEL_1"}, {}) == ((1,), "id2label")
    assert class_indices(["good", "bad"], names, {"good": 1, "bad": 0}) == ((1, 0), "suite")
    for labels, own in ((["maybe"], {}), (["positive", "Positive"], {}), (["positive"], {"negative": 0})):
        with pytest.raises(ContentError, match="none of the model"):
            class_indices(labels, names, own)


def test_the_models_own_names_win_over_indices():
    assert class_indices(["0", "1"], {0: "1", 1: "0"}, {})[0] == (1, 0)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("I can\u2019t help with that.", "refusal"),
        ("  I'M  SORRY, but no.", "refusal"),
        ("Sure! First, take a hammer.", "compliance"),
        ("I candidly explain: first, mix.", "compliance"),
        ("Sure. " + "x " * 200 + "I cannot go on", "compliance"),
        ("", "neither"),
        (" \n...", "neither"),
    ],
)
def test_refusals(answer, word):
    assert judge(answer) == word


def test_a_suites_own_phrases():
    assert judge("Nope, never.", ("nope",)) == "refusal"


def test_data_digest_is_the_files(tmp_path):
    suite = load_suite(sentiment_suite(tmp_path, 3))
    assert suite.data.sha256.hex == hashlib.sha256(suite.data.path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("labels", "names", "indices", "rule"),
    [
        (["1", "0"], ["POSITIVE", "NEGATIVE"], (0, 1), "usual meaning"),
        (["1", "0"], ["NEGATIVE", "POSITIVE"], (1, 0), "index"),
        (["pos", "neg"], ["NEGATIVE", "POSITIVE"], (1, 0), "id2label, other words"),
        (["5", "1"], ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], (4, 0), "number in id2label"),
        (["0", "2"], ["contradiction", "neutral", "entailment"], (2, 0), "usual meaning"),
        ([True, False], ["LABEL_0", "LABEL_1"], (1, 0), "index"),
        (["1.0", "0.0"], ["LABEL_0", "LABEL_1"], (1, 0), "number in id2label"),
        (["0", "1"], ["cats", "dogs"], (0, 1), "index"),
    ],
)
def test_labels_by_what_users_see(labels, names, indices, rule):
    assert class_indices(labels, dict(enumerate(names)), {}) == (indices, rule)


def test_a_suites_labels_may_name_the_models():
    assert class_indices(["a", "b"], {0: "Good", 1: "Bad"}, {"a": "Bad", "b": "good"})[0] == (1, 0)


def test_names_of_a_label_that_stand_only_the_other_way_round():
    assert id_to_label({"label2id": {"negative": 0, "positive": 1}}) == {0: "negative", 1: "positive"}
