"""The scenarios in which presample meets others, or itself on other files."""

from competitors import duckdb_all, duckdb_balance, floor, handwritten_beam
from data import Data
from figures import peak, speed
from scenario import BALANCE, BALANCED, EVERYTHING, NONE, Scenario, Sizes


def balance(sizes: Sizes) -> Scenario:
    """The job against everything else that does it."""
    data = Data(rows=sizes.rows)
    beyond, without = "rate_beyond_startup", "rate_without_imports"
    return Scenario(
        name="balance",
        title="CSV in, `balance`",
        startup=True,
        competitors=[
            sizes.presample("presample", "presample run", data, BALANCE, BALANCED),
            handwritten_beam(Data(rows=sizes.beam_rows), list(sizes.beam_flags)),
            duckdb_balance("duckdb", "DuckDB script", data, []),
            duckdb_balance("duckdb_plain", "DuckDB script, plain read_csv", data, ["--plain"]),
            floor(data),
        ],
        figures=[
            speed("presample / hand-written Beam job, whole command", "presample", "beam", 20),
            speed("presample / hand-written Beam job, beyond start-up", "presample", "beam", 30, rate=beyond),
            speed("presample / DuckDB script, whole command", "presample", "duckdb", 1.0),
            speed("presample / DuckDB script, without imports on both sides", "presample", "duckdb", 1.4, rate=without),
            peak("presample, peak memory", "presample", 1000),
        ],
    )


def none(sizes: Sizes) -> Scenario:
    """Every row kept, against DuckDB and tfx_bsl without order, shards or classes."""
    data = Data(rows=sizes.rows)
    return Scenario(
        name="none",
        title="CSV in, `none`: every row kept",
        most_written=sizes.rows,
        competitors=[
            sizes.presample("presample", "presample run", data, NONE, EVERYTHING),
            duckdb_all(data),
        ],
        figures=[
            speed("`none`: presample / DuckDB script", "presample", "duckdb", 1.0),
            peak("`none`: presample, peak memory", "presample", 1500),
        ],
    )


def tfrecord(sizes: Sizes) -> Scenario:
    """TFRecord in, TFRecord out, against the hand-written Beam job."""
    data = Data(rows=sizes.rows, form="tfrecord")
    beam = handwritten_beam(Data(rows=sizes.beam_rows, form="tfrecord"), list(sizes.beam_flags))
    beyond = "rate_beyond_startup"
    return Scenario(
        name="tfrecord",
        title="TFRecord in, `balance`",
        startup=True,
        competitors=[sizes.presample("presample", "presample run", data, BALANCE, BALANCED), beam],
        figures=[
            speed("TFRecord: presample / hand-written Beam job", "presample", "beam", 8),
            speed("TFRecord: presample / hand-written Beam job, beyond start-up", "presample", "beam", rate=beyond),
        ],
    )


def formats(sizes: Sizes) -> Scenario:
    """The same rows in three formats."""
    beyond = "rate_beyond_startup"
    return Scenario(
        name="formats",
        title="The same rows in three formats, `balance`",
        startup=True,
        competitors=[
            sizes.presample(form, title, Data(rows=sizes.rows, form=form), BALANCE, BALANCED)
            for form, title in (("csv", "CSV"), ("parquet", "Parquet"), ("tfrecord", "TFRecord"))
        ],
        figures=[
            speed("Parquet in / CSV in", "parquet", "csv", 1.5),
            speed("Parquet in / CSV in, beyond start-up", "parquet", "csv", rate=beyond),
            speed("TFRecord in / CSV in", "tfrecord", "csv"),
        ],
    )
