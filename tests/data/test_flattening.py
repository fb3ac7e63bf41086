"""Chains of chains, and chains cut short, with the orders that TensorFlow gives."""

import numpy as np
import pytest

from minicnn.data.pipeline import Dataset
from minicnn.errors import ConfigError, DataError, NameUnknownError

TIMES = [1, 4, 2, 0, 3, 5]


def repeated(i):
    """A chain that has i so many times."""
    return Dataset.from_tensors(i).repeat(TIMES[int(i)])


@pytest.mark.parametrize(
    ("cycle", "block", "expected"),
    [
        (1, 1, "0 1 1 1 1 2 2 4 4 4 5 5 5 5 5"),
        (2, 1, "0 1 1 2 1 2 1 4 5 4 5 4 5 5 5"),
        (2, 3, "0 1 1 1 2 2 1 4 4 4 5 5 5 5 5"),
        (3, 2, "0 1 1 2 2 1 1 4 4 5 5 4 5 5 5"),
        (4, 2, "0 1 1 2 2 4 4 1 1 5 5 4 5 5 5"),
    ],
)
def test_interleave_takes_turns_as_tensorflow_does(cycle, block, expected):
    """The order of TensorFlow 2.21, with chains of other lengths and an empty one."""
    chain = Dataset.range(6).interleave(repeated, cycle_length=cycle, block_length=block)
    assert [int(n) for n in chain] == [int(n) for n in expected.split()]


def test_flat_map_is_one_chain_after_another():
    """A function that gives no chain is refused, with the step that takes it."""
    assert [int(n) for n in Dataset.range(3).flat_map(repeated)] == [0, 1, 1, 1, 1, 2, 2]
    with pytest.raises(ConfigError, match="flat_map: expected a function that gives a Dataset"):
        list(Dataset.range(3).flat_map(lambda n: n))


def test_chains_are_cut():
    """shard, take_while and get_single_element."""
    assert [int(n) for n in Dataset.range(8).shard(3, 1)] == [1, 4, 7]
    assert [int(n) for n in Dataset.range(8).take_while(lambda n: n != 2)] == [0, 1]
    pairs = Dataset.from_tensor_slices((np.arange(3), np.arange(3) + 1))
    assert len(list(pairs.take_while(lambda a, b: b < 3))) == 2
    assert int(Dataset.range(4, 5).get_single_element()) == 4
    for chain, came in ((Dataset.range(0), "none"), (Dataset.range(2), "more")):
        with pytest.raises(DataError, match=f"expected one example, got {came}"):
            chain.get_single_element()


def test_other_steps_are_answered():
    """What TensorFlow has and is not here names the nearest thing; hasattr knows."""
    chain = Dataset.range(3)
    with pytest.raises(NameUnknownError, match=r"Dataset has no window, .* use batch"):
        _ = chain.window
    assert not hasattr(chain, "padded_batch")
    with pytest.raises(AttributeError, match="'Dataset' object has no attribute 'no_such'"):
        _ = chain.no_such
    assert type(next(chain.as_numpy_iterator())) is np.int64
