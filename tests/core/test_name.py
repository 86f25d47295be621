import pytest

from assay.core.errors import UsageError
from assay.core.name import check_name

GOOD = ["gpt2", "org/name", "a/b", "sentence-transformers/all-MiniLM-L6-v2", "_x/1.0_b", "x" * 96]
SHAPES = ["", "/", "a/", "/a", "a/b/c", "x" * 97, "a/" + "x" * 97]
CHARACTERS = ["a b", "a\n", "a\n/b", "ä/b", "a%2fb", "a\\b"]
RESERVED = ["..", "a/..", "a..b", "a--b", "-a", "a-", ".a", "a.", "x.git"]


@pytest.mark.parametrize("name", GOOD)
def test_names_that_clients_accept(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", SHAPES + CHARACTERS + RESERVED)
def test_names_that_no_client_accepts(name):
    with pytest.raises(UsageError):
        check_name(name)
