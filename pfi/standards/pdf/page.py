"""What the template shows, as plain JSON values made from the narrative of a CDA document."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pfi.standards.cda.narrative import Block, ItemList, Media, Narrative, Paragraph, Section, Table
from pfi.standards.pdf.grid import INSET, LANDSCAPE_WIDTH, PAGE_WIDTH, SMALLEST_UPRIGHT, Grid, Placed, place
from pfi.standards.pdf.images import pictures

Values = dict[str, Any]

_PATIENT: Final = frozenset(
    {
        "Nom de naissance",
        "Prénoms de naissance",
        "Nom utilisé",
        "Prénom utilisé",
        "Sexe",
        "Né(e) le",
        "Lieu de naissance (code INSEE)",
        "Matricule INS",
    }
)
_STRONG: Final = frozenset({"Nom de naissance", "Prénoms de naissance", "Nom utilisé", "Prénom utilisé", "Né(e) le"})
_DEEPEST: Final = 5
_LONGEST_HEADER: Final = 5
"""Rows of a table header that repeat on each page; a longer one is shown once."""
_PAGE_HEIGHT: Final = 660.0
_LANDSCAPE_HEIGHT: Final = 410.0
_CELL_WIDTH: Final = 160.0
_DOTS_PER_POINT: Final = 150 / 72
_LONGEST_WORD: Final = 24
_ZERO_WIDTH_SPACE: Final = "\u200b"
_CONTROLS: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CUTS: Final = re.compile(r"(?<!\d)['’/_.,;:=+](?=\w\w)|['’/_.,;:=+](?=[^\W\d]\w)")
"""Where a word may be cut in a column that is too narrow for it; never inside a number or a date (12,50 mg)."""
_OID: Final = re.compile(r"\d+(?:\.\d+){4,}")


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The paper: room between its margins in points, and the tables laid out in it, by `id`."""

    landscape: bool
    width: float
    height: float
    grids: Mapping[int, Grid]


def page_values(narrative: Narrative, moment: datetime, extra: Iterable[Block] = ()) -> Values:
    """The data of the template. `moment` dates the PDF; `extra` follows the sections (a body the narrative has not)."""
    header = narrative.header
    made = moment.astimezone(UTC)
    facts = [(fact.label, clean(fact.value)) for fact in narrative.facts]
    by_label = dict(reversed(facts))
    title = clean(narrative.title) or "Document"
    kind = by_label.get("Type de document", "")
    names = (by_label.get("Nom de naissance", ""), by_label.get("Prénoms de naissance", ""))
    born = by_label.get("Né(e) le", "")
    blocks = [*(block for section in narrative.sections for block in section.blocks), *(extra := tuple(extra))]
    sheet = _sheet(blocks)
    sections = [_section(section, sheet) for section in narrative.sections]
    added = [shown for block in extra for shown in _block(block, sheet)]
    if added:
        sections.append({"title": "", "level": 2, "blocks": added})
    return {
        "landscape": sheet.landscape,
        "title": title,
        "short-title": title if len(title) <= 60 else f"{title[:59]}…",
        "author": by_label.get("Auteur", ""),
        "type": "" if kind.casefold() == title.casefold() else kind,
        "structure": by_label.get("Structure") or by_label.get("Conservation", ""),
        "date": by_label.get("Date du document", ""),
        "made": [made.year, made.month, made.day, made.hour, made.minute, made.second],
        "running": " ".join(filter(None, names)) + (f" — né(e) le {born}" if born else ""),
        "footer": f"Copie lisible du document CDA {clean(header.document_id.xds)}",
        "boxes": [
            {"title": "Patient", "rows": [_fact(*fact) for fact in facts if fact[0] in _PATIENT]},
            {"title": "Document", "rows": [_fact(*fact) for fact in facts if fact[0] not in _PATIENT]},
        ],
        "notes": [],
        "sections": [section for section in sections if section["title"] or section["blocks"]],
    }


def clean(text: str) -> str:
    """Text that can be shown: no control character but line breaks, long words that may be cut at the end of a line."""
    printable = _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    if max(map(len, printable.split()), default=0) <= _LONGEST_WORD:
        return printable
    return "\n".join(" ".join(map(_breakable, line.split(" "))) for line in printable.split("\n"))


