"""Who holds a certificate: a legal entity (ORG_AUTH_CLI, ORG_SIGN), or a professional (direct authentication)."""

from cryptography import x509
from cryptography.x509.oid import NameOID

from connectors.sandbox.certificates import entity_of


def common_names(certificate: x509.Certificate) -> frozenset[str]:
    """The common names of the subject: that of a professional's certificate is the PSIdNat."""
    return frozenset(str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def holder_of(certificate: x509.Certificate) -> str:
    """Struct_IdNat of the legal entity, else the PSIdNat of the professional."""
    return entity_of(certificate) or "".join(sorted(common_names(certificate)))
