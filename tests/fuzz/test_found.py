"""What fuzzing found, one test each."""

from __future__ import annotations

import base64
import contextlib
import io
import zlib
from typing import TYPE_CHECKING

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.containers.members import Budget, expand, slice_of
from assay.formats.containers.packed_columns import _is_text, read_packed_columns
from assay.formats.pickle import events as ev
from assay.formats.pickle.reader import Reader
from assay.formats.torch_export import plain_expression
from assay.formats.yaml_text import read_yaml
from tests.support import fuzz
from tests.support.fuzz_parsers import AsOnDisk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("offset", [1 << 62, 1 << 63, 1 << 64, (1 << 80) + 5])
def test_a_member_behind_every_end_is_broken_content_and_no_fault_of_the_machine(offset: int, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with (tmp_path / "x").open("rb") as file:
        for stream in (file, io.BytesIO(b"x"), AsOnDisk(b"x")):
            stretch = slice_of(stream, offset, 100)
            try:
                assert stretch.read(10) == b""  # BytesIO, and file systems that allow it
            except ContentError:
                continue
        with pytest.raises(ContentError):
            expand(iter(lambda: slice_of(AsOnDisk(b"x"), offset, 100).read(10), b""), Budget(Limits(), 1))


@pytest.mark.parametrize("character", ["\0", "\x08", "\x7f", "\ufffe"])
def test_characters_that_yaml_does_not_allow(character: str) -> None:
    with pytest.raises(ContentError, match="not YAML"):
        read_yaml(f"a: {character}", depth=32)


@pytest.mark.timeout(20)  # a hundred take .3 s, and would take minutes in quadratic time
@pytest.mark.parametrize("piece", ["x", "x1", "1x", "x ", " ", "é", "x.", "("])
def test_expressions_are_judged_in_linear_time(piece: str) -> None:
    assert len({plain_expression(piece * (10_000 // len(piece))) for _ in range(100)}) == 1


@pytest.mark.parametrize(
    ("text", "plain"),
    [("Max (1, s0)", True), ("2*(s0 + 1)", True), ("1.5*s0", True), ("2.e3", True), ("e (s0)", False), ("é(s0)", False),
     ("é.x", False), ("s0 . real", False), ("1or(x)", False), ("(s0) .x", False)],
)  # fmt: skip
def test_names_are_found_wherever_they_stand(text: str, *, plain: bool) -> None:
    assert plain_expression(text) is plain


# A list that holds itself by way of dictionaries which are added to under other names: 1 of 4,000 random programs.
HOLDS_ITSELF = (
    "c-n1LJ!=+05Po@+Xox{#ngld{L@^73?CtG+p@o7~21G5AD7?iYs{<)4E=Q^Z!A9XN_a}&jzd*2v;15V^V`C*~t6-(`>_&wn<Vj|-^RY9}&fN"
    "3aN#K#<Q6Ie1eVC4Sv+2yfHKA3a8y<CXnhZI;iHEiiot^~cHJ^}wi%DpCR+Mr&-mgL{S|us6EUL8}npWI-4zUd^dOEY4$q@u@%PVMRx-6yvL"
    "Z@KMle3j%HfjZZ?Hn)m!A%1FaL(|OO0H#ct#}!tmZT;hAUZVCh0%|nwF^(O1;z7xX77PQb+}7{>;NGiXJ!CLzv)Ylj7Ez+*8_k@v1N1!VR#i"
    "H=P`r@(`Ae;=ygX2v?UGZNK+2LBVJL$IU*V<g;!|PIn{@ly`)dEc~kK@h?+ik;>;_a&jRr|<d3NW9r9^jQ*;xV@GKYUo_AiQ78<_L@+DgGj@"
    "Kq~jdPAKD=!M2On2p)K0w5D4T5q*-yl%8Ed~f3J=&Xu#Iq5e*ZB%~7T0=!@VBBlWV30Q9A85nXrKzQ7<unid33%St0|IqN$(-5*hOB`t<H&$"
    "qL1J*8z9k`+d#W)Q$$1OTSsGB^|Z~o^76}8fj4<U#}(2P1E8q93?PrSqJzknR5$Oy7b-48TBUf0#dz3efHWR9qn{84{zdf8!LJFO_s;c!@1U"
    "Efd_&1)r{WF;@6(G|i@CG|z)+-%Wg{>R!s6n-{{JIs(N;A;;7x^Aj*?e#oh;T^#~HKDv3n|(LeqDMjNn%odeu3__m$L1@8~VQFezyfn~QxGm"
    "bN<aq1!?lZ#W?{Hh$z-&`XFC9oNvRe=AeeaE!ZLH1tb|;%!A!PcK}?JLzLk>f<_uA*0z&OMuY1#T%Y?aA^2p>u`#wdVp};m&8k<I&!O0io6e"
    "PAIDY3%+tEpcd!2e-VeP?"
)


def test_a_container_that_holds_itself_is_not_opened_for_ever() -> None:
    data = zlib.decompress(base64.b85decode(HOLDS_ITSELF))
    trace = Reader(io.BytesIO(data), len(data), Limits()).read(0)
    assert (trace.complete, trace.error) == (True, "")
    calls = [event.target for event in trace.events if event.kind == ev.CALL]
    assert calls == [["global", "os", "f1"], ["global", "os", "f2"]]


@pytest.mark.parametrize("number", [12356, 33463])
def test_a_footer_whose_fields_are_of_other_types_is_no_fault(number: int) -> None:
    parser = fuzz.parser_named("packed-columns")
    data = fuzz.mutation(parser, list(parser.seeds()), number)
    with contextlib.suppress(ContentError):
        read_packed_columns(io.BytesIO(data), len(data), Limits())
    assert not _is_text({6: [1], 10: {2: {}}})
    assert _is_text({6: 0})
