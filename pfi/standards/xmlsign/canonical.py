"""Canonical XML of bytes: the inputs of digests.

`pfi.standards.xml.parse` drops comments, which Canonical XML "with comments" must keep; hence a parser of its own here,
as hardened, for documents that have been accepted by `parse` before.
"""

import threading
from typing import Final

from lxml import etree

from pfi.model.errors import SenderDataError

C14N: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_WITH_COMMENTS: Final = f"{C14N}#WithComments"
EXCLUSIVE_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"

_HUGE_FROM: Final = 9_000_000


class _Parsers(threading.local):
    """One parser per thread and kind: lxml serialises the users of a shared one."""

    def __init__(self) -> None:
        self.plain = _parser(huge=False)
        self.huge = _parser(huge=True)


def _parser(*, huge: bool) -> etree.XMLParser:
    return etree.XMLParser(
        huge_tree=huge,
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        recover=False,
        collect_ids=False,
    )


_parsers = _Parsers()


def canonical(content: bytes) -> bytes:
    """Canonical XML 1.0 with comments of a whole document, prolog included.

    Raises SenderDataError `XML_NOT_WELL_FORMED` or `XML_DOCTYPE_FORBIDDEN`.
    """
    return _write(content, exclusive=False)


def exclusive(content: bytes) -> bytes:
    """Exclusive Canonical XML 1.0, without comments, of a whole document."""
    return _write(content, exclusive=True)


def _write(content: bytes, *, exclusive: bool) -> bytes:
    parser = _parsers.huge if len(content) > _HUGE_FROM else _parsers.plain
    try:
        tree = etree.fromstring(content, parser).getroottree()
    except etree.XMLSyntaxError:
        raise SenderDataError("XML_NOT_WELL_FORMED", "Le document XML n'est pas bien formé.") from None
    if tree.docinfo.internalDTD is not None:
        raise SenderDataError("XML_DOCTYPE_FORBIDDEN", "Le document XML contient une déclaration DOCTYPE.")
    canonical_form: bytes = etree.tostring(tree, method="c14n", exclusive=exclusive, with_comments=not exclusive)
    return canonical_form
