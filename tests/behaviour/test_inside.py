"""Clusters and linear separability of representations, on crowds whose distance is known."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from assay.workers.probe_inside import crowds  # noqa: E402

pytestmark = pytest.mark.torch


def test_two_crowds_are_told_from_one():
    generator = torch.Generator().manual_seed(3)
    one, other = torch.randn(20, 8, generator=generator), torch.randn(20, 8, generator=generator)
    alike, apart = crowds(one, other), crowds(one + 5, other)
    assert abs(alike["silhouette"]) < 0.1
    assert alike["two_means"] < 0.8
    assert 0.2 < alike["linear_probe"] < 0.8
    assert apart["silhouette"] > 0.5
    assert apart["two_means"] == apart["linear_probe"] == 1.0
