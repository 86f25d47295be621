"""Which name was meant: found among many, not among the first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from assay.registry.catalog import Catalog
from assay.registry.records import Refused
from assay.registry.resembling import meant
from tests.support.published import Publisher

FILES = {"config.json": b"{}"}


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    made = Publisher(tmp_path_factory.mktemp("named"))
    for name in ("zed/distilbert-base-uncased-finetuned-squad", "zed/ab", "Big/Case", "other/some-encoder", "gpt2"):
        made.admit(name, FILES)
    made.admit("gone/away-long-ago", FILES, days=1)
    return made


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("zed/distilbert-base-uncased-finetuned-sqad", "zed/distilbert-base-uncased-finetuned-squad"),
        ("zde/distilbert-base-uncased-finetuned-squda", "zed/distilbert-base-uncased-finetuned-squad"),  # two swaps
        ("evil/distilbert-base-uncased-finetuned-squad", "zed/distilbert-base-uncased-finetuned-squad"),
        ("zed/distilbert-base-cased-finetuned-squad", "zed/distilbert-base-uncased-finetuned-squad"),
        ("big/case", "Big/Case"),
        ("ze/ab", "zed/ab"),
        ("gtp2", "gpt2"),
        ("zed/nothing-like-it", ""),
    ],
)
def test_the_nearest_name(publisher: Publisher, asked: str, nearest: str) -> None:
    assert meant(publisher.index, asked, publisher.now).nearest == nearest


def test_what_is_not_served_any_more_is_not_offered(publisher: Publisher) -> None:
    later = publisher.now + timedelta(days=2)
    assert meant(publisher.index, "gone/away-long-agp", publisher.now).nearest == "gone/away-long-ago"
    assert meant(publisher.index, "gone/away-long-agp", later).nearest == ""


def test_only_another_spelling_of_one_name_is_the_same(publisher: Publisher) -> None:
    assert meant(publisher.index, "BIG/case", publisher.now).but_for_case
    assert not meant(publisher.index, "big/cases", publisher.now).but_for_case
    with pytest.raises(Refused, match=r"did you mean Big/Case\?") as refused:
        Catalog(publisher.index).resolve("BIG/CASE", now=publisher.now)
    assert refused.value.but_for_case
