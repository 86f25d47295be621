"""The deploy gate: may this folder be loaded? Numbered steps, offline, with the verifier's own trust file."""
