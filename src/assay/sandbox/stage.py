"""The folder that a guest sees as its model: read-only inside, one model at a time."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import EnvironmentFault
from assay.core.snapshot import check_path

if TYPE_CHECKING:
    from collections.abc import Iterable

_COPY_BYTES = 8 << 20


class Stage:
    """A directory of ours, bound into the guest as `/model`. Hard links where they do, else copies."""

    def __init__(self, parent: Path | None = None) -> None:
        try:
            self._home = Path(tempfile.mkdtemp(prefix="assay-stage-", dir=parent))
        except OSError as error:
            raise EnvironmentFault(f"no folder for the model: {error.strerror}", hint="check TMPDIR") from error
        self._descriptors = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.root = self._home / "model"
        self.root.mkdir(mode=0o755)
        self.copied_bytes = 0

    def put(self, files: Iterable[tuple[str, BinaryIO]]) -> int:
        """Lay out a model; what lay there before is gone. Returns its bytes.

        Args:
            files: checked relative paths and streams; a stream with `fileno` is linked when it can be.
        """
        self.clear()
        total = 0
        try:
            for path, stream in files:
                target = self.root / check_path(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                total += self._lay(stream, target)
        except OSError as error:
            raise EnvironmentFault(f"can't lay out the model: {error.strerror}", hint="free disk space") from error
        return total

    def _lay(self, stream: BinaryIO, target: Path) -> int:
        try:
            descriptor = stream.fileno()
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IROTH:
                os.link(str(descriptor), target, src_dir_fd=self._descriptors)  # linkat follows the link there
                return status.st_size
        except (OSError, AttributeError):
            pass  # another file system, or no file at all: copy
        stream.seek(0)
        with target.open("xb") as out:
            shutil.copyfileobj(stream, out, _COPY_BYTES)
        target.chmod(0o444)
        size = target.stat().st_size
        self.copied_bytes += size
        return size

    def clear(self) -> None:
        """Take the model away."""
        for entry in self.root.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def remove(self) -> None:
        """Take everything away."""
        os.close(self._descriptors)
        shutil.rmtree(self._home, ignore_errors=True)
