import io
import zipfile
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from pfi.standards.xdm.zip_writer import Member, Packer

MOMENT = datetime(2026, 3, 5, 9, 12, 31, tzinfo=UTC)


@given(st.lists(st.binary(max_size=5000), min_size=1, max_size=5))
def test_the_standard_library_reads_what_we_write(contents: list[bytes]) -> None:
    members = [Member(f"IHE_XDM/SUBSET01/DOC{number:04d}.XML", content) for number, content in enumerate(contents)]
    with zipfile.ZipFile(io.BytesIO(Packer().write_zip(members, MOMENT))) as archive:
        assert archive.testzip() is None
        assert [(info.filename, archive.read(info)) for info in archive.infolist()] == [
            (member.name, member.content) for member in members
        ]
        assert {info.date_time for info in archive.infolist()} == {(2026, 3, 5, 9, 12, 30)}


def test_the_same_members_give_the_same_bytes_whatever_was_packed_before() -> None:
    members = [Member("A.TXT", b"a" * 10_000), Member("B.TXT", bytes(range(256)) * 100)]
    used = Packer()
    used.write_zip([Member("C.TXT", b"c")], MOMENT)
    first = used.write_zip(members, MOMENT)
    assert used.write_zip(members, MOMENT) == first == Packer(0).write_zip(members, MOMENT)
    paris = MOMENT.astimezone(timezone(timedelta(hours=1)))
    assert used.write_zip(members, paris) == first


def test_text_is_compressed() -> None:
    assert len(Packer().write_zip([Member("A.TXT", b"<value/>" * 10_000)], MOMENT)) < 2000


def test_what_is_remembered_is_bounded() -> None:
    packer = Packer(capacity=1000)
    for number in range(50):
        packer.write_zip([Member("A.TXT", bytes([number]) * 300)], MOMENT)
    packer.write_zip([Member("A.TXT", b"x" * 5000)], MOMENT)
    assert packer.held <= 1000


def test_a_date_before_the_format_is_its_first_day() -> None:
    archive = zipfile.ZipFile(io.BytesIO(Packer().write_zip([Member("A", b"")], datetime(1970, 1, 1, tzinfo=UTC))))
    assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
