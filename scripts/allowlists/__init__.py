"""Inspect installed or unpacked frameworks and decide which names a pickle may use."""
