"""The CapabilityStatement: what the door takes."""

from typing import Final

import orjson

from pfi.standards.fhir.answer import MEDIA_TYPE
from pfi.standards.fhir.vocabulary import FHIR_VERSION

_DATE: Final = "2026-11-22"
_TEXT: Final = (
    "Porte FHIR de la plateforme d'intermédiation : reçoit des lots de soumission PDSm (transaction ITI-65) et les "
    "transmet au DMP et par MSSanté. Aucune lecture ni recherche."
)


def write_capability(product_version: str) -> bytes:
    """The statement of `GET metadata`."""
    return orjson.dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": _DATE,
            "kind": "instance",
            "software": {"name": "PFI", **({"version": product_version} if product_version else {})},
            "implementation": {"description": _TEXT},
            "fhirVersion": FHIR_VERSION,
            "format": [MEDIA_TYPE, "json"],
            "implementationGuide": ["https://interop.esante.gouv.fr/ig/fhir/pdsm/ImplementationGuide/ans.fhir.fr.pdsm"],
            "instantiates": ["https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentRecipient"],
            "rest": [
                {
                    "mode": "server",
                    "documentation": _TEXT,
                    "security": {"cors": False, "description": "TLS, certificats clients selon la configuration."},
                    "interaction": [{"code": "transaction", "documentation": "Provide Document Bundle [ITI-65]"}],
                }
            ],
        }
    )
