"""The container: what a hostile or damaged ZIP is refused for, with which code, without showing a name."""

import stat
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pfi.standards.xdm.guards import (
    DEFAULT_LIMITS,
    MEBIBYTE,
    ArchiveLimits,
    ArchiveRefusedError,
    safe_path,
    shown,
)
from pfi.standards.xdm.reader import read_archive
from pfi.standards.xdm.zip_reader import ZipReader
from pfi.standards.xdm.zip_writer import Member, Packer
from tests.unit.xdm.parcels import (
    CENTRAL,
    DOCUMENT,
    LOCAL,
    METADATA,
    archive,
    cda_bytes,
    members,
    metadata,
    patched,
    zipped,
)

MOMENT = datetime(2026, 3, 5, 9, 12, 31, tzinfo=UTC)
END = b"PK\x05\x06"
SECRET = "DUPONT_Jeanne_19790328"


def refusal(data: bytes, limits: ArchiveLimits = DEFAULT_LIMITS) -> str:
    """The code with which an archive is refused, as a whole."""
    with pytest.raises(ArchiveRefusedError) as refused:
        read_archive(data, limits)
    assert refused.value.text.endswith(".")
    assert SECRET not in str(refused.value)
    return refused.value.code


def with_file(name: str | zipfile.ZipInfo, content: bytes = b"x") -> bytes:
    return zipped([*members().items(), (name, content)])


# --- what is read ---


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_files_of_both_methods_are_read_as_they_were(method: int) -> None:
    reader = ZipReader(
        zipped({"A.TXT": b"a" * 1000, "B.TXT": b"", "D/C.TXT": bytes(range(256))}, method), ArchiveLimits()
    )
    assert [(entry.path, reader.read(entry)) for entry in reader.entries] == [
        ("A.TXT", b"a" * 1000),
        ("B.TXT", b""),
        ("D/C.TXT", bytes(range(256))),
    ]


def test_our_own_archives_are_read() -> None:
    content = Packer().write_zip([Member("A.TXT", b"abc"), Member("B.TXT", b"def" * 5000)], MOMENT)
    reader = ZipReader(content, DEFAULT_LIMITS)
    assert [reader.read(entry) for entry in reader.entries] == [b"abc", b"def" * 5000]


def test_folders_a_comment_and_sizes_after_the_data_are_accepted() -> None:
    class Pipe:
        """A target that cannot seek: sizes follow the data (APPNOTE §4.3.9)."""

        def __init__(self) -> None:
            self.data = b""

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

        def flush(self) -> None:
            pass

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as target:  # type: ignore[call-overload]  # write only
        target.writestr("IHE_XDM/", b"")
        target.writestr("IHE_XDM/SUBSET01/", b"")
        for name, content in members().items():
            target.writestr(name, content)
        target.comment = b"PK\x05\x06 un commentaire"
    assert len(read_archive(pipe.data).documents) == 1


# --- names ---


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../METADATA.XML",
        "IHE_XDM/../../x",
        "IHE_XDM/.. /x",
        "..\\x",
        "\\\\serveur\\partage",
        "C:\\x",
        "c:x",
        "DOC0001.XML:flux",
        "a\nb",
        "a" * 256,
        "IHE_XDM/.../x",
        ".",
        "",
    ],
)
def test_a_dangerous_name_is_not_used(name: str) -> None:
    assert safe_path(name) is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("IHE_XDM/SUBSET01/DOC0001.XML", "IHE_XDM/SUBSET01/DOC0001.XML"),
        ("./IHE_XDM//x", "IHE_XDM/x"),
        ("IHE_XDM\\SUBSET01\\x", "IHE_XDM/SUBSET01/x"),
        ("é/.caché", "é/.caché"),
    ],
)
def test_a_harmless_name_is_brought_to_one_form(name: str, path: str) -> None:
    assert safe_path(name) == path


@pytest.mark.parametrize("name", ["../x", "/x", "D:\\x", f"../{SECRET}"])
def test_an_archive_with_a_dangerous_name_is_refused_even_if_nobody_reads_that_file(name: str) -> None:
    assert refusal(with_file(name)) == "XDM_NAME_UNSAFE"


def test_a_nul_in_a_name_is_refused() -> None:
    data = with_file("xIHE.TXT").replace(b"xIHE.TXT", b"x\x00E.TXTy")
    assert refusal(data) == "XDM_NAME_UNSAFE"


