"""HL7 v2.5 data types as XDS writes them in slots: XCN, XON, CX and the DTM in UTC (DMP digest §3.1)."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from pfi.model.parties import Author, Device, Organization, Person
from pfi.standards.cda.oids import INS_OIDS, PROFESSIONAL_OID, STRUCTURE_OID

_MAX_SLOT: Final = 256  # ebRIM LongName
_PARIS: Final = ZoneInfo("Europe/Paris")
_SPECIAL: Final = re.compile(r"[\\|^&~]")
_ESCAPES: Final = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_TIME: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.\d+)?([+-]\d{4})?$")
_DAY: Final = len("YYYYMMDD")
_FORMS: Final = {4: "%Y", 6: "%Y%m", _DAY: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def escaped(text: str) -> str:
    """A component: HL7 delimiters escaped, white space of XML sources folded."""
    folded = " ".join(text.split())
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], folded) if _SPECIAL.search(folded) else folded


def cx(identifier: str, oid: str, type_code: str) -> str:
    """`id^^^&oid&ISO^type`; without an assigning authority `id^^^^type`."""
    authority = f"&{escaped(oid)}&ISO" if oid else ""
    return f"{escaped(identifier)}^^^{authority}^{type_code}"


def xcn(author: Author) -> str:
    """An author or a legal authenticator; empty when nobody is named."""
    if author.person is not None:
        return _person(author.person)
    return _device(author.device) if author.device is not None else ""


def _person(person: Person) -> str:
    oid = person.identifier_oid or (PROFESSIONAL_OID if person.identifier_type == "IDNPS" else "")
    if not person.identifier:
        return _trimmed(f"^{escaped(person.family)}^{escaped(person.given)}")
    if oid in INS_OIDS:
        kind = "NH"
    elif person.identifier_type:
        kind = person.identifier_type
    else:
        kind = "IDNPS" if oid == PROFESSIONAL_OID else "EI"
    return _xcn(person.identifier, person.family, person.given, oid, "D", kind)


def _device(device: Device) -> str:
    if device.identifier_oid == PROFESSIONAL_OID:
        kind = "IDNPS" if device.identifier[:1] in ("0", "8") else "EI"
        return _xcn(device.identifier, device.name, "", device.identifier_oid, "D", kind)
    return _xcn(device.identifier, device.name, "", device.identifier_oid, "U", "RI")


def _xcn(identifier: str, family: str, given: str, oid: str, name_type: str, kind: str) -> str:
    authority = f"&{escaped(oid)}&ISO" if oid else ""
    tail = f"^^^^^^{authority}^{name_type}^^^{kind}"
    head = f"{escaped(identifier)}^{escaped(family)}^{escaped(given)}"
    return head[: _MAX_SLOT - len(tail)] + tail


def _trimmed(text: str) -> str:
    return text.rstrip("^")[:_MAX_SLOT]


def xon(organization: Organization | None) -> str:
    """A structure: `name^^^^^&root&ISO^IDNST^^^id`; without identifier the name alone; empty when there is neither."""
    if organization is None or not (organization.name or organization.identifier):
        return ""
    if not organization.identifier:
        return escaped(organization.name)[:_MAX_SLOT]
    oid = organization.identifier_oid or STRUCTURE_OID
    kind = organization.identifier_type or ("IDNST" if oid == STRUCTURE_OID else "XX")
    tail = f"^^^^^&{escaped(oid)}&ISO^{kind}^^^{escaped(organization.identifier)}"
    return escaped(organization.name)[: max(0, _MAX_SLOT - len(tail))] + tail


def utc_text(moment: datetime) -> str:
    """A moment as a DTM in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")


@lru_cache(maxsize=4096)
def utc_time(hl7_time: str) -> tuple[str, bool]:
    """An HL7 TS in UTC with the precision it had, and whether its offset was missing (Europe/Paris is then assumed).

    A date alone is not shifted. Fractions of seconds are dropped. A value that is not a TS gives `("", False)`.
    """
    found = _TIME.match(hl7_time)
    if found is None:
        return "", False
    digits = "".join(part for part in found.groups()[:6] if part)
    form = _FORMS.get(len(digits))
    if form is None:
        return "", False
    try:
        moment = datetime.strptime(digits, form)  # noqa: DTZ007 - the zone is set below
    except ValueError:
        return "", False
    if len(digits) <= _DAY:
        return digits, False
    offset = found[7]
    zone = _zone(offset) if offset else _PARIS
    try:
        return moment.replace(tzinfo=zone).astimezone(UTC).strftime(form), not offset
    except OverflowError:
        return "", False


def _zone(offset: str) -> timezone:
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
