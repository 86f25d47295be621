"""Run a command with no network and few rights; record what it tried, and say which layers were really active."""
