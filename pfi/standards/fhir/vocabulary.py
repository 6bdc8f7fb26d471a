"""The URLs and code systems of the profiles: MHD, PDSm, FR Core, and our own."""

from typing import Final

_MHD: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition"
_PDSM: Final = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
_FR_CORE: Final = "https://hl7.fr/ig/fhir/core/StructureDefinition"

FHIR_VERSION: Final = "4.0.1"
PROVIDE_BUNDLE: Final = f"{_PDSM}/pdsm-comprehensive-provide-document-bundle"

SOURCE_ID: Final = f"{_MHD}/ihe-sourceId"
SOURCE_PATIENT: Final = f"{_MHD}/ihe-sourcePatientId"
AUTHOR_ORGANIZATION: Final = f"{_MHD}/ihe-authorOrg"
INTENDED_RECIPIENTS: Final = (f"{_PDSM}/pdsm-ext-intended-recipient", f"{_MHD}/ihe-intendedRecipient")
"""PDSm has one of its own because that of MHD cannot point to a PractitionerRole."""

IDENTITY_RELIABILITY: Final = f"{_FR_CORE}/fr-core-identity-reliability"
BIRTH_GIVEN_NAMES: Final = f"{_FR_CORE}/fr-core-patient-birth-list-given-name"
INSEE_CODE: Final = f"{_FR_CORE}/fr-core-address-insee-code"
EMAIL_TYPE: Final = f"{_FR_CORE}/fr-core-contact-point-email-type"
BIRTH_PLACE: Final = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"

LIST_TYPES: Final = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
TEST_DATA: Final = "HTEST"
"""`meta.tag` or `meta.security` of what is sent for a trial (v3-ActReason)."""

VISIBILITY_SYSTEMS: Final = frozenset(
    {
        "https://mos.esante.gouv.fr/NOS/TRE_A07-StatusVisibiliteDocument/FHIR/TRE-A07-StatusVisibiliteDocument",
        "urn:oid:1.2.250.1.213.1.1.4.13",
    }
)

ORDERS: Final = "urn:pfi:fhir:orders"
"""Our extension of the SubmissionSet: the MetaDMPMSS flags, which no FHIR profile carries (docs/fhir.md)."""
FINDINGS: Final = "urn:pfi:fhir:findings"
"""Our code system: codes of findings, and of decisions."""


def without_urn(uri: str) -> str:
    """An identifier without `urn:oid:` or `urn:uuid:`; any other text as it is."""
    for prefix in ("urn:oid:", "urn:uuid:"):
        if uri.lower().startswith(prefix):
            return uri[len(prefix) :]
    return uri
