"""Stock hub clients, each in an environment of its own (`make clients`), pointed at a server of ours."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("0.36", "1", "2")


@dataclass
class Client:
    """One version of huggingface_hub with a cache folder of its own.

    Attributes:
        version: `0.36`, `1` or `2`.
        url: the registry.
        home: cache folder (`HF_HOME`).
        said: what the last call wrote to standard error.
        token: access token, as its user sets it.
        extra: further variables of the environment.
    """

    version: str
    url: str
    home: Path
    said: str = ""
    token: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        folder = ROOT / ".venvs" / f"hub-{self.version}" / "bin"
        assert (folder / "python").exists(), "the clients are not installed: run `make clients`"
        return folder

    @property
    def env(self) -> dict[str, str]:
        """What `assay serve` tells its users to set, and no more, besides a short wait and no bars."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "ASSAY_", "PYTHON"))}
        return clean | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "DISABLE_SAFETENSORS_CONVERSION": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **({"HF_TOKEN": self.token} if self.token else {}),
            **self.extra,
        }

    def call(self, name: str, **arguments: Any) -> Any:
        """A call that succeeds; its result."""
        result = self.attempt(name, **arguments)
        assert "ok" in result, f"{result}\n{self.said}"
        return result["ok"]

    def fail(self, name: str, **arguments: Any) -> tuple[str, str]:
        """A call that fails; the type of the error, and everything that its user would read."""
        result = self.attempt(name, **arguments)
        assert "error" in result, result
        return result["error"], f"{result['message']}\n{self.said}"

    def attempt(self, name: str, **arguments: Any) -> dict[str, Any]:
        script = str(Path(__file__).with_name("client_calls.py"))
        done = self._run("python", script, name, json.dumps(arguments))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def audit(self, told: dict[str, Any]) -> list[Any]:
        """What `client_audit` found, one item each; the last one says that it came to its end."""
        done = self._run("python", str(Path(__file__).with_name("client_audit.py")), json.dumps(told), patience=600)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def hf(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The client's own command line."""
        return self._run("hf", *arguments)

    def _run(self, program: str, *arguments: str, patience: float = 120) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / program), *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=patience)
        self.said = done.stderr
        return done

    def cached(self, name: str) -> Path:
        """The client's cache folder of a model."""
        return self.home / "hub" / f"models--{name.replace('/', '--')}"
