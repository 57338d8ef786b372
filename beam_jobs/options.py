"""The options of `presample run`: each one defined once, for Python, the command line and the docs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from beam_jobs import split_options
from beam_jobs.option_values import column_names, parse_size
from beam_jobs.table_options import check_tables
from beam_jobs.where import Where
from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import UNRESAMPLED_SPLITS
from tfrecord_io.strategy import parse_strategy

DEFAULT_MAX_CLASSES = 10_000
RUN_PREFIX = ".presample-"
"""What the names of folders for unfinished work start with."""


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
        "files or patterns to read, local or gs://; or one table, bq://PROJECT.DATASET.TABLE",
        (),
        nargs="+",
        action="extend",
        metavar="GLOB",
        required=True,
    )
    query: str | None = _option("SQL of BigQuery whose rows to read, in place of --input", None, metavar="SQL")
    output: str = _option("folder of the dataset to write, local or gs://", metavar="DIR")
    label: str = _option("column that holds the class", metavar="COLUMN")
    format: str = _option("of the input", "auto", choices=("auto", "csv", "parquet", "tfrecord"))
    schema: str | None = _option(
        "types of columns: a schema.pbtxt, a BigQuery JSON file, or the JSON itself", None, metavar="FILE"
    )
    where: str | None = _option("rows to read: an expression over columns, see docs/sources.md", None, metavar="EXPR")
    columns: tuple[str, ...] = _option(
        "columns to store; default: all of them",
        (),
        metavar="COLUMN[,COLUMN]",
        parse=lambda text: column_names(text, "--columns"),
    )
    drop_columns: tuple[str, ...] = _option(
        "columns not to store, nor to show in rejected/",
        (),
        metavar="COLUMN[,COLUMN]",
        parse=lambda text: column_names(text, "--drop_columns"),
    )
    row_id: tuple[str, ...] = _option(
        "columns that identify a row, instead of its position in its file",
        (),
        metavar="COLUMN[,COLUMN]",
        parse=lambda text: column_names(text, "--row_id"),
    )
    strategy: str = _option(
        "rows to keep of each class of the training split, see docs/strategies.md",
        "balance",
        metavar="STRATEGY",
    )
    max_rows: int | None = _option(
        "scale a resampled split down to that many rows, at the same shares", None, type=int, metavar="N"
    )
    weights: str = _option(
        "what the weight column makes up for", "calibrated", choices=("calibrated", "balanced", "none")
    )
    weight_in: str | None = _option("column with each row's original weight", None, metavar="COLUMN")
    weight_out: str = _option("name of the weight column to write", "weight", metavar="NAME")
    seed: int = _option("of the draw; another seed gives an independent sample", 0, type=int)
    folds: int = _option(
        "disjoint samples to draw of each class that is not kept whole; an epoch reads one", 1, type=int, metavar="K"
    )
    splits: str = _option(
        "names and fractions; eval and test are never resampled", "train=1", metavar="train=0.8,eval=0.1,test=0.1"
    )
    split_by: str | None = _option("column whose equal values stay in one split", None, metavar="COLUMN")
    split_time: str | None = _option(
        "split by time: rows before T1 are train, before T2 eval, the others test", None, metavar="COLUMN=T1[,T2]"
    )
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
    validate: str = _option(
        "parse the other columns of drawn rows only, or of all rows", "drawn", choices=("drawn", "all")
    )
    quoted_newlines: bool = _option("let quoted CSV values go on in the next line", False, action="store_true")
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
    shuffle: str = _option(
        "kept rows on their way to the writers: spilled to files, or the runner's own shuffle; auto: files where "
        "all workers are on this machine",
        "auto",
        choices=("auto", "files", "runner"),
    )
    verbose: bool = _option("show Beam's log and tracebacks", False, action="store_true")
    block_size: int = _option(
        "bytes to read and work on at a time",
        4 * 2**20,
        metavar="SIZE",
        parse=lambda text: parse_size(text, "--block_size"),
    )

    def __post_init__(self) -> None:
        for name in ("input", "row_id", "columns", "drop_columns"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        self._check_types()
        parse_strategy(self.strategy)
        self._check_numbers()
        for option in dataclasses.fields(self):
            choices = option.metadata["argument"].get("choices")
            if choices and getattr(self, option.name) not in choices:
                raise UsageError(f"--{option.name} {getattr(self, option.name)!r} is not one of {', '.join(choices)}.")
        self._check_columns()
        self._check_splits()
        check_tables(self.input, self.query, self.row_id, self.format, self.quoted_newlines)

    def _check_types(self) -> None:
        for option in dataclasses.fields(self):
            value, wanted = getattr(self, option.name), _TYPES[str(option.type)]
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
                names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in wanted)
                raise UsageError(f"{option.name} is {value!r}; it must be {names}.")

    def _check_numbers(self) -> None:
        for name in ("shard_size", "block_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} {getattr(self, name)} must be at least 1 byte.")
        if not 0 <= self.max_bad_fraction <= 1:
            raise UsageError(f"--max_bad_fraction {self.max_bad_fraction} is a fraction, between 0 and 1.")
        for name in ("max_classes", "max_rows", "folds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name} {value} must be at least 1.")

    def _check_columns(self) -> None:
        for name in ("output", "label", "weight_out", "weight_in", "split_by", "where", "split_time"):
            if getattr(self, name) == "":
                raise UsageError(f"--{name} is empty. Give it a value, or leave the flag out.")
        if self.weight_out in (self.label, self.weight_in, self.split_by, *self.row_id):
            raise UsageError(
                f"--weight_out {self.weight_out} is the name of a column of the source. Choose another name for the "
                "weight column to write."
            )
        if self.weight_in == self.label:
            raise UsageError(f"--weight_in and --label both name {self.label!r}; a label cannot be its own weight.")
        if self.columns and self.label not in self.columns:
            raise UsageError(
                f"--columns {','.join(self.columns)} leaves out the label {self.label!r}, which is "
                "always stored. Add it."
            )
        if self.label in self.drop_columns:
            raise UsageError(f"--drop_columns names the label {self.label!r}, which is always stored. Leave it out.")
        if self.where is not None:
            _ = Where(self.where).columns
        both = [name for name in self.columns if name in self.drop_columns]
        if both:
            raise UsageError(f"--columns and --drop_columns both name {', '.join(both)}. Name each in one of them.")

    def _check_splits(self) -> None:
        fractions = self.split_fractions()
        if self.split_time is not None and (len(fractions) > 1 or self.split_by):
            raise UsageError("--split_time makes the splits by itself: leave --splits and --split_by out.")
        _ = self.split_names
        if self.split_by and len(fractions) == 1:
            raise UsageError(
                "--split_by does nothing without --splits. Add --splits train=0.8,eval=0.2 or leave it out."
            )

    def split_fractions(self) -> dict[str, Decimal]:
        """Names and fractions of `--splits`, in the order given; they add up to 1.

        Raises:
          UsageError: malformed, colliding or reserved names, or fractions that do not add up to 1.
        """
        return split_options.parse_splits(self.splits)

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits, in the order of the manifest."""
        return split_options.split_names(self.splits, self.split_time)

    @property
    def resampled_splits(self) -> tuple[str, ...]:
        """Those that the strategy applies to."""
        return tuple(name for name in self.split_names if name not in UNRESAMPLED_SPLITS)

    @property
    def patterns(self) -> tuple[str, ...]:
        """What is read: patterns of files, a table, or a query."""
        return self.input if self.query is None else (self.query,)

    def content(self) -> dict[str, Any]:
        """The options that decide the dataset's content, for its manifest."""
        where = {"input", "output", "plan_only", "overwrite", "verbose", "block_size", "shuffle"}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in where}
