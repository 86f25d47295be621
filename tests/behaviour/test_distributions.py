"""Dip, calibration error, entropy and separation, against independent computations."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.metrics import roc_auc_score

from assay.behaviour.distributions import auc, dip, dip_test, entropy, expected_calibration_error


def _by_linear_programs(values: list[float]) -> float:  # noqa: C901 - one constraint after the other
    """The definition: for each mode, the nearest function that is convex before it and concave after it."""
    xs = sorted(set(values))
    n = len(values)
    below = [sum(v < x for v in values) / n for x in xs]
    upto = [sum(v <= x for v in values) / n for x in xs]
    best = 1.0
    for mode in range(len(xs)):
        # unknowns: left limits f_0..f_mode, right limits g_mode..g_last, distance e
        left, right = mode + 1, len(xs) - mode
        size = left + right + 1
        rows, bounds = [], []

        def add(terms, bound, size=size, rows=rows, bounds=bounds):
            row = [0.0] * size
            for index, factor in terms:
                row[index] += factor
            rows.append(row)
            bounds.append(bound)

        for i in range(left):
            add([(i, 1), (size - 1, -1)], below[i])
            if i < mode:  # at the mode itself there may be a jump
                add([(i, -1), (size - 1, -1)], -upto[i])
            else:
                add([(i, -1), (size - 1, -1)], -below[i])
        for i in range(mode, len(xs)):
            at = left + i - mode
            add([(at, -1), (size - 1, -1)], -upto[i])
            if i > mode:
                add([(at, 1), (size - 1, -1)], below[i])
            else:
                add([(at, 1), (size - 1, -1)], upto[i])
        add([(mode, 1), (left, -1)], 0.0)
        for i in range(1, left - 1):
            a, b = xs[i] - xs[i - 1], xs[i + 1] - xs[i]
            add([(i, 1 / a + 1 / b), (i - 1, -1 / a), (i + 1, -1 / b)], 0.0)
        for i in range(mode + 1, len(xs) - 1):
            a, b, at = xs[i] - xs[i - 1], xs[i + 1] - xs[i], left + i - mode
            add([(at, -1 / a - 1 / b), (at - 1, 1 / a), (at + 1, 1 / b)], 0.0)
        for i in range(1, left):
            add([(i - 1, 1), (i, -1)], 0.0)
        for i in range(mode + 1, len(xs)):
            add([(left + i - mode - 1, 1), (left + i - mode, -1)], 0.0)
        found = linprog([0.0] * (size - 1) + [1.0], rows, bounds, bounds=[(None, None)] * (size - 1) + [(0, None)])
        best = min(best, found.fun)
    return best


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40).map(float), min_size=2, max_size=14))
def test_a_dip_is_the_distance_of_its_definition(values):
    assert dip(values) == pytest.approx(max(_by_linear_programs(values), 1 / (2 * len(values))), abs=1e-7)


@given(st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=1, max_size=60), st.floats(0.5, 9))
def test_a_dip_lies_in_its_range_and_knows_no_unit(values, factor):
    found = dip(values)
    assert 1 / (2 * len(values)) - 1e-12 <= found <= 0.25 + 1 / (2 * len(values))
    assert dip([-factor * v for v in values]) == pytest.approx(found, abs=1e-6)


def test_two_heaps_are_told_from_one():
    rng = random.Random(1)
    one = [rng.gauss(0, 1) for _ in range(120)]
    two = [rng.gauss(rng.choice((-3, 3)), 1) for _ in range(120)]
    assert dip_test(one, resamples=150)[1] > 0.1
    assert dip_test(two, resamples=150)[1] < 0.01
    assert dip([0.0] * 50 + [1.0] * 50) == pytest.approx(0.25)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, 1.0]])
def test_no_dip(values):
    with pytest.raises(ValueError, match="finite"):
        dip(values)


def test_calibration_error_by_hand():
    assert expected_calibration_error([1.0, 1.0, 1.0, 1.0], [True, True, True, False]) == pytest.approx(0.25)
    assert expected_calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0.0)
    assert expected_calibration_error([0.9, 0.1], [False, True], bins=2) == pytest.approx(0.9)
    for confidences, correct in (([], []), ([0.5], []), ([1.5], [True])):
        with pytest.raises(ValueError, match="calibration"):
            expected_calibration_error(confidences, correct)


@given(st.integers(1, 64))
def test_entropy_of_equal_chances(n):
    assert entropy([1 / n] * n) == pytest.approx(math.log2(n))


def test_entropy_of_what_is_no_distribution():
    for wrong in ([0.5, 0.6], [-0.1, 1.1], []):
        with pytest.raises(ValueError, match="distribution"):
            entropy(wrong)


ties = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30)


@given(ties, ties)
def test_separation_is_the_area_under_the_curve(clean, bad):
    labels = [0] * len(clean) + [1] * len(bad)
    assert auc(clean, bad) == pytest.approx(roc_auc_score(labels, clean + bad))
    with pytest.raises(ValueError, match="two groups"):
        auc([], bad)
