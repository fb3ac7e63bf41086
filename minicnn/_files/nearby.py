"""What to say of a file that is not there: where it was looked for, and what is there instead."""

import os
from itertools import islice
from pathlib import Path

ENTRIES = 2000
"""Names in a folder that are looked at."""


def nearby(path: Path) -> str:
    """A sentence or two, each with a space before it, on a path that does not exist; else "".

    They name the folder that was looked in, and the nearest name there, or a folder in it that has
    the very name.
    """
    try:
        return "" if os.path.lexists(path) else _missing(path)
    except (OSError, ValueError):
        return ""


def _missing(path: Path) -> str:
    folder, missing, below = path.absolute().parent, path.name, list[str]()
    while not folder.exists():
        below.insert(0, missing)
        folder, missing = folder.parent, folder.name
    if not folder.is_dir():
        return f" {folder} is no folder."
    from difflib import get_close_matches

    names = sorted(entry.name for entry in islice(os.scandir(folder), ENTRIES))
    near = [
        *(folder / name / missing for name in names if not below and (folder / name).is_dir()),
        folder / path.name,
        *(folder.joinpath(name, *below) for name in get_close_matches(missing, names)),
    ]
    found = next((one for one in near if one.exists()), None)
    if found is None and (close := get_close_matches(missing, names, n=1)):
        found = folder / close[0]
    said = f" In {folder} there is no {'folder ' * bool(below)}{missing!r}."
    if found is None:
        where = " Run from the folder that holds it, or give the whole path."
        return said + where * (not path.is_absolute())
    shown = str(found) if path.is_absolute() else os.path.relpath(found)
    return f"{said} Did you mean {shown!r}?"
