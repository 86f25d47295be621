"""The one error tree. Foreign exceptions are wrapped where they enter; every message says what to do next."""

from __future__ import annotations


class AssayError(Exception):
    """Base of every error that assay raises on purpose.

    Attributes:
        hint: what the reader can do next, without a final full stop; may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """Message and hint on one line, as the command line prints them."""
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class UsageError(AssayError):
    """The caller asked for something that does not exist or does not fit together."""


class EnvironmentFault(AssayError):
    """The machine is in the way: disk full, port in use, database locked, no permission."""


class ContentError(AssayError):
    """The bytes under inspection are broken or hostile. Becomes evidence, never exit status 3."""


class LimitExceeded(ContentError):
    """A named limit of `core.limits.Limits` was reached while reading hostile content."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class IntegrityError(AssayError):
    """Stored bytes or records are not what their digest or chain says."""


class SourceError(AssayError):
    """A source (hub, directory) could not give a snapshot."""


class Unreachable(SourceError):
    """A source does not answer just now, or asks to wait: the same may work later."""


class TrustError(AssayError):
    """A signature, key or trust file was not acceptable."""


class PolicyError(AssayError):
    """A policy file is invalid."""


class SandboxError(AssayError):
    """A worker could not be confined as required, or broke off."""
