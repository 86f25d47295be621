"""Builders of model files from their specifications, for tests and the corpus. Payloads are harmless."""