def _breakable(word: str) -> str:
    if len(word) <= _LONGEST_WORD:
        return word
    return _ZERO_WIDTH_SPACE.join(word[at : at + 12] for at in range(0, len(word), 12))


def _fact(label: str, value: str) -> list[Any]:
    return [label, value, label in _STRONG]


def _sheet(blocks: Iterable[Block]) -> _Sheet:
    """Upright, or on its side when a table would need letters that are too small."""
    tables = [block for block in blocks if isinstance(block, Table)]
    grids = {id(table): place(table) for table in tables}
    if all(grid.size >= SMALLEST_UPRIGHT for grid in grids.values()):
        return _Sheet(False, PAGE_WIDTH, _PAGE_HEIGHT, grids)
    grids = {id(table): place(table, LANDSCAPE_WIDTH) for table in tables}
    return _Sheet(True, LANDSCAPE_WIDTH, _LANDSCAPE_HEIGHT, grids)


def _section(section: Section, sheet: _Sheet) -> Values:
    return {
        "title": clean(section.title),
        "level": min(1 + section.depth, _DEEPEST),
        "blocks": [shown for block in section.blocks for shown in _block(block, sheet)],
    }


def _block(block: Block, sheet: _Sheet) -> list[Values]:
    match block:
        case Paragraph():
            return [{"kind": "paragraph", "text": clean(block.text), "strong": block.strong}]
        case ItemList():
            items = [clean(item).removeprefix("• ") for item in block.items]
            return [{"kind": "list", "items": items, "ordered": block.ordered, "caption": clean(block.caption)}]
        case Table():
            return [_table(block, sheet.grids[id(block)])]
        case Media():
            images = _images(block, sheet.width, sheet.height)
            return [{"kind": "image", **image} for image in images] or [{"kind": "note", "text": _note(block)}]


def _table(table: Table, grid: Grid) -> Values:
    return {
        "kind": "table",
        "caption": clean(table.caption),
        "columns": grid.widths,
        "size": grid.size,
        "repeat": len({cell.y for cell in grid.head}) <= _LONGEST_HEADER,
        "head": [_cell(cell, grid.widths) for cell in grid.head],
        "cells": [_cell(cell, grid.widths) for cell in grid.cells],
    }


def _cell(placed: Placed, widths: Sequence[float]) -> Values:
    cell = placed.cell
    text = clean(cell.text)
    room = max(1.0, sum(widths[placed.x : placed.x + placed.colspan]) - INSET)
    shown = [_images(medium, min(room, _CELL_WIDTH), _PAGE_HEIGHT / 3) for medium in cell.media]
    return {
        "text": _cut(text) if placed.cut else text,
        "cut": placed.cut,
        "whole": placed.whole,
        "strong": cell.strong or placed.header,
        "header": placed.header,
        "x": placed.x,
        "y": placed.y,
        "colspan": placed.colspan,
        "rowspan": placed.rowspan,
        "images": [image for images in shown for image in images],
        "notes": [_note(medium) for medium, images in zip(cell.media, shown, strict=True) if not images],
    }


def _cut(text: str) -> str:
    oids = _OID.sub(lambda found: found[0].replace(".", f".{_ZERO_WIDTH_SPACE}"), text)
    return _CUTS.sub(rf"\g<0>{_ZERO_WIDTH_SPACE}", oids)


def _images(media: Media, widest: float, tallest: float) -> list[Values]:
    if not media.media_type.startswith("image/"):
        return []
    shown = []
    for picture in pictures(media.content):
        natural = picture.width / _DOTS_PER_POINT
        fitting = min(natural, widest, tallest * picture.width / max(1, picture.height))
        shown.append({"format": picture.format, "bytes": list(picture.content), "width": round(fitting, 1)})
    return shown


def _note(media: Media) -> str:
    kind = clean(media.media_type).strip() or "inconnu"
    return f"Pièce jointe de type {kind}, à ouvrir depuis le document CDA."
