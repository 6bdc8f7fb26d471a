"""METADATA.XML read back: any value that the writer can write, and what other products write otherwise."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfi.model.document import CodedValue
from pfi.standards.xdm.guards import ArchiveRefusedError
from pfi.standards.xdm.metadata_reader import Metadata, read_metadata
from pfi.standards.xds.ebrim import RIM, write_submit_objects
from pfi.standards.xds.metadata import AuthorEntry, DocumentEntry, SubmissionSet
from tests.unit.xdm.parcels import metadata

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=30).map(str.strip)
words = texts.filter(bool)
lists = st.lists(words, max_size=3).map(tuple)
coded = st.builds(CodedValue, texts, texts, texts)
authors = st.builds(AuthorEntry, texts, lists, lists, lists)
digits = st.text("0123456789abcdef", max_size=64)

entries = st.builds(
    DocumentEntry,
    entry_id=words,
    mime_type=texts,
    unique_id=texts,
    patient_id=texts,
    title=texts,
    comments=texts,
    authors=st.lists(authors, max_size=2).map(tuple),
    legal_authenticator=texts,
    class_code=st.none() | coded,
    type_code=st.none() | coded,
    format_code=st.none() | coded,
    facility_type=st.none() | coded,
    practice_setting=st.none() | coded,
    confidentiality_codes=st.lists(coded, max_size=3).map(tuple),
    event_codes=st.lists(coded, max_size=2).map(tuple),
    creation_time=texts,
    service_start_time=texts,
    service_stop_time=texts,
    language=texts,
    source_patient_id=texts,
    source_patient_info=lists,
    reference_ids=lists,
    hash=digits,
    size=st.none() | st.integers(0, 10**17),
    uri=texts,
    action=st.sampled_from(["", "C", "D"]),
)
lots = st.builds(
    SubmissionSet,
    entry_id=words,
    unique_id=texts,
    source_id=texts,
    patient_id=texts,
    submission_time=texts,
    content_type=coded,
    author=st.none() | authors,
    title=texts,
    comments=texts,
)


def read(content: bytes) -> Metadata:
    return read_metadata(content, max_bytes=2**20)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(lots, st.lists(entries, max_size=2), st.booleans(), st.booleans())
def test_whatever_is_written_is_read_back(
    lot: SubmissionSet, documents: list[DocumentEntry], marker_inside: bool, declaration: bool
) -> None:
    written = write_submit_objects(lot, documents, marker_inside=marker_inside, declaration=declaration)
    assert read(written) == Metadata(lot, tuple(documents))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name="hash"', 'name="HASH"'),
        ('name="URI"', 'name="uri"'),
        ("urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", "urn:uuid:2E82C1F6-A085-4C72-9DA3-8640A32E42AB"),
        ("<rim:Value>DOC0001.XML</rim:Value>", "<rim:Value>\n  DOC0001.XML\n  </rim:Value>"),
    ],
)
def test_the_case_and_blanks_of_other_products_change_nothing(old: str, new: str) -> None:
    written = metadata().decode()
    assert old in written
    assert read(written.replace(old, new).encode()) == read(metadata())


def test_the_prefixes_of_namespaces_are_free() -> None:
    written = metadata().decode()
    for old, new in (
        ("<rim:", "<"),
        ("</rim:", "</"),
        ("xmlns:rim=", "xmlns="),
        ("lcm:Sub", "l:Sub"),
        (":lcm=", ":l="),
    ):
        assert old in written
        written = written.replace(old, new)
    assert read(written.encode()) == read(metadata())


def test_a_hash_in_upper_case_is_the_same() -> None:
    entry = read(metadata()).entries[0]
    upper = metadata().replace(entry.hash.encode(), entry.hash.upper().encode())
    assert read(upper).entries[0] == entry


@pytest.mark.parametrize("size", ["", "-1", "abc", "1.5", "٣", "9" * 30])
def test_a_size_that_is_no_number_is_none(size: str) -> None:
    written = metadata()
    entry = read(written).entries[0]
    changed = written.replace(f"<rim:Value>{entry.size}<".encode(), f"<rim:Value>{size}<".encode())
    assert read(changed).entries[0].size is None


def test_a_folder_is_not_the_lot() -> None:
    folder = '<rim:RegistryPackage id="Folder01"><rim:Classification classifiedObject="Folder01" classificationNode='
    folder += '"urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"/></rim:RegistryPackage>'
    changed = metadata().decode().replace("<rim:RegistryPackage", f"{folder}<rim:RegistryPackage", 1)
    assert read(changed.encode()) == read(metadata())


def test_elements_of_another_namespace_are_not_read() -> None:
    with pytest.raises(ArchiveRefusedError, match="XDM_METADATA_FORM"):
        read(metadata().decode().replace(RIM, "urn:autre", 1).encode())
