"""Places the cells of a narrative table on a grid that a typesetter cannot refuse (CDA tables are XHTML tables)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pfi.standards.cda.narrative import Cell, Table

MAX_COLUMNS: Final = 40
PAGE_WIDTH: Final = 490.0
"""Points between the margins of an upright page."""
LANDSCAPE_WIDTH: Final = 736.0
"""Points between the margins of a page on its side."""
SMALLEST_UPRIGHT: Final = 7.5
"""Points; a table that needs smaller letters than these is better on a page on its side."""
_SIZES: Final = (9.2, 8.3, SMALLEST_UPRIGHT, 6.5)
INSET: Final = 8.5
"""Points of a column that its cells keep free, both sides together."""
_LONGEST_WORD: Final = 9.0
_WIDEST: Final = 30.0
"""Both in the size of the font (em): what a column may ask for on behalf of a word, of a line."""
_MEDIUM: Final = 17.0
"""In the size of the font (em): what an image asks for, or the note that stands for it."""
_LEADING: Final = 1.25
_TALLEST: Final = 200.0
"""Points; a row that is estimated lower stays on one page. The page has three times as many."""
_BOLD: Final = 1.1
_ROUNDING: Final = 0.05
"""Points that rounding takes from a width at most."""
_LETTERS: Final = (
    ("iljtfrI.,;:!|'’()[]-/ ", 0.38),
    ("mwMWŒÆœæ@%—…", 0.95),
    ("ABCDEFGHJKLNOPQRSTUVXYZÀÂÄÉÈÊËÎÏÔÖÙÛÜÇ", 0.72),
)
_OTHER_LETTER: Final = 0.53


class _Advances(dict[str, float]):
    """Width of letters in the size of the font, a little more than they are."""

    def __missing__(self, _: str) -> float:
        return _OTHER_LETTER


_ADVANCES: Final = _Advances(dict.fromkeys(map(chr, range(0x20, 0x100)), _OTHER_LETTER))
_ADVANCES.update({letter: width for letters, width in _LETTERS for letter in letters})


@dataclass(frozen=True, slots=True)
class Placed:
    """A cell with its place: column and row from 0, spans that stay inside the table. `whole`: must not be parted by
    the end of a page. `cut`: a word does not fit in the column and must be cut."""

    cell: Cell
    x: int
    y: int
    colspan: int
    rowspan: int
    header: bool
    whole: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table laid out. `widths` and font `size` in points; cells of `head` repeat on each page. `tight`: even the
    smallest letters do not let every word fit."""

    widths: tuple[float, ...]
    size: float
    tight: bool
    head: tuple[Placed, ...]
    cells: tuple[Placed, ...]


def place(table: Table, width: float = PAGE_WIDTH) -> Grid:
    """Lays out a table in `width` points; a row that is too long ends in one last cell, a span that overlaps is cut."""
    columns = _columns((*table.header, *table.rows))
    head = _place(table.header, columns, 0, header=True)
    cells = _place(table.rows, columns, len(table.header), header=False)
    # A column in which no cell starts only widens its neighbours: real documents have many.
    used = sorted({each.x for each in (*head, *cells)})
    head, cells = _compact(head, used), _compact(cells, used)
    placed = (*head, *cells)
    needs = [_need(each) for each in placed]
    widths, size, tight = _widths(placed, needs, len(used), width)
    measured = _measured(placed, needs, widths, size)
    return Grid(widths, size, tight, measured[: len(head)], measured[len(head) :])


def _columns(rows: Sequence[Sequence[Cell]]) -> int:
    """Width of the widest row, cells that come down from the rows above included."""
    widest, coming_down = 1, [0] * MAX_COLUMNS
    for row in rows:
        x = 0
        for cell in row:
            while x < MAX_COLUMNS and coming_down[x] > 0:
                x += 1
            for column in range(x, min(x + cell.colspan, MAX_COLUMNS)):
                coming_down[column] = cell.rowspan
            x += cell.colspan
        used = max((column + 1 for column in range(MAX_COLUMNS) if coming_down[column] > 0), default=0)
        widest = max(widest, min(used, MAX_COLUMNS))
        coming_down = [max(0, left - 1) for left in coming_down]
    return widest


