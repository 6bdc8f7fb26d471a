from hypothesis import given
from hypothesis import strategies as st

from pfi.standards.cda.narrative import Cell, Media, Table
from pfi.standards.pdf.grid import LANDSCAPE_WIDTH, PAGE_WIDTH, Grid, place

cells = st.builds(
    Cell,
    text=st.text("abc é\n", max_size=60),
    header=st.booleans(),
    colspan=st.integers(1, 60),
    rowspan=st.integers(1, 6),
)
rows = st.lists(st.lists(cells, min_size=1, max_size=8).map(tuple), max_size=6).map(tuple)


def row(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text) for text in texts)


def words(grid: Grid) -> str:
    return " ".join(sorted(" ".join(each.cell.text for each in (*grid.head, *grid.cells)).split()))


@given(rows, rows.filter(bool))
def test_no_cell_overlaps_another_nor_leaves_the_table_and_no_word_is_lost(
    header: tuple[tuple[Cell, ...], ...], body: tuple[tuple[Cell, ...], ...]
) -> None:
    grid = place(Table(header, body))
    taken: set[tuple[int, int]] = set()
    for each in (*grid.head, *grid.cells):
        covered = {(x, y) for x in range(each.x, each.x + each.colspan) for y in range(each.y, each.y + each.rowspan)}
        assert covered
        assert not covered & taken
        taken |= covered
    assert {x for x, _y in taken} <= set(range(len(grid.widths)))
    assert {y for _x, y in taken} <= set(range(len(header) + len(body)))
    written = " ".join(sorted(" ".join(cell.text for line in (*header, *body) for cell in line).split()))
    assert words(grid) == written


def test_columns_that_no_cell_starts_in_disappear() -> None:
    grid = place(Table((), ((Cell("a", colspan=5), Cell("b", colspan=3)), row("c", "d"))))
    assert [(each.cell.text, each.x, each.colspan) for each in grid.cells] == [
        ("a", 0, 2),
        ("b", 2, 1),
        ("c", 0, 1),
        ("d", 1, 1),
    ]


def test_a_rowspan_pushes_the_cells_of_the_next_row() -> None:
    grid = place(Table((), ((Cell("a", rowspan=2), Cell("b")), row("c"))))
    assert [(each.cell.text, each.x, each.y) for each in grid.cells] == [("a", 0, 0), ("b", 1, 0), ("c", 1, 1)]


def test_cells_beyond_the_last_column_are_kept_with_their_images() -> None:
    image = Media("image/png", b"x")
    wide = tuple(Cell(f"c{number}", media=(image,) if number == 45 else ()) for number in range(50))
    grid = place(Table((), (wide,)))
    assert len(grid.widths) == 40
    assert grid.cells[-1].cell.text.split() == [f"c{number}" for number in range(39, 50)]
    assert grid.cells[-1].cell.media == (image,)


def test_the_font_gets_smaller_before_words_are_cut() -> None:
    few = place(Table((), (row("mot", "mot"),)))
    more = place(Table((), (row(*["anticoagulants"] * 7),)))
    many = place(Table((), (row(*["anticoagulants"] * 20),)))
    assert few.size > more.size > many.size
    assert (few.tight, more.tight, many.tight) == (False, False, True)


def test_a_page_on_its_side_has_larger_letters() -> None:
    table = Table((), (row(*["anticoagulants"] * 9),))
    assert place(table, LANDSCAPE_WIDTH).size > place(table).size
    assert abs(sum(place(table, LANDSCAPE_WIDTH).widths) - LANDSCAPE_WIDTH) < 1


def test_a_word_is_cut_only_where_it_does_not_fit() -> None:
    assert not any(cell.cut for cell in place(Table((), (row(*["LÉVOTHYROXINE"] * 5),))).cells)
    long = place(Table((), (row("anti" * 30, "mot"),)))
    assert [cell.cut for cell in long.cells] == [True, False]
    assert all(cell.cut for cell in place(Table((), (row(*["anticoagulants"] * 30),))).cells)


def test_a_low_row_stays_in_one_piece_and_a_tall_one_may_be_parted() -> None:
    def whole(*rows: tuple[Cell, ...]) -> list[bool]:
        return [cell.whole for cell in place(Table((), rows)).cells]

    assert whole(row("a", "b")) == [True, True]
    assert whole(row("a", "un texte " * 500)) == [False, False]
    assert whole((Cell("a", rowspan=3), Cell("b")), row("c"), row("d")) == [True] * 4
    assert whole((Cell("a", rowspan=40), Cell("b")), *[row("c")] * 39)[0] is False
    assert whole((Cell("a", media=(Media("image/png", b""),)), Cell("b"))) == [False, False]


def test_the_longest_lines_get_the_room_that_is_left() -> None:
    grid = place(Table((), (row("a", "une phrase bien plus longue que la première colonne"),)))
    assert grid.widths[1] > 5 * grid.widths[0]
    assert abs(sum(grid.widths) - PAGE_WIDTH) < 1


def test_a_column_of_images_has_room_for_them() -> None:
    image = Cell("", media=(Media("application/pdf", b"x"),))
    grid = place(Table((), ((Cell("Compte rendu de biologie"), image), (Cell("un texte " * 50), image))))
    assert grid.widths[1] > 80
    assert not any(cell.cut for cell in grid.cells)
