"""Places the cells of a narrative table on a grid that a typesetter cannot refuse (CDA tables are XHTML tables)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pfi.standards.cda.narrative import Cell, Table

MAX_COLUMNS: Final = 40
PAGE_WIDTH: Final = 490.0
"""Points between the margins of the template."""
_SIZES: Final = (9.2, 8.3, 7.5, 6.5)
_CHARACTER: Final = 0.53
"""Mean width of a character, in the size of the font; a little more than it is."""
_INSET: Final = 8.5
_LONGEST_WORD: Final = 18
_WIDEST: Final = 60


@dataclass(frozen=True, slots=True)
class Placed:
    """A cell with its place: column and row from 0, spans that stay inside the table."""

    cell: Cell
    x: int
    y: int
    colspan: int
    rowspan: int
    header: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A table laid out. `widths` and font `size` in points; cells of `head` repeat on each page. `tight`: some words
    do not fit in their column and must be cut."""

    widths: tuple[float, ...]
    size: float
    tight: bool
    head: tuple[Placed, ...]
    cells: tuple[Placed, ...]


def place(table: Table) -> Grid:
    """Lays out a table; a row that is too long ends in one last cell, a span that overlaps is cut."""
    columns = _columns((*table.header, *table.rows))
    head = _place(table.header, columns, 0, header=True)
    cells = _place(table.rows, columns, len(table.header), header=False)
    # A column in which no cell starts only widens its neighbours: real documents have many.
    used = sorted({each.x for each in (*head, *cells)})
    head, cells = _compact(head, used), _compact(cells, used)
    return Grid(*_widths((*head, *cells), len(used)), head, cells)


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


def _widths(placed: Sequence[Placed], columns: int) -> tuple[tuple[float, ...], float, bool]:
    """The largest font in which every column holds its longest word; what is left goes to the longest lines."""
    least, wanted = [1] * columns, [1] * columns
    for each in sorted(placed, key=lambda cell: cell.colspan):
        text = each.cell.text
        word = min(max((len(word) for word in text.split()), default=0), _LONGEST_WORD)
        word += each.header  # bold letters, often capitals
        line = min(max((len(line) for line in text.split("\n")), default=0), _WIDEST)
        for demands, demand in ((least, word), (wanted, max(word, line))):
            share = -(-demand // each.colspan)
            for column in range(each.x, each.x + each.colspan):
                demands[column] = max(demands[column], share)
    size, unit, room = 0.0, 0.0, -1.0
    for size in _SIZES:
        unit = size * _CHARACTER
        room = PAGE_WIDTH - sum(least) * unit - columns * _INSET
        if room >= 0:
            break
    floors = [each * unit + _INSET for each in least]
    if room < 0:
        return tuple(round(floor, 1) for floor in floors), size, True
    wishes = [most - few for few, most in zip(least, wanted, strict=True)]
    total = sum(wishes)
    extra = [room * wish / total if total else room / columns for wish in wishes]
    return tuple(round(floor + more, 1) for floor, more in zip(floors, extra, strict=True)), size, False
