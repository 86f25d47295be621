"""A program that admits models and is killed on the way, at one moment after another.

`python -m tests.registry.killed DATABASE_URL BLOBS MOMENTS` forks one child per moment. Each child admits a model of
its own and gets SIGKILL at that moment: at the n-th call or return (Python or C) made by a function of assay.store or
assay.registry. Models 0 and 1 are admitted undisturbed, the killed ones follow. Prints how many were killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.registry.catalog import Catalog
from assay.store.blobs import open_blobs
from assay.store.index import Index
from tests.support import admitted

if TYPE_CHECKING:
    from types import FrameType

_ROOMS = (f"{os.sep}assay{os.sep}store{os.sep}", f"{os.sep}assay{os.sep}registry{os.sep}")


def files(number: int) -> dict[str, bytes]:
    return {"config.json": b"{}", "model.safetensors": str(number).encode() * 1000}


def name(number: int) -> str:
    return f"org/model-{number}"


def admit(url: str, blobs_url: str, number: int) -> str:
    """What admission does, without its inspections. Repeating it finishes what was begun."""
    index, blobs = Index.open(url), open_blobs(blobs_url)
    subject = admitted.store(index, blobs, files(number), name(number))
    judged = admitted.verdict(subject)
    catalog = Catalog(index)
    chain = admitted.chain(subject, judged, name(number))
    revision = catalog.next_revision(name(number), subject.id)
    chain.append(admitted.ref_statement(subject, chain[-1].envelope, name=name(number), revision=revision))
    published = catalog.publish(name(number), subject.id, judged, chain, admitted.NOW, blobs=blobs)
    index.close()
    return published.revision


class _Clock:
    """Counts moments and kills at one of them."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.moment = 0

    def tick(self, frame: FrameType, event: str, argument: Any) -> None:
        if any(room in frame.f_code.co_filename for room in _ROOMS):
            self.moment += 1
            if self.moment == self.end:
                os.kill(os.getpid(), signal.SIGKILL)


def _moments(url: str, blobs_url: str, number: int, end: int) -> int:
    """Run one child; returns how many moments it had, or 0 when it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        clock = _Clock(end)
        sys.setprofile(clock.tick)
        admit(url, blobs_url, number)
        sys.setprofile(None)
        os.write(writing, str(clock.moment).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return 0
    if status != 0:
        raise SystemExit(f"child {number} failed: {status}")
    return int(answer)


def main() -> None:
    url, blobs_url, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    Path(blobs_url).mkdir()
    Index.open(url).close()  # loads the driver here, not in every child; no more: threads don't survive a fork
    _moments(url, blobs_url, 0, 0)  # makes what all of them share
    total = _moments(url, blobs_url, 1, 0)
    for step in range(wanted):
        end = 1 + step * (total - 1) // (wanted - 1)
        if _moments(url, blobs_url, 2 + step, end):
            raise SystemExit(f"child {step} outlived moment {end} of {total}")
    print(wanted)


if __name__ == "__main__":
    main()
