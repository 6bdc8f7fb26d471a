"""Hostile and damaged archives: opened or refused with a code, nothing else, within the limits of time and memory."""

import re
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfi.standards.hl7v2.mdm import visibility
from pfi.standards.xdm.archive import Issuer, build
from pfi.standards.xdm.checks import CheckedArchive, check_received
from pfi.standards.xdm.guards import MEBIBYTE, ArchiveLimits, ArchiveRefusedError, path_key, safe_path
from pfi.standards.xdm.metadata_reader import read_metadata
from pfi.standards.xdm.reader import ReceivedArchive, read_archive
from pfi.standards.xdm.zip_records import CENTRAL, CENTRAL_SIGNATURE, END, LOCAL, LOCAL_SIGNATURE
from tests.unit.mssante.material import MOMENT, cda, document
from tests.unit.xdm.parcels import archive, members, metadata, zipped

SOUND = archive()
METADATA = metadata()
LIMITS = ArchiveLimits(entries=50, entry=200_000, total=300_000, metadata=100_000)
SECONDS = 2
CODES = frozenset(re.findall(r"XDM_[A-Z0-9_]+", ArchiveRefusedError.__doc__ or ""))

damages = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 30), st.binary(max_size=30)), min_size=1, max_size=5
)  # place, length cut, bytes put


def damaged(content: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, put in changes:
        place %= len(content) + 1
        content = content[:place] + put + content[place + length :]
    return content


def open_all(data: bytes, limits: ArchiveLimits = LIMITS) -> CheckedArchive | None:
    """The whole way from the bytes to the flags of the MDM."""
    started = time.perf_counter()
    try:
        received = read_archive(data, limits)
    except ArchiveRefusedError as refused:
        return None if refused.code in CODES else pytest.fail(f"unknown code {refused.code}")
    else:
        assert sum(len(each.content) for each in received.documents) <= limits.total
        result = check_received(received)
        for each in received.documents:
            visibility(each.entry.confidentiality_codes)
        return result
    finally:
        assert time.perf_counter() - started < SECONDS


def test_the_sound_archive_is_opened() -> None:
    result = open_all(SOUND)
    assert result is not None
    assert len(result.accepted) == 1


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert open_all(data) is None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(damages)
def test_a_damaged_archive_is_opened_or_refused(changes: list[tuple[int, int, bytes]]) -> None:
    open_all(damaged(SOUND, changes))


@given(st.data())
def test_a_changed_header_is_opened_or_refused(data: st.DataObject) -> None:
    """Any number of any header, changed to any value: sizes, offsets, flags, methods, lengths."""
    signature, size = data.draw(st.sampled_from([(LOCAL_SIGNATURE, LOCAL.size), (CENTRAL_SIGNATURE, CENTRAL.size)]))
    rank = data.draw(st.integers(0, 3))
    place = -1
    for _ in range(rank + 1):
        place = SOUND.index(signature, place + 1)
    offset = data.draw(st.integers(0, size - 1))
    put = data.draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x01\0\0\0"]))
    open_all(SOUND[: place + offset] + put + SOUND[place + offset + len(put) :])


@given(st.binary(min_size=END.size - 4, max_size=END.size - 4))
def test_any_end_record_is_opened_or_refused(tail: bytes) -> None:
    open_all(SOUND[: -END.size + 4] + tail)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(damages)
def test_damaged_metadata_is_read_or_refused(changes: list[tuple[int, int, bytes]]) -> None:
    open_all(zipped(members(METADATA=damaged(METADATA, changes))))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(damages)
def test_a_damaged_document_is_never_accepted_unseen(changes: list[tuple[int, int, bytes]]) -> None:
    sound = document().content
    content = damaged(sound, changes)
    result = open_all(zipped(members(DOC0001=content)))
    if result is not None and content != sound:
        assert result.accepted == ()


@given(st.text(max_size=40))
def test_any_name_is_made_safe_or_refused(name: str) -> None:
    path = safe_path(name)
    if path is not None:
        parts = path.split("/")
        assert not path.startswith("/")
        assert ".." not in parts
        assert "" not in parts
        assert safe_path(path) == path
        assert path_key(path) == path_key(path_key(path))


@given(
    st.lists(st.sampled_from(["1.2.3", "1.2.4", "1.2.5"]), min_size=1, max_size=3, unique=True), st.text(max_size=60)
)
def test_what_we_archive_is_what_is_opened(unique_ids: list[str], title: str) -> None:
    kept = "".join(letter for letter in title if letter.isprintable())
    documents = [document(cda(unique_id=each, title=kept or "Titre")) for each in unique_ids]
    written = metadata(*documents)
    received = read_archive(build([each.content for each in documents], written, issuer=Issuer(kept), moment=MOMENT))
    assert received.findings == ()
    assert [each.content for each in received.documents] == [each.content for each in documents]
    expected = read_metadata(written, max_bytes=10**6)
    assert tuple(each.entry for each in received.documents) == expected.entries
    assert len(check_received(received).accepted) == len(documents)


@pytest.mark.parametrize("wanted", [2_000, 20_000])
def test_thousands_of_files_cost_little(wanted: int) -> None:
    data = zipped([(f"F{number}", b"") for number in range(wanted)])
    started = time.perf_counter()
    with pytest.raises(ArchiveRefusedError, match="XDM_TOO_MANY_ENTRIES"):
        read_archive(data)
    assert time.perf_counter() - started < 0.5


def test_many_large_files_take_no_more_memory_than_the_total() -> None:
    """50 files of 2 MB, all named by METADATA.XML: 100 MB asked, 16 MiB allowed."""
    block = b"<" + b" " * 1_000_000 + bytes(range(256)) * 4000
    start, end = METADATA.index(b"<rim:ExtrinsicObject"), METADATA.index(b"</rim:ExtrinsicObject>")
    entry = METADATA[start : end + len(b"</rim:ExtrinsicObject>")]
    many = b"".join(entry.replace(b"DOC0001", f"DOC{number:04d}".encode()) for number in range(1, 51))
    files = {f"IHE_XDM/SUBSET01/DOC{number:04d}.XML": block for number in range(1, 51)}
    data = zipped({**files, "IHE_XDM/SUBSET01/METADATA.XML": METADATA.replace(entry, many)})
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveRefusedError, match="XDM_TOTAL_TOO_LARGE"):
            read_archive(data, ArchiveLimits(total=16 * MEBIBYTE, ratio=1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 * MEBIBYTE


def test_what_is_opened_is_a_value() -> None:
    assert isinstance(read_archive(SOUND), ReceivedArchive)
    assert read_archive(SOUND) == read_archive(SOUND)
