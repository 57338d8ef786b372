"""`presample demo`: the whole way on real flights, from a CSV to a trained and measured model.

Draws a balanced training split, trains a small network from it with calibrated weights, and sets it
beside the same network trained without sampling, for as many steps and for as long. Both read the
same kind of TFRecords through the same `InputFn`; all are measured on splits that nothing resampled.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from presample import demo_data
from tfrecord_io.errors import OutputError, PresampleError

if TYPE_CHECKING:
    from presample.demo_model import Fit, Preprocessing, Score

DEFAULT_OUTPUT = "presample-demo"
BATCH_SIZE = 512
PASSES = 10
"""Times the sampled training split is gone through; the number of steps follows."""

_SEED = 1
_SPLITS = "train=0.8,eval=0.1,test=0.1"
_CSV, _SAMPLED, _ALL = "flights.csv", "sampled", "all_rows"
_EVALUATION_BATCH = 8192


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One way of training: rows its training split stores, how long it trained, how good it got."""

    name: str
    stored_rows: int
    fit: Fit
    score: Score


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo; about a minute on two cores. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="presample demo",
        description="Samples, trains and compares on 336 776 real flights, in about a minute.",
    )
    parser.add_argument(
        "--output",
        default=DEFAULT_OUTPUT,
        metavar="DIR",
        help=f"folder for the CSV and the two datasets, about 180 MB (default: {DEFAULT_OUTPUT})",
    )
    output = Path(parser.parse_args(argv).output)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    try:
        return _run(output, console)
    except PresampleError as error:
        print(f"presample demo: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"presample demo: {error.filename or output}: {error.strerror or error}.", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("apache_beam", "keras", "tensorflow"):
            raise
        print(
            f"presample demo: {error.name} is not installed. Run: pip install 'presample[demo]'",
            file=sys.stderr,
        )
        return 1


def _run(output: Path, console: Console) -> int:
    started = time.perf_counter()
    _claim(output)
    counts = demo_data.write_csv(output / _CSV)
    console.print(
        f"{output / _CSV}: {counts.rows:,} flights, {counts.late:,} ({counts.late / counts.rows:.1%}) "
        f"cancelled or at least {demo_data.LATE_MINUTES} minutes late"
    )
    for name, strategy in ((_SAMPLED, "balance"), (_ALL, "none")):
        console.print(f"\n[bold]presample run --strategy {strategy}[/bold]")
        if code := _presample(output / _CSV, output / name, strategy):
            return code
    console.print("\n[bold]Training three models[/bold]")
    outcomes = compare(output / _SAMPLED, output / _ALL)
    console.print(_table(outcomes))
    console.print(conclusion(*outcomes), soft_wrap=True)
    console.print(f"All of it took {time.perf_counter() - started:.0f} s.")
    return 0


def _claim(output: Path) -> None:
    """Makes the folder, and refuses one that holds anything the demo did not put there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        foreign = sorted({path.name for path in output.iterdir()} - {_CSV, _SAMPLED, _ALL})
    except OSError as error:
        raise OutputError(f"{output} cannot be used as output: {error.strerror}. Name another folder.") from error
    if foreign:
        raise OutputError(
            f"{output} holds other files ({', '.join(foreign[:3])}), and the demo overwrites what it finds. "
            "Name an empty or a new folder with --output."
        )


def _presample(source: Path, dataset: Path, strategy: str) -> int:
    from beam_jobs import presample

    command = ["--input", str(source), "--output", str(dataset), "--label", demo_data.LABEL]
    command += ["--strategy", strategy, "--splits", _SPLITS, "--overwrite"]
    return presample.main(command)


def compare(sampled: Path, all_rows: Path) -> tuple[Outcome, Outcome, Outcome]:
    """Trains on the sampled dataset, then on all rows for as many steps, then for as long."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet_stderr():  # where TensorFlow starts, it says below Python which accelerators there are not
        from input_fns import InputFn
        from presample import demo_model

        few = InputFn(sampled, split="train", batch_size=BATCH_SIZE, mix="balanced", seed=_SEED)
        many = InputFn(all_rows, split="train", batch_size=BATCH_SIZE, mix="stored", seed=_SEED)
        preprocessing = demo_model.Preprocessing.of(_one_pass(sampled, "train", weights="stored"))
        # The first fit of a process pays for setting TensorFlow up: none of the three should.
        demo_model.train(demo_model.build(preprocessing, seed=_SEED), few(), steps=2)
    steps = PASSES * few.steps_per_epoch
    first = _train("sampled, weighted", few, sampled, preprocessing, steps=steps)
    return (
        first,
        _train("all rows, same steps", many, sampled, preprocessing, steps=steps),
        _train("all rows, same time", many, sampled, preprocessing, seconds=first.fit.seconds),
    )


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Turns the process's stderr off, for what is written below Python and heeds no log level."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _train(
    name: str,
    data: Any,
    holdout: Path,
    preprocessing: Preprocessing,
    *,
    steps: int | None = None,
    seconds: float | None = None,
) -> Outcome:
    from presample import demo_model

    model = demo_model.build(preprocessing, seed=_SEED)
    fit = demo_model.train(model, data(), steps=steps, seconds=seconds)
    unseen = (batch for split in ("eval", "test") for batch in _one_pass(holdout, split))
    return Outcome(name=name, stored_rows=data.num_rows, fit=fit, score=demo_model.evaluate(model, unseen))


