"""The README's list of Keras' names is about Keras as it is."""

import inspect

import pytest

import minicnn
from minicnn._keras.public_names import ABSENT
from minicnn._keras.signatures import SIGNATURES, signatures

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

NAMES = [
    (module, name, arguments)
    for module, names in signatures().items()
    for name, arguments in names.items()
]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


def room(keras, module):
    for part in filter(None, module.split(".")):
        keras = getattr(keras, part)
    return keras


@pytest.mark.parametrize(("module", "name", "arguments"), NAMES, ids=lambda v: str(v)[:40])
def test_signatures_on_the_list_are_keras_own(module, name, arguments, keras):
    """Each name is in that module of Keras', with these arguments in this order and defaults."""
    theirs = getattr(room(keras, module), name)
    if arguments is None:
        return
    parameters = inspect.signature(theirs).parameters
    known = [key for key in parameters if key in arguments]
    # What hides behind **kwargs is Keras' as well: History's and schedules' have none.
    assert known == list(arguments) or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key in known:
        default = parameters[key].default
        wanted = arguments[key]
        if wanted is ...:
            assert default is inspect.Parameter.empty or default is None
        else:
            assert default == wanted or list(default) == list(wanted), key


@pytest.mark.parametrize("module", ["", *(m for m in SIGNATURES if m != "Sequential")])
def test_every_public_name_of_keras_is_here_or_answered(module, keras):
    """What a script may import from a module is in minicnn's, or the error says what to use."""
    ours = room(minicnn, module)
    public = [n for n in dir(room(keras, module)) if not n.startswith("_")]
    public = [name for name in public if name not in ("src", "version")]
    unanswered = [n for n in public if n not in ABSENT.get(module, {}) and not hasattr(ours, n)]
    assert not unanswered
