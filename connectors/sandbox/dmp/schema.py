"""The official XML schema of the CDA, as the DMP applies it on its side (EX_2.1-1071)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

from lxml import etree

from connectors.sandbox.dmp.verdict import RegistryError
from pfi.standards.xml import parse

_SCHEMA: Final = Path("infrastructure", "cda", "CDA_extended.xsd")
_DOCUMENT: Final = "{urn:hl7-org:v3}ClinicalDocument"


class SchemaCheck:
    """The schema of a validation pack, compiled once. Raises ValueError when the folder has no usable schema."""

    def __init__(self, pack: Path) -> None:
        parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False)
        try:
            self._schema = etree.XMLSchema(etree.parse(pack / _SCHEMA, parser))
        except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
            raise ValueError(f"schéma XML du CDA absent ou inutilisable dans {pack}") from error

    def check(self, content: bytes, where: str) -> RegistryError | None:
        """The first deviation; of a self-presenting document the ClinicalDocument inside is checked."""
        root = parse(content)
        document = root if root.tag == _DOCUMENT else next(root.iter(_DOCUMENT), None)
        if document is None:
            return RegistryError("InvalidDocumentContent", "le document n'est pas un CDA R2", where)
        if self._schema.validate(document):
            return None
        line = next((entry.line for entry in cast("Iterable[Any]", self._schema.error_log)), 0)
        return RegistryError("InvalidDocumentContent", f"CDA non conforme à CDA_extended.xsd, ligne {line}", where)
