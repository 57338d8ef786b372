"""The scenarios in which something grows: rows, workers, classes, files, shards."""

from competitors import presample
from data import Data
from expected_output import Expected, at_most
from figures import best_speed, growth, speed
from scenario import BALANCE, BALANCED, EVERYTHING, NONE, WRITTEN_BYTES_PER_ROW, Scenario, Sizes

GROWTH = 1.10


def none_memory(sizes: Sizes) -> Scenario:
    """Peak memory of `none` against five times the rows."""
    return _memory("none_memory", "none", sizes, NONE, EVERYTHING, most_written=sizes.large_rows)


def balance_memory(sizes: Sizes) -> Scenario:
    """Peak memory of `balance` against five times the rows."""
    return _memory("balance_memory", "balance", sizes, BALANCE, BALANCED, most_written=0)


def _memory(
    name: str, strategy: str, sizes: Sizes, flags: list[str], expected: Expected, *, most_written: int
) -> Scenario:
    return Scenario(
        name=name,
        title=f"CSV in, `{strategy}`: memory by rows",
        most_written=most_written,
        competitors=[
            sizes.presample("small", "presample run", Data(rows=sizes.rows), flags, expected),
            sizes.presample("large", "presample run", Data(rows=sizes.large_rows), flags, expected),
        ],
        figures=[
            growth(f"`{strategy}`: peak memory, {sizes.large_rows:,} rows / {sizes.rows:,}", "small", "large", GROWTH)
        ],
    )


def workers(sizes: Sizes) -> Scenario:
    """One core against two, in each local mode."""
    data = Data(rows=sizes.large_rows)
    two = {
        "default": ("default mode", []),
        "threads": ("multi_threading, 2 workers", ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]),
        "processes": (
            "multi_processing, 2 workers",
            ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
        ),
    }
    flags = [*BALANCE, *sizes.presample_flags]
    one = presample("one", "1 core, default mode", data, flags, BALANCED, cores=1)
    more = [
        presample(name, f"2 cores, {title}", data, [*flags, *mode], BALANCED, cores=2)
        for name, (title, mode) in two.items()
    ]
    return Scenario(
        name="workers",
        title="CSV in, `balance`: two workers against one",
        competitors=[one, *more],
        figures=[
            best_speed("2 workers in the fastest mode / 1", tuple(two), "one", 1.5),
            *(speed(f"2 cores, {title} / 1 core", name, "one") for name, (title, _) in two.items()),
        ],
    )


def classes(sizes: Sizes) -> Scenario:
    """Ten thousand classes against two: as many rows, as many of them kept."""
    kept = 2 * (sizes.rows // 100)
    two = Data(rows=sizes.rows)
    uniform, head = (Data(rows=sizes.rows, labels=labels, classes=sizes.classes) for labels in ("uniform", "head"))
    head_limit = max(1, kept - sizes.classes + 1)
    few = [
        ("two", "2 classes", two, kept // 2),
        ("uniform", f"{sizes.classes:,} classes of one size", uniform, max(1, kept // sizes.classes)),
        ("head", f"{sizes.classes:,} classes, all but one of 1 row", head, head_limit),
    ]
    competitors = [
        sizes.presample(
            name, f"{title}, max={limit}", data, ["--strategy", f"max={limit}"], Expected(sizes=at_most(limit))
        )
        for name, title, data, limit in few
    ]
    competitors += [
        sizes.presample(f"{name}_all", f"{title}, none", data, NONE, EVERYTHING) for name, title, data, _ in few
    ]
    named = f"{sizes.classes:,} classes"
    return Scenario(
        name="classes",
        title=f"CSV in: {named} against 2",
        most_written=sizes.rows,
        competitors=competitors,
        figures=[
            speed(f"{named} of one size / 2 classes, few rows kept", "uniform", "two", 0.5),
            speed(f"{named}, all but one of 1 row / 2, few rows kept", "head", "two", 0.5),
            speed(f"{named} of one size / 2 classes, every row kept", "uniform_all", "two_all", 0.5),
            speed(f"{named}, all but one of 1 row / 2, every row kept", "head_all", "two_all", 0.5),
        ],
    )


def files(sizes: Sizes) -> Scenario:
    """The same number of rows in many files."""
    return Scenario(
        name="files",
        title="CSV in, `balance`: many files",
        competitors=[
            sizes.presample(name, f"{count:,} files", Data(rows=sizes.rows, files=count), BALANCE, BALANCED)
            for name, count in (("few", 8), ("many", sizes.files))
        ],
        figures=[speed(f"{sizes.files:,} files / 8", "many", "few")],
    )


def big_file(sizes: Sizes) -> Scenario:
    """One file: 10 GB where `large_rows` is 40 million."""
    rows = sizes.large_rows * 28 // 25
    return Scenario(
        name="big_file",
        title="CSV in, `balance`: one large file",
        competitors=[
            sizes.presample("several", "8 files", Data(rows=sizes.large_rows), BALANCE, BALANCED),
            sizes.presample("one", "1 file", Data(rows=rows, files=1), BALANCE, BALANCED),
        ],
        figures=[
            speed("1 file / 8", "one", "several"),
            growth("peak memory, 1 file / 8", "several", "one", GROWTH),
        ],
    )


def shards(sizes: Sizes) -> Scenario:
    """Every row kept in many shards of one class."""
    data = Data(rows=sizes.rows)
    size = sizes.rows * WRITTEN_BYTES_PER_ROW * 9 // 10 // sizes.shards
    cut = [*NONE, "--shard_size", str(size)]
    many = Expected(sizes=EVERYTHING.sizes, files=sizes.shards)
    return Scenario(
        name="shards",
        title="CSV in, `none`: many shards of one class",
        most_written=sizes.rows,
        competitors=[
            sizes.presample("few", "shards of 128 MB", data, NONE, EVERYTHING),
            sizes.presample("many", f"more than {sizes.shards:,} shards", data, cut, many),
        ],
        figures=[speed(f"more than {sizes.shards:,} shards / shards of 128 MB", "many", "few")],
    )
