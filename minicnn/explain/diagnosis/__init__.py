"""The doctor: why a run does not learn, or learns the wrong thing; silent when all is well.

Each check is a function that looks at a run (``Examined``) and gives its findings. They are called
in the order of ``CHECKS``, causes before consequences: what the run is given, how it begins, its
rate, its layers, what came of it.
"""

from typing import Any

from minicnn.errors import ConfigError, shown
from minicnn.explain.diagnosis.checks import CHECKS as CHECKS
from minicnn.explain.diagnosis.checks import examine as examine
from minicnn.explain.diagnosis.doctor import Doctor as Doctor
from minicnn.explain.diagnosis.examined import Examined as Examined
from minicnn.explain.diagnosis.finding import Finding as Finding
from minicnn.explain.diagnosis.finding import Findings as Findings


def diagnose(
    model: Any,
    x: Any = None,
    y: Any = None,
    history: Any = None,
    validation_data: Any = None,
    batch_size: int | None = None,
) -> Findings:
    """What ails a run, causes first; an empty list when all is well.

    ``model`` is a compiled model, before or after its training, with ``x`` and ``y`` that it learns
    from as ``fit`` takes them; or the run of ``runs.load_run``, whose files are known. ``history``
    is what ``fit`` returned, by default the model's; ``batch_size`` that of the run, if the history
    does not tell. The model stays as it is. Of a model that has
    learned nothing copies are trained for some steps, at its rate and at others; the rest costs
    three passes or so.

    >>> x = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    >>> model = Sequential([Input((8, 8, 1)), Flatten(), Dense(4, activation="softmax")], seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> explain.diagnose(model, x, np.arange(64) % 4)[0].name
    'images not scaled'
    """
    if callable(getattr(model, "model", None)):  # a run
        train, test = model.data() if x is None else (x, validation_data)
        history = model.history if history is None else history
        size = model.settings.get("batch_size") if batch_size is None else batch_size
        return diagnose(model.model(), train, y, history, test, size)
    if not callable(getattr(model, "diagnose", None)):
        raise ConfigError(f"diagnose: expected a model, or a run of load_run, got {shown(model)}.")
    found: Findings = model.diagnose(x, y, history, validation_data, batch_size)
    return found
