"""Which entry of the DMP a replacement or a deletion is about, and what may no longer be fed (DMP digest §1.5, §4).

What our own tables know of the other versions says which to ask for; TD3.1b, asked at the last moment, says what is
there. The DMP must never show two versions of a document as current.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from connectors.dmp.checks import check_id, refused
from pfi.model.delivery import Delivery, Fate, Outcome, Version
from pfi.model.document import Document
from pfi.model.submission import Request

Find = Callable[[str], Awaitable[tuple[str, ...] | Outcome]]
"""TD3.1b: the entryUUID of a uniqueId, none when the DMP does not show it, an Outcome when it did not answer."""

NEVER_FED: Final = (
    "DMP_REPLACED_NEVER_FED : la version à remplacer n'est jamais entrée dans le DMP ; le document y est déposé comme "
    "un premier document."
)
OTHER_VERSION: Final = (
    "DMP_OTHER_VERSION : la version désignée n'est pas dans le DMP ; l'opération porte sur celle qui y est en vigueur."
)
NOTHING_TO_DELETE: Final = (
    "DMP_NOTHING_TO_DELETE : le document n'est jamais entré dans le DMP ; il n'y a rien à supprimer."
)
_TAKEN: Final = frozenset({Fate.FED, Fate.DELETED})
_UNSURE: Final = frozenset({Fate.DOUBTFUL, Fate.TRIED})
TARGET_MOVED: Final = frozenset(
    {
        "XDSRegistryDeprecatedDocumentError",
        "UnresolvedReferenceException",
        "XDSMetadataUpdateError",
        "DMP_REPLACED_NOT_FOUND",
    }
)
"""Refusals which say that the document to replace or to delete is no longer as TD3.1b showed it."""
_ASKED: Final = frozenset({Fate.FED, Fate.DOUBTFUL, Fate.TRIED, Fate.OPEN})


@dataclass(frozen=True, slots=True)
class Targets:
    """entryUUIDs to act on, by uniqueId of the document of the delivery."""

    entries: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def reused_id(delivery: Delivery) -> Outcome | None:
    """`DMP_ID_REUSED`: the DMP has, or may have, another content under the same id. What it shows under that id then
    says nothing of this delivery. `DMP_VISIBILITY_WITHOUT_NEW_ID`: nor does the same content with other codes."""
    for document in delivery.documents:
        for each in _feeds(delivery):
            if each.unique_id != document.unique_id or not _may_be_there(each, delivery):
                continue
            if each.sha1 != document.sha1:
                return _other_bytes()
            if delivery.orders.modif_conf_code:
                return refused(
                    "DMP_VISIBILITY_WITHOUT_NEW_ID",
                    "Un changement de visibilité ou de masquage est une nouvelle version : le document doit porter un "
                    "nouvel identifiant et remplacer le précédent (RPLC).",
                )
    return None


def refusal_of(delivery: Delivery) -> Outcome | None:
    """What our own tables are enough to refuse: as `reused_id`, then `DMP_ALREADY_FED`, `DMP_VERSION_REUSED`,
    `DMP_SUPERSEDED` (DMP digest §4, EX_GEN-1060)."""
    reused = reused_id(delivery)
    if reused is not None:
        return reused
    for document in delivery.documents:
        header = document.header
        for each in _feeds(delivery):
            if each.fate not in _TAKEN:
                continue
            if each.unique_id == document.unique_id:
                return refused(
                    "DMP_ALREADY_FED",
                    "Ce document est déjà dans le DMP : il n'y est pas déposé une seconde fois (EX_GEN-1060).",
                )
            same_set = header.set_id is not None and header.set_id.xds == each.set_id
            same = same_set and each.level is header.level and _same_number(document, each)
            if same and each.fate is Fate.FED:
                return refused(
                    "DMP_VERSION_REUSED",
                    "Une version de même numéro (setId, versionNumber) est déjà dans le DMP sous un autre identifiant.",
                )
            if _is_newer(each, document):
                return superseded()
    return None


def superseded() -> Outcome:
    """The DMP has taken a newer version."""
    return refused("DMP_SUPERSEDED", "Une version plus récente de ce document a déjà été déposée dans le DMP.")


async def shown_against(delivery: Delivery, find: Find) -> Outcome | None:
    """What the DMP shows of the versions of which our tables are not sure: `DMP_SUPERSEDED` for a newer one,
    `DMP_ID_REUSED` for another content under the same id (a document refused, then corrected without a new id)."""
    for document in delivery.documents:
        for each in _feeds(delivery):
            if each.fate not in _UNSURE:
                continue
            newer = _is_newer(each, document)
            # Once this delivery may have left, what is there under its id is its own: nothing was there before it.
            reused = each.unique_id == document.unique_id and each.sha1 != document.sha1 and not delivery.may_have_left
            if not newer and not reused:
                continue
            found = await find(each.unique_id)
            if found:
                return found if isinstance(found, Outcome) else superseded() if newer else _other_bytes()
    return None


def may_be_there(delivery: Delivery) -> bool:
    """Whether an earlier attempt, of this delivery or of others with the very same documents, may have arrived, so that
    "already there" is a success (DMP digest §2.6)."""
    if delivery.may_have_left or delivery.request is Request.DELETE:
        return delivery.may_have_left
    doubtful = {(each.unique_id, each.sha1) for each in _feeds(delivery) if each.fate is Fate.DOUBTFUL}
    return all((each.unique_id, each.sha1) in doubtful for each in delivery.documents)


async def replaced_entries(delivery: Delivery, find: Find) -> Targets | Outcome:
    """What each document replaces: the newest version that the DMP holds. None is a first document when our tables know
    that the version named was never taken, else a refusal: nothing is fed blindly."""
    entries: dict[str, str] = {}
    warnings: list[str] = []
    for document in delivery.documents:
        parent = document.header.replaced
        if parent is None:
            continue
        known = _older(document, delivery)
        found = await _newest(parent.xds, known, find)
        if isinstance(found, Outcome):
            return found
        if found is not None:
            unique_id, entries[document.unique_id] = found
            warnings += [OTHER_VERSION] if unique_id != parent.xds else []
        elif _never_taken(parent.xds, known):
            warnings.append(NEVER_FED)
        else:
            return refused(
                "DMP_REPLACED_NOT_FOUND",
                "Le document à remplacer n'est pas dans le DMP, ou n'y a pas été déposé par la structure.",
            )
    return Targets(entries, tuple(dict.fromkeys(warnings)))


async def deleted_entries(delivery: Delivery, find: Find) -> Targets | Outcome:
    """What a deletion is about: the document named, else the version before it that the DMP still holds. Without entry,
    a warning says that our tables know it was never taken; no warning, that they cannot tell."""
    entries: dict[str, str] = {}
    warnings: list[str] = []
    for document in delivery.documents:
        wrong = check_id(document)
        if wrong is not None:
            return wrong
        own = document.unique_id
        known = (*(each for each in _feeds(delivery) if each.unique_id == own), *_older(document, delivery))
        found = await _newest(own, known, find)
        if isinstance(found, Outcome):
            return found
        if found is not None:
            unique_id, entries[own] = found
            warnings += [OTHER_VERSION] if unique_id != own else []
        elif _never_taken(own, known):
            warnings.append(NOTHING_TO_DELETE)
    return Targets(entries, tuple(dict.fromkeys(warnings)))


def one_by_one(delivery: Delivery) -> Iterator[Delivery]:
    """A TD3.3c deletes one document (DMP digest §1.5): a deletion of two renditions is two lots. The second one bears
    the uniqueId kept for the signature, which a deletion does not have (§2.5)."""
    ids = delivery.ids
    for document, lot in zip(delivery.documents, (ids.submission_set, ids.signature), strict=False):
        yield replace(delivery, documents=(document,), ids=replace(ids, submission_set=lot))


async def _newest(named: str, known: tuple[Version, ...], find: Find) -> tuple[str, str] | Outcome | None:
    """The newest version that the DMP shows, with its entryUUID. The named one is always asked for. A version that the
    DMP took has replaced those before it: they are not asked for."""
    asked = dict.fromkeys(each.unique_id for each in known if each.fate in _ASKED or each.unique_id == named)
    final = {each.unique_id for each in known if each.fate in _TAKEN}
    if named not in asked:
        asked, final = {named: None}, {named}
    for unique_id in asked:
        found = await find(unique_id)
        if isinstance(found, Outcome):
            return found
        if found:
            return unique_id, found[0]
        if unique_id in final:
            break
    return None


def _never_taken(named: str, known: tuple[Version, ...]) -> bool:
    """Our tables know that document, and neither it nor any before it was ever taken."""
    return any(each.unique_id == named for each in known) and not any(each.fate in _TAKEN for each in known)


def _feeds(delivery: Delivery) -> Iterator[Version]:
    return (each for each in delivery.versions if each.request is not Request.DELETE)


def _older(document: Document, delivery: Delivery) -> tuple[Version, ...]:
    """The versions before this one, newest first: the one it replaces, and those of the same level (a message may carry
    the same document at two levels)."""
    parent = document.header.replaced
    older = [
        each
        for each in _feeds(delivery)
        if each.unique_id != document.unique_id
        and (each.level is document.header.level or (parent is not None and each.unique_id == parent.xds))
        and not _is_newer(each, document)
    ]
    order = {id(each): position for position, each in enumerate(older)}
    return tuple(sorted(older, key=lambda each: (each.number or 0, order[id(each)]), reverse=True))


def _is_newer(version: Version, document: Document) -> bool:
    """By versionNumber when they differ, else by the order in which they came. What a document says it replaces is not
    newer than it."""
    header = document.header
    if version.level is not header.level or version.unique_id == document.unique_id:
        return False
    if header.replaced is not None and version.unique_id == header.replaced.xds:
        return False
    if version.number is None or header.version_number is None or _same_number(document, version):
        return version.later
    return version.number > header.version_number


def _same_number(document: Document, version: Version) -> bool:
    return version.number is not None and version.number == document.header.version_number


def _may_be_there(version: Version, delivery: Delivery) -> bool:
    """Whether the DMP has a version, may have it, or is about to. One that came after a delivery which may have left
    knew of it, and did not leave."""
    if version.later:
        return version.fate in _TAKEN or (version.fate is Fate.DOUBTFUL and not delivery.may_have_left)
    return version.fate in _TAKEN or version.fate in (Fate.DOUBTFUL, Fate.OPEN)


def _other_bytes() -> Outcome:
    return refused(
        "DMP_ID_REUSED",
        "Un autre contenu a été envoyé au DMP sous cet identifiant de document, et y est ou peut y être : une nouvelle "
        "version porte un nouvel identifiant.",
    )