@pytest.mark.parametrize("name", [DOCUMENT.lower(), "./" + DOCUMENT, DOCUMENT.replace("/", "\\"), METADATA.title()])
def test_two_names_for_one_file_are_refused(name: str) -> None:
    assert refusal(with_file(name)) == "XDM_NAME_REPEATED"


def test_a_name_that_may_be_a_patient_s_is_never_shown() -> None:
    assert shown(f"IHE_XDM/SUBSET01/{SECRET}.XML", 4) == "n° 4 de l'archive"
    assert shown(DOCUMENT, 4) == f"« {DOCUMENT} »"
    locked = patched(with_file(f"{SECRET}.TXT"), CENTRAL, 2, 8, "<H", 1)
    assert refusal(locked) == "XDM_ENCRYPTED"


# --- kinds of files ---


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_a_device_is_refused(kind: int) -> None:
    info = zipfile.ZipInfo("LIEN.TXT")
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    assert refusal(with_file(info, b"/etc/passwd")) == "XDM_SPECIAL_FILE"


@pytest.mark.parametrize("name", ["COPIE.ZIP", "PIECES.7z", "X.tar.gz"])
def test_an_archive_in_the_archive_is_refused_by_its_name(name: str) -> None:
    assert refusal(with_file(name)) == "XDM_NESTED_ARCHIVE"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_archive_in_the_archive_is_refused_by_its_first_bytes(method: int) -> None:
    assert refusal(zipped(members(DOC0001=archive()), method)) == "XDM_NESTED_ARCHIVE"


@pytest.mark.parametrize(("offset", "code"), [(8, "XDM_ENCRYPTED"), (10, "XDM_COMPRESSION_UNKNOWN")])
def test_encryption_and_unknown_compression_are_refused(offset: int, code: str) -> None:
    assert refusal(patched(zipped(members()), CENTRAL, 0, offset, "<H", 9)) == code


def test_encryption_told_by_the_local_header_alone_is_refused() -> None:
    assert refusal(patched(zipped(members()), LOCAL, 0, 6, "<H", 1)) == "XDM_DAMAGED"


# --- sizes ---


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"archive": 1000}, "XDM_TOO_LARGE"),
        ({"entries": 1}, "XDM_TOO_MANY_ENTRIES"),
        ({"entry": 2000}, "XDM_ENTRY_TOO_LARGE"),
        ({"metadata": 2000}, "XDM_ENTRY_TOO_LARGE"),
        ({"total": len(metadata()) + len(cda_bytes()) - 1}, "XDM_TOTAL_TOO_LARGE"),
    ],
)
def test_each_limit_has_its_code(limits: dict[str, int], code: str) -> None:
    assert refusal(archive(), replace(DEFAULT_LIMITS, **limits)) == code


def test_the_number_of_files_is_counted_and_not_believed() -> None:
    many = zipped([(f"F{number}.TXT", b"") for number in range(1001)])
    lying = many[:-14] + b"\x01\x00\x01\x00" + many[-10:]
    assert refusal(many) == refusal(lying) == "XDM_TOO_MANY_ENTRIES"


def test_a_bomb_is_refused_without_the_memory_that_it_asks_for() -> None:
    bomb = zipped(members(DOC0001=b"<a>" + b"\x20" * (48 * MEBIBYTE)))
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        assert refusal(bomb) == "XDM_RATIO"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25 * MEBIBYTE


def test_a_bomb_that_declares_a_small_size_is_counted_while_it_comes() -> None:
    bomb = zipped(members(DOC0001=b"\x20" * (2 * MEBIBYTE)))
    lying = patched(patched(bomb, CENTRAL, 1, 24, "<L", 10), LOCAL, 1, 22, "<L", 10)
    assert refusal(lying, ArchiveLimits(entry=MEBIBYTE)) == "XDM_ENTRY_TOO_LARGE"
    assert refusal(lying, ArchiveLimits(ratio=10_000)) == "XDM_DAMAGED"


def test_a_small_file_may_be_compressed_at_any_ratio() -> None:
    reader = ZipReader(zipped({"A.TXT": b" " * MEBIBYTE}), DEFAULT_LIMITS)
    assert len(reader.read(reader.entries[0])) == MEBIBYTE


# --- damage ---


