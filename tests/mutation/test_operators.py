"""The faults: what is changed, what is left alone, and that a changed module is what runs."""

import ast

import pytest

from tests.mutation.operators import mutants, mutated

CHANGES = [
    ("a < b", ["a <= b"]),
    ("a is None", ["a is not None"]),
    ("a and b", ["a or b"]),
    ("not a", ["a"]),
    ("a | b", ["a & b"]),
    ("x = 8", ["9"]),
    ("x = True", ["False"]),
    ("x = 'PI'", ["'XXPIXX'"]),
    ("x = ''", ["'XX'"]),
    ("{'A11', 'A13'}", ["'XXA11XX'", "'XXA13XX'"]),
    ("{A: B, C: D}", ["{C: D}", "{A: B}"]),
    ("[a.b, *c]", ["[*c]", "[a.b]"]),
    ("min(a, b)", ["max(a, b)", "min(b)", "min(a)"]),
    ("any(a)", ["all(a)"]),
    ("sorted(a, key=b)", ["list(a)", "sorted(a)"]),
    ("f(a, b=c)", ["f(a)"]),
    ("a.strip()", ["a"]),
    ("[a for a in b if c]", ["for a in b"]),
    ("x = a if b else c", ["a if not b else c"]),
    ("f'{a - b} jours'", ["a + b"]),
]


@pytest.mark.parametrize(("source", "faults"), CHANGES)
def test_each_fault_is_one_change(source: str, faults: list[str]) -> None:
    found = [each.after for each in mutants("m", source)]
    assert [each for each in found if each != "pass"] == faults


@pytest.mark.parametrize(
    "source",
    [
        "'''Doc.'''",
        "import a",
        "__all__ = ['a']",
        "x = 'Une phrase.'",
        "x: 'int' = a",
        "f'{a}-{b:>02}'",
        "Known = int | Text",
    ],
)
def test_what_is_only_told_is_left_alone(source: str) -> None:
    assert [each for each in mutants("m", source) if each.after != "pass"] == []


def test_statements_returns_and_conditions_are_changed_too() -> None:
    source = "def f(a):\n    g(a)\n    if a:\n        return a\n    raise KeyError\n"
    assert [(each.line, each.operator, each.scope) for each in mutants("m", source)] == [
        (2, "statement", "f"),
        (3, "condition", "f"),
        (4, "return", "f"),
        (5, "statement", "f"),
    ]


def test_the_lines_of_a_condition_are_not_those_of_its_block() -> None:
    (condition, *_) = mutants("m", "if (a and\n    b):\n    c = 1\n")
    assert condition.lines == {1, 2}


def test_a_fault_is_put_where_it_was_found() -> None:
    source = "x = 1\ny = [a for a in (1, 2, 3) if a > 1]\n"
    for each in mutants("m", source):
        namespace: dict[str, object] = {}
        exec(compile(mutated(source, each.number), "m", "exec"), namespace)  # noqa: S102 - a text of this test
        assert (namespace["x"], namespace["y"]) != (1, [2, 3]), each
    assert ast.unparse(ast.parse(source)) != ast.unparse(mutated(source, 0))
    with pytest.raises(ValueError, match="99"):
        mutated(source, 99)


def test_the_name_of_a_fault_does_not_change_when_lines_move() -> None:
    source = "def f():\n    return 1\n"
    assert [each.key for each in mutants("m", source)] == [each.key for each in mutants("m", f"\n\n{source}")]
