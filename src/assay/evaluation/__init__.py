"""Claims, a re-run in the sandbox, and the comparison: a submitted figure is never believed."""
