"""Bytes to structure, without opinions: what a file is, how it is laid out, and where its header lies."""
