"""Identifiers that the CI-SIS fixes once and for all, as the CDA header carries them."""

import re
from enum import StrEnum
from typing import Final

HL7: Final = "urn:hl7-org:v3"
DICOM_PS3_20: Final = "urn:dicom-org:ps3-20"
XSL: Final = "http://www.w3.org/1999/XSL/Transform"
XML_DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"


class InsOid(StrEnum):
    """Assigning authorities of the INS (INS digest §1.3). The obsolete INS-C (`.2`, `.6`, `.7`) is not one of them."""

    NIR = "1.2.250.1.213.1.4.8"
    NIA = "1.2.250.1.213.1.4.9"
    NIR_TEST = "1.2.250.1.213.1.4.10"
    NIR_DEMONSTRATION = "1.2.250.1.213.1.4.11"


INS_OIDS: Final = frozenset(str(oid) for oid in InsOid)
TEST_INS_OIDS: Final = frozenset({str(InsOid.NIR_TEST), str(InsOid.NIR_DEMONSTRATION)})
INS_ARC: Final = "1.2.250.1.213.1.4."
OBSOLETE_INS_OIDS: Final = frozenset({"1.2.250.1.213.1.4.2", "1.2.250.1.213.1.4.6", "1.2.250.1.213.1.4.7"})
"""INS-C, calculated identifiers: never an INS."""

MATRICULE: Final = re.compile(r"[0-9]{5}(?:2[AB]|[0-9]{2})[0-9]{6}[0-9]{2}")
"""Shape of an INS matricule with its key: 15 characters, a letter only for Corsica (INS digest §1.1)."""

PROFESSIONAL_OID: Final = "1.2.250.1.71.4.2.1"
"""PSIdNat: national identifiers of people."""
STRUCTURE_OID: Final = "1.2.250.1.71.4.2.2"
"""Struct_IdNat: national identifiers of structures."""

PDF_COPY_TEMPLATE: Final = "1.2.250.1.213.1.1.2.243"
"""Section FR-Document-PDF-copie of an N3 document: a PDF copy of the whole document."""
