"""RegistryResponse: what the DMP answers to a submission or a query (DMP digest §2.6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

SUCCESS: Final = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
PARTIAL_SUCCESS: Final = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
FAILURE: Final = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"
_RS: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
_ERROR: Final = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"
_WARNING: Final = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning"


@dataclass(frozen=True, slots=True)
class RegistryError:
    """`code` is one of IHE ITI TF-3 table 4.2.4.1-2, or `DMPClosed`; `context` is a French sentence. A `warning` goes
    with a success."""

    code: str
    context: str
    location: str = ""
    warning: bool = False


METADATA: Final = "XDSRegistryMetadataError"


class RefusedError(Exception):
    """The request is understood and refused: one or several errors."""

    def __init__(self, errors: Iterable[RegistryError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.code}: {error.context}" for error in self.errors))


def refuse(code: str, context: str, location: str = "") -> RefusedError:
    return RefusedError([RegistryError(code, context, location)])


def write_response(errors: tuple[RegistryError, ...] = ()) -> str:
    """`rs:RegistryResponse`: Success without errors, be there warnings; Failure with them."""
    failed = any(not error.warning for error in errors)
    status = FAILURE if failed else SUCCESS
    listed = "".join(
        f"<rs:RegistryError errorCode={quoteattr(error.code)} codeContext={quoteattr(error.context)} "
        f'severity="{_WARNING if error.warning else _ERROR}" location={quoteattr(error.location)}/>'
        for error in errors
    )
    if listed:
        highest = _ERROR if failed else _WARNING
        listed = f'<rs:RegistryErrorList highestSeverity="{highest}">{listed}</rs:RegistryErrorList>'
    return f'<rs:RegistryResponse xmlns:rs="{_RS}" status="{status}">{listed}</rs:RegistryResponse>'
