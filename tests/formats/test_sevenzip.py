"""7z archives of every coder that is read; the fixtures were written by another implementation (py7zr 1.x)."""

from __future__ import annotations

import base64
import io

import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.containers.members import Budget
from assay.formats.containers.sevenzip import read_7z

# Each holds folder/a.txt ("hello " * 50), b.bin (all 256 bytes) and an empty file.
FIXTURES = {
    "lzma": (
        "N3q8ryccAARMwAqN+wAAAAAAAACcAAAAAAAAAFPGM7gANBlJ7o3pX8HwshWUEYg0Y8bQZa/nHvoLd1xjTmp1u96CUQ9Z5eaBf5Jy"
        "crzB9jQ13bBxRAA9yeUlmeo75GdMcCnArqb0TGnpFl2WRbgFOhjehjSIC+oPiHpUlPSGDBUhD09G2/lpNlhqfW0g0HsWcU4WNyLu"
        "EfJxlO45CksXxyyid8PEoxjINpkzBw6eI/dvG+CGfFZ5fDm914NLTA3fzZAS6SkQn6Tdt8wpqtf4F+tQQc+QyuE5sFMnz9pTgqTP"
        "c9iOBngYvXG787T4q08GQlMz+wbskAiaZWMTTp16NkCC9/aRWeWe8sjf8wtASL3mLpuAL///3ywAAAEEBgABCYD7AAcLAQABIwMB"
        "AQVdAACAAAyCLAAIDQMJgSyBAAoBwUhCWXOMBSkAAAAAAAAFAxkBABEzAGYAbwBsAGQAZQByAC8AYQAuAHQAeAB0AAAAYgAuAGIA"
        "aQBuAAAAZQBtAHAAdAB5AAAAFBoBALDBobaVed0BEMihtpV53QGQyqG2lXndARUOAQAggICBIICAgSCAgIEAAA=="
    ),
    "lzma2": (
        "N3q8ryccAAQkw8awfwEAAAAAAAAXAAAAAAAAAOrBTxrgAisA9F0ANBlJ24VcaH8bu0FpYSHi/e9NVkHJsEc9DyoIzMGRXR6tLYEA"
        "ettrtBxQVDda7aeD2rUqkpJnNXgQ0ZPR5Nge1ZFRRcFXJtGtm9BcvWvI/5sz2KCiaGdOPnHok4OROLotCK0jNCDIw48jNLzSDMfn"
        "YfZ8+EtFpRN4QYaawOyX6OJkZ9lBMq0tr0w0rkXFHwmgDrBlmmwmDajwHiVcqWNI9RfeitBYPqKHgSWPjiRKPelWv1SDzC/4cHDJ"
        "HilfDu4aQuWPOqS6Y+OluNa5Q5vtpfX7+K1xqnYiC9bR+mPsHdBhDU7QgwrTn5kYGP8zHAvzIKfFdgDgAJIAe10AAIEzB64P1TJm"
        "4dclR1cF0xrTivypR8nc3Z1E3BNe/4YPVa3tBRacX1kAQsn4E2b/3uxtFL/HQpk+BU5308bq2QoYtJk8mKzr9agVNaYBEJV20RFw"
        "POG6c4WlvYIsBFmyZRHrGZh+uCGBIr9WxUfDD1SJS5m4StneAAAAABcGgPwBCYCDAAcLAQABISEBGAyAkwAA"
    ),
    "bcj": (
        "N3q8ryccAAREslXThwEAAAAAAAAXAAAAAAAAAMGnRmDgAisA9F0ANBlJ24VcaH8bu0FpYSHi/e9NVkHJsEc9DyoIzMGRXR6tLYEA"
        "ettrtBxQVDda7aeD2rUqkpJnNXgQ0ZPR5Nge1ZFRRcFXJtGtm9BcvWvI/5sz2KCiaGdOPnHok4OROLotCK0jNCDIw48jNLzSDMfn"
        "YfZ8+EtFpRN4QYaawOyX6OJkZ9lBMq0tr0w0rkXFHwmgDrBlmmwmDajwHiVcqWNI9RfeitBYPqKHgSWPjiRKPelWv1SDzC/4cHDJ"
        "HilfDu4aQuWPOqS6Y+OluNa5Q5vtpfX7+K1xqnYiC9bR+mPsHdBhDU7QgwrTn5kYGP8zHAvzIKfFdgDgAJ4Ag10AAIEzB64P1TJm"
        "4dclRSgpPgIssRwgO4CaU9nE91KteKubeDkNgtaCGMJTEpWSMGfwaj/Q0AhbAdPNZerExyW1U+sH1pfUcd7AdoUirzuUjLkXXhBM"
        "5tH3TjCNNvLS0DeZ9ri+pef6REG7ZDL8IXjBb6qzWGjfp6EMOzxnRDtDhargAAAAFwaA/AEJgIsABwsBAAEhIQEYDICfAAA="
    ),
    "delta": (
        "N3q8ryccAAREcqv2pAAAAAAAAAAWAAAAAAAAAKKpRJXgAisAE10AND884AAhlOkQRZLOrO+dQlmYAADgAJ4AgV0AAIEzB64Pz7Xv"
        "EA/Ual595c+WBaua9xVrgT8kXHp7wCHZ91tdpCsUTGtqTLEC9rXYWm6BwZMNwVgVbQw0OYg0QTryoDvpk7QIuUZbfLm+U03yyOEf"
        "NSidIpdOFh1j+RpzV92242v75oJueKAYV3xsuy5WW18gVO8QYla+NCbaAAAAABcGGwEJgIkABwsBAAEhIQEYDICfAAA="
    ),
    "deflate": (
        "N3q8ryccAARiNvi+nAEAAAAAAAAXAAAAAAAAAAH+K+vLSM3JyVfIGCWJIBkYmZhZWNnYOTi5uHl4+fgFBIWERUTFxCUkpaRlZOXk"
        "FRSVlFVU1dQ1NLW0dXT19A0MjYxNTM3MLSytrG1s7ewdHJ2cXVzd3D08vbx9fP38AwKDgkNCw8IjIqOiY2Lj4hMSk5JTUtPSMzKz"
        "snNy8/ILCouKS0rLyisqq6prauvqGxqbmlta29o7Oru6e3r7+idMnDR5ytRp02fMnDV7ztx58xcsXLR4ydJly1esXLV6zdp16zds"
        "3LR5y9Zt23fs3LV7z959+w8cPHT4yNFjx0+cPHX6zNlz5y9cvHT5ytVr12/cvHX7zt179x88fPT4ydNnz1+8fPX6zdt37z98/PT5"
        "y9dv33/8/PX7z99//wHgAJIAel0AAIEzB64P1ThlT7nGZtqLiO9S0EFKmTKvOQmjsucwBcPZkva7EgDVue2K8zFj3FQOdxnYj3x7"
        "qspmxUAmB1JEtKz32joJ2txhwW22YtwZfYfrI4HRYHUw32iUQBkizyj3EYcZsu6IEn1UlyVoj2ifTjZwYPNVtgwAAAAAFwaBGgEJ"
        "gIIABwsBAAEhIQEYDICTAAA="
    ),
    "bzip2": (
        "N3q8ryccAAT+kecdVgIAAAAAAAAXAAAAAAAAAFxV2qxCWmg5MUFZJlNZxQU4RgAAfv//////////////////////////////////"
        "//////////+wANqhJgAJgACYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJMABMAATAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAiUo2mhMBMmAAACZMmCYABMRhMjCMIMJgCGAAmmAAEwQyaaZGBMmmjE0wTENMBMCYABGEwmABqM5XLHho+OICEi5hGSEpM"
        "TlBTzSor5xYWlxeYGJkZmjmbDBAACNjc4OTo7PD0+PygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJ"
        "TVFVWV1hZ7TO0NLV2+53e83AIAE2NqwIAAXH3xre4DgEACcXIQgATmMAQAJ0Xm5vcHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHiImK"
        "i4yNjo+QkZKTlJWWl5iZmpucnZ6foKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr/AwcLDxMXGx8jJysvMzc7P0NHS09TV"
        "1tfY2drb3N3e3+Dh4uPk5ebn6Onq6+zt7u/w8fLz9PX29/j5+vv8/RdyRThQkMUFOEbgAJIAel0AAIEzB64P1TyEdhck0/6yl3rO"
        "sEPiVDaPH8HPccQQCDL3fO81jn45iPhjgj1TeOAZy/qVrupmEyhRUAoY0/yTKJP3Eo464debFt2e2+mN6SXBMTsXVOIXjKx+18un"
        "V2r1PV23u4eiaJRH7yyg4ZpKJPtx4ahRLNTgAAAAFwaB1AEJgIIABwsBAAEhIQEYDICTAAA="
    ),
    "copy": (
        "N3q8ryccAAQ+fHjdrQIAAAAAAAAXAAAAAAAAADcG7cBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBo"
        "ZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxs"
        "byBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBo"
        "ZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxs"
        "byBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyBoZWxsbyAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkq"
        "KywtLi8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFyc3R1"
        "dnd4eXp7fH1+f4CBgoOEhYaHiImKi4yNjo+QkZKTlJWWl5iZmpucnZ6foKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr/A"
        "wcLDxMXGx8jJysvMzc7P0NHS09TV1tfY2drb3N3e3+Dh4uPk5ebn6Onq6+zt7u/w8fLz9PX29/j5+vv8/f7/4ACWAHldAACBMweu"
        "D9VDy+wXJNP+ucTjdJiT1jmq60M4ohpXq9dHLjqsmMDMycCnteZEuHGKQqxsZ3Q+fLXaYbSLVQiSuUhnAzvJumWgLcu08JCs7kFo"
        "NF+IfKuokOVfxp8g8eZnbW78VdutjRWRJStRP0YQKx7wgEGutYJgAAAAFwaCLAEJgIEABwsBAAEhIQEYDICXAAA="
    ),
    "zstd": (
        "N3q8ryccAARtxghYogEAAAAAAAAXAAAAAAAAABYPG4kotS/9AFh1CABkEGhlbGxvIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZ"
        "GhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2BhYmNk"
        "ZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5/gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp+goaKjpKWmp6ipqqusra6v"
        "sLGys7S1tre4ubq7vL2+v8DBwsPExcbHyMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5ufo6err7O3u7/Dx8vP09fb3+Pn6"
        "+/z9/v8BACNRSxHgAJ4Ag10AAIEzB64P1ThUSvnGZtqOMUa+/79aHgqd1xtrW+ad9aJFXpx+bSwBvVQeipcfmkkbSk03EVHQAkgc"
        "nyMEfeFBe4hyuIBi3smObN3UI/FqtYyzIh3zjvG0mIXcpwzp2tzJ0/Dnvao9MedWKRg+Nf6/d5Z58H9dk5r3dBT1QghwFZyIAAAA"
        "FwaBFwEJgIsABwsBAAEhIQEYDICfAAA="
    ),
}
ENCRYPTED = (
    "N3q8ryccAARFmI7BeQAAAAAAAAAUAAAAAAAAAIHWvcqi/faEXDbbhAp+o+06k92EAQBkAQQGAAEJEAoBjH483AAHCwEAAiQG8QcB"
    "ElMPcrRhBndI7iNcAoKBJ3pvESEhARgBAAwKBgAICgHl6KJcAAAFARENAHMALgB0AHgAdAAAABQKAQAABtK2lXndARUGAQAggICB"
    "AAAAFwYQAQlpAAcLAQABISEBGAxlAAA="
)


