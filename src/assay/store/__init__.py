"""What is kept: content-addressed blobs, the index of what is known about them, and the append-only log."""
