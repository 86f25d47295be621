"""What the workflow database holds: JSON, and never a pickle.

DBOS decides by the `serialization` column of each row how to read it back, whatever serializer is configured, and one
of the ways is to unpickle. Whoever can write a row could then run code in every process that reads it, the signer's
included.
`forbid_unpickling` takes that way out and proves that it is gone.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from dbos import Serializer, _serialization
from sqlalchemy.exc import SQLAlchemyError

from assay.core import errors
from assay.core.errors import AssayError, EnvironmentFault, IntegrityError

NAME = "assay_json"
_KINDS: dict[str, type[AssayError]] = {
    kind.__name__: kind
    for kind in (
        AssayError,
        EnvironmentFault,
        IntegrityError,
        errors.ContentError,
        errors.PolicyError,
        errors.SandboxError,
        errors.SourceError,
        errors.Unreachable,
        errors.TrustError,
        errors.UsageError,
    )
}
_ERROR = "assay error"  # key of an error among values; results of steps are objects of ours and never have it
_PROBE = "Ti4="  # base64 of the two bytes that unpickle to None


class JsonSerializer(Serializer):
    """Values as JSON; errors as kind, message and hint."""

    def name(self) -> str:
        """What stands in the `serialization` column."""
        return NAME

    def serialize(self, data: Any) -> str:
        """JSON text; an exception becomes an object."""
        if isinstance(data, BaseException):
            data = {_ERROR: _describe(data)}
        return json.dumps(data, allow_nan=False, ensure_ascii=True)

    def deserialize(self, serialized_data: str) -> Any:
        """Read what `serialize` wrote; an error comes back as the same kind of AssayError."""
        value = json.loads(serialized_data)
        if isinstance(value, dict) and _ERROR in value:
            error = value[_ERROR]
            return _KINDS.get(error["kind"], AssayError)(error["message"], hint=error["hint"])
        return value


def _describe(error: BaseException) -> dict[str, str]:
    """An error of ours as it is; a refusal of the operating system as one of the environment; the rest as our bug."""
    if isinstance(error, AssayError):
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS]
        return {"kind": kinds[0], "message": Exception.__str__(error), "hint": error.hint}
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        message = f"{error.strerror or type(error).__name__}{where}"
        return {"kind": "EnvironmentFault", "message": message, "hint": "check disk space and permissions"}
    if isinstance(error, SQLAlchemyError):
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        return {
            "kind": "EnvironmentFault",
            "message": f"database: {reason}",
            "hint": "check disk space and the database",
        }
    message = f"internal error: {type(error).__name__}: {error}"[:2000]
    return {"kind": "AssayError", "message": message, "hint": "please report it"}


def _refuse(*_: Any) -> NoReturn:
    raise IntegrityError(
        "the workflow database holds a pickled row, which assay never writes",
        hint="somebody else wrote to it: keep it for inspection and start with a fresh one",
    )


def forbid_unpickling() -> None:
    """Take DBOS's own serializer out of service, for this process and for good.

    DBOS writes an error in the way that the failing row says. So that even a planted row ends, instead of being tried
    again and again, that writing works; it writes JSON.

    Raises:
        IntegrityError: when the installed DBOS still reads a pickled row afterwards.
    """
    for way, replacement in (("serialize", JsonSerializer.serialize), ("deserialize", _refuse)):
        setattr(_serialization.DefaultSerializer, way, replacement)
    name = _serialization.DBOSDefaultSerializer.name()
    try:
        _serialization.deserialize_value(_PROBE, name, JsonSerializer())
    except IntegrityError:
        return
    raise IntegrityError(
        "this version of DBOS still unpickles its database", hint="install the version in constraints/"
    )
