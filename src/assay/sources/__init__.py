"""Where snapshots come from: a local directory, or a hub over HTTP. Each byte is read once and hashed on its way in."""
