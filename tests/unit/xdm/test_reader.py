"""The layout of IHE XDM: what is read, what is tolerated with a finding, what leaves a doubt and is refused."""

import pytest

from pfi.model.finding import Severity
from pfi.model.submission import Request
from pfi.standards.xdm.guards import ArchiveRefusedError
from pfi.standards.xdm.reader import read_archive
from pfi.standards.xdm.zip_reader import Entry, ZipReader
from tests.unit.mssante.material import cda, document
from tests.unit.xdm.parcels import archive, cda_bytes, members, metadata, zipped

ROOT_FILES = {"README.TXT": b"lisez", "INDEX.HTM": b"<html/>"}


def codes(data: bytes) -> set[str]:
    return {finding.code for finding in read_archive(data).findings}


def refusal(data: bytes) -> str:
    with pytest.raises(ArchiveRefusedError) as refused:
        read_archive(data)
    assert refused.value.text.endswith(".")
    return refused.value.code


def test_what_we_write_is_read_back_without_any_remark() -> None:
    documents = (document(), document(cda(unique_id="1.2.250.1.999.1.1.8")))
    received = read_archive(archive(*documents))
    assert [each.content for each in received.documents] == [each.content for each in documents]
    assert [each.entry.unique_id for each in received.documents] == [each.unique_id for each in documents]
    assert [each.entry.hash for each in received.documents] == [each.sha1 for each in documents]
    assert received.findings == ()
    (subset,) = received.subsets
    assert subset.submission_set is not None
    assert subset.submission_set.unique_id == "2.25.101"


@pytest.mark.parametrize("request_kind", Request)
def test_the_action_tells_what_is_asked(request_kind: Request) -> None:
    (received,) = read_archive(archive(request=request_kind)).documents
    assert received.request is request_kind


@pytest.mark.parametrize(
    ("name", "value", "asked"),
    [
        ("urn:action:extraMetadataSlot", "c", Request.REPLACE),
        ("action", "D", Request.DELETE),
        ("urn:Action", "X", None),
        ("urn:transaction", "D", Request.INITIAL),
    ],
)
def test_the_slot_of_the_action_may_bear_another_name(name: str, value: str, asked: Request | None) -> None:
    written = metadata(request=Request.REPLACE).decode()
    slot = 'name="urn:action:extraMetadataSlot"><rim:ValueList><rim:Value>C<'
    assert slot in written
    changed = written.replace(slot, f'name="{name}"><rim:ValueList><rim:Value> {value} <').encode()
    (received,) = read_archive(zipped(members(METADATA=changed))).documents
    assert received.request is asked


def test_several_subsets_are_read_in_order() -> None:
    other = document(cda(unique_id="1.2.250.1.999.1.1.8"))
    second = {
        "IHE_XDM/SUBSET02/METADATA.XML": metadata(other, unique_id="2.25.102"),
        "IHE_XDM/SUBSET02/DOC0001.XML": other.content,
    }
    received = read_archive(zipped({**ROOT_FILES, **members(), **second}))
    lots = [subset.submission_set.unique_id for subset in received.subsets if subset.submission_set]
    assert lots == ["2.25.101", "2.25.102"]
    assert [each.content for each in received.documents] == [cda_bytes(), other.content]
    assert received.findings == ()


def test_names_are_found_whatever_their_case() -> None:
    files = {name.lower(): content for name, content in {**ROOT_FILES, **members()}.items()}
    assert len(read_archive(zipped(files)).documents) == 1
    assert codes(zipped(files)) == set()


# --- deviations of real products ---


@pytest.mark.parametrize(
    ("files", "code", "severity"),
    [
        (members(), "XDM_ROOT_FILES_MISSING", Severity.INFO),
        (
            {name.replace("/", "\\"): content for name, content in members().items()},
            "XDM_BACKSLASHES",
            Severity.WARNING,
        ),
        (
            {name.replace("SUBSET01", "LOT"): content for name, content in members().items()},
            "XDM_LAYOUT",
            Severity.WARNING,
        ),
        ({name.split("/")[-1]: content for name, content in members().items()}, "XDM_LAYOUT", Severity.WARNING),
        (
            {"Courriel/" + name: content for name, content in members().items()},
            "XDM_LAYOUT",
            Severity.WARNING,
        ),
        ({**members(), "IHE_XDM/SUBSET01/AUTRE.XML": b"<a/>"}, "XDM_FILES_IGNORED", Severity.WARNING),
    ],
)
def test_a_deviation_is_told_and_the_document_is_read(files: dict[str, bytes], code: str, severity: Severity) -> None:
    received = read_archive(zipped(files))
    assert [each.content for each in received.documents] == [cda_bytes()]
    assert (code, severity) in {(finding.code, finding.severity) for finding in received.findings}


