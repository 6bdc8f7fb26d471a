"""The faults that are put into a module, one at a time.

Tables decide as much as functions here, so that constants, members of sets and dictionaries and the arguments of models
are changed too, at module level included. Sentences (any text with a space) are left alone: they are shown, never
compared. So are docstrings, annotations, decorators and format strings.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

Install = Callable[[ast.AST], None]

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_CALCULATED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
}
_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
_METHODS: Final = {
    "startswith": "endswith",
    "endswith": "startswith",
    "partition": "rpartition",
    "rpartition": "partition",
    "intersection": "union",
    "union": "intersection",
}
_DROPPED_METHODS: Final = frozenset({"strip", "lstrip", "rstrip", "upper", "lower"})
_NEGATED_BY_COMPARISON: Final = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault. `number` is its rank in its module; `scope` the function or class; `text` the line that it changes;
    `lines` those that run when what it changes does."""

    module: str
    number: int
    line: int
    lines: frozenset[int]
    scope: str
    operator: str
    before: str
    after: str
    text: str

    @property
    def mark(self) -> str:
        """What tells it from the other faults of the same text of the module, and from those of other operators."""
        return f"{self.number} {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """What stays the same when lines move."""
        return f"{self.module}:{self.scope}: {self.text}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class _Where:
    """The function or class, and the lines of the statement without its block."""

    scope: str = ""
    lines: range = range(0)

    def within(self, node: ast.AST) -> "_Where":
        """The same for what stands inside a node."""
        scope, lines = self.scope, self.lines
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            last = node.end_lineno or node.lineno
            if body:
                last = max(node.lineno, _lines(body[0])[0] - 1)
            lines = range(node.lineno, last + 1)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope = f"{scope}.{node.name}" if scope else node.name
        return _Where(scope, lines)


@dataclass(frozen=True, slots=True)
class _Site:
    """A node, the fault that takes its place, and how to put it there."""

    node: ast.AST
    where: "_Where"
    operator: str
    fault: ast.AST
    install: Install


def mutants(module: str, source: str) -> list[Mutant]:
    """Every fault of a module, in the order of its text."""
    lines = source.splitlines()
    found = []
    for number, site in enumerate(_sites(ast.parse(source))):
        line, last_line = _lines(site.node)
        before, after = _words(site.node), _words(site.fault)
        covered = frozenset((line, *site.where.lines))
        if not isinstance(site.node, ast.stmt):
            covered |= frozenset(range(line, last_line + 1))
        text = lines[line - 1].strip()
        found.append(Mutant(module, number, line, covered, site.where.scope, site.operator, before, after, text))
    return found


def mutated(source: str, number: int) -> ast.Module:
    """The tree of a module with one fault."""
    tree = ast.parse(source)
    for rank, site in enumerate(_sites(tree)):
        if rank == number:
            site.install(ast.copy_location(site.fault, site.node))
            return ast.fix_missing_locations(tree)
    raise ValueError(f"no fault has the number {number}")


def _words(node: ast.AST) -> str:
    if isinstance(node, ast.comprehension):
        return ast.unparse(node).strip()
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())


def _lines(node: ast.AST) -> tuple[int, int]:
    if isinstance(node, ast.comprehension):
        node = node.target
    if isinstance(node, ast.match_case):
        node = node.pattern
    return getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)


def _sites(tree: ast.Module) -> Iterator[_Site]:
    yield from _visit_body(tree, _Where())


def _visit_body(node: ast.AST, where: _Where) -> Iterator[_Site]:
    """The faults under a node, each child in its place."""
    for name, value in ast.iter_fields(node):
        if name in _left_alone(node):
            continue
        if isinstance(value, ast.AST):
            yield from _visit(value, where, _installer(node, name))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield from _visit(each, where, _installer(node, name, index))


def _visit(node: ast.AST, where: _Where, install: Install) -> Iterator[_Site]:
    if _is_declaration(node):
        return
    where = where.within(node)
    for operator, fault in _faults(node):
        yield _Site(node, where, operator, fault, install)
    if isinstance(node, ast.JoinedStr):
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _visit(part.value, where, _installer(part, "value"))
        return
    yield from _visit_body(node, where)


def _installer(parent: ast.AST, name: str, index: int | None = None) -> Install:
    def install(fault: ast.AST) -> None:
        if index is None:
            setattr(parent, name, fault)
        else:
            getattr(parent, name)[index] = fault

    return install


def _left_alone(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return ("decorator_list", "returns")
        case ast.ClassDef():
            return ("decorator_list", "bases", "keywords")
        case ast.arg() | ast.AnnAssign():
            return ("annotation",)
        case _:
            return ()


def _is_declaration(node: ast.AST) -> bool:
    """Documentation, exports and names of types: nothing that runs."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.Assign(value=ast.Subscript(value=ast.Name())):
            return isinstance(node.targets[0], ast.Name) and (
                node.targets[0].id == "__all__" or ast.unparse(node.value).startswith(("tuple[", "dict[", "Literal["))
            )
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar"))):
            return True
        case ast.Assign(value=ast.BinOp(op=ast.BitOr(), right=ast.Name(id=name))):
            return name[:1].isupper() and name != name.upper()
        case _:
            return False


