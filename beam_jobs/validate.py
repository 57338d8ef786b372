"""`--validate all`: pass 1 parses every column of every row, as pass 2 does of drawn rows."""

from __future__ import annotations

import dataclasses

import numpy as np

from beam_jobs.sources.block import Block, Keys


def refuse_bad_values(block: Block, keys: Keys) -> Keys:
    """The keys of a block without the rows that pass 2 would refuse if they were drawn.

    Costs as much as to draw every row.
    """
    good = np.flatnonzero(keys.codes >= 0)
    if not len(good):
        return keys
    rejects = [dataclasses.replace(reject, row=int(good[reject.row])) for reject in block.pick(good).check()]
    codes = keys.codes.copy()
    codes[[reject.row for reject in rejects]] = -1
    return dataclasses.replace(keys, codes=codes, rejects=[*keys.rejects, *rejects])
