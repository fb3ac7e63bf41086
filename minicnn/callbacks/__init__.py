"""Callbacks: what happens beside a training, under Keras' names and with its meaning.

``fit(callbacks=[...])`` calls them in the order of the list, at the moments that
``minicnn.callbacks.callback_list`` lists. One of your own is any class with the methods it wants:

    class Announce:
        def on_epoch_end(self, epoch, logs):
            print(epoch, logs["loss"], self.model.optimizer.learning_rate)

``self.model`` is the model and ``self.params`` has "epochs" and "steps"; deriving from ``Callback``
is possible and not needed. ``self.model.stop_training = True`` ends the training after the batch at
hand. What a callback changes in place of the weights, the images, labels and sample weights counts
from the next batch on; of the arguments of a layer or the loss, of ``trainable`` and of the arrays
of frozen layers from the next epoch on.

A checkpoint (``fit(checkpoint=...)``) keeps what the callbacks here remember, and of one of your
own what its ``get_state()`` returns: a dictionary of numbers, texts, lists and arrays, which
``set_state(state)`` takes over when the training goes on. Weights, ``trainable`` and the learning
rate are kept with the model; other arguments of layers that a callback changes it must set again.
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
from minicnn.callbacks.time_budget import TimeBudget as TimeBudget
from minicnn.callbacks.watching import EarlyStopping as EarlyStopping

__getattr__ = asked("callbacks")

for _cls in exported(Callback, globals(), "History").values():
    check_calls(_cls)
