"""Fixtures of the store's tests."""

from tests.support.databases import *  # noqa: F403
