"""The draw's hashes: pinned, and reimplemented in plain Python."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecord_io.hashing import DRAW_NAME, combine, derive_keys, digest_values, hash_positions, hash_values, vary

MASK = (1 << 64) - 1


GOLDEN = 0x9E3779B97F4A7C15


def mix(x: int) -> int:
    """SplitMix64's finaliser, from the paper."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def keyed(x: int, seed: int, salt: str, path: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{salt}/{path}".encode(), digest_size=16).digest()
    k0, k1 = (int.from_bytes(half, "little") for half in (digest[:8], digest[8:]))
    return mix(mix((x + k0) & MASK) ^ k1)


def digest(value: bytes | None) -> int:
    if value is None:
        return GOLDEN
    state = mix((len(value) + GOLDEN) & MASK)
    for word in range(0, len(value), 8):
        state = mix((state * GOLDEN & MASK) ^ int.from_bytes(value[word : word + 8], "little"))
    return state


def positions(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint64)


def test_mix_is_splitmix64():
    """The first outputs of SplitMix64 from state 0, as published with its reference code."""
    assert [mix(GOLDEN * n & MASK) for n in (1, 2, 3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize(
    ("seed", "salt", "path", "position", "expected"),
    [
        (0, "draw", "a.csv", 0, 0xBDA9349C1D93E753),
        (0, "draw", "a.csv", 1, 0x71187DCA1D67003C),
        (1, "draw", "a.csv", 0, 0x493B9D424181F917),
        (0, "order", "a.csv", 0, 0x52553CED7E59651B),
        (0, "split", "a.csv", 0, 0x8C7940EAA6B2E387),
        (0, "draw", "", 0, 0xBF9F5C510EADAC38),
        (0, "draw", "b/ü.csv", 123456789, 0x154ADF5B468726A2),
        (-7, "draw", "a.csv", 0xFFFFFFFFFFFFFFFF, 0x14B338781B809D56),
        (1099511627776, "draw", "a.csv", 0x8000000000000000, 0xE2447C316090E346),
    ],
)
def test_pinned_positions(seed, salt, path, position, expected):
    """A change of a single one of these needs another name of the draw."""
    assert DRAW_NAME == "blake2b-splitmix64-v1"
    hashed = hash_positions(np.array([position], np.uint64), derive_keys(seed, salt, path))
    assert hashed.dtype == np.uint64
    assert hashed.tolist() == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 0x0CEA346DD5347675),
        (b"", 0x8947984553EC6E89),
        (b"0", 0xE764D21BC9B6E171),
        (b"fraud", 0xA89A33DEFD9E47E0),
        (b"12345678", 0x110447DD722F370E),
        (b"123456789", 0x3FBA89961F06AD1A),
        (b"\xff\x00\xfe", 0xF18B3B6F170B69FC),
        (b"a longer identity, of five words", 0xA4E074155C715FBC),
    ],
)
def test_pinned_values(value, expected):
    assert hash_values(pa.array([value], pa.binary()), derive_keys(0, "draw")).tolist() == [expected]


@given(
    st.integers(-(2**70), 2**70),
    st.sampled_from(["draw", "order", "split"]),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.lists(st.integers(0, MASK), max_size=20),
)
def test_positions_as_in_plain_python(seed, salt, path, where):
    hashed = hash_positions(np.array(where, np.uint64), derive_keys(seed, salt, path))
    assert hashed.tolist() == [keyed(x, seed, salt, path) for x in where]


@given(st.lists(st.none() | st.binary(max_size=40), max_size=30), st.integers(0, 5), st.integers(0, 30))
def test_values_as_in_plain_python_in_any_slice(values, start, stop):
    array = pa.array(values, pa.binary()).slice(start, stop)
    expected = [digest(value) for value in values[start : start + stop]]
    assert digest_values(array).tolist() == expected
    keys = derive_keys(7, "split")
    assert hash_values(array, keys).tolist() == [keyed(x, 7, "split", "") for x in expected]


