"""One declared column: what `--schema` says of it, in whichever dialect it was written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from beam_jobs.sources.moments import MOMENTS, moments_of_text
from tfrecord_io import labels
from tfrecord_io.errors import UsageError
from tfrecord_io.labels import Label

_DTYPES = {
    "INTEGER": "int64",
    "FLOAT": "float32",
    "STRING": "bytes",
    "BYTES": "bytes",
    "BOOLEAN": "bool",
    **dict.fromkeys(MOMENTS, "int64"),
}
_ALIASES = {
    **dict.fromkeys(("INT64", "INT", "SMALLINT", "BIGINT", "TINYINT", "BYTEINT"), "INTEGER"),
    **dict.fromkeys(("FLOAT64", "NUMERIC", "DECIMAL", "BIGNUMERIC", "BIGDECIMAL"), "FLOAT"),
    **dict.fromkeys(("JSON", "GEOGRAPHY"), "STRING"),
    "BOOL": "BOOLEAN",
}

_SHOWN = 100

Default = Label | tuple[Label, ...]
"""A value as it is stored: int, float, text or bytes; a tuple of them for a list of fixed length."""


@dataclass(frozen=True, kw_only=True)
class DeclaredField:
    """A column and what it holds. Checks itself.

    `repeated` is None where nothing is said about it: the file decides. `length` is the number of
    values of each row, where it is the same for all. `default` is what readers take for a missing value.

    Raises:
      UsageError: contradicts itself; names the column.
    """

    name: str
    type: str
    required: bool = False
    repeated: bool | None = None
    length: int | None = None
    default: Default | None = None

    def __post_init__(self) -> None:
        kind = _ALIASES.get(self.type, self.type)
        if kind not in _DTYPES:
            raise self._wrong(
                f"has type {self.type}; the types are {', '.join(_DTYPES)}. What is none of them can be STRING"
            )
        object.__setattr__(self, "type", kind)
        if self.length is not None and self.length < 1:
            raise self._wrong(f"has length {self.length!r}; it must be a whole number of values, at least 1")
        if self.default is not None:
            object.__setattr__(self, "default", self._checked_default())

    @property
    def dtype(self) -> str:
        """int64, float32, bytes or bool."""
        return _DTYPES[self.type]

    @property
    def stored(self) -> str:
        """The dtype in the records: booleans are stored as int64."""
        return "int64" if self.dtype == "bool" else self.dtype

    @property
    def moment(self) -> str | None:
        """DATE, TIME, DATETIME or TIMESTAMP, if it is one."""
        return self.type if self.type in MOMENTS else None

    @property
    def mode(self) -> str | None:
        """NULLABLE, REQUIRED or REPEATED; None where it is left to the file whether a row holds a list."""
        if self.repeated is None:
            return None
        return "REPEATED" if self.repeated else "REQUIRED" if self.required else "NULLABLE"

    @property
    def values_a_row(self) -> str:
        """What the schema says of how many values a row holds, in its own words."""
        words = [("mode", self.mode), ("length", self.length)]
        return " and ".join(f"{word} {value}" for word, value in words if value is not None)

    def to_json(self) -> dict[str, Any]:
        """The field in the JSON that `--schema` takes."""
        found: dict[str, Any] = {"name": self.name, "type": self.type}
        if self.mode is not None:
            found["mode"] = self.mode
        if self.required and self.mode != "REQUIRED":
            found["required"] = True
        if self.length is not None:
            found["length"] = self.length
        if self.default is not None:
            found["default"] = default_to_json(self.default)
        return found

    def _checked_default(self) -> Default:
        values = self.default
        if self.length is None:
            if self.repeated:
                raise self._wrong("has a default and any number of values. Only lists with a length can have one")
            return self._checked_value(values)
        if not isinstance(values, tuple) or len(values) != self.length:
            raise self._wrong(f"has the default {_shown(values)}; it must be a list of {self.length} values")
        return tuple(map(self._checked_value, values))

    def _checked_value(self, value: object) -> Label:
        stored = _moment(value, self.type) if self.moment and isinstance(value, str) else _VALUES[self.dtype](value)
        if stored is None:
            raise self._wrong(f"has the default {_shown(value)}, which is no {self.type}")
        return stored

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"--schema: column {self.name!r} {what}.")


def manifest_entry(dtype: str, shape: list[int] | None, default: Default | None) -> Mapping[str, Any]:
    """A feature as the manifest lists it."""
    entry: dict[str, Any] = {"dtype": dtype, "shape": shape}
    return entry if default is None else entry | {"default": default_to_json(default)}


def default_to_json(default: Default) -> object:
    """A default as JSON: numbers and text plain, other bytes tagged, a list for a list."""
    return [labels.to_json(value) for value in default] if isinstance(default, tuple) else labels.to_json(default)


def default_from_json(value: Any) -> Default:
    """The inverse of `default_to_json`.

    Raises:
      ValueError: no value, or no list of values.
    """
    return tuple(map(labels.from_json, value)) if isinstance(value, list) else labels.from_json(value)


def _shown(value: object) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)[:_SHOWN]


def _moment(text: str, kind: str) -> int | None:
    found: int | None = moments_of_text(pa.array([text]), kind)[0][0].as_py()
    return found


def _integer(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return value if good and isinstance(value, int) else None


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > np.finfo(np.float32).max:
        return None
    return float(value) if math.isfinite(value) else None


def _bytes(value: object) -> str | bytes | None:
    if isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeEncodeError:  # half of a pair of surrogates
            return None
    return labels.from_bytes(value) if isinstance(value, bytes) else None


def _boolean(value: object) -> int | None:
    return int(value) if isinstance(value, int) and value in (0, 1) else None


_VALUES = {"int64": _integer, "float32": _float, "bytes": _bytes, "bool": _boolean}
