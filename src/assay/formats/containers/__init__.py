"""Archives and compressed streams: their true shape, and their members as bounded, seekable streams."""
