"""The statistics against their definitions, against scipy, and in simulation."""

from __future__ import annotations

import random
from math import comb, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from assay.behaviour.statistics import (
    binomial_test,
    difference,
    holm,
    threshold,
)
from assay.core.proportion import clopper_pearson
from assay.core.sequential import Sequential

counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_an_interval_is_the_one_that_scipy_gives(pair):
    theirs = binomtest(*pair).proportion_ci(method="exact")
    assert clopper_pearson(*pair) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_fifty_nine_clean_models_bound_the_rate_at_five_percent():
    assert clopper_pearson(0, 59, 0.9)[1] <= 0.05 < clopper_pearson(0, 58, 0.9)[1]


@pytest.mark.parametrize("pair", [(-1, 3), (4, 3), (0, -1)])
def test_no_proportion(pair):
    with pytest.raises(ValueError, match="no proportion"):
        clopper_pearson(*pair)
    with pytest.raises(ValueError, match="no proportion"):
        binomial_test(*pair, 0.5)


def test_without_texts_everything_is_possible():
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@given(counts, counts)
def test_a_difference_holds_its_estimate_and_turns_its_sign(ours, theirs):
    low, high = difference(ours, theirs)
    assert -1 <= low <= ours[0] / ours[1] - theirs[0] / theirs[1] <= high <= 1
    assert difference(theirs, ours) == pytest.approx((-high, -low))


@pytest.mark.parametrize(("p", "q"), [(0.05, 0.05), (0.9, 0.3), (0.5, 0.45)])
def test_a_difference_covers_what_it_promises(p, q):
    n, covered = 24, 0.0
    for a in range(n + 1):
        for b in range(n + 1):
            low, high = difference((a, n), (b, n))
            if low <= p - q <= high:
                covered += comb(n, a) * p**a * (1 - p) ** (n - a) * comb(n, b) * q**b * (1 - q) ** (n - b)
    assert covered >= 0.95


@given(counts, st.floats(0.01, 0.99))
def test_a_tail_is_the_sum_of_its_terms(pair, rate):
    hits, n = pair
    terms = sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(hits, n + 1))
    assert isclose(binomial_test(hits, n, rate), terms, abs_tol=1e-9)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_never_makes_evidence_stronger_nor_weaker_than_bonferroni(ps):
    adjusted = holm(ps)
    assert all(p <= q <= min(1.0, len(ps) * p) + 1e-12 for p, q in zip(ps, adjusted, strict=True))
    order = sorted(range(len(ps)), key=ps.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_holm_on_an_example_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with pytest.raises(ValueError, match="probability"):
        holm([1.2])


def test_holm_bounds_false_alarms_of_a_whole_scan():
    rng = random.Random(3)
    alarms = sum(min(holm([rng.random() for _ in range(50)])) <= 0.05 for _ in range(2000))
    assert alarms / 2000 <= 0.065  # 0.05 and three standard errors


def _watch(rate: float, rng: random.Random, texts: int) -> Sequential:
    watch = Sequential(0.3, 0.8, alpha=0.01, beta=0.05)
    while watch.decided is None and watch.n < texts:
        watch = watch.seen(int(rng.random() < rate), 1)
    return watch


def test_looking_after_each_text_does_not_raise_the_error():
    rng = random.Random(5)
    assert sum(_watch(0.3, rng, 500).decided is True for _ in range(3000)) / 3000 <= 0.016
    assert sum(_watch(0.1, rng, 500).decided is True for _ in range(1000)) == 0


def test_a_trigger_is_called_one_within_a_dozen_texts_and_rarely_given_up():
    rng = random.Random(6)
    watched = [_watch(0.9, rng, 500) for _ in range(1000)]
    assert sum(one.decided is True for one in watched) >= 980
    assert sum(one.n for one in watched) / 1000 < 12


@given(st.lists(st.booleans(), max_size=60))
def test_evidence_depends_on_the_texts_and_is_not_lost(flips):
    watch = Sequential(0.2, 0.9)
    p = 1.0
    for flip in flips:
        watch = watch.seen(int(flip), 1)
        assert watch.p_value <= p
        p = watch.p_value
    assert watch.n == len(flips)
    assert watch.log_e == pytest.approx(Sequential(0.2, 0.9).seen(sum(flips), len(flips)).log_e)


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (0.8, 0.3)])
def test_a_watch_needs_two_rates(rates):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sequential(*rates)


scores = st.lists(st.floats(0, 1).map(lambda x: round(x, 2)), min_size=1, max_size=80)


@given(scores, st.floats(0.01, 0.5), st.floats(0, 0.2))
def test_a_threshold_keeps_its_rate_with_ties_and_margin(clean, rate, margin):
    found = threshold(clean, rate, margin)
    assert found.n == len(clean)
    assert found.rate == sum(one >= found.value for one in clean) / len(clean)
    assert found.rate <= rate
    assert found.rate <= found.bound
    assert found.expected <= max(rate, 1 / (len(clean) + 1))


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_few_models_give_a_threshold_above_all_of_them_and_say_so(rng):
    clean = [rng.random() for _ in range(8)]
    found = threshold(clean, 0.05)
    assert found.value > max(clean)
    assert found.expected == pytest.approx(1 / 9)
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 8))


def test_a_threshold_holds_for_the_next_model():
    rng = random.Random(8)
    passed = 0
    for _ in range(4000):
        found = threshold([rng.gauss(0, 1) for _ in range(39)], 0.1)
        passed += rng.gauss(0, 1) >= found.value
    assert passed / 4000 <= 0.115


@pytest.mark.parametrize(("clean", "rate"), [([], 0.05), ([0.1], 0.0), ([0.1], 1.0), ([float("nan")], 0.05)])
def test_no_threshold(clean, rate):
    with pytest.raises(ValueError, match="needs scores"):
        threshold(clean, rate)