def _faults(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp():
            swapped = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield "boolean", ast.BoolOp(swapped, node.values)
        case ast.BinOp() if type(node.op) in _CALCULATED:
            yield "arithmetic", ast.BinOp(node.left, _CALCULATED[type(node.op)](), node.right)
        case ast.UnaryOp(op=ast.Not()):
            yield "negation", node.operand
        case ast.AugAssign():
            if type(node.op) in _CALCULATED:
                yield "arithmetic", ast.AugAssign(node.target, _CALCULATED[type(node.op)](), node.value)
            yield "statement", ast.Pass()
        case ast.Constant():
            yield from _constants(node)
        case ast.If() | ast.While() | ast.IfExp():
            if not _negated_elsewhere(node.test):
                yield "condition", _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.comprehension():
            for index in range(len(node.ifs)):
                yield "condition", _with(node, ifs=_without(node.ifs, index))
        case ast.Return(value=ast.expr() as value) if not _says_no(value):
            yield "return", ast.Return(ast.Constant(None))
        case ast.Expr() | ast.Raise():
            yield "statement", ast.Pass()
        case ast.Continue():
            yield "loop", ast.Break()
        case ast.Break():
            yield "loop", ast.Continue()
        case ast.Call():
            yield from _calls(node)
        case ast.Dict():
            for index in range(len(node.keys)):
                yield "member", ast.Dict(_without(node.keys, index), _without(node.values, index))
        case ast.List(ctx=ast.Load()) | ast.Tuple(ctx=ast.Load()) | ast.Set() if len(node.elts) > 1:
            for index, element in enumerate(node.elts):
                if isinstance(element, ast.Starred | ast.Attribute | ast.Call | ast.Tuple):
                    yield "member", _with(node, elts=_without(node.elts, index))


def _compared(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for index, op in enumerate(node.ops):
        ops = list(node.ops)
        ops[index] = _COMPARED[type(op)]()
        yield "comparison", ast.Compare(node.left, ops, node.comparators)


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    match node.value:
        case bool(value):
            yield "constant", ast.Constant(not value)
        case int(value):
            yield "constant", ast.Constant(value + 1)
        case str(value) if not any(character.isspace() for character in value):
            yield "constant", ast.Constant(f"XX{value}XX" if value else "XX")


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in _NAMES:
        other = _NAMES[function.id]
        keywords = [] if other == "list" else node.keywords
        yield "function", ast.Call(ast.Name(other, ast.Load()), node.args, keywords)
    if isinstance(function, ast.Attribute) and function.attr in _METHODS:
        yield "function", _with(node, func=ast.Attribute(function.value, _METHODS[function.attr], ast.Load()))
    if isinstance(function, ast.Attribute) and function.attr in _DROPPED_METHODS:
        yield "function", function.value
    for index, keyword in enumerate(node.keywords):
        if keyword.arg != "strict":  # of zip(): a net, not a rule
            yield "argument", _with(node, keywords=_without(node.keywords, index))
    if len(node.args) > 1:
        for index, argument in enumerate(node.args):
            if isinstance(argument, ast.Starred) or (isinstance(function, ast.Name) and function.id in ("min", "max")):
                yield "argument", _with(node, args=_without(node.args, index))


def _says_no(value: ast.expr) -> bool:
    """A constant that is changed as such, or that a caller cannot tell from `None`."""
    return isinstance(value, ast.Constant) and value.value in (None, True, False)


def _negated_elsewhere(test: ast.expr) -> bool:
    match test:
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Compare(ops=[op]):
            return isinstance(op, _NEGATED_BY_COMPARISON)
        case _:
            return False


def _with(node: ast.AST, **changes: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in changes.items():
        setattr(other, name, value)
    return other


def _without(values: list[T], index: int) -> list[T]:
    return [*values[:index], *values[index + 1 :]]
