"""Where things are. From flags, then `ASSAY_*`, then `assay.toml`, then defaults."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import UsageError

if TYPE_CHECKING:
    import argparse

_LONGEST = 3600
SETTINGS_KEYS = (
    "data",
    "database_url",
    "workflow_url",
    "blobs_url",
    "hub_url",
    "hub_hosts",
    "hub_allow_private",
    "hub_proxy",
    "trust",
    "policy",
    "suites",
    "probes",
    "probe_device",
    "sandbox_runtime",
    "ci_issuers",
    "oidc_issuer",
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_roles",
    "oidc_person",
    "oidc_teams",
    "at_once",
    "lease_seconds",
    "link_seconds",
    "upload_file_gb",
    "upload_quota_gb",
    "revet_hours",
    "tsa_url",
)


_MOST_AMOUNT = 1e9


@dataclass(frozen=True, slots=True)
class Settings:
    """Resolved settings.

    Attributes:
        data: data directory (may not exist yet).
        database_url: SQLAlchemy URL of the index.
        workflow_url: SQLAlchemy URL of the workflow system database.
        blobs_url: directory or `s3://bucket/prefix`.
        hub_url: upstream hub of `hf://` references; None when not configured.
        hub_hosts: further hosts that the hub's redirects may name; in `ASSAY_HUB_HOSTS` separated by commas.
        hub_allow_private: whether the hub may send us to addresses that are not public.
        hub_proxy: URL of the HTTP proxy that requests to a hub go through; it resolves the names.
        suites: evaluations of every admission, each `PATH@sha256:HEX`; a relative path is from the data directory.
        probes: what models are probed against in every admission, each `PATH@sha256:HEX` of a TOML file.
        probe_device: where probes of an admission run: `cpu`, `cuda`, or `auto` for a GPU where there is one.
        sandbox_runtime: what models run in: `bubblewrap`, or the stronger and slower `runsc` (gVisor).
        ci_issuers: pipelines that may exchange an identity token, each `ISSUER CLAIM=PATTERN SCOPE+SCOPE`.
        oidc_issuer: URL of the OpenID Connect provider that people log in through; without one they type a token.
        oidc_client_id: of the registry at that provider.
        oidc_client_secret: of that client; empty for a public one. Better in the environment than in a file.
        oidc_roles: who gets which roles, each `CLAIM=PATTERN ROLE+ROLE`; nobody else is let in.
        oidc_person: claim that names a person (default: `sub`).
        oidc_teams: claim whose values are a person's teams; empty: none.
        at_once: how many processes may be at an inspector, all machines together, each `INSPECTOR=NUMBER`; else any.
        lease_seconds: on PostgreSQL, how long a worker may be silent before others take its work; the same everywhere.
        link_seconds: how long a link into object storage works; a revocation does not reach one that was given out.
        upload_file_gb: GiB that one uploaded file may have.
        upload_quota_gb: GiB that one person may upload within 24 hours; 0: any number.
        revet_hours: how often a worker queues served models whose rules or policy changed; 0: never by itself.
        tsa_url: RFC 3161 authority that time-stamps every statement of an admission (extra `timestamps`).
        trust: trust file.
        policy: policy file; None for the built-in policy. One that lies in the data directory is found by its name.
    """

    data: Path
    database_url: str
    workflow_url: str
    blobs_url: str
    hub_url: str | None
    trust: Path
    policy: Path | None
    hub_hosts: tuple[str, ...] = ()
    hub_allow_private: bool = False
    hub_proxy: str | None = None
    suites: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    probe_device: str = "cpu"
    sandbox_runtime: str = "bubblewrap"
    ci_issuers: tuple[str, ...] = ()
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_roles: tuple[str, ...] = ()
    oidc_person: str = "sub"
    oidc_teams: str = ""
    at_once: tuple[tuple[str, int], ...] = ()
    lease_seconds: float = 30.0
    link_seconds: float = 300.0
    upload_file_gb: float = 200.0
    upload_quota_gb: float = 0.0
    revet_hours: float = 1.0
    tsa_url: str = ""

    @property
    def keys(self) -> Path:
        """Directory of the private keys."""
        return self.data / "keys"


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--data DIR`."""
    parser.add_argument("--data", metavar="DIR", help="data directory (default: $ASSAY_DATA, else your own)")


