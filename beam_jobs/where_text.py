"""The text of `--where`: what is quoted of it in errors, and the plain values that stand in it."""

from __future__ import annotations

import ast
import re
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from tfrecord_io.errors import UsageError

_SHOWN = 100
_ZONED = re.compile(r"timestamp\[(s|ms|us|ns), ?(?:tz=)?([A-Za-z0-9/_+:-]+)\]")


class WhereText:
    """An expression as it was written."""

    def __init__(self, text: str) -> None:
        self._text = text  # positions of its nodes count from here

    def refuse(self, why: str) -> NoReturn:
        """Raises a UsageError that shows the expression."""
        shown = self._text if len(self._text) <= _SHOWN else self._text[:_SHOWN] + "..."
        raise UsageError(f"--where {shown!r} {why}.")

    def unknown(self, node: ast.expr) -> NoReturn:
        """Raises a UsageError about a part that the grammar does not have."""
        self.refuse(
            f"has {self.source(node)}, which is not part of such an expression. There are columns, numbers, texts, "
            "comparisons, and, or, not, in, + - * / and & | ~"
        )

    def source(self, node: ast.expr) -> str:
        """The part of the text that a node stands for."""
        found = ast.get_source_segment(self._text, node) or type(node).__name__
        return found if len(found) <= _SHOWN else found[:_SHOWN] + "..."

    def scalar(self, node: ast.expr, value: object) -> pc.Expression:
        """An expression of one value."""
        if value is not None and not isinstance(value, (bool, int, float, str, bytes)):
            self.unknown(node)
        try:
            return pc.scalar(value)
        except (OverflowError, UnicodeEncodeError, pa.ArrowException):
            self.refuse(f"holds a value that no column can: {self.source(node)}")

    def values(self, node: ast.expr) -> list[object]:
        """The values of a list, tuple or set."""
        if not isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            self.refuse(f"looks for values in {self.source(node)}. Give them as a list: ['DE', 'FR']")
        values = [self.literal(value) for value in node.elts]
        try:
            pa.array(values)
        except (OverflowError, UnicodeEncodeError, pa.ArrowException):
            self.refuse(f"has a list of values that no column can hold together: {self.source(node)}")
        return values

    def literal(self, node: ast.expr) -> object:
        """The value of a constant, with or without a sign."""
        if is_number(node):
            return value_of(node)
        if not isinstance(node, ast.Constant) or node.value is Ellipsis or isinstance(node.value, complex):
            self.refuse(f"needs a plain number or text instead of {self.source(node)}")
        return node.value

    def type(self, node: ast.expr) -> pa.DataType:
        """The type that a constant names."""
        name = self.literal(node)
        zoned = _ZONED.fullmatch(str(name))
        try:
            return pa.timestamp(zoned[1], zoned[2]) if zoned else pa.type_for_alias(name)
        except (ValueError, TypeError):
            self.refuse(f"casts to {name!r}, which is no type. Write one like 'int64', 'float64', 'date32' or 'string'")


def is_number(node: ast.expr) -> bool:
    """Whether a node is a number with a sign in front of it."""
    if not isinstance(node, ast.UnaryOp) or not isinstance(node.op, (ast.USub, ast.UAdd)):
        return False
    inner = node.operand
    return isinstance(inner, ast.Constant) and type(inner.value) in (int, float)


def value_of(node: Any) -> float:
    """The number, its sign taken into account."""
    value: float = node.operand.value
    return -value if isinstance(node.op, ast.USub) else value