def test_what_is_no_archive_is_told_from_a_truncated_one() -> None:
    assert refusal(b"") == refusal(b"%PDF-1.4") == "XDM_NOT_A_ZIP"
    whole = archive()
    for kept in (len(whole) - 1, len(whole) // 2, 40):
        assert refusal(whole[:kept]) == "XDM_TRUNCATED"


def test_bytes_before_or_after_the_archive_are_refused() -> None:
    assert refusal(b"MZ" + archive()) == "XDM_DAMAGED"
    assert refusal(archive() + b"\r\n") == "XDM_TRUNCATED"


@pytest.mark.parametrize(
    ("signature", "offset", "form", "value"),
    [
        (CENTRAL, 16, "<L", 0),  # CRC
        (CENTRAL, 24, "<L", 5),  # size
        (CENTRAL, 20, "<L", 5),  # compressed size
        (CENTRAL, 28, "<H", 3),  # length of the name
        (CENTRAL, 34, "<H", 1),  # disk
        (CENTRAL, 42, "<L", 7),  # offset of the local header
        (CENTRAL, 42, "<L", 0x00FFFFFF),
        (LOCAL, 8, "<H", 0),  # method
        (LOCAL, 8, "<H", 9),
        (LOCAL, 30, "<B", 65),  # first letter of the name
    ],
)
def test_headers_that_do_not_agree_are_refused(signature: bytes, offset: int, form: str, value: int) -> None:
    assert refusal(patched(archive(), signature, 2, offset, form, value)) == "XDM_DAMAGED"


def test_zip64_is_refused() -> None:
    assert refusal(patched(archive(), CENTRAL, 2, 42, "<L", 0xFFFFFFFF)) == "XDM_ZIP64"
    assert refusal(patched(archive(), END, 0, 8, "<L", 0xFFFFFFFF)) == "XDM_ZIP64"


def test_a_directory_that_is_not_where_the_end_says_is_refused() -> None:
    size = struct.unpack_from("<L", archive(), len(archive()) - 10)[0]
    assert refusal(patched(archive(), END, 0, 12, "<L", size - 1)) == "XDM_DAMAGED"
    short = archive()[:-22] + b"\0" * 10 + END + struct.pack("<4H2LH", 0, 0, 1, 1, 10, len(archive()) - 22, 0)
    assert refusal(short) == "XDM_DAMAGED"


def test_files_that_share_their_bytes_are_refused() -> None:
    """One local header under two records of the directory: the shape of the bombs of David Fifield (2019)."""
    data = zipped([("A.TXT", b"a" * 100), ("B.TXT", b"b" * 100)])
    first = data.index(CENTRAL)
    second = data.index(CENTRAL, first + 1)
    end = data.index(END)
    twice = data[:second] + data[first:second] + data[end:]
    with pytest.raises(ArchiveRefusedError, match="XDM_NAME_REPEATED"):
        ZipReader(twice, DEFAULT_LIMITS)
    # A stored file whose content is a whole local header and file, to which a second record points.
    inner = zipped([("B.TXT", b"b")], zipfile.ZIP_STORED)
    header = inner[: inner.index(CENTRAL)]
    outer = zipped([("A.TXT", b"." + header), ("B.TXT", b"b")], zipfile.ZIP_STORED)
    inside = outer.index(header)
    overlapping = patched(outer, CENTRAL, 1, 42, "<L", inside)
    with pytest.raises(ArchiveRefusedError, match="XDM_OVERLAP"):
        ZipReader(overlapping, DEFAULT_LIMITS)


@pytest.mark.parametrize("tail", ["cut", "more", "noise"])
def test_compressed_bytes_that_end_too_soon_or_too_late_are_refused(tail: str) -> None:
    plain = b"abc" * 100
    packer = zlib.compressobj(wbits=-15)
    body = packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)
    content = {"cut": body, "more": body + packer.flush() + b"...", "noise": b"\xff" * 20}[tail]
    data = zipped([("A.TXT", content)], zipfile.ZIP_STORED)
    for place, form, value in ((10, "<H", 8), (16, "<L", zlib.crc32(plain)), (24, "<L", len(plain))):
        data = patched(data, CENTRAL, 0, place, form, value)
    reader = ZipReader(patched(data, LOCAL, 0, 8, "<H", 8), DEFAULT_LIMITS)
    with pytest.raises(ArchiveRefusedError, match="contenu compressé"):
        reader.read(reader.entries[0])
