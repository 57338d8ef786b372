"""Logs of bad rows: which rows they keep does not depend on how the parts of a source were merged."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs.rejects import BYTES_A_REASON, ROWS_A_REASON, RejectedRow, RejectLog


def _log(rows: list[RejectedRow]) -> RejectLog:
    log = RejectLog()
    log.add(rows)
    return log


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([1, 90_000, 300_000, 600_000]), max_size=12).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.permutations(range(len(sizes))), st.integers(1, 4))
    )
)
def test_merged_in_any_order_a_log_keeps_the_first_rows_that_fit(case: tuple[list[int], list[int], int]) -> None:
    sizes, order, parts = case
    rows = [RejectedRow("a.csv", i, "fields", "", b"x" * size) for i, size in enumerate(sizes)]
    total = RejectLog()
    for part in range(parts):
        total.merge(_log([rows[i] for i in order[part::parts]]))
    expected = next((i for i in range(len(sizes)) if sum(sizes[: i + 1]) > BYTES_A_REASON), len(sizes))
    assert [row.position for row in total.listed()] == list(range(expected))
    assert total.total == len(sizes)


def test_many_rows_of_few_bytes_are_bounded_too() -> None:
    rows = [RejectedRow("a.csv", i, "fields", "", b"x") for i in range(3 * ROWS_A_REASON)]
    total = _log(rows[::2])
    total.merge(_log(rows[1::2]))
    assert [row.position for row in total.listed()] == list(range(ROWS_A_REASON))
    assert total.total == 3 * ROWS_A_REASON
