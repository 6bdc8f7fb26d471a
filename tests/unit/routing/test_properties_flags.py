"""All 1,024 combinations of the ten flags, in both modes, from the HL7 message to the plan, against a plain model."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Final, NamedTuple

import pytest

from pfi.model.decision import Action, Channel
from pfi.model.finding import Severity
from pfi.model.profile import Matrix, Mode, SenderProfile
from pfi.model.submission import Orders
from tests.unit.hl7v2.specimens import FLAG_CODES, Specimen, oru
from tests.unit.routing.cases import case, decided

ADULT, CHILD = "19790328", "20120601"
DMP, PRO, CIT = Channel.DMP, Channel.PRO, Channel.CIT


class Flags(NamedTuple):
    """The ten flags, in the order of the volet."""

    masked: bool
    invisible: bool
    hidden_from_representatives: bool
    secret: bool
    modifies: bool
    dmp: bool
    pro: bool
    cit: bool
    reception: bool
    reading: bool


EVERY: Final = tuple(Flags(*values) for values in product((False, True), repeat=10))


@cache
def message() -> Specimen:
    """Every flag at N."""
    return oru().flags(**dict.fromkeys(FLAG_CODES, "N"))


def saying(flags: Flags) -> Specimen:
    lines = list(message().lines)
    for code, value in zip(FLAG_CODES, flags, strict=True):
        if value:
            place = next(index for index, line in enumerate(lines) if f"|{code}^" in line)
            lines[place] = lines[place].replace("||N^", "||Y^")
    return Specimen(tuple(lines))


def mailed(flags: Flags) -> bool:
    return flags.pro or flags.cit


def published(flags: Flags) -> bool:
    """The three rows of the volet (2026)."""
    both = flags.pro and flags.cit and not (flags.masked or flags.invisible or flags.hidden_from_representatives)
    professionals = (
        flags.pro and not flags.cit and flags.invisible and not (flags.masked or flags.hidden_from_representatives)
    )
    patient = flags.cit and not (flags.pro or flags.dmp or flags.invisible or flags.secret)
    return both or professionals or patient


def refused(flags: Flags, mode: Mode) -> bool:
    """What the message is answered AE 207 for."""
    if mode is Mode.TOLERANT:
        return (flags.invisible and flags.cit) or (flags.masked and flags.pro)
    nothing = not (flags.dmp or flags.pro or flags.cit)
    dmp_would_refuse = flags.dmp and (
        (flags.secret and not flags.hidden_from_representatives) or (flags.masked and flags.invisible)
    )
    return nothing or dmp_would_refuse or (mailed(flags) and not published(flags))


def leaving(flags: Flags, *, minor: bool) -> set[Channel]:
    """What leaves of a discharge letter of a qualified patient whom nothing else protects."""
    if flags.invisible and (flags.masked or flags.cit):
        return set()
    channels = set()
    if flags.dmp and not (flags.secret and not flags.hidden_from_representatives):
        channels.add(DMP)
    if flags.pro and not flags.masked:
        channels.add(PRO)
    if flags.cit and not (minor and (flags.secret or flags.hidden_from_representatives)):
        channels.add(CIT)
    return channels


def sent(orders: Orders, birth_date: str) -> set[Channel]:
    one = case(birth_date=birth_date)
    one = replace(one, submission=replace(one.submission, orders=orders))
    return {channel for channel, decision in decided(one).items() if decision.action is Action.SEND}


@pytest.mark.parametrize("mode", Mode)
def test_every_combination_is_refused_or_read_as_it_was_written(mode: Mode) -> None:
    profile = SenderProfile(mode=mode)
    wrong: list[tuple[Flags, object]] = []
    for flags in EVERY:
        reading = saying(flags).read(profile)
        errors = [finding for finding in reading.findings if finding.severity is Severity.ERROR]
        if bool(errors) is not refused(flags, mode) or any(error.err3 != "207" for error in errors):
            wrong.append((flags, errors))
        elif not errors and (reading.request is None or reading.request.orders != Orders(*flags)):
            wrong.append((flags, reading.request))

    assert wrong == []


@pytest.mark.parametrize("birth_date", [ADULT, CHILD], ids=["adult", "minor"])
def test_every_combination_is_decided_as_the_plain_model_says(birth_date: str) -> None:
    minor = birth_date == CHILD

    wrong = [flags for flags in EVERY if sent(Orders(*flags), birth_date) != leaving(flags, minor=minor)]

    assert wrong == []


def test_nothing_that_the_strict_mode_accepts_is_lost_in_routing_but_the_secret_of_minors() -> None:
    for flags in EVERY:
        if refused(flags, Mode.STRICT):
            continue
        ordered = {channel for channel, wanted in ((DMP, flags.dmp), (PRO, flags.pro), (CIT, flags.cit)) if wanted}
        assert leaving(flags, minor=False) == ordered
        assert ordered - leaving(flags, minor=True) <= {CIT}


def test_the_strict_mode_accepts_nothing_that_the_tolerant_one_refuses() -> None:
    assert all(refused(flags, Mode.STRICT) for flags in EVERY if refused(flags, Mode.TOLERANT))


def test_the_number_of_combinations_is_known() -> None:
    assert len(EVERY) == len(set(EVERY)) == 1024
    assert sum(published(flags) for flags in EVERY) == 96
    assert {frozenset(leaving(flags, minor=False)) for flags in EVERY} == {
        frozenset(channels) for channels in _subsets((DMP, PRO, CIT))
    }


def _subsets(channels: tuple[Channel, ...]) -> Iterator[tuple[Channel, ...]]:
    for kept in product((False, True), repeat=len(channels)):
        yield tuple(channel for channel, keep in zip(channels, kept, strict=True) if keep)


@pytest.mark.parametrize("matrix", [Matrix.TOLERANT, Matrix.STRICT, Matrix.LEGACY_2_1_2])
def test_whatever_the_matrix_a_refusal_is_no_less_than_what_routing_would_forbid_to_mail(matrix: Matrix) -> None:
    """A matrix may admit what it ignores (`legacy-2.1.2` tolerates masking): routing still keeps the mail back."""
    profile = SenderProfile(matrix=matrix)
    for flags in EVERY[::7]:
        request = saying(flags).read(profile).request
        if request is None or not (flags.invisible or flags.masked):
            continue
        left = sent(request.orders, ADULT)
        assert not (flags.invisible and CIT in left)
        assert not (flags.masked and PRO in left)