@pytest.mark.parametrize("length", range(41))
def test_every_length(length):
    """Zero padding of the last word is no part of the value."""
    value = bytes(range(1, length + 1))
    others = [value + b"\0", value[:-1], b"\0" + value, value + b"\0" * 8]
    digests = digest_values(pa.array([value, *others], pa.binary())).tolist()
    assert digests[0] == digest(value)
    assert digests[0] not in [d for d, other in zip(digests[1:], others, strict=True) if other != value]


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view(), pa.binary_view()],
    ids=str,
)
def test_every_string_type_gives_the_same(kind):
    values = ["", "a", None, "eight by", "nine byte", "größer als sechzehn", "\0", "\0\0"]
    array = pa.array(values, kind)
    expected = [digest(None if value is None else value.encode()) for value in values]
    assert digest_values(array).tolist() == expected
    assert digest_values(array.slice(3, 4)).tolist() == expected[3:7]
    assert digest_values(array.slice(8)).tolist() == []
    assert digest_values(pa.array([], kind)).tolist() == []


def test_fixed_size_and_dictionary_arrays():
    values = [b"abc", None, b"xyz", b"abc"]
    expected = [digest(value) for value in values]
    assert digest_values(pa.array(values, pa.binary(3))).tolist() == expected
    assert digest_values(pa.array(values).dictionary_encode()).tolist() == expected


def test_a_null_that_hides_bytes_is_still_a_null():
    offsets = pa.py_buffer(np.array([0, 20, 21], np.int64))
    hidden = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), 2, [pa.py_buffer(b"\x02"), offsets, pa.py_buffer(b"h" * 20 + b"x")]
    )
    assert hidden.to_pylist() == [None, b"x"]
    assert digest_values(hidden).tolist() == [digest(None), digest(b"x")]


def test_a_million_short_strings_do_not_collide():
    numbers = pa.array(np.arange(1_000_000)).cast(pa.string())
    digests = digest_values(pa.concat_arrays([numbers, pa.array(["", None, " ", "\0", "00", "01"])]))
    assert len(np.unique(digests)) == len(digests)


def test_keys_are_all_different():
    """Also where a path looks like a salt or a seed."""
    cases = [
        (1, "draw", "1"),
        (11, "draw", ""),
        (1, "draw", "draw/"),
        (1, "order", ""),
        (1, "draw", ""),
        (-1, "draw", ""),
    ]
    assert len({derive_keys(*case) for case in cases}) == len(cases)


def test_paths_that_are_not_utf8():
    name = b"caf\xe9.csv".decode("utf-8", "surrogateescape")
    assert derive_keys(0, "draw", name) != derive_keys(0, "draw", "caf?.csv")


def test_combine_depends_on_the_order():
    a, b = digest_values(pa.array(["a", "b"]))[:, None]
    assert combine(a, b).tolist() == [mix((int(a[0]) * GOLDEN & MASK) ^ int(b[0]))]
    assert combine(a, b).tolist() != combine(b, a).tolist()


def test_combine_of_a_grid_does_not_collide():
    first, second = (digest_values(pa.array(np.arange(1000)).cast(pa.string())) for _ in range(2))
    assert len(np.unique(combine(np.repeat(first, 1000), np.tile(second, 1000)))) == 1_000_000


def test_vary_keeps_the_first_copy_and_parts_the_others():
    hashed = hash_positions(positions(1 << 17), derive_keys(0, "order", "a"))
    copies = [vary(hashed, np.full(len(hashed), copy)) for copy in range(4)]
    assert copies[0].tolist() == hashed.tolist()
    assert copies[2][:3].tolist() == [mix((h + 2 * GOLDEN) & MASK) for h in hashed[:3].tolist()]
    assert len(np.unique(np.concatenate(copies))) == 4 << 17


def test_the_arguments_are_left_alone():
    given_positions = positions(10)
    hash_positions(given_positions, derive_keys(0, "draw"))
    vary(given_positions, np.ones(10, np.int64))
    assert given_positions.tolist() == list(range(10))
