"""Undoing what an import of minicnn.as_keras does."""

import sys


def take_back():
    """Undo an import of minicnn.as_keras, which a test, or what collects the tests, has made."""
    finder = sys.modules.get("minicnn.as_keras.finder")
    if finder is None:
        return
    finder.manners.take_back()
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, finder.Finder)]
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if isinstance(module, finder.Answer) or isinstance(loader, finder._Inert):
            del sys.modules[name]
    sys.modules.pop("minicnn.as_keras", None)  # to be imported again is to be taken on again