def test_a_pdf_or_a_style_sheet_beside_the_documents_is_no_deviation() -> None:
    files = {**ROOT_FILES, **members(), "IHE_XDM/SUBSET01/DOC0001.PDF": b"%PDF", "STYLE.XSL": b"<x/>"}
    assert codes(zipped(files)) == set()


def test_files_that_nobody_names_are_never_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    inflate = ZipReader.read

    def noted(reader: ZipReader, entry: Entry, most: int | None = None) -> bytes:
        read.append(entry.path)
        return inflate(reader, entry, most)

    monkeypatch.setattr(ZipReader, "read", noted)
    read_archive(archive())
    assert read == ["IHE_XDM/SUBSET01/METADATA.XML", "IHE_XDM/SUBSET01/DOC0001.XML"]


def test_an_empty_subset_beside_a_full_one_is_ignored() -> None:
    empty = metadata().split(b"<rim:ExtrinsicObject")[0] + b"</rim:RegistryObjectList></lcm:SubmitObjectsRequest>"
    data = zipped({**members(), "IHE_XDM/SUBSET02/METADATA.XML": empty})
    assert "XDM_SUBSET_EMPTY" in codes(data)
    assert refusal(zipped(members(METADATA=empty))) == "XDM_DOCUMENTS_NONE"


def test_a_lot_without_its_marker_is_told() -> None:
    written = metadata().replace(b"urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd", b"urn:uuid:autre")
    received = read_archive(zipped(members(METADATA=written)))
    assert received.subsets[0].submission_set is None
    assert "XDM_SUBMISSION_SET_MISSING" in {finding.code for finding in received.findings}


# --- refusals ---


def uri(value: str) -> bytes:
    return metadata().replace(b"<rim:Value>DOC0001.XML<", f"<rim:Value>{value}<".encode())


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (ROOT_FILES, "XDM_METADATA_MISSING"),
        (members(METADATA=None), "XDM_METADATA_MISSING"),
        ({**members(), "METADATA.XML": metadata()}, "XDM_METADATA_SEVERAL"),
        ({**members(), "IHE_XDM/SUBSET01/COPIE/METADATA.XML": metadata()}, "XDM_METADATA_SEVERAL"),
        (members(METADATA=b"<a"), "XDM_METADATA_UNREADABLE"),
        (members(METADATA=b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "XDM_METADATA_UNREADABLE"),
        (members(METADATA=b""), "XDM_METADATA_UNREADABLE"),
        (members(METADATA=b"<a/>"), "XDM_METADATA_FORM"),
        (members(METADATA=b'<SubmitObjectsRequest xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"/>'),
         "XDM_METADATA_FORM"),
        (members(DOC0001=None), "XDM_DOCUMENT_MISSING"),
        (members(METADATA=uri("DOC0002.XML")), "XDM_DOCUMENT_MISSING"),
        (members(METADATA=uri(" ")), "XDM_URI_MISSING"),
        (members(METADATA=uri("../SUBSET01/DOC0001.XML")), "XDM_URI_UNSAFE"),
        (members(METADATA=uri("/DOC0001.XML")), "XDM_URI_UNSAFE"),
        (members(METADATA=uri("file:///etc/passwd")), "XDM_URI_UNSAFE"),
        (members(METADATA=uri("METADATA.XML")), "XDM_URI_REPEATED"),
        (members(METADATA=metadata(document(), document()).replace(b"DOC0002", b"doc0001")), "XDM_URI_REPEATED"),
    ],
)  # fmt: skip
def test_what_leaves_a_doubt_on_the_document_is_refused(files: dict[str, bytes], code: str) -> None:
    assert refusal(zipped(files)) == code


def test_metadata_of_one_subset_never_reaches_a_file_of_another() -> None:
    data = zipped({**members(DOC0001=None), "IHE_XDM/SUBSET02/DOC0001.XML": cda_bytes(), "DOC0001.XML": cda_bytes()})
    assert refusal(data) == "XDM_DOCUMENT_MISSING"
