"""HL7 v2.5 data types as XDS writes them in slots: XCN, XON, CX and the DTM in UTC (DMP digest §3.1)."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from pfi.model.parties import Author, Device, Organization, Person
from pfi.standards.cda.oids import INS_OIDS, PROFESSIONAL_OID, STRUCTURE_OID

MAX_SLOT: Final = 256
"""Longest value of a slot (ebRIM LongName)."""
_PARIS: Final = ZoneInfo("Europe/Paris")
_SPECIAL: Final = re.compile(r"[\\|^&~]")
_ESCAPES: Final = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_TIME: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.\d+)?([+-]\d\d(?:\d\d)?)?$", re.ASCII)
_DAY: Final = len("YYYYMMDD")
_MINUTE: Final = len("YYYYMMDDhhmm")
_NOT_DIGITS: Final = re.compile(r"[^0-9]")
_FORMS: Final = {4: "%Y", 6: "%Y%m", _DAY: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def escaped(text: str) -> str:
    """A component: HL7 delimiters escaped, white space of XML sources folded."""
    folded = " ".join(text.split())
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], folded) if _SPECIAL.search(folded) else folded


def fitted(text: str, room: int) -> str:
    """A component of at most `room` characters, never cut inside an escape sequence."""
    whole = escaped(text)
    if len(whole) <= room:
        return whole
    cut = whole[: max(0, room)]
    # Every escape sequence has two backslashes: an odd number means that the last one is cut.
    return (cut if cut.count("\\") % 2 == 0 else cut[: cut.rindex("\\")]).rstrip()


def cx(identifier: str, oid: str, type_code: str) -> str:
    """`id^^^&oid&ISO^type`; without an assigning authority `id^^^^type`."""
    authority = f"&{escaped(oid)}&ISO" if oid else ""
    return f"{escaped(identifier)}^^^{authority}^{type_code}"


def specialty_text(code: str, label: str, system: str) -> str:
    """An authorSpecialty: `code^label^system`."""
    head, tail = escaped(code), escaped(system)
    return f"{head}^{fitted(label, MAX_SLOT - len(head) - len(tail) - 2)}^{tail}"


def xcn(author: Author) -> str:
    """An author or a legal authenticator; empty when nobody is named."""
    if author.person is not None:
        return _person(author.person)
    return _device(author.device) if author.device is not None else ""


def _person(person: Person) -> str:
    oid = person.identifier_oid or (PROFESSIONAL_OID if person.identifier_type == "IDNPS" else "")
    if not person.identifier:
        return f"^{_names(person.family, person.given, MAX_SLOT - 1)}".rstrip("^")
    if oid in INS_OIDS:
        kind = "NH"
    elif person.identifier_type:
        kind = person.identifier_type
    else:
        kind = "IDNPS" if oid == PROFESSIONAL_OID else "EI"
    return _xcn(person.identifier, person.family, person.given, oid, "D", kind)


def _device(device: Device) -> str:
    """The name fields of software are its model and its name (DMP digest §3.1)."""
    names = (device.model, device.software) if device.model or device.software else (device.name, "")
    if device.identifier_oid == PROFESSIONAL_OID:
        kind = "IDNPS" if device.identifier[:1] in ("0", "8") else "EI"
        return _xcn(device.identifier, *names, device.identifier_oid, "D", kind)
    return _xcn(device.identifier, *names, device.identifier_oid, "U", "RI")


def _xcn(identifier: str, family: str, given: str, oid: str, name_type: str, kind: str) -> str:
    """Names give way to identifiers when the slot is too short."""
    authority = f"&{escaped(oid)}&ISO" if oid else ""
    tail = f"^^^^^^{authority}^{name_type}^^^{kind}"
    head = f"{escaped(identifier)}^"
    return f"{head}{_names(family, given, MAX_SLOT - len(head) - len(tail))}{tail}"


def _names(family: str, given: str, room: int) -> str:
    """`family^given` in `room` characters, half for each when both are long."""
    room -= 1
    first = fitted(family, max(room // 2, room - len(escaped(given))))
    return f"{first}^{fitted(given, room - len(first))}"


def xon(organization: Organization | None) -> str:
    """A structure: `name^^^^^&root&ISO^IDNST^^^id`; without identifier the name alone; empty when there is neither."""
    if organization is None or not (organization.name or organization.identifier):
        return ""
    if not organization.identifier:
        return fitted(organization.name, MAX_SLOT)
    oid = organization.identifier_oid or STRUCTURE_OID
    kind = organization.identifier_type or ("IDNST" if oid == STRUCTURE_OID else "XX")
    tail = f"^^^^^&{escaped(oid)}&ISO^{kind}^^^{escaped(organization.identifier)}"
    return fitted(organization.name, MAX_SLOT - len(tail)) + tail


def utc_text(moment: datetime) -> str:
    """A moment as a DTM in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")


@lru_cache(maxsize=4096)
def utc_time(hl7_time: str) -> tuple[str, bool]:
    """An HL7 TS in UTC with the precision it had, and whether its offset was missing (Europe/Paris is then assumed).

    A date alone is not shifted. Fractions of seconds are dropped. An hour gets minutes when its offset has some. A
    value that is not a TS gives `("", False)`.
    """
    found = _TIME.match(hl7_time)
    if found is None:
        return "", False
    digits = "".join(part for part in found.groups()[:6] if part)
    form = _FORMS.get(len(digits))
    if form is None:
        return "", False
    offset = found[7]
    try:
        moment = datetime.strptime(digits, form)  # noqa: DTZ007 - the zone is set below
        if len(digits) <= _DAY:
            return digits, False
        zone = _zone(offset) if offset else _PARIS
        shifted = moment.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return "", False
    precision = max(len(digits), _MINUTE) if shifted.minute else len(digits)
    return _NOT_DIGITS.sub("", shifted.replace(tzinfo=None).isoformat(timespec="seconds"))[:precision], not offset


def _zone(offset: str) -> timezone:
    minutes = int(offset[1:3]) * 60 + int(offset[3:] or 0)
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
