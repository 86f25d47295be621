"""Unsafe formats to safe ones: bytes are moved, nothing is run; proven equal inside the sandbox and outside."""
