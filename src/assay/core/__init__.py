"""Core types: pure, frozen, without clock, disk or network. Everything imports them; they import nothing of ours."""
