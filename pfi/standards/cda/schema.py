"""Validation of CDA documents against the official XML schema (`CDA_extended.xsd` of the ANS validation pack)."""

import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

from lxml import etree

from pfi.model.errors import ConfigurationError
from pfi.model.finding import Finding, Severity
from pfi.standards.cda.tree import clinical_document, parse_cda

SCHEMA: Final = Path("infrastructure", "cda", "CDA_extended.xsd")
"""Place of the schema in a validation pack."""

_MAX_FINDINGS: Final = 20
_LAST_NAME: Final = re.compile(r":([\w.-]+)(?:\[\d+\])?$")


class CdaSchema:
    """The schema, compiled once; `validate` may be called from several threads.

    `pack_dir` is the root folder of a validation pack. Raises ConfigurationError (`CDA_SCHEMA_UNUSABLE`) when the
    schema is absent or does not compile.
    """

    def __init__(self, pack_dir: Path) -> None:
        self._path = pack_dir / SCHEMA
        self._local = threading.local()  # an lxml schema keeps the errors of its last document: one for each thread
        self._local.schema = self._compile()

    def validate(self, content: bytes, root: etree._Element | None = None) -> tuple[Finding, ...]:
        """One `CDA_SCHEMA` error for each line that deviates, 20 at most; nothing of the document is quoted.

        Of a self-presenting document the ClinicalDocument inside is validated. `root` is the tree of the same bytes
        when they have been parsed already. Raises CdaUnreadableError.
        """
        document = clinical_document(parse_cda(content) if root is None else root)
        schema = self._schema()
        if schema.validate(document):
            return ()
        seen: dict[tuple[int, str], Finding] = {}
        for entry in cast("Iterable[Any]", schema.error_log):  # the stubs forget that a log is iterable
            name = _element_name(document, entry.path)
            seen.setdefault((entry.line, name), _finding(entry.line, name, entry.type_name))
        return tuple(seen.values())[:_MAX_FINDINGS]

    def _schema(self) -> etree.XMLSchema:
        schema: etree.XMLSchema | None = getattr(self._local, "schema", None)
        if schema is None:
            schema = self._local.schema = self._compile()
        return schema

    def _compile(self) -> etree.XMLSchema:
        # The schema files come from the installation, not from a sender: they may refer to one another on disk.
        parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False)
        try:
            return etree.XMLSchema(etree.parse(self._path, parser))
        except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
            raise ConfigurationError(
                "CDA_SCHEMA_UNUSABLE",
                f"Le schéma XML des documents CDA est absent ou inutilisable : {self._path}.",
                "Installer le pack de validation de l'ANS et indiquer son dossier dans la configuration.",
            ) from error


def _element_name(document: etree._Element, place: str | None) -> str:
    """Local name of the element that a log entry points at (`/*/*[2]`, from the root that was validated)."""
    if not place or not place.startswith("/*"):
        return ""
    last = _LAST_NAME.search(place)  # elements of another namespace are named, with a prefix that may be any
    if last is not None:
        return last[1]
    try:
        found = document.xpath(f".{place.removeprefix('/*')}")
    except etree.XPathEvalError:  # a prefix on the way
        return ""
    if not isinstance(found, list) or not found or not isinstance(found[0], etree._Element):
        return ""
    return etree.QName(found[0]).localname


# What the libxml2 error types mean, for the operator. The others get the general sentence.
_MEANINGS: Final = {
    "SCHEMAV_ELEMENT_CONTENT": "élément inattendu ou manquant",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "élément qui doit être vide",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "texte inattendu",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "attribut non prévu",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_2": "attribut non prévu",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "attribut obligatoire absent",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "valeur d'un type incorrect",
    "SCHEMAV_CVC_PATTERN_VALID": "valeur qui ne respecte pas le format",
    "SCHEMAV_CVC_ENUMERATION_VALID": "valeur hors de la liste permise",
    "SCHEMAV_CVC_ELT_1": "élément racine inconnu",
}


def _finding(line: int, name: str, kind: str) -> Finding:
    meaning = _MEANINGS.get(kind, "contenu non conforme")
    place = f"élément {name}, ligne {line}" if name else f"ligne {line}"
    return Finding(
        "CDA_SCHEMA",
        Severity.ERROR,
        f"{name or 'ClinicalDocument'} (ligne {line})",
        f"Le document n'est pas conforme au schéma XML du CDA ({place}) : {meaning}.",
        "CDA_extended.xsd",
        err3="207",
        err5="906",
    )
