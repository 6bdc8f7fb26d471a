"""Hostile and damaged CDA bytes: the readers answer or refuse with a code, nothing else, and quickly."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfi.model.document import CdaHeader
from pfi.standards.cda.body import embedded_pdf
from pfi.standards.cda.checks import check_header
from pfi.standards.cda.header import CdaUnreadableError, read_header
from pfi.standards.cda.narrative import read_narrative
from pfi.standards.xml import MAX_DEPTH, XmlRefusedError, parse
from tests.unit.cda.documents import document, n3, section

SOUND = document(body=n3(section("<list><item>a<br/>b</item></list><table><tr><td>c</td></tr></table>")))
FRAGMENTS = (
    b"<", b">", b"</", b"&", b"&#0;", b"&#x110000;", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x ?>", b"<!DOCTYPE a>",
    b"\x00", b"\xff", b'"', b"''", b' nullFlavor="UNK"', b"<id/>", b"<section><text/></section>",
    b' xmlns="urn:x"', b"\xef\xbb\xbf", "\u2028é".encode(),
)  # fmt: skip


def read_all(content: bytes) -> CdaHeader | None:
    """Every reader on the same bytes."""
    try:
        header = read_header(content)
    except CdaUnreadableError as refused:
        return None if refused.code.startswith(("XML_", "CDA_")) else pytest.fail(f"unknown code {refused.code}")
    check_header(header)
    read_narrative(content)
    embedded_pdf(content)
    return header


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert read_all(content) is None


@given(st.text(max_size=200))
def test_any_text_in_a_title_is_read_or_refused(words: str) -> None:
    read_all(document(title=f"<title>{words}</title>".encode("utf-8", "replace").decode()))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, len(SOUND)), st.integers(0, 40), st.sampled_from((b"", *FRAGMENTS))),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_document_is_read_or_refused(damages: list[tuple[int, int, bytes]]) -> None:
    content = SOUND
    for place, length, put in damages:
        content = content[:place] + put + content[place + length :]
    started = time.perf_counter()
    read_all(content)
    assert time.perf_counter() - started < 2


@given(st.sampled_from(["BR", "CL", "SP", "BR CL", "", "  ", "XX"]), st.text(max_size=20))
def test_any_qualifier_and_any_name_are_read(qualifier: str, name: str) -> None:
    kept = "".join(character for character in name if character.isalnum() or character in " -'")
    content = document(
        record_target="<recordTarget><patientRole><patient><name>"
        f'<family qualifier="{qualifier}">{kept}</family></name></patient></patientRole></recordTarget>'
    )
    header = read_header(content)
    if "BR" in qualifier:
        assert header.patient.traits.birth_name == " ".join(kept.split())


@given(st.integers(1, 3000), st.booleans())
def test_nesting_costs_little_whatever_its_depth(depth: int, closed: bool) -> None:
    content = b"<a>" * depth + (b"</a>" * depth if closed else b"")
    started = time.perf_counter()
    if closed and depth <= MAX_DEPTH:
        assert parse(content).tag == "a"
    else:
        with pytest.raises(XmlRefusedError, match=r"XML_TOO_COMPLEX|XML_NOT_WELL_FORMED"):
            parse(content)
    assert time.perf_counter() - started < 1
