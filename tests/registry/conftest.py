"""Fixtures of the registry's tests."""

from tests.support.databases import index, index_url, postgres

__all__ = ["index", "index_url", "postgres"]
