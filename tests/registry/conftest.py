"""Fixtures of the registry's tests."""

from tests.support.databases import *  # noqa: F403
