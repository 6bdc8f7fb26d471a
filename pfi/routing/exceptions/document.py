"""E22 and E24: what the document itself says (obligations digest §5, DMP digest §3.1)."""

from pfi.routing.exceptions.situation import Situation


def confidentiality_reinforced(s: Situation) -> bool:
    """E22: CDA confidentialityCode R or V."""
    return any(document.header.confidentiality.code in ("R", "V") for document in s.submission.documents)


def type_not_accepted_by_dmp(s: Situation) -> bool:
    """E24: typeCode outside JDV_J66."""
    return not s.type_accepted


def cda_id_with_extension(s: Situation) -> bool:
    """The DMP does not support OID^extension (DMP digest §3.1)."""
    return any(document.header.document_id.extension for document in s.submission.documents)
