"""How much memory a file may lead to: the one guard behind every door.

A few kilobytes can claim gigabytes: by a dataset's shape, by strong compression, by a number in a
config, by one array that is used five hundred times. So every number that comes from a file and
leads to memory is taken from one ``Budget``, which is made when the file is opened and lasts until
all that was read of it is in place, however often the file is opened on the way.
"""

from dataclasses import dataclass, field

from minicnn.errors import MiniCNNError

FREE = 64 << 20
"""Bytes that any file may lead to."""

EXPANSION = 25
"""How many more for each byte of the file. Photographs are compressed to a half, drawings to a
tenth; what is compressed further should be stored as it is."""

SMALL = 7 << 20
EXPANSION_BEYOND = 100
"""How many more for each byte of the file beyond the first ones. With up to ``SMALL`` bytes a file
leads to no more than 239 MiB; one that is larger may be drawings on plain white."""


@dataclass
class Budget:
    """The bytes that a file of ``size`` bytes may still lead to.

    Raises ``error`` when they are used up.

    >>> Budget("a.h5", MiniCNNError, 100).take("dataset 'x'", 1 << 30)
    Traceback (most recent call last):
    minicnn.errors.MiniCNNError: a.h5: dataset 'x' claims 1,073,741,824 bytes, too many for a file \
of 100. Store it without compression.
    """

    who: str
    error: type[MiniCNNError]
    size: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        beyond = max(0, self.size - SMALL)
        self.left = FREE + EXPANSION * (self.size - beyond) + EXPANSION_BEYOND * beyond

    def take(self, what: str, count: int, remedy: str = "Store it without compression.") -> None:
        """Take ``count`` bytes for ``what``; raises the file's error if there are too few."""
        self.left -= count
        if self.left < 0:
            raise self.error(
                f"{self.who}: {what} claims {count:,} bytes, too many for a file of "
                f"{self.size:,}. {remedy}"
            )
