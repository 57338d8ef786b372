"""Labels: one Python value per class, and its forms in JSON, text and paths.

A label is an `int`, a `float` (float32 precision), a `str` (bytes that are valid UTF-8),
`bytes` (those that are not) or a `bool`; one dataset holds labels of one dtype. 0, 0.0, '' and
False are labels like any other.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Sequence
from urllib.parse import quote_from_bytes

import numpy as np

Label = bool | int | float | str | bytes

_MAX_NAME_BYTES = 200
_MANY = 20


def from_bytes(value: bytes) -> str | bytes:
    """The label for a bytes value: text where it is valid UTF-8, else the bytes themselves."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def from_float(value: float) -> float:
    """The label for a float: the shortest decimal that is the same float32; -0.0 becomes 0.0.

    Raises:
      ValueError: for NaN and infinities, which cannot name a class.
    """
    with np.errstate(over="ignore"):  # becomes infinite, and is refused
        single = np.float32(value)
    if not math.isfinite(single):
        raise ValueError(f"{value!r} is not a finite float32")
    return float(str(single)) + 0.0


def from_text(text: str, dtype: str) -> Label:
    """Reads a label as written on a command line or in a mapping's key.

    Args:
      text: e.g. "0", "0.5", "fraud", "true".
      dtype: the dataset's label dtype: int64, float32, bytes or bool.

    Raises:
      ValueError: the text is no value of that dtype.
    """
    if dtype == "int64":
        return int(text)
    if dtype == "float32":
        return from_float(float(text))
    if dtype == "bool":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ValueError(f"{text!r} is neither true nor false")
    return text


def to_text(label: Label) -> str:
    """The label as people read it; `from_text` reads it back (except for non-UTF-8 bytes)."""
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, bytes):
        return repr(label)
    return str(label)


def listed(names: Sequence[Label]) -> str:
    """Labels for a message; of many, the first twenty."""
    shown = [to_text(name) if not isinstance(name, str) else repr(name) for name in names[:_MANY]]
    return ", ".join(shown) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")


def to_json(label: Label) -> object:
    """The label in a manifest: numbers and text plain; booleans and other bytes tagged."""
    if isinstance(label, bool):
        return {"bool": label}
    if isinstance(label, bytes):
        return {"bytes": base64.b64encode(label).decode()}
    return label


def from_json(value: object) -> Label:
    """The inverse of `to_json`.

    Raises:
      ValueError: not a label.
    """
    match value:
        case {"bool": bool(flag)}:
            return flag
        case {"bytes": str(encoded)}:
            return base64.b64decode(encoded, validate=True)
        case int() | float() | str():
            return value
    raise ValueError(f"{value!r} is not a label")


def sort_key(label: Label) -> tuple[int, float, bytes]:
    """Orders the labels of one dataset: numbers by value, text and bytes bytewise."""
    if isinstance(label, str):
        return (1, 0, label.encode("utf-8", "surrogatepass"))
    if isinstance(label, bytes):
        return (1, 0, label)
    return (0, label, b"")


def path_components(labels: Iterable[Label]) -> dict[Label, str]:
    """A directory name for each label, like `label=0`, no two alike on any file system.

    Percent-encoded values; `~bool-true` and `~bytes-ff00` for the dtypes without a plain text.
    Empty and over-long values, and values that differ in case only, are named by their SHA-256.
    """
    plain = {label: _plain_name(label) for label in labels}
    folded: dict[str, int] = {}
    for name in plain.values():
        folded[name.casefold()] = folded.get(name.casefold(), 0) + 1

    def component(label: Label, name: str) -> str:
        unsafe = name in ("", ".", "..") or len(name) > _MAX_NAME_BYTES or folded[name.casefold()] > 1
        return "label=" + (_digest_name(label) if unsafe else name)

    return {label: component(label, name) for label, name in plain.items()}


def _plain_name(label: Label) -> str:
    if isinstance(label, bool):
        return "~bool-" + to_text(label)
    if isinstance(label, bytes):
        return "~bytes-" + label.hex()
    encoded = to_text(label).encode("utf-8", "surrogatepass")
    return quote_from_bytes(encoded, safe="+").replace("~", "%7E")


def _digest_name(label: Label) -> str:
    raw = label if isinstance(label, bytes) else to_text(label).encode("utf-8", "surrogatepass")
    return "~" + hashlib.sha256(raw).hexdigest()
