"""Code systems: the OID that CDA and XDS write for the address that FHIR writes."""

import re
from typing import Final

_OIDS: Final = {
    "http://loinc.org": "2.16.840.1.113883.6.1",
    "http://loinc.org/fr": "2.16.840.1.113883.6.1",
    "http://snomed.info/sct": "2.16.840.1.113883.6.96",
    "http://dicom.nema.org/resources/ontology/DCM": "1.2.840.10008.2.16.4",
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality": "2.16.840.1.113883.5.25",
}

# Reference terminologies (TRE), by their number: the address has changed several times, the number never.
_TERMINOLOGIES: Final = {
    "A00": "1.2.250.1.213.1.1.4.6",
    "A01": "1.2.250.1.213.1.1.4.9",
    "A02": "1.2.250.1.213.1.1.4.5",
    "A03": "1.2.250.1.213.1.1.4.1",
    "A04": "2.16.840.1.113883.6.1",
    "A05": "1.2.250.1.213.1.1.4.12",
    "A06": "1.2.250.1.213.1.1.4.2.282",
    "A07": "1.2.250.1.213.1.1.4.13",
    "A08": "2.16.840.1.113883.5.25",
    "A09": "1.2.840.10008.2.6.1",
    "A10": "URN",
    "A11": "1.3.6.1.4.1.19376.1.2.3",
    "A12": "ASTM",
    "R02": "1.2.250.1.71.4.2.4",
    "R209": "1.2.250.1.213.2.2",
}
_NUMBER: Final = re.compile(r"TRE[-_]([A-Z]\d+)(?![A-Za-z0-9])", re.IGNORECASE)


def system_oid(system: str) -> str:
    """The OID of a code system given by its address, its `urn:oid:` or its OID; unchanged when it is not known."""
    if system.startswith("urn:oid:"):
        return system.removeprefix("urn:oid:")
    known = _OIDS.get(system)
    if known is not None:
        return known
    found = _NUMBER.search(system)
    return _TERMINOLOGIES.get(found[1].upper(), system) if found else system


def is_known(system: str) -> bool:
    """True for what may be written as a coding scheme: an OID, or one of the two words that XDS uses."""
    return bool(re.fullmatch(r"[0-2](?:\.\d+)+|URN|ASTM", system))
