"""The text of `--where` to a pyarrow expression: parsed with Python's grammar, never evaluated by Python.

pyarrow's own form      (pc.field("amount") > 100) & ~ds.field("country").isin(["DE", "FR"])
the same, shorter       amount > 100 and country not in ["DE", "FR"]
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow.compute as pc

from beam_jobs.where_text import WhereText, is_number, value_of
from tfrecord_io.errors import UsageError

MOST_CHARACTERS = 10_000
MOST_DEPTH = 100
MOST_NODES = 5_000

_PREFIXES = ("pc", "ds")
_METHODS = ("isin", "is_null", "is_valid", "is_nan", "cast")
_FUNCTIONS = ("field", "scalar")
_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Parsed:
    """An expression, and the columns that it names, each once."""

    expression: pc.Expression
    columns: tuple[str, ...]


@functools.lru_cache(maxsize=16)
def parse_where(text: str) -> Parsed:
    """Parses an expression.

    Raises:
      UsageError: too long or too deep, not of the grammar, an unknown function, or without a column.
    """
    if len(text) > MOST_CHARACTERS:
        raise UsageError(
            f"--where has {len(text):,} characters; it may have up to {MOST_CHARACTERS:,}. Shorten it, or prepare a "
            "column for it in the source."
        )
    builder = _Builder(text.strip())
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        at = f"at character {error.offset}" if error.offset else "at its end"
        builder.refuse(f"does not parse {at}: {error.msg}. Write it like: amount > 100 and country in ['DE', 'FR']")
    except (ValueError, RecursionError, MemoryError):
        builder.refuse("is nested too deeply, or holds characters that no expression can. Simplify it")
    _check_size(tree, builder)
    expression = builder.build(tree)
    if not builder.columns:
        builder.refuse("names no column. Write it like: amount > 100")
    return Parsed(expression, tuple(builder.columns))


def _check_size(tree: ast.AST, builder: _Builder) -> None:
    level, nodes, depth = [tree], 0, 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MOST_NODES or depth > MOST_DEPTH:
            builder.refuse_size()
        level = [child for node in level for child in ast.iter_child_nodes(node)]


class _Builder(WhereText):
    """Turns a syntax tree into an expression, and notes the columns on the way."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._built = 0
        self.columns: dict[str, None] = {}

    def refuse_size(self) -> NoReturn:
        """Raises a UsageError that says how large it may be."""
        self.refuse(
            f"is too large: it may have {MOST_NODES:,} parts, nested up to {MOST_DEPTH} deep. Shorten it, or prepare a "
            "column for it in the source"
        )

    def build(self, node: ast.expr) -> pc.Expression:
        """The expression of one node."""
        self._built += 1
        if self._built > MOST_NODES:  # a < (b) < c holds b twice
            self.refuse_size()
        known: dict[type[ast.AST], Callable[[Any], pc.Expression]] = {
            ast.BoolOp: self._logical,
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.Compare: self._comparison,
            ast.Call: self._call,
            ast.Name: lambda name: self._field(name.id),
            ast.Constant: lambda constant: self.scalar(constant, constant.value),
        }
        if type(node) not in known:
            self.unknown(node)
        return known[type(node)](node)

    def _logical(self, node: ast.BoolOp) -> pc.Expression:
        joined = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        return functools.reduce(joined, [self.build(value) for value in node.values])

    def _binary(self, node: ast.BinOp) -> pc.Expression:
        join = _BINARY.get(type(node.op))
        if join is None:
            self.unknown(node)
        if join in (operator.and_, operator.or_):
            for side in (node.left, node.right):
                if isinstance(side, ast.Constant) and not isinstance(side.value, bool):
                    self.refuse(
                        f"joins {self.source(side)} with & or |, which bind more tightly than comparisons. Put each "
                        "comparison in parentheses, or join them with and, or"
                    )
        return join(self.build(node.left), self.build(node.right))

    def _unary(self, node: ast.UnaryOp) -> pc.Expression:
        if isinstance(node.op, (ast.Invert, ast.Not)):
            return ~self.build(node.operand)
        if is_number(node):
            return self.scalar(node, value_of(node))
        operand = self.build(node.operand)
        return pc.negate_checked(operand) if isinstance(node.op, ast.USub) else operand

    def _comparison(self, node: ast.Compare) -> pc.Expression:
        sides = [node.left, *node.comparators]
        steps = [self._compare(left, op, right) for left, op, right in zip(sides, node.ops, sides[1:], strict=False)]
        return functools.reduce(operator.and_, steps)

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pc.Expression:
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self.build(left).isin(self.values(right))
            return ~found if isinstance(op, ast.NotIn) else found
        nothing = [isinstance(side, ast.Constant) and side.value is None for side in (left, right)]
        if isinstance(op, (ast.Is, ast.IsNot)):
            if nothing != [False, True]:
                self.refuse("uses is other than in: COLUMN is None, COLUMN is not None. Compare values with ==")
            return self.build(left).is_null() if isinstance(op, ast.Is) else self.build(left).is_valid()
        if any(nothing):
            self.refuse("compares with None, which is never true. Write: COLUMN is None, or COLUMN is not None")
        return _COMPARISONS[type(op)](self.build(left), self.build(right))

    def _call(self, node: ast.Call) -> pc.Expression:
        called = node.func
        if isinstance(called, ast.Attribute) and not (
            isinstance(called.value, ast.Name) and called.value.id in _PREFIXES
        ):
            return self._method(node, called)
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
        if name not in _FUNCTIONS:
            self._unknown_function(called)
        if len(node.args) != 1 or node.keywords:
            self.refuse(f"gives {name} other than one value: {self.source(node)}")
        if name == "scalar":
            return self.scalar(node, self.literal(node.args[0]))
        column = self.literal(node.args[0])
        if not isinstance(column, str):
            self.refuse(f"names a column other than by a text: {self.source(node)}")
        return self._field(column)

    def _method(self, node: ast.Call, called: ast.Attribute) -> pc.Expression:
        if called.attr not in _METHODS:
            self._unknown_function(called)
        keywords = {str(keyword.arg): self.literal(keyword.value) for keyword in node.keywords}
        allowed = {"is_null": {"nan_is_null"}, "cast": {"safe"}}.get(called.attr, set())
        flags = all(name in allowed and isinstance(value, bool) for name, value in keywords.items())
        if len(node.args) != (called.attr in ("isin", "cast")) or not flags:
            self.refuse(f"gives {called.attr} other arguments than it takes: {self.source(node)}")
        target = self.build(called.value)
        if called.attr == "isin":
            return target.isin(self.values(node.args[0]))
        if called.attr == "cast":
            return target.cast(self.type(node.args[0]), **keywords)
        return getattr(target, called.attr)(**keywords)

    def _field(self, name: str) -> pc.Expression:
        self.columns[name] = None
        return pc.field(name)

    def _unknown_function(self, called: ast.expr) -> NoReturn:
        self.refuse(
            f"calls {self.source(called)}, which is not known here. Columns have {', '.join(_METHODS)}; besides these "
            f"there are {' and '.join(_FUNCTIONS)}"
        )
