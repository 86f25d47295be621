"""Claims read from where they stand, a re-run in the sandbox, and the comparison: a submitted figure is never believed."""
