"""Which entry a replacement or a deletion is about, from what our tables know and what TD3.1b shows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from connectors.dmp.lineage import (
    NEVER_FED,
    NOTHING_TO_DELETE,
    OTHER_VERSION,
    Targets,
    deleted_entries,
    may_be_there,
    refusal_of,
    replaced_entries,
    reused_id,
    shown_against,
)
from pfi.model.delivery import Delivery, Fate, Outcome, OutcomeKind, Version
from pfi.model.document import Document, Level
from pfi.model.submission import Orders, Request
from tests.unit.dmp.given import delivery
from tests.unit.xds.documents import cda, document, replacing

SET = "1.2.250.1.999.1.1.7000"
AWAY = Outcome(OutcomeKind.UNKNOWN, "LOST")


def name(number: int) -> str:
    return f"1.2.250.1.999.1.1.{number}"


def written(number: int, parent: int = 0) -> Document:
    """Version `number` of a document, that replaces version `parent`."""
    related = {"related": replacing(name(parent))} if parent else {}
    content = cda(document_id=f'<id root="{name(number)}"/>', **related)
    return document(content.replace(b'<versionNumber value="1"/>', f'<versionNumber value="{number}"/>'.encode()))


def known(seed: int, fate: Fate, **changes: Any) -> Version:
    """Version `seed`, unless told otherwise."""
    told: dict[str, Any] = {
        "request": Request.INITIAL,
        "set_id": SET,
        "number": seed,
        "level": Level.N1,
        "sha1": "other",
    }
    return Version(unique_id=name(seed), fate=fate, **{**told, **changes})


def of(number: int, parent: int, *versions: Version, **changes: Any) -> Delivery:
    request = Request.REPLACE if parent else Request.INITIAL
    return delivery(**{"request": request, "documents": (written(number, parent),), "versions": versions, **changes})


@dataclass
class Registry:
    """TD3.1b: shows some versions."""

    shown: frozenset[int] = frozenset()
    away: bool = False
    asked: list[int] = field(default_factory=list)

    async def __call__(self, unique_id: str) -> tuple[str, ...] | Outcome:
        self.asked.append(int(unique_id.rpartition(".")[2]))
        if self.away:
            return AWAY
        return (f"urn:uuid:{self.asked[-1]}",) if self.asked[-1] in self.shown else ()


def test_the_set_of_the_documents_is_that_of_the_versions() -> None:
    set_id = written(2).header.set_id
    assert set_id is not None
    assert (set_id.xds, written(2).header.version_number, written(2).header.level) == (SET, 2, Level.N1)


REPLACED = [
    # versions known, shown, asked, replaced, warning
    ([], {1}, [1], 1, ""),
    ([known(1, Fate.FED)], {1}, [1], 1, ""),
    ([known(1, Fate.TRIED)], set(), [1], 0, NEVER_FED),
    ([known(1, Fate.NEVER)], set(), [1], 0, NEVER_FED),
    ([known(1, Fate.DOUBTFUL)], {1}, [1], 1, ""),
    ([known(1, Fate.DOUBTFUL)], set(), [1], 0, NEVER_FED),
    ([known(1, Fate.TRIED), known(1, Fate.FED)], {1}, [1], 1, ""),
]


@pytest.mark.parametrize(("versions", "shown", "asked", "replaced", "warning"), REPLACED)
async def test_what_the_second_version_replaces(
    versions: list[Version], shown: Iterable[int], asked: list[int], replaced: int, warning: str
) -> None:
    registry = Registry(frozenset(shown))
    found = await replaced_entries(of(2, 1, *versions), registry)
    entries = {name(2): f"urn:uuid:{replaced}"} if replaced else {}
    assert found == Targets(entries, (warning,) if warning else ())
    assert registry.asked == asked


@pytest.mark.parametrize("versions", [[], [known(1, Fate.FED)], [known(1, Fate.DELETED)]])
async def test_nothing_is_fed_blindly(versions: list[Version]) -> None:
    found = await replaced_entries(of(2, 1, *versions), Registry())
    assert isinstance(found, Outcome)
    assert (found.kind, found.code) == (OutcomeKind.REFUSED, "DMP_REPLACED_NOT_FOUND")


async def test_the_newest_version_that_the_dmp_holds_is_replaced() -> None:
    versions = (known(1, Fate.FED), known(2, Fate.TRIED), known(3, Fate.NEVER))
    registry = Registry(frozenset({1}))
    assert await replaced_entries(of(4, 3, *versions), registry) == Targets({name(4): "urn:uuid:1"}, (OTHER_VERSION,))
    assert registry.asked == [3, 2, 1]


async def test_a_version_that_was_replaced_in_the_dmp_is_not_asked_for() -> None:
    registry = Registry(frozenset({1}))
    found = await replaced_entries(of(3, 2, known(1, Fate.FED), known(2, Fate.FED)), registry)
    assert isinstance(found, Outcome)
    assert registry.asked == [2]


async def test_a_question_without_answer_decides_nothing() -> None:
    registry = Registry(away=True)
    assert await replaced_entries(of(2, 1, known(1, Fate.TRIED)), registry) == AWAY
    assert await deleted_entries(of(2, 1, request=Request.DELETE), registry) == AWAY
    assert await shown_against(of(1, 0, known(2, Fate.TRIED)), registry) == AWAY


@pytest.mark.parametrize(
    ("versions", "shown", "targets"),
    [
        ([known(2, Fate.FED)], {2}, Targets({name(2): "urn:uuid:2"})),
        ([], {2}, Targets({name(2): "urn:uuid:2"})),
        ([], set(), Targets()),
        ([known(2, Fate.FED)], set(), Targets()),
        ([known(2, Fate.NEVER)], set(), Targets({}, (NOTHING_TO_DELETE,))),
        ([known(2, Fate.TRIED)], set(), Targets({}, (NOTHING_TO_DELETE,))),
        ([known(1, Fate.FED), known(2, Fate.TRIED)], {1}, Targets({name(2): "urn:uuid:1"}, (OTHER_VERSION,))),
        ([known(1, Fate.FED), known(2, Fate.FED)], {1}, Targets()),
        ([known(1, Fate.FED)], {1}, Targets()),
    ],
)
async def test_what_a_deletion_deletes(versions: list[Version], shown: set[int], targets: Targets) -> None:
    assert await deleted_entries(of(2, 1, *versions, request=Request.DELETE), Registry(frozenset(shown))) == targets


@pytest.mark.parametrize(
    ("versions", "changes", "code"),
    [
        ([known(2, Fate.FED)], {}, "DMP_ID_REUSED"),
        ([known(2, Fate.DELETED)], {}, "DMP_ID_REUSED"),
        ([known(2, Fate.DOUBTFUL)], {}, "DMP_ID_REUSED"),
        ([known(2, Fate.DOUBTFUL, later=True)], {}, "DMP_ID_REUSED"),
        ([known(2, Fate.OPEN)], {}, "DMP_ID_REUSED"),
        (
            [known(2, Fate.DOUBTFUL, sha1=written(2, 1).sha1)],
            {"orders": Orders(modif_conf_code=True)},
            "DMP_VISIBILITY_WITHOUT_NEW_ID",
        ),
        ([known(2, Fate.FED, sha1=written(2, 1).sha1)], {}, "DMP_ALREADY_FED"),
        (
            [known(2, Fate.FED, sha1=written(2, 1).sha1)],
            {"orders": Orders(modif_conf_code=True)},
            "DMP_VISIBILITY_WITHOUT_NEW_ID",
        ),
        ([known(7, Fate.FED, number=2)], {}, "DMP_VERSION_REUSED"),
        ([known(3, Fate.FED)], {}, "DMP_SUPERSEDED"),
        ([known(3, Fate.DELETED)], {}, "DMP_SUPERSEDED"),
        ([known(7, Fate.FED, number=None, later=True)], {}, "DMP_SUPERSEDED"),
    ],
)
def test_what_is_refused_before_any_network(versions: list[Version], changes: dict[str, Any], code: str) -> None:
    refusal = refusal_of(of(2, 1, known(1, Fate.FED), *versions, **changes))
    assert refusal is not None
    assert (refusal.kind, refusal.code) == (OutcomeKind.REFUSED, code)


@pytest.mark.parametrize(
    "version",
    [
        known(2, Fate.TRIED),
        known(2, Fate.NEVER),
        known(2, Fate.OPEN, later=True),
        known(2, Fate.DOUBTFUL, sha1=written(2, 1).sha1),
        known(3, Fate.TRIED),
        known(7, Fate.DELETED, number=2),
        known(7, Fate.FED, number=2, level=Level.N3),
        known(7, Fate.FED, number=2, set_id="1.2.3"),
        known(3, Fate.FED, level=Level.N3),
        known(1, Fate.FED, number=None, later=True),
        known(2, Fate.FED, request=Request.DELETE),
    ],
)
def test_what_is_not_refused_before_the_network(version: Version) -> None:
    assert refusal_of(of(2, 1, version)) is None


async def test_a_newer_version_of_uncertain_fate_is_looked_for() -> None:
    registry = Registry(frozenset({3}))
    refusal = await shown_against(of(2, 1, known(3, Fate.TRIED)), registry)
    assert refusal is not None
    assert refusal.code == "DMP_SUPERSEDED"
    assert await shown_against(of(2, 1, known(3, Fate.NEVER), known(1, Fate.TRIED)), registry) is None
    assert registry.asked == [3]


async def test_another_content_of_uncertain_fate_under_the_same_id_is_looked_for() -> None:
    """It was refused, then corrected without a new id: it may go, unless the DMP has the first one all the same."""
    corrected = of(2, 1, known(2, Fate.TRIED))
    assert await shown_against(corrected, Registry()) is None
    refusal = await shown_against(corrected, Registry(frozenset({2})))
    assert refusal is not None
    assert refusal.code == "DMP_ID_REUSED"
    registry = Registry(frozenset({2}))
    same = known(2, Fate.TRIED, sha1=written(2, 1).sha1)
    assert await shown_against(of(2, 1, same), registry) is None
    assert await shown_against(of(2, 1, known(2, Fate.TRIED), may_have_left=True), registry) is None
    assert registry.asked == []


@pytest.mark.parametrize(
    ("version", "reused"),
    [
        (known(2, Fate.DOUBTFUL), True),
        (known(2, Fate.FED), True),
        (known(2, Fate.FED, later=True), True),
        (known(2, Fate.DOUBTFUL, later=True), False),
        (known(2, Fate.TRIED), False),
        (known(2, Fate.FED, sha1=written(2, 1).sha1), False),
    ],
)
def test_of_one_that_may_have_left_only_those_before_it_make_its_id_ambiguous(version: Version, reused: bool) -> None:
    """Those that came later knew of it, and did not leave."""
    assert (reused_id(of(2, 1, version, may_have_left=True)) is not None) is reused


SAME = written(2, 1).sha1


@pytest.mark.parametrize(
    ("version", "changes", "there"),
    [
        (known(2, Fate.NEVER), {"may_have_left": True}, True),
        (known(2, Fate.DOUBTFUL, sha1=SAME), {}, True),
        (known(2, Fate.TRIED, sha1=SAME), {}, False),
        (known(2, Fate.DOUBTFUL), {}, False),
        (known(3, Fate.DOUBTFUL, sha1=SAME), {}, False),
        (known(2, Fate.DOUBTFUL, sha1=SAME), {"request": Request.DELETE}, False),
        (known(2, Fate.DOUBTFUL, sha1=SAME), {"documents": (written(2, 1), written(5))}, False),
    ],
)
def test_what_already_there_may_mean(version: Version, changes: dict[str, Any], there: bool) -> None:
    assert may_be_there(of(2, 1, version, **changes)) is there
