"""What all comparisons need."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def lean_tensorflow():
    """Hundreds of small graphs run for a second each: optimizing them costs more than it saves."""
    try:
        import tensorflow as tf
    except ImportError:
        return
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
