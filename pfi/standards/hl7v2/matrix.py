"""Which combinations of flags may be acted on (hl7v2 digest §2.2, obligations digest §6.2).

The rows of the volet are data (`flag_matrix.toml`). Read literally they refuse official samples and cases that the law
requires, so that the default only refuses what contradicts a stated prohibition.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

from pfi.model.profile import Matrix, Mode, SenderProfile
from pfi.model.submission import Orders
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.orders import DESTINATIONS, Flag, FlagReading, value_of

_RULE: Final = "hl7v2 digest §2.2"
_OTHER_ERROR: Final = "906"

_Row = dict[Flag, bool]


@cache
def rows(version: Matrix) -> tuple[_Row, ...]:
    """The published rows of a version: the flags that each constrains. `TOLERANT` has none."""
    tables = tomllib.loads(files(__package__).joinpath("flag_matrix.toml").read_text("utf-8"))
    published = tables.get(version.value, {"rows": []})["rows"]
    return tuple({Flag(name): value == "Y" for name, value in row.items() if value != "*"} for row in published)


def is_listed(version: Matrix, orders: Orders) -> bool:
    """True when the combination is one of the published rows."""
    return any(all(value_of(orders, flag) == value for flag, value in row.items()) for row in rows(version))


def check_combination(reading: FlagReading, profile: SenderProfile, deviations: Deviations) -> None:
    """Refuses or reports the combination of flags of one message."""
    orders = reading.orders
    if not orders.given:
        return
    ordered = [flag for flag in DESTINATIONS if value_of(orders, flag)]
    if not ordered:
        report = deviations.refuse if profile.effective_matrix is Matrix.STRICT else deviations.warn
        report(
            "NOTHING_TO_DO",
            reading.places.get(Flag.DESTDMP, "OBX^1"),
            "Les trois indicateurs de destination valent N : il n'y a rien à transmettre.",
            err3="207",
            err5=_OTHER_ERROR,
            rule=_RULE,
        )
    if profile.effective_matrix is Matrix.TOLERANT:
        _check_prohibitions(reading, profile, deviations)
    if Flag.DESTMSSANTEPS in ordered or Flag.DESTMSSANTEPAT in ordered:
        _check_rows(reading, profile, deviations)
    if Flag.DESTDMP in ordered:
        _check_dmp(reading, profile, deviations)


def _check_prohibitions(reading: FlagReading, profile: SenderProfile, deviations: Deviations) -> None:
    orders = reading.orders
    if orders.invisible_patient and orders.dest_mss_pat:
        deviations.refuse(
            "FLAGS_INCONSISTENT",
            reading.places[Flag.DESTMSSANTEPAT],
            "INVISIBLE_PATIENT = Y interdit l'envoi au patient (DESTMSSANTEPAT = Y).",
            "207",
            _RULE,
            _OTHER_ERROR,
        )
    if orders.masque_ps and orders.dest_mss_ps:
        report = deviations.refuse if profile.masked_ps_blocks_pro else deviations.warn
        report(
            "FLAGS_INCONSISTENT",
            reading.places[Flag.DESTMSSANTEPS],
            "MASQUE_PS = Y interdit l'envoi aux professionnels (DESTMSSANTEPS = Y).",
            err3="207",
            err5=_OTHER_ERROR,
            rule=_RULE,
        )


def _check_rows(reading: FlagReading, profile: SenderProfile, deviations: Deviations) -> None:
    """The rows speak of mail only: a document for the DMP alone is out of their scope."""
    version = profile.effective_matrix
    if version is Matrix.TOLERANT:
        if not is_listed(Matrix.STRICT, reading.orders):
            deviations.inform(
                "FLAGS_UNLISTED",
                reading.places.get(Flag.DESTMSSANTEPS, "OBX^1"),
                "Cette combinaison d'indicateurs n'est pas dans la liste du volet ; elle est admise.",
                _RULE,
            )
        return
    if not is_listed(version, reading.orders):
        flag = Flag.DESTMSSANTEPAT if reading.orders.dest_mss_pat else Flag.DESTMSSANTEPS
        deviations.refuse(
            "FLAGS_INCONSISTENT",
            reading.places.get(flag, "OBX^1"),
            f"La combinaison d'indicateurs n'est pas admise par le volet : {_spelled(reading.orders)}.",
            "207",
            _RULE,
            _OTHER_ERROR,
        )


def _check_dmp(reading: FlagReading, profile: SenderProfile, deviations: Deviations) -> None:
    """Combinations that the DMP itself refuses. In tolerant mode only its channel is lost, and routing says so."""
    orders = reading.orders
    report = deviations.refuse if profile.mode is Mode.STRICT else deviations.warn
    where = reading.places.get(Flag.DESTDMP, "OBX^1")
    if orders.connexion_secrete and not orders.invisible_rep_legaux:
        report(
            "DMP_SECRET_VISIBLE",
            where,
            "Le DMP refuse une connexion secrète (CONNEXION_SECRETE = Y) sur un document visible par les "
            "représentants légaux (INVISIBLE_REP_LEGAUX = N).",
            err3="207",
            err5=_OTHER_ERROR,
            rule="obligations digest §6.2",
        )
    if orders.masque_ps and orders.invisible_patient:
        report(
            "DMP_HIDDEN_FROM_ALL",
            where,
            "Le DMP refuse un document masqué à la fois aux professionnels (MASQUE_PS = Y) et au patient "
            "(INVISIBLE_PATIENT = Y).",
            err3="207",
            err5=_OTHER_ERROR,
            rule="obligations digest §6.2",
        )


def _spelled(orders: Orders) -> str:
    constrained = [flag for flag in Flag if any(flag in row for row in rows(Matrix.STRICT))]
    return ", ".join(f"{flag} = {'Y' if value_of(orders, flag) else 'N'}" for flag in constrained)
