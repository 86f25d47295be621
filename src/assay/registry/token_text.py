"""The text of an access token: `assay_` + id (12) + secret (30) + checksum (6), letters and digits. Pure.

The prefix and the checksum let a secret scanner tell a token from noise without asking anybody; the id finds the row
without a search; the secret has 178 bits, of which the registry keeps an Argon2 hash.

Some clients (llama.cpp) send nothing that doesn't begin with `hf_`: the same 48 letters and digits behind that are
taken for the token. Those of the public hub are shorter, and fail the checksum.
"""

from __future__ import annotations

import re
import string
import zlib
from dataclasses import dataclass

PREFIX = "assay_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH = 12
SECRET_LENGTH = 30  # log2(62) * 30 = 178 bits
CHECK_LENGTH = 6  # base 62 of a CRC-32
_BODY = rf"[0-9A-Za-z]{{{ID_LENGTH + SECRET_LENGTH + CHECK_LENGTH}}}"
PATTERN = re.compile(rf"{PREFIX}{_BODY}")
HUB_PREFIX = "hf_"
_EITHER = re.compile(rf"(?P<prefix>{PREFIX}|{HUB_PREFIX})(?P<body>{_BODY})")


@dataclass(frozen=True, slots=True, repr=False)
class TokenText:
    """The parts of a token. Not shown by `repr`.

    Attributes:
        id: public.
        secret: never stored, never logged.
    """

    id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> TokenText | None:
        """The parts; None for anything that is no token of ours or was mistyped."""
        if not PATTERN.fullmatch(text):
            return None
        body, check = text[len(PREFIX) : -CHECK_LENGTH], text[-CHECK_LENGTH:]
        return cls(body[:ID_LENGTH], body[ID_LENGTH:]) if _check(body) == check else None

    def __str__(self) -> str:
        """The whole token."""
        body = self.id + self.secret
        return f"{PREFIX}{body}{_check(body)}"


def redact(text: str) -> str:
    """`text` with every token in it cut down to its public id."""
    return _EITHER.sub(lambda match: f"{match['prefix']}{match['body'][:ID_LENGTH]}…", text)


def spelled_out(text: str) -> str:
    """The token as it was given out, when this is one that begins with `hf_`; anything else as it is."""
    own = PREFIX + text.removeprefix(HUB_PREFIX)
    return own if text.startswith(HUB_PREFIX) and TokenText.parse(own) else text


def _check(body: str) -> str:
    value, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(CHECK_LENGTH):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
