"""Inflating a request body under its caps (reliability S-03)."""

import gzip

import pytest

from hounsfield.dicomweb.gunzip import FREE_OF_RATIO, Gunzip
from hounsfield.dicomweb.problems import BodyTooLarge


class Kept:
    """A reader that keeps all, and whether it was told of the end."""

    def __init__(self) -> None:
        self.size = self.largest = 0
        self.ended = False

    def feed(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.largest = max(self.largest, len(chunk))

    def finish(self) -> None:
        self.ended = True

    def close(self) -> None:
        raise AssertionError("it was not given up")


def test_s03_a_small_body_may_be_of_nothing_but_zeros() -> None:
    reader = Kept()
    gunzip = Gunzip(reader, 2**40)
    packed = gzip.compress(bytes(FREE_OF_RATIO))
    for at in range(0, len(packed), 1000):
        gunzip.feed(packed[at : at + 1000])
    gunzip.finish()
    assert (reader.size, reader.ended) == (FREE_OF_RATIO, True)
    assert reader.largest <= 1024 * 1024


def test_s03_a_large_body_that_inflates_a_thousandfold_is_refused_though_the_limit_is_far() -> None:
    reader = Kept()
    with pytest.raises(BodyTooLarge, match="100 times"):
        Gunzip(reader, 2**40).feed(gzip.compress(bytes(8 * FREE_OF_RATIO)))
    assert reader.size < 2 * FREE_OF_RATIO
