"""How often one caller may come: token buckets, and the count of refused calls that tells probing. Thread-safe."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

_KEPT = 10_000  # callers that are remembered; the one not seen for longest goes first
PROBES = 30  # refused calls of one address within `PROBE_WINDOW`: a person's typing does not make so many
PROBE_WINDOW = 60.0  # seconds
BAD_TOKENS = 20  # wrong tokens of one address within a minute; Argon2 runs for each


class Buckets:
    """Token buckets by caller: `per_minute` on average, twice a minute's worth at once at most."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._most = float(2 * per_minute)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, caller: str, now: float) -> float:
        """Take one; 0 when there was one, else the seconds until there is. `now`: a monotonic clock."""
        with self._lock:
            level, at = self._levels.pop(caller, (self._most, now))
            level = min(self._most, level + (now - at) * self._rate)
            wait = 0.0 if level >= 1 else (1 - level) / self._rate
            self._levels[caller] = (level - 1 if not wait else level, now)
            while len(self._levels) > _KEPT:
                self._levels.popitem(last=False)
        return wait


@dataclass
class _Seen:
    since: float
    count: int = 0
    told: bool = False


class Refusals:
    """Refused calls by address, in windows of a minute."""

    def __init__(self, most: int = PROBES, window: float = PROBE_WINDOW) -> None:
        self._most = most
        self._window = window
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, address: str, now: float) -> int:
        """Count one; the number in this window when it just reached the alarm, else 0."""
        with self._lock:
            seen = self._seen.pop(address, None)
            if seen is None or now - seen.since > self._window:
                seen = _Seen(now)
            self._seen[address] = seen
            seen.count += 1
            while len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
            if seen.count >= self._most and not seen.told:
                seen.told = True
                return seen.count
        return 0

    def over(self, address: str, now: float) -> bool:
        """Whether the address reached the alarm in this window."""
        with self._lock:
            seen = self._seen.get(address)
            return seen is not None and now - seen.since <= self._window and seen.count >= self._most


@lru_cache(4096)
def caller_of(address: str) -> str:
    """Whom an address stands for when requests are counted: a whole /64 of IPv6, which one machine has for itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.is_loopback:  # noqa: PLR2004
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
