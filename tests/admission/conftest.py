"""Fixtures of the admission tests."""

from tests.support.databases import postgres

__all__ = ["postgres"]
