"""Harmless files made by real frameworks; each module is run by the interpreter that has the framework."""
