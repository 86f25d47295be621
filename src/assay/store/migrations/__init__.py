"""Alembic migrations of the index, inside the package so that an installed wheel can make and upgrade its database."""
