"""What every stage of one run needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from beam_jobs.options import PresampleOptions
from beam_jobs.output import Output
from beam_jobs.sizes import SizeModel
from beam_jobs.sources import Source
from beam_jobs.sources.bigquery import remove_export
from beam_jobs.sources.bigquery_rows import Export
from tfrecord_io.plan import BAND_NATS


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, settled before the pipeline is built. Picklable; holds no data.

    `spill` is the folder in which kept rows wait for their writers; None where the runner keeps them.
    `export` are the files that BigQuery wrote for this run, if it reads a table.
    """

    options: PresampleOptions
    source: Source
    sizes: SizeModel
    output: Output
    run_folder: str
    runner: str
    spill: str | None
    created: str
    threads: int = 1
    band_nats: float = BAND_NATS
    export: Export | None = None

    @property
    def block_threads(self) -> int:
        """How many threads may read what they need from blocks at a time."""
        return self.threads if self.source.threaded else 1

    def delete_unfinished(self) -> None:
        """Removes the folders of unfinished work, and what BigQuery exported for it."""
        for folder in {self.output.folder, self.spill or self.output.folder}:
            Output(folder).delete_folder(self.run_folder)
        remove_export(self.export)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in the order given."""
        return self.options.split_names
