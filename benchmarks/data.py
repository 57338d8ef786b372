"""The input files of the scenarios: named by what is in them, made when first asked for, removed when told so."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from measure import CommandFailedError

BENCHMARKS = Path(__file__).resolve().parent
TINY_ROWS = 1000
# Measured on `make_data.py`: what its folders will take.
BYTES_PER_ROW = {"csv": 230, "parquet": 130, "tfrecord": 470}


@dataclass(frozen=True, kw_only=True)
class Data:
    """What one folder of input files is to hold; see `make_data.py`."""

    rows: int
    form: str = "csv"
    labels: str = "two"
    classes: int = 10_000
    files: int = 8

    @property
    def name(self) -> str:
        """The folder's name."""
        labels = self.labels if self.labels == "two" else f"{self.labels}{self.classes}"
        return f"{self.form}-{labels}-{self.rows}-in-{self.files}"

    @property
    def tiny(self) -> "Data":
        """The same kind of files with 1 000 rows of two classes."""
        return replace(self, rows=TINY_ROWS, labels="two", files=min(self.files, 8))

    @property
    def estimated_bytes(self) -> int:
        """About what the files take on disk."""
        return self.rows * BYTES_PER_ROW[self.form]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One folder of files that is there: its rows, bytes, and rows by class."""

    folder: Path
    form: str
    rows: int
    size: int
    classes: dict[str, int]

    @property
    def pattern(self) -> str:
        """The files, as a pattern."""
        return f"{self.folder}/*.{self.form}"


class DataFolder:
    """Where the input files of one run are."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder, which need not exist."""
        self._folder = folder

    def make(self, data: Data) -> Source:
        """Makes the files, or finds them, in a process of its own: this one stays small.

        A child's `ru_maxrss` starts from that of the process that started it, so a large parent would
        show in it.

        Raises:
            CommandFailedError: they cannot be made.
        """
        folder = self._folder / data.name
        command = [sys.executable, str(BENCHMARKS / "make_data.py"), str(folder)]
        command += ["--rows", str(data.rows), "--format", data.form, "--labels", data.labels]
        command += ["--classes", str(data.classes), "--files", str(data.files)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise CommandFailedError(f"`{' '.join(command[1:])}` ended with code {done.returncode}; see above.")
        made = json.loads(done.stdout)
        return Source(folder=folder, form=data.form, rows=made["rows"], size=made["bytes"], classes=made["classes"])

    def is_there(self, data: Data) -> bool:
        """Tells whether the folder of these files exists, complete or not."""
        return (self._folder / data.name).exists()

    def remove(self, data: Data) -> None:
        """Removes the files, if they are there."""
        shutil.rmtree(self._folder / data.name, ignore_errors=True)


def warm(source: Source) -> None:
    """Reads the files once, so that no competitor pays for the disk."""
    for path in sorted(source.folder.glob(f"*.{source.form}")):
        with path.open("rb", buffering=0) as file:
            while file.read(16 << 20):
                pass
