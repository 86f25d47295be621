"""The settings that a stock hub client needs to use this registry, and nothing else."""

from __future__ import annotations


def client_settings(url: str, home: str = "$HOME/.cache/assay-hf") -> tuple[str, ...]:
    """Lines for a shell.

    - `HF_ENDPOINT` names the registry.
    - `HF_HOME` is a cache of its own: the client's cache knows no endpoint, and a commit cached from a public hub would
      be used unvetted.
    - `DISABLE_SAFETENSORS_CONVERSION`: transformers may otherwise send names and token to an outside service.
    """
    return (
        f"export HF_ENDPOINT={url}",
        f'export HF_HOME="{home}"',
        "export DISABLE_SAFETENSORS_CONVERSION=1",
    )