def _place(rows: Sequence[Sequence[Cell]], columns: int, first: int, *, header: bool) -> tuple[Placed, ...]:
    taken = [[False] * columns for _ in rows]
    placed: list[Placed] = []
    for y, row in enumerate(rows):
        x = 0
        for index, cell in enumerate(row):
            while x < columns and taken[y][x]:
                x += 1
            if x >= columns:
                _overflow(placed, row[index:])
                break
            width = 1
            while width < cell.colspan and x + width < columns and not taken[y][x + width]:
                width += 1
            height = min(cell.rowspan, len(rows) - y)
            for line in range(y, y + height):
                for column in range(x, x + width):
                    taken[line][column] = True
            placed.append(Placed(cell, x, first + y, width, height, header or cell.header))
            x += width
    return tuple(placed)


def _compact(placed: Sequence[Placed], used: Sequence[int]) -> tuple[Placed, ...]:
    return tuple(
        replace(each, x=used.index(each.x), colspan=sum(each.x <= column < each.x + each.colspan for column in used))
        for each in placed
    )


def _overflow(placed: list[Placed], rest: Sequence[Cell]) -> None:
    """Cells beyond the last column are added to the cell before them: no word of a document may get lost."""
    last = placed[-1]
    cell = last.cell
    words = "\n".join(text for text in (cell.text, *(each.text for each in rest)) if text)
    media = (*cell.media, *(medium for each in rest for medium in each.media))
    placed[-1] = replace(last, cell=replace(cell, text=words, media=media))


@dataclass(frozen=True, slots=True)
class _Need:
    """What the text of a cell asks for: its longest word and its lines, in the size of the font."""

    word: float
    lines: tuple[float, ...]


def _widths(
    placed: Sequence[Placed], needs: Sequence[_Need], columns: int, width: float
) -> tuple[tuple[float, ...], float, bool]:
    """The largest font in which every column holds its longest word; what is left goes to the longest lines."""
    least, wanted = [_OTHER_LETTER] * columns, [_OTHER_LETTER] * columns
    for each, need in sorted(zip(placed, needs, strict=True), key=lambda pair: pair[0].colspan):
        medium = _MEDIUM if each.cell.media else 0.0
        word = min(max(need.word, medium), _LONGEST_WORD)
        line = min(max(*need.lines, medium), _WIDEST)
        for demands, demand in ((least, word), (wanted, max(word, line))):
            share = demand / each.colspan
            for column in range(each.x, each.x + each.colspan):
                demands[column] = max(demands[column], share)
    size, room = 0.0, -1.0
    for size in _SIZES:
        room = width - sum(least) * size - columns * INSET
        if room >= 0:
            break
    floors = [each * size + INSET for each in least]
    if room < 0:
        return tuple(round(floor * width / sum(floors), 1) for floor in floors), size, True
    wishes = [most - few for few, most in zip(least, wanted, strict=True)]
    total = sum(wishes)
    extra = [room * wish / total if total else room / columns for wish in wishes]
    return tuple(round(floor + more, 1) for floor, more in zip(floors, extra, strict=True)), size, False


def _measured(
    placed: Sequence[Placed], needs: Sequence[_Need], widths: Sequence[float], size: float
) -> tuple[Placed, ...]:
    """Cells with what their words need: one that does not fit is cut, a row that is low stays in one piece."""
    heights: dict[int, float] = {}
    rooms = [sum(widths[each.x : each.x + each.colspan]) - INSET for each in placed]
    for each, need, room in zip(placed, needs, rooms, strict=True):
        lines = sum(1 + int(line * size / max(room, 1.0)) for line in need.lines)
        # An image may be as tall as a row may be: its row is left to itself.
        height = _TALLEST + 1 if each.cell.media else lines * size * _LEADING / each.rowspan
        for row in range(each.y, each.y + each.rowspan):
            heights[row] = max(heights.get(row, 0.0), height + INSET)
    return tuple(
        replace(
            each,
            whole=sum(heights[row] for row in range(each.y, each.y + each.rowspan)) <= _TALLEST,
            cut=need.word * size > room + _ROUNDING * each.colspan,
        )
        for each, need, room in zip(placed, needs, rooms, strict=True)
    )


def _need(placed: Placed) -> _Need:
    text = placed.cell.text
    weight = _BOLD if placed.header or placed.cell.strong else 1.0
    return _Need(
        word=max(map(_length, text.split()), default=0.0) * weight,
        lines=tuple(_length(line) * weight for line in text.split("\n")),
    )


def _length(text: str) -> float:
    """Estimated length of a text on one line, in the size of the font."""
    return sum(map(_ADVANCES.__getitem__, text))
