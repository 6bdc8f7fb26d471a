"""Code tables of acknowledgments (hl7v2 digest §4). The French labels are ours."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

MESSAGE_ERRORS: Final = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "198": "Non-conformant cardinality",
    "199": "Other HL7 Error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing",
    "203": "Unsupported version",
    "207": "Application error",
}
"""HL70357, `messageErrorCondition`: ERR-3."""

APPLICATION_ERROR: Final = "207"
OTHER_SYNTAX_ERROR: Final = "199"

APPLICATION_ERRORS: Final = {
    "900": "Version du document incorrecte lors d'une demande de remplacement/suppression",
    "901": "Auteur non autorisé à remplacer ou supprimer un document",
    "902": "Identifiant patient inconnu",
    "903": "INS non présent dans le document",
    "904": "L'INS transmis ne correspond pas exactement à celui stocké dans la base du consommateur",
    "905": "L'INS transmis n'est pas complet",
    "906": "Erreur 'Autre'",
}
"""HL70533, `applicationErrorCode` in an ACK, `applicationErrorCondition` in a ZAM: ERR-5."""

OTHER_APPLICATION_ERROR: Final = "906"


@cache
def smtp_codes() -> dict[str, str]:
    """SMTPERRORCODE: three-digit code -> French label (hl7v2 digest §4.3)."""
    table = tomllib.loads(files(__package__).joinpath("smtp_codes.toml").read_text("utf-8"))
    return dict(table["labels"])


def smtp_code(code: str) -> str:
    """The nearest code of SMTPERRORCODE: itself, else 451 for a passing failure (4xx) and 554 for any other."""
    if code in smtp_codes():
        return code
    return "451" if code[:1] == "4" else "554"