def opened(data: bytes, limits: Limits | None = None):
    return read_7z(io.BytesIO(data), len(data), limits or Limits())


@pytest.mark.parametrize("name", [name for name in FIXTURES if name != "zstd"])
def test_every_coder(name):
    archive = opened(base64.b64decode(FIXTURES[name]))
    budget = Budget(Limits(), 500)
    contents = {m.name: archive.open(m, budget).read() for m in archive.members}
    assert contents == {"folder/a.txt": b"hello " * 50, "b.bin": bytes(range(256)), "empty": b""}
    assert archive.anomalies == ()


def test_unknown_coders_and_encryption_are_content_errors():
    archive = opened(base64.b64decode(FIXTURES["zstd"]))
    with pytest.raises(ContentError, match="is not read"):
        archive.open(archive.members[0], Budget(Limits(), 500))
    archive = opened(base64.b64decode(ENCRYPTED))
    assert archive.members[0].encrypted
    with pytest.raises(ContentError, match="encrypted"):
        archive.open(archive.members[0], Budget(Limits(), 500))


def test_appended_bytes_and_budget():
    data = base64.b64decode(FIXTURES["lzma"])
    archive = opened(data + b"tail")
    assert [a.code for a in archive.anomalies] == ["appended-bytes"]
    assert archive.open(archive.members[-1], Budget(Limits(), 1)).read() == b"tail"
    small = Limits(expansion_floor_bytes=100, expansion_ratio=1)
    with pytest.raises(LimitExceeded):
        archive.open(archive.members[0], Budget(small, 1))


@pytest.mark.parametrize("name", ["lzma", "lzma2", "copy"])
def test_cut_and_broken_archives_raise_content_errors_only(name):
    data = base64.b64decode(FIXTURES[name])
    for cut in range(0, len(data), 5):
        with pytest.raises(ContentError):
            opened(data[:cut])
    for position in range(0, len(data), 3):
        broken = bytearray(data)
        broken[position] ^= 0xFF
        try:
            archive = opened(bytes(broken))
            for member in archive.members:
                archive.open(member, Budget(Limits(), 500)).read()
        except ContentError:
            continue


def test_a_header_has_no_more_entries_than_bytes():
    """194 bytes that count 131,073 entries took seconds."""
    header = bytes((0x01, 0x05, 0xC0 | 2, 0x01, 0x00, 0x00, 0x00))  # files: 131,073, no properties
    start = bytes(4) + (0).to_bytes(8, "little") + len(header).to_bytes(8, "little") + bytes(4)
    with pytest.raises(ContentError, match="131073 entries"):
        opened(b"7z\xbc\xaf\x27\x1c\0\4" + bytes(0) + start + header)
