"""Static inspectors: one file each; the runner walks a snapshot once and keeps what every one of them saw."""
