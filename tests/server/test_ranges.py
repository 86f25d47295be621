import pytest

from assay.server.ranges import Span, Unsatisfiable, parse_range

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=2-4", Span(2, 5)),
        ("bytes=2-", Span(2, 10)),
        ("bytes=2-99", Span(2, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-99", Span(0, 10)),
        (" Bytes=1-2 ", Span(1, 3)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=1-2,4-5", None),
        ("items=1-2", None),
        ("bytes=a-b", None),
        ("bytes=1-2; x", None),
        ("bytes=٣-", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_ranges_of_ten_bytes(header, span):
    assert parse_range(header, 10) == span


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=11-12", 10), ("bytes=0-", 0), ("bytes=-0", 10), ("bytes=-5", 0)]
)
def test_ranges_outside(header, size):
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


def test_if_range_keeps_the_range_for_our_own_etag_alone():
    assert parse_range("bytes=1-2", 10, if_range=ETAG, etag=ETAG) == Span(1, 3)
    for other in ('W/"abc"', '"abd"', "Wed, 21 Oct 2015 07:28:00 GMT", ""):
        assert parse_range("bytes=1-2", 10, if_range=other, etag=ETAG) is None
        assert parse_range("bytes=99-", 10, if_range=other, etag=ETAG) is None
