"""The options of `presample run`: each one defined once, for Python, the command line and the docs."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from tfrecord_io.errors import UsageError
from tfrecord_io.strategy import parse_strategy

DEFAULT_MAX_CLASSES = 10_000
RUN_PREFIX = ".presample-"
"""What the names of folders for unfinished work start with."""

_MOST_BYTES = 1 << 60
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SPLIT_NAMES = ("train", "eval", "test")


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (float, int),
    "bool": (bool,),
    "tuple[str, ...]": (tuple,),
}
"""What a value of each kind of option may be."""


def _option(
    text: str, default: Any = dataclasses.MISSING, parse: Callable[[str], Any] | None = None, **argument: Any
) -> Any:
    """A field and its flag: help, how its text is read, and argparse's other arguments."""
    return field(default=default, metadata={"help": text, "parse": parse, "argument": argument})


@dataclass(frozen=True, kw_only=True)
class PresampleOptions:
    """Everything that decides what one run reads, draws and writes. Checks itself.

    Raises:
      UsageError: a value that cannot be, or options that contradict each other; names the flag.
    """

    input: tuple[str, ...] = _option(
        "files or patterns to read, local or gs://", nargs="+", action="extend", metavar="GLOB"
    )
    output: str = _option("folder of the dataset to write, local or gs://", metavar="DIR")
    label: str = _option("column that holds the class", metavar="COLUMN")
    format: str = _option("of the input", "auto", choices=("auto", "csv", "parquet", "tfrecord"))
    schema: str | None = _option(
        "BigQuery-style JSON list of name, type and mode: a file, or the JSON itself", None, metavar="FILE"
    )
    row_id: tuple[str, ...] = _option(
        "columns that identify a row, instead of its position in its file",
        (),
        metavar="COLUMN[,COLUMN]",
        parse=lambda text: _names(text, "--row_id"),
    )
    strategy: str = _option(
        "rows to keep of each class of the training split, see docs/strategies.md",
        "balance",
        metavar="STRATEGY",
    )
    weights: str = _option(
        "what the weight column makes up for", "calibrated", choices=("calibrated", "balanced", "none")
    )
    weight_in: str | None = _option("column with each row's original weight", None, metavar="COLUMN")
    weight_out: str = _option("name of the weight column to write", "weight", metavar="NAME")
    seed: int = _option("of the draw; another seed gives an independent sample", 0, type=int)
    splits: str = _option("fractions of train, eval and test", "train=1", metavar="train=0.8,eval=0.1,test=0.1")
    split_by: str | None = _option("column whose equal values stay in one split", None, metavar="COLUMN")
    shard_size: int = _option(
        "bytes to aim at for each shard, like 128MB",
        128 * 10**6,
        metavar="SIZE",
        parse=lambda text: parse_size(text, "--shard_size"),
    )
    compression: str = _option("of the shards", "none", choices=("none", "gzip"))
    on_bad_row: str = _option(
        "set bad rows aside in rejected/, or fail at the first", "reject", choices=("reject", "fail")
    )
    max_bad_fraction: float = _option(
        "stop when more than this share of the rows is bad", 0.01, type=float, metavar="FRACTION"
    )
    max_classes: int | None = _option(
        f"allow that many classes, and labels that are mostly unique (default: {DEFAULT_MAX_CLASSES})",
        None,
        type=int,
        metavar="N",
    )
    plan_only: bool = _option("print what would be kept, and write nothing", False, action="store_true")
    overwrite: str = _option(
        "replace a dataset that is there; =purge also removes its old shards",
        "no",
        nargs="?",
        const="keep",
        choices=("no", "keep", "purge"),
        metavar="purge",
    )
    verbose: bool = _option("show Beam's log and tracebacks", False, action="store_true")
    block_size: int = _option(
        "bytes to read and work on at a time",
        4 * 2**20,
        metavar="SIZE",
        parse=lambda text: parse_size(text, "--block_size"),
    )

    def __post_init__(self) -> None:
        for name in ("input", "row_id"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        self._check_types()
        parse_strategy(self.strategy)
        self.split_fractions()
        for name in ("shard_size", "block_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} {getattr(self, name)} must be at least 1 byte.")
        if not 0 <= self.max_bad_fraction <= 1:
            raise UsageError(f"--max_bad_fraction {self.max_bad_fraction} is a fraction, between 0 and 1.")
        if self.max_classes is not None and self.max_classes < 1:
            raise UsageError(f"--max_classes {self.max_classes} must be at least 1.")
        for option in dataclasses.fields(self):
            choices = option.metadata["argument"].get("choices")
            if choices and getattr(self, option.name) not in choices:
                raise UsageError(f"--{option.name} {getattr(self, option.name)!r} is not one of {', '.join(choices)}.")
        self._check_columns()

    def _check_types(self) -> None:
        for option in dataclasses.fields(self):
            value, wanted = getattr(self, option.name), _TYPES[str(option.type)]
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
                names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in wanted)
                raise UsageError(f"{option.name} is {value!r}; it must be {names}.")

    def _check_columns(self) -> None:
        for name in ("output", "label", "weight_out", "weight_in", "split_by"):
            if getattr(self, name) == "":
                raise UsageError(f"--{name} is empty. Give it a name, or leave the flag out.")
        if self.weight_out in (self.label, self.weight_in, self.split_by, *self.row_id):
            raise UsageError(
                f"--weight_out {self.weight_out} is the name of a column of the source. Choose another name for the "
                "weight column to write."
            )
        if self.weight_in == self.label:
            raise UsageError(f"--weight_in and --label both name {self.label!r}; a label cannot be its own weight.")
        if self.split_by and len(self.split_fractions()) == 1:
            raise UsageError(
                "--split_by does nothing without --splits. Add --splits train=0.8,eval=0.2 or leave it out."
            )

    def split_fractions(self) -> dict[str, Decimal]:
        """Split names and their fractions, in the order given; they add up to 1.

        Raises:
          UsageError: malformed, unknown or repeated names, or fractions that do not add up to 1.
        """
        fractions: dict[str, Decimal] = {}
        for part in self.splits.split(","):
            name, equals, text = (piece.strip() for piece in part.partition("="))
            if not equals or name in fractions or name not in _SPLIT_NAMES:
                raise UsageError(
                    f"--splits {self.splits}: {part!r} must be NAME=FRACTION, "
                    f"each of {', '.join(_SPLIT_NAMES)} once at most."
                )
            try:
                fractions[name] = Decimal(text)
            except InvalidOperation as error:
                raise UsageError(f"--splits {self.splits}: {text!r} is not a number.") from error
            if not fractions[name].is_finite() or not 0 < fractions[name] <= 1:
                raise UsageError(f"--splits {self.splits}: {name} is {text}; a fraction is above 0 and at most 1.")
        if "train" not in fractions:
            raise UsageError(f"--splits {self.splits} has no train split. Add train=FRACTION.")
        if sum(fractions.values()) != 1:
            raise UsageError(f"--splits {self.splits}: the fractions add up to {sum(fractions.values())}, not to 1.")
        return fractions

    def content(self) -> dict[str, Any]:
        """The options that decide the dataset's content, for its manifest."""
        where = {"input", "output", "plan_only", "overwrite", "verbose", "block_size"}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in where}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds a flag for each option."""
    for option in dataclasses.fields(PresampleOptions):
        argument = dict(option.metadata["argument"])
        text = option.metadata["help"]
        if option.default is dataclasses.MISSING:
            argument["required"] = True
        else:
            argument["default"] = option.default
            if option.default not in (None, False, (), "no") and "default" not in text:
                text += f" (default: {option.default})"
        parser.add_argument(f"--{option.name}", help=text.replace("%", "%%"), **argument)


def from_namespace(namespace: argparse.Namespace) -> PresampleOptions:
    """The options from parsed arguments.

    Raises:
      UsageError: as `PresampleOptions`.
    """
    values = {}
    for option in dataclasses.fields(PresampleOptions):
        value, parse = getattr(namespace, option.name), option.metadata["parse"]
        values[option.name] = parse(value) if parse and isinstance(value, str) else value
    return PresampleOptions(**values)


def parse_size(text: str, flag: str) -> int:
    """Bytes from a text like 128MB, 64KiB or 1000.

    Raises:
      UsageError: not a size.
    """
    stripped = text.strip().upper()
    number = stripped.rstrip("KMGIB")
    unit = stripped[len(number) :]
    try:
        size = Decimal(number.strip()) * _UNITS[unit]
        if abs(size) < _MOST_BYTES:
            return int(size)
    except (ArithmeticError, KeyError) as error:
        raise UsageError(f"{flag} {text!r} is not a size. Write it like 128MB, 64KiB or 1000000.") from error
    raise UsageError(f"{flag} {text!r} is too large. Write a size like 128MB, 64KiB or 1000000.")


def _names(text: str, flag: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if "" in names or len(set(names)) < len(names):
        raise UsageError(f"{flag} {text!r} must be different column names, with commas between them.")
    return names
