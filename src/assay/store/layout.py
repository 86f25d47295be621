"""What both kinds of blob storage share: names of objects and what is said when one is not right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import ContentError, EnvironmentFault, IntegrityError
from assay.core.limits import MIB

if TYPE_CHECKING:
    from obstore.exceptions import BaseError

    from assay.core.digest import Digest

STREAM_CHUNK = MIB  # bytes; measured: 64 KiB chunks serve at a third of the speed


def key(digest: Digest) -> str:
    """The object's name: 256 directories keep listings short on every file system."""
    return f"sha256/{digest.hex[:2]}/{digest.hex}"


def check_expected(digest: Digest, expect: Digest | None) -> None:
    """Refuse bytes that are not the expected ones (ContentError)."""
    if expect is not None and digest != expect:
        raise ContentError(f"the bytes are not the expected ones: {digest} instead of {expect}")


def missing(digest: Digest) -> IntegrityError:
    """The blob is not there."""
    return IntegrityError(f"blob {digest} is not in the store", hint="vet the model again to store it")


def damaged(digest: Digest, how: str) -> IntegrityError:
    """The blob is there and wrong."""
    hint = "the disk or somebody changed it: delete that blob, and vet the model again to restore it"
    return IntegrityError(f"stored blob {digest} {how}", hint=hint)


def store_fault(error: BaseError | ValueError) -> EnvironmentFault:
    """An error of the object store, on one line."""
    line = str(error).partition("\n")[0]
    return EnvironmentFault(f"blob store: {line}", hint="check ASSAY_BLOBS_URL and the AWS_* credentials")
