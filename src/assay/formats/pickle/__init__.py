"""The pickle machine: what loading a pickle would do, without doing it."""
