"""Provenance: keys, trust, DSSE envelopes, bundles, the OpenSSF model signature and the statements of an admission."""
