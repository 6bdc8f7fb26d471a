"""The only door by which XML enters the engine.

Every XML byte that comes from outside (CDA, SOAP answers, METADATA.XML) goes through `parse`. No DTD, no entity, no
network, no XInclude; size, depth and number of nodes are bounded, so that a hostile document costs milliseconds.
"""

import threading
from typing import Final

from lxml import etree

from pfi.model.errors import SenderDataError

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_DEPTH: Final = 256
"""Deepest nesting of elements; libxml2's own limit, kept for large documents too. A CDA stays under 60."""
MAX_NODES: Final = 2_000_000
"""Ceiling on the number of tags, and on the number of attributes: bounds the memory of the tree."""

# libxml2 refuses text and attribute values over 10 MB unless `huge_tree` is set, and `huge_tree` also lifts the limit
# on depth: so it is used only where a value over 10 MB can exist at all.
_HUGE_FROM: Final = 9_000_000

_UTF8_BOM: Final = b"\xef\xbb\xbf"
_SPACES: Final = b" \t\r\n"

# Encodings in which ASCII bytes mean ASCII characters, and which never hide a `<` in another byte: what the prolog
# scan reads is what libxml2 reads. UTF-16, UTF-7, EBCDIC and the like are refused (the CI-SIS asks for UTF-8).
_ENCODINGS: Final = {
    b"utf-8": "utf-8",
    b"utf8": "utf-8",
    b"us-ascii": "utf-8",
    b"ascii": "utf-8",
    b"iso-8859-1": "iso-8859-1",
    b"latin1": "iso-8859-1",
    b"iso-8859-15": "iso-8859-15",
    b"windows-1252": "windows-1252",
    b"cp1252": "windows-1252",
}


class XmlRefusedError(SenderDataError):
    """The bytes are not XML that the engine accepts to read.

    Codes: `XML_EMPTY`, `XML_TOO_LARGE`, `XML_ENCODING_REFUSED`, `XML_DOCTYPE_FORBIDDEN`, `XML_TOO_COMPLEX`,
    `XML_NOT_WELL_FORMED`. The text never quotes the document.
    """


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> etree._Element:
    """Reads a whole XML document and returns its root element.

    Safe to call from several threads at once. Comments are dropped, so that the text of an element is in one piece;
    processing instructions stay. Encodings: UTF-8 (the default), ISO-8859-1, ISO-8859-15, windows-1252.
    Raises XmlRefusedError.
    """
    if len(data) > max_bytes:
        raise XmlRefusedError(
            "XML_TOO_LARGE", f"Le document XML compte {len(data)} octets, la limite est de {max_bytes} octets."
        )
    encoding = _scan_prolog(data)
    if len(data) > MAX_NODES and (data.count(b"<") > MAX_NODES or data.count(b"=") > MAX_NODES):
        raise _too_complex()
    huge = len(data) > _HUGE_FROM
    try:
        root = etree.fromstring(data, _parser(encoding, huge=huge))
    except etree.XMLSyntaxError as error:
        if getattr(error, "code", None) == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
            raise _too_complex() from None
        line, column = error.position
        raise XmlRefusedError(
            "XML_NOT_WELL_FORMED", f"Le document XML n'est pas bien formé (ligne {line}, colonne {column})."
        ) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _doctype()
    if huge and _too_deep(root):
        raise _too_complex()
    return root


class _Parsers(threading.local):
    """One set of parsers per thread: lxml serialises the users of a shared parser."""

    def __init__(self) -> None:
        self.by_kind: dict[tuple[str, bool], etree.XMLParser] = {}


_parsers = _Parsers()


def _parser(encoding: str, *, huge: bool) -> etree.XMLParser:
    parser = _parsers.by_kind.get((encoding, huge))
    if parser is None:
        parser = etree.XMLParser(
            encoding=encoding,  # decided by the prolog scan, so that libxml2 cannot read another one
            huge_tree=huge,
            resolve_entities=False,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            no_network=True,
            recover=False,
            remove_comments=True,
            collect_ids=False,
        )
        _parsers.by_kind[encoding, huge] = parser
    return parser


def _scan_prolog(data: bytes) -> str:
    """Walks the prolog (XML 1.0 §2.8) up to the root element; returns the encoding, refuses any DOCTYPE."""
    position = 3 if data.startswith(_UTF8_BOM) else 0
    if not data[position : position + 4].strip(_SPACES):
        if data[position:].strip(_SPACES):
            raise XmlRefusedError("XML_NOT_WELL_FORMED", "Le document XML commence par des espaces.")
        raise XmlRefusedError("XML_EMPTY", "Le document XML est vide.")
    if b"\0" in data[:64] or data.startswith((b"\xfe\xff", b"\xff\xfe", b"\x4c\x6f\xa7\x94")):
        raise _encoding_refused()
    encoding = "utf-8"
    if data.startswith(b"<?xml", position) and data[position + 5 : position + 6] in (b" ", b"\t", b"\r", b"\n"):
        encoding = _declared_encoding(data[position : _end_of(data, b"?>", position)])
    while True:
        position = _skip_spaces(data, position)
        if data.startswith(b"<?", position):
            position = _end_of(data, b"?>", position)
        elif data.startswith(b"<!--", position):
            position = _end_of(data, b"-->", position + 4)
        elif data.startswith(b"<!", position):
            raise _doctype()
        else:
            return encoding


def _skip_spaces(data: bytes, position: int) -> int:
    end = len(data)
    while position < end and data[position] in _SPACES:
        position += 1
    return position


def _end_of(data: bytes, mark: bytes, start: int) -> int:
    found = data.find(mark, start)
    if found < 0:
        raise XmlRefusedError("XML_NOT_WELL_FORMED", "Le prologue du document XML n'est pas fermé.")
    return found + len(mark)


def _declared_encoding(declaration: bytes) -> str:
    """The encoding of an XML declaration; UTF-8 when it names none."""
    _, found, rest = declaration.partition(b"encoding")
    if not found:
        return "utf-8"
    value = rest.lstrip(_SPACES).removeprefix(b"=").lstrip(_SPACES)
    quote = value[:1]
    name = value[1:].partition(quote)[0] if quote in (b'"', b"'") else b""
    encoding = _ENCODINGS.get(name.lower())
    if encoding is None:
        raise _encoding_refused()
    return encoding


_DEEPER_THAN_ALLOWED: Final = "/*" * (MAX_DEPTH + 1)


def _too_deep(root: etree._Element) -> bool:
    return bool(root.xpath(f"boolean({_DEEPER_THAN_ALLOWED})"))


def _doctype() -> XmlRefusedError:
    return XmlRefusedError(
        "XML_DOCTYPE_FORBIDDEN",
        "Le document XML contient une déclaration DOCTYPE : elle est interdite.",
        "Retirer la déclaration de type de document et ses entités.",
    )


def _too_complex() -> XmlRefusedError:
    return XmlRefusedError(
        "XML_TOO_COMPLEX",
        f"Le document XML est trop complexe (plus de {MAX_DEPTH} niveaux d'imbrication ou plus de "
        f"{MAX_NODES} balises ou attributs).",
    )


def _encoding_refused() -> XmlRefusedError:
    return XmlRefusedError(
        "XML_ENCODING_REFUSED",
        "Le codage de caractères du document XML n'est pas accepté.",
        "Produire le document en UTF-8.",
    )