def _one_pass(dataset: Path, split: str, weights: str = "none") -> Any:
    from input_fns import InputFn

    reader = InputFn(dataset, split=split, batch_size=_EVALUATION_BATCH, weights=weights, shuffle=False, num_epochs=1)
    return reader()


def _table(outcomes: Sequence[Outcome]) -> Table:
    unseen = outcomes[0].score
    table = Table(
        title=f"Measured on {unseen.rows:,} flights no model has seen, {unseen.base_rate:.2%} of them late",
        title_justify="left",
    )
    columns: Mapping[str, Any] = {
        "trained on": lambda o: o.name,
        "rows stored": lambda o: f"{o.stored_rows:,}",
        "steps": lambda o: f"{o.fit.steps:,}",
        "seconds": lambda o: f"{o.fit.seconds:.1f}",
        "AUC": lambda o: f"{o.score.auc:.4f}",
        "log loss": lambda o: f"{o.score.log_loss:.4f}",
        "mean predicted": lambda o: f"{o.score.mean_predicted:.2%}",
        "true rate": lambda o: f"{o.score.base_rate:.2%}",
    }
    for number, heading in enumerate(columns):
        table.add_column(heading, justify="right" if number else "left")
    for outcome in outcomes:
        table.add_row(*(show(outcome) for show in columns.values()))
    return table


def conclusion(sampled: Outcome, same_steps: Outcome, same_time: Outcome) -> str:
    """What the figures say, and no more. Two AUCs nearer than two standard errors are called level."""

    def against(other: Outcome) -> str:
        difference = sampled.score.auc - other.score.auc
        level = abs(difference) < 2 * sampled.score.auc_error
        word = "level with" if level else "above" if difference > 0 else "below"
        return f"{word} the {other.score.auc:.3f}"

    score = sampled.score
    bias = score.mean_predicted / score.base_rate - 1
    return (
        f"With {sampled.stored_rows / same_steps.stored_rows:.1%} of the training rows stored "
        f"({sampled.stored_rows:,} of {same_steps.stored_rows:,}), the AUC is {score.auc:.3f} "
        f"(standard error {score.auc_error:.3f}): {against(same_steps)} of as many steps on all rows, "
        f"{against(same_time)} of as much time on them. Half of its training rows were late flights, and still it "
        f"predicts {score.mean_predicted:.1%} on average where {score.base_rate:.1%} were late: "
        f"{abs(bias):.0%} too {'high' if bias > 0 else 'low'}, "
        "and nothing but the stored weights had to correct it."
    )
