"""Callbacks: code that runs at fixed moments of a run, with Keras' names and meaning.

``fit(callbacks=[...])`` calls them in the order of the list, at the moments that
``minicnn.callbacks.callback_list`` lists. A custom one is any class with the methods it needs:

    class Announce:
        def on_epoch_end(self, epoch, logs):
            print(epoch, logs["loss"], self.model.optimizer.learning_rate)

``self.model`` is the model and ``self.params`` has "epochs" and "steps"; deriving from ``Callback``
is possible and not needed. ``self.model.stop_training = True`` ends the run after the batch at
hand. In-place changes to the weights, images, labels and sample weights count from the next batch
on; changes to the arguments of a layer or the loss, to ``trainable`` and to the arrays of frozen
layers from the next epoch on.

A checkpoint (``fit(checkpoint=...)``) keeps the state of the callbacks here, and what
``get_state()`` of a custom one returns: a dictionary of numbers, texts, lists and arrays, which a
resumed run passes to ``set_state(state)``. Weights, ``trainable`` and the learning rate are kept
with the model; a callback that changes other arguments of layers must set them again.
"""

from minicnn._core.config import exported
from minicnn._keras.public_names import asked
from minicnn.callbacks.base import Callback as Callback
from minicnn.callbacks.base import LambdaCallback as LambdaCallback
from minicnn.callbacks.base import TerminateOnNaN as TerminateOnNaN
from minicnn.callbacks.base import check_calls
from minicnn.callbacks.history import History as History
from minicnn.callbacks.keeping import BackupAndRestore as BackupAndRestore
from minicnn.callbacks.keeping import CSVLogger as CSVLogger
from minicnn.callbacks.keeping import ModelCheckpoint as ModelCheckpoint
from minicnn.callbacks.learning_rate import LearningRateScheduler as LearningRateScheduler
from minicnn.callbacks.learning_rate import ReduceLROnPlateau as ReduceLROnPlateau
from minicnn.callbacks.tensorboard import TensorBoard as TensorBoard
from minicnn.callbacks.time_budget import TimeBudget as TimeBudget
from minicnn.callbacks.watching import EarlyStopping as EarlyStopping

__getattr__ = asked("callbacks")

for _cls in exported(Callback, globals(), "History").values():
    check_calls(_cls)
