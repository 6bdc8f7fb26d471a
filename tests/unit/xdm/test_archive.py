import io
import re
import zipfile
from datetime import UTC, datetime

import pytest
from lxml import etree

from pfi.model.errors import BugError
from pfi.standards.xdm.archive import Issuer, build, member_uri

MOMENT = datetime(2026, 3, 5, 9, 12, 30, tzinfo=UTC)
ISSUER = Issuer("Camille ESSAI", "CH <d'Exemple> & Cie", "1990000001", "1 rue\r\nde l'Été", "0100000000", "PFI", "0.1")


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_the_tree_is_the_one_of_the_profile_and_documents_are_unchanged() -> None:
    documents = [b"\xef\xbb\xbf<a>\r\n</a>", b"<b/>"]
    read = members(build(documents, b"<m/>", issuer=ISSUER, moment=MOMENT))
    assert list(read) == [
        "README.TXT",
        "INDEX.HTM",
        "IHE_XDM/SUBSET01/METADATA.XML",
        "IHE_XDM/SUBSET01/DOC0001.XML",
        "IHE_XDM/SUBSET01/DOC0002.XML",
    ]
    assert list(read.values())[2:] == [b"<m/>", *documents]
    assert all(re.fullmatch(r"[A-Z0-9_]{1,8}(\.[A-Z]{3})?", part) for name in read for part in name.split("/"))


def test_the_readme_has_its_four_blocks_and_no_line_can_be_forged() -> None:
    text = members(build([b"<a/>"], b"<m/>", issuer=ISSUER, moment=MOMENT))["README.TXT"].decode()
    titles = [line for line in text.split("\r\n") if line and not line.startswith(" ")]
    assert titles == ["EMETTEUR", "APPLICATION DE L'EMETTEUR", "INSTRUCTIONS", "ARBORESCENCE"]
    assert "  Adresse : 1 rue de l'Été\r\n" in text
    assert "DOC0001.XML" in text
    assert "\n" not in text.replace("\r\n", "")
    assert "Éditeur" not in text


def test_the_index_is_xhtml_that_links_to_everything() -> None:
    page = members(build([b"<a/>", b"<b/>"], b"<m/>", issuer=ISSUER, moment=MOMENT))["INDEX.HTM"]
    root = etree.fromstring(page, etree.XMLParser(load_dtd=False, no_network=True))
    links = [element.get("href") for element in root.iter("{http://www.w3.org/1999/xhtml}a")]
    assert links == ["IHE_XDM/SUBSET01/DOC0001.XML", "IHE_XDM/SUBSET01/DOC0002.XML", "README.TXT"]
    assert "CH <d'Exemple> & Cie" in "".join(str(text) for text in root.itertext())


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert build([b"<a/>"], b"<m/>", issuer=ISSUER, moment=MOMENT) == build(
        [b"<a/>"], b"<m/>", issuer=ISSUER, moment=MOMENT
    )


@pytest.mark.parametrize("index", [-1, 9999])
def test_documents_are_numbered_on_four_digits(index: int) -> None:
    assert member_uri(9998) == "DOC9999.XML"
    with pytest.raises(BugError):
        member_uri(index)