def add_runtime_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--runtime`."""
    parser.add_argument(
        "--runtime", dest="sandbox_runtime", choices=("bubblewrap", "runsc"),
        help="what a model runs in: bubblewrap, or gVisor: stronger, slower (default: the setting sandbox_runtime)",
    )  # fmt: skip


def runtime_layers(settings: Settings) -> tuple[str, ...]:
    """Layers of the sandbox that the chosen runtime stands for.

    Raises:
        UsageError: no such runtime.
    """
    from assay.sandbox.runtime import layers_of  # noqa: PLC0415 - only where something is run

    return layers_of(settings.sandbox_runtime)


def load_settings(args: argparse.Namespace, *, judged: Path | None = None) -> Settings:
    """Resolve settings for a command.

    Args:
        args: of the command.
        judged: what the command passes judgement on. A model does not bring its own policy or trust file: an
            `assay.toml` in the working directory is refused when it lies inside.

    Raises:
        UsageError: for an `assay.toml` that is not TOML, has an unknown key, or is part of what is judged.
    """
    own = Path("assay.toml")
    if judged is not None and own.exists() and own.resolve().is_relative_to(judged.resolve()):
        raise UsageError(f"there is an assay.toml inside {judged}", hint="run the command from another directory")
    flag = getattr(args, "data", None) or os.environ.get("ASSAY_DATA")
    here = _read(Path("assay.toml"))
    if not flag:
        flag = here.get("data") or _user_data()
    data = Path(flag).expanduser().absolute()
    theirs = _read(data / "assay.toml")
    for key in ("policy", "trust"):  # what lies beside the file that names it, wherever the command is run
        if isinstance(path := theirs.get(key), str) and (data / path).is_file():
            theirs[key] = str(data / path)
    values = theirs | here
    for key in SETTINGS_KEYS:
        if value := os.environ.get(f"ASSAY_{key.upper()}"):
            values[key] = value
        if value := getattr(args, key, None):
            values[key] = value
    policy = values.get("policy") or (data / "policy.toml" if (data / "policy.toml").exists() else None)
    database = values.get("database_url") or f"sqlite:///{data / 'index.sqlite'}"
    on_postgres = database.startswith("postgresql")
    return Settings(
        data=data,
        database_url=database,
        workflow_url=values.get("workflow_url")
        or (database if on_postgres else f"sqlite:///{data / 'workflow.sqlite'}"),
        blobs_url=values.get("blobs_url") or str(data / "blobs"),
        hub_url=values.get("hub_url"),
        trust=Path(values.get("trust") or data / "trust.toml"),
        policy=Path(policy) if policy else None,
        hub_hosts=_list("hub_hosts", values.get("hub_hosts", ())),
        hub_allow_private=_switch("hub_allow_private", values.get("hub_allow_private", False)),
        hub_proxy=values.get("hub_proxy") or None,
        suites=_list("suites", values.get("suites", ())),
        probes=_list("probes", values.get("probes", ())),
        probe_device=str(values.get("probe_device", "cpu")),
        sandbox_runtime=str(values.get("sandbox_runtime", "bubblewrap")),
        ci_issuers=_list("ci_issuers", values.get("ci_issuers", ())),
        **_oidc(values),
        at_once=_at_once(_list("at_once", values.get("at_once", ()))),
        lease_seconds=_seconds("lease_seconds", values.get("lease_seconds", 30.0)),
        link_seconds=_seconds("link_seconds", values.get("link_seconds", 300.0)),
        upload_file_gb=_amount("upload_file_gb", values.get("upload_file_gb", 200)),
        upload_quota_gb=_amount("upload_quota_gb", values.get("upload_quota_gb", 0)),
        revet_hours=_amount("revet_hours", values.get("revet_hours", 1)),
        tsa_url=str(values.get("tsa_url", "")),
    )


def _at_once(entries: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    found = []
    for entry in entries:
        name, _, number = entry.partition("=")
        if not name.strip() or not number.strip().isascii() or not number.strip().isdigit() or int(number) < 1:
            raise UsageError(f"setting at_once: not INSPECTOR=NUMBER: {entry!r}", hint='like ["load=1", "behaviour=2"]')
        found.append((name.strip(), int(number)))
    return tuple(found)


def _amount(key: str, value: Any) -> float:
    try:
        found = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found <= _MOST_AMOUNT:
        raise UsageError(f"setting {key} is no number from 0 up: {value!r}")
    return found


def _oidc(values: dict[str, Any]) -> dict[str, Any]:
    found = {key: str(values[key]) for key in SETTINGS_KEYS if key.startswith("oidc_") and values.get(key)}
    return found | {"oidc_roles": _list("oidc_roles", values.get("oidc_roles", ()))}


def _list(key: str, value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise UsageError(f"setting {key} is not a list of text: {value!r}", hint='like ["one.example", "two.example"]')
    return tuple(item.strip() for item in items if item.strip())


def _switch(key: str, value: Any) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in known:
        raise UsageError(f"setting {key} is neither true nor false: {value!r}")
    return known[str(value).lower()]


def _seconds(key: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"setting {key} is no number: {value!r}") from error
    if not 1 <= seconds <= _LONGEST:
        raise UsageError(f"setting {key} is between 1 and {_LONGEST} seconds: {value!r}")
    return seconds


def _user_data() -> str:
    from platformdirs import user_data_dir  # noqa: PLC0415

    return user_data_dir("assay")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: not TOML: {error}"
        raise UsageError(msg, hint="mend the file or move it away") from error
    if unknown := set(values) - set(SETTINGS_KEYS):
        msg = f"{path}: unknown setting {min(unknown)!r}"
        raise UsageError(msg, hint=f"known: {', '.join(SETTINGS_KEYS)}")
    return values
