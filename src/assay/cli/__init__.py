"""The command line: one small file per command. Parse, call, show; no logic."""
