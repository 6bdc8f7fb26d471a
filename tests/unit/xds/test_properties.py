"""Times, names and escaping: promises that hold for every value, not only for those that we thought of."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

from pfi.model.document import Document
from pfi.model.parties import Author, Device, Organization, Person
from pfi.model.submission import Orders
from pfi.standards.xds.datatypes import MAX_SLOT, cx, escaped, fitted, specialty_text, utc_time, xcn, xon
from pfi.standards.xds.ebrim import RIM, write_submit_objects
from pfi.standards.xds.mapping import document_entry, submission_set
from tests.unit.xds.documents import document

RPPS = "1.2.250.1.71.4.2.1"
FINESS = "1.2.250.1.71.4.2.2"

names = st.text(max_size=400)
identifiers = st.text("0123456789/ABCDEF", min_size=1, max_size=40)
offsets = st.integers(-14 * 60, 14 * 60)
moments = st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2200, 1, 1))  # noqa: DTZ001 - local times

_ESCAPES = {"E": "\\", "F": "|", "S": "^", "T": "&", "R": "~"}


def unescaped(text: str) -> str:
    """The reading of HL7 v2, written for these tests."""
    return re.sub(r"\\([EFSTR])\\", lambda found: _ESCAPES[found[1]], text)


def folded(text: str) -> str:
    return " ".join(text.split())


def hl7(moment: datetime, offset: int, form: str) -> str:
    sign = "-" if offset < 0 else "+"
    return f"{moment.strftime(form)}{sign}{abs(offset) // 60:02d}{abs(offset) % 60:02d}"


# --- times ---


@given(moments, offsets)
def test_a_time_to_the_second_is_the_same_instant_in_utc(moment: datetime, offset: int) -> None:
    written, assumed = utc_time(hl7(moment, offset, "%Y%m%d%H%M%S"))
    assert not assumed
    instant = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    assert datetime.strptime(f"{written}+0000", "%Y%m%d%H%M%S%z") == instant


@given(moments, offsets, st.sampled_from(["%Y%m%d%H", "%Y%m%d%H%M"]))
def test_a_shorter_time_loses_nothing_of_its_instant(moment: datetime, offset: int, form: str) -> None:
    written, _ = utc_time(hl7(moment, offset, form))
    instant = datetime.strptime(moment.strftime(form), form).replace(tzinfo=timezone(timedelta(minutes=offset)))
    read = datetime.strptime(f"{written:0<14}+0000", "%Y%m%d%H%M%S%z")
    assert read == instant
    assert len(written) in (10, 12)


@given(st.dates(), offsets)
def test_a_date_is_never_shifted(day: date, offset: int) -> None:
    text = day.isoformat().replace("-", "")
    assert utc_time(text) == (text, False)
    assert utc_time(f"{text}{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}00") == (text, False)


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2037, 1, 1)))  # noqa: DTZ001 - local times
def test_paris_is_one_or_two_hours_ahead_of_utc(moment: datetime) -> None:
    written, assumed = utc_time(moment.strftime("%Y%m%d%H%M%S"))
    assert assumed
    ahead = moment.replace(microsecond=0) - datetime.strptime(written, "%Y%m%d%H%M%S")  # noqa: DTZ007 - compared
    assert ahead in (timedelta(hours=1), timedelta(hours=2))


@given(st.one_of(st.text(), st.from_regex(r"[0-9]{0,16}([+-][0-9]{0,5})?", fullmatch=True)))
def test_any_text_gives_a_time_or_nothing(text: str) -> None:
    written, _ = utc_time(text)
    assert re.fullmatch(r"(?:\d{4}(?:\d\d){0,5})?", written, re.ASCII)


# --- names and escaping ---


@given(st.text())
def test_escaping_is_undone_by_reading(text: str) -> None:
    written = escaped(text)
    assert not re.search(r"[|^&~]", written)
    assert unescaped(written) == folded(text)


@given(names, st.integers(0, 300))
def test_what_is_cut_is_a_beginning_and_never_half_an_escape(text: str, room: int) -> None:
    written = fitted(text, room)
    assert len(written) <= room or not room
    assert folded(text).startswith(unescaped(written))
    assert written.count("\\") % 2 == 0
    assert not re.search(r"[|^&~]", written)


@given(identifiers, names, names)
def test_a_person_keeps_the_identifier_whatever_the_name(identifier: str, family: str, given_name: str) -> None:
    written = xcn(Author(person=Person(identifier, RPPS, "IDNPS", family, given_name)))
    parts = written.split("^")
    assert len(written) <= MAX_SLOT
    assert len(parts) == 13
    assert (parts[0], parts[8], parts[9], parts[12]) == (identifier, f"&{RPPS}&ISO", "D", "IDNPS")
    assert folded(family).startswith(unescaped(parts[1]))
    assert folded(given_name).startswith(unescaped(parts[2]))


@given(names, names)
def test_a_person_without_identifier_is_at_most_three_components(family: str, given_name: str) -> None:
    assume(family.split() or given_name.split())
    written = xcn(Author(person=Person(family=family, given=given_name)))
    assert len(written) <= MAX_SLOT
    assert len(written.split("^")) <= 3
    assert written.startswith("^")


@given(identifiers, names, names)
def test_software_has_its_model_and_its_name_as_names(identifier: str, model: str, software: str) -> None:
    assume(model or software)
    parts = xcn(Author(device=Device(identifier, "1.2.3", "", model, software))).split("^")
    assert len(parts) == 13
    assert (parts[0], parts[8], parts[9], parts[12]) == (identifier, "&1.2.3&ISO", "U", "RI")
    assert folded(model).startswith(unescaped(parts[1]))
    assert folded(software).startswith(unescaped(parts[2]))


@given(names, identifiers)
def test_a_structure_keeps_its_identifier_whatever_its_name(name: str, identifier: str) -> None:
    written = xon(Organization(name, identifier, FINESS))
    parts = written.split("^")
    assert len(written) <= MAX_SLOT
    assert len(parts) == 10
    assert (parts[5], parts[6], parts[9]) == (f"&{FINESS}&ISO", "IDNST", identifier)
    assert folded(name).startswith(unescaped(parts[0]))


@given(names)
def test_a_specialty_keeps_its_code_and_system(label: str) -> None:
    written = specialty_text("G15_10/SM26", label, "1.2.250.1.213.1.1.4.5")
    assert len(written) <= MAX_SLOT
    assert written.split("^")[0] == "G15_10/SM26"
    assert written.split("^")[2] == "1.2.250.1.213.1.1.4.5"


@given(st.text(min_size=1, max_size=60))
def test_an_identifier_is_read_back_from_its_cx(value: str) -> None:
    assume(value.split())
    assert unescaped(cx(value, "1.2.3", "PI").split("^")[0]) == folded(value)


# --- ebRIM ---


@given(names, names, names)
def test_every_character_that_xml_can_carry_comes_back_from_ebrim(title: str, family: str, label: str) -> None:
    mapped = document()
    header = replace(
        mapped.header,
        title=title,
        authors=(Author(person=Person("801234567897", RPPS, "IDNPS", family, "Adam")),),
        facility=replace(mapped.header.facility or mapped.header.code, label=label),
    )
    entry = document_entry(Document(mapped.content, header), entry_id="D1", patient_id="1", orders=Orders())
    lot = submission_set(
        entry_id="S1",
        unique_id="1.2.3",
        source_id="1.2.4",
        patient_id="1",
        submitted_at=datetime(2024, 1, 2, tzinfo=UTC),
        patient_class="I",
        sender=None,
    )
    root = etree.fromstring(write_submit_objects(lot, [entry]))
    found = root.find(f".//{{{RIM}}}ExtrinsicObject/{{{RIM}}}Name/{{{RIM}}}LocalizedString")
    assert ("" if found is None else found.get("value")) == carried(entry.title)
    persons = [
        slot[0][0].text for slot in root.iter(f"{{{RIM}}}Slot") if slot.get("name") == "authorPerson" and len(slot[0])
    ]
    assert persons == [carried(entry.authors[0].person)]


def carried(text: str) -> str:
    """Without the characters that XML 1.0 forbids."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "", text)
