"""The page of a run: what was trained on what, how it went, where it is wrong, how to repeat it."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from minicnn._core.memory import free_memory
from minicnn._files.atomic import replacing
from minicnn._files.paths import path_of
from minicnn._training.checkpoints import NEWEST, damage
from minicnn._training.fingerprint import checksum_of
from minicnn.data import Dataset, HDF5Dataset, load_hdf5
from minicnn.errors import ConfigError, DataError, MiniCNNError, shown
from minicnn.evaluation.predicting import class_numbers
from minicnn.explain import diagnose, grad_cam
from minicnn.explain.diagnosis.finding import Finding
from minicnn.models.model import Model
from minicnn.pages import facts
from minicnn.pages.curves import curves, said_at_the_end
from minicnn.pages.dangers import Part, dangers
from minicnn.pages.document import document
from minicnn.pages.drawn import covered, picture
from minicnn.pages.explaining import LARGEST
from minicnn.pages.markup import Markup, joined, more, note, section, tag
from minicnn.pages.outcomes import Mistake, Outcome, kind_of, outcome
from minicnn.runs import RunFolder, load_run

SECONDS = 5.0
"""How long Grad-CAM may take for all mistakes."""

MANY = 20
"""Classes whose counts are shown when they are asked for."""

Data = Dataset | tuple[Any, Any]


def report_page(
    run: RunFolder | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    train: Any = None,
    test: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> None:
    """Write one HTML file that tells of a run, and loads nothing from elsewhere.

    ``run`` is the folder of ``minicnn train`` or of ``fit(..., checkpoint=folder)``. ``train`` and
    ``test`` are what it learned from and images it has not seen: an HDF5 file, a data set or
    (x, y); by default the files that ``minicnn train`` was given. What needs data that are not
    there, or does not apply to such a model, is left out with a word. ``custom_objects`` has custom
    classes and functions by their names. Every accuracy has its interval (Wilson, 1927).

    Raises ``ConfigError`` for a folder that holds no run, ``DataError`` for data that do not fit.

    >>> import tempfile
    >>> x, y = np.arange(768).reshape(4, 8, 8, 3) / 768, np.arange(4) % 2
    >>> model = Sequential([Input((8, 8, 3)), Flatten(), Dense(2, activation="softmax")], seed=0)
    >>> model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> folder = tempfile.mkdtemp()
    >>> history = model.fit(x, y, checkpoint=folder, verbose=0)
    >>> report_page(folder, os.path.join(folder, "report.html"), train=(x, y))
    """
    path = path_of("report_page", "path", path)
    run = run if isinstance(run, RunFolder) else load_run(run)
    report = _Report(run, train, test, custom_objects)
    page = report.page(len(report.outcome.worst) if report.outcome else 0)
    if len(page) > LARGEST:
        page = report.page(0)
    with replacing(path) as unfinished:
        unfinished.write_bytes(page)


class _Report:
    """All that a page needs, computed once."""

    def __init__(
        self, run: RunFolder, train: Any, test: Any, custom_objects: Mapping[str, Any] | None
    ) -> None:
        self.run = run
        self.notes: list[Markup] = []
        self.model = self._model(custom_objects)
        self.data: dict[str, Data] = {}
        for what, given in (("training", train), ("test", test)):
            found = self._data(what, given)
            if found is not None:
                self.data[what] = found
        self.names = self._names()
        self.parts = {
            what: self._part(what, data)
            for what, data in self.data.items()
            if self.model is None or len(self.model.inputs) == 1
        }
        self.outcome: Outcome | None = None
        if self.model is not None and "test" in self.data:
            self.outcome = outcome(self.model, self.data["test"], self.names)
        self.dangers = dangers(list(self.parts.values()), self.names)
        self.ailments = self._diagnosed()

    def _model(self, custom_objects: Mapping[str, Any] | None) -> Model | None:
        """The run's model; without its loss, or None, where custom classes are missing."""
        try:
            return self.run.model(custom_objects)
        except ConfigError:  # custom classes, of the network or of what trained it
            pass
        try:
            model = self.run.model(custom_objects, compile=False)
        except ConfigError as error:
            self.notes.append(note(str(error)))
            return None
        told = (
            "Its loss, metrics or optimizer are custom and not here, and not needed for this page."
        )
        self.notes.append(note(told))
        return model

    def _data(self, what: str, given: Any) -> Data | None:
        settings = self.run.settings
        name = "train" if what == "training" else what
        keys = settings.get("x_key"), settings.get("y_key")
        if given is None:
            file = settings.get(name)
            if file is None:
                return None
            if not os.path.exists(file):
                self.notes.append(note(f"The {what} file is no longer there: {file}."))
                return None
            try:
                if settings.get("stream"):
                    streamed = HDF5Dataset(file, *keys)
                    if len(streamed) * streamed.row_bytes > free_memory() / 2:
                        told = f"The {what} images, which the run streamed, would fill the memory, "
                        self.notes.append(note(f"{told}and are left out: {file}."))
                        return None
                return self._compared(what, load_hdf5(file, *keys))
            except DataError as error:
                self.notes.append(note(str(error)))
                return None
        data: Any = load_hdf5(given, *keys) if isinstance(given, str | os.PathLike) else given
        pair = isinstance(data, tuple) and len(data) == 2
        if not isinstance(data, Dataset) and not pair:
            raise DataError(
                f"report_page: expected {name} as an HDF5 file, a data set or (x, y), got "
                f"{shown(given)}."
            )
        return self._compared(what, data)

    def _compared(self, what: str, data: Data) -> Data:
        """The data, with a note if these are not the images that the run had."""
        x = data.x if isinstance(data, Dataset) else data[0]
        with damage(self.run.folder / NEWEST):
            known = facts.about(self.run).get("data" if what == "training" else "validation") or {}
            then = known.get("x", {})
            if "checksum" not in then or not isinstance(x, np.ndarray):
                return data
            shape = tuple(then["shape"])
            if x.shape != shape:
                self.notes.append(note(f"The run had {what} images {shape}; these are {x.shape}."))
            elif x.dtype.name == then["dtype"] and checksum_of(x) != then["checksum"]:
                self.notes.append(note(f"These are not the {what} images that the run had."))
        return data

    def _names(self) -> list[str]:
        known = list(map(str, self.model.class_names)) if self.model else []
        for what, data in self.data.items():
            names = list(getattr(data, "class_names", ()))
            if known and names and names != known:
                raise DataError(
                    f"report_page: expected {what} images of the classes {', '.join(known)}, got "
                    f"{', '.join(names)}."
                )
            known = known or names
        return known

    def _part(self, what: str, data: Data) -> Part:
        x, y = (data.x, data.y) if isinstance(data, Dataset) else data
        kind = "other" if self.model is None else kind_of(self.model, y)
        classes = class_numbers("report_page", y) if kind == "classes" else None
        x = np.asarray(x)
        if classes is not None and len(classes) != len(x):
            raise DataError(
                f"report_page: expected a label for each {what} image, got {len(classes)} for "
                f"{len(x)}."
            )
        return Part(what, x, classes)

    # The page -------------------------------------------------------------------------

    def page(self, mistakes: int) -> bytes:
        """The file, with the pictures of so many mistakes."""
        run, model, found = self.run, self.model, self.outcome
        name = run.folder.resolve().name
        predicted = (len(self.parts["test"].x), found.seconds) if found and found.seconds else None
        pictured = self._mistakes(mistakes)
        with damage(run.folder / NEWEST):
            sections = {
                "result": section("result", "Result", *self._result()),
                "mistakes": pictured,
                "findings": self._findings(),
                "trained": self._trained(),
                "curves": curves(run, model),
                "speed": facts.speed(run, model, predicted),
                "environment": facts.environment(run),
                "repeat": facts.repeating(run),
            }
        written = datetime.fromtimestamp((run.folder / NEWEST).stat().st_mtime)
        epochs = f"{run.epochs} epoch{'s' * (run.epochs != 1)}"
        head = tag(
            "header",
            tag("h1", f"Run {name}"),
            tag("p", f"Checkpoint of {written:%Y-%m-%d %H:%M}, {epochs}", class_="facts"),
            *self.notes,
            tag("nav", tag("ul", *map(_link, TITLES)), aria_label="Parts of this page"),
        )
        body = joined([head, tag("main", joined(sections.values()))])
        return document(f"Run {name:.50}", body, ("page.css", "report.css")).encode()

    def _result(self) -> list[Any]:
        found = self.outcome
        ended = tag("p", f"At its end the run said: {said_at_the_end(self.run)}")
        if found is None:
            why = "its network is not here" if self.model is None else "there are no test images"
            give = " Give them: --test FILE." * (self.model is not None)
            return [ended, note(f"By class figures and mistakes are left out: {why}.{give}")]
        return [tag("p", found.headline, class_="headline"), *found.parts, ended]

    def _mistakes(self, most: int) -> Markup:
        found, title = self.outcome, "The worst mistakes"
        if found is None or found.kind == "other":
            return section("mistakes", title, note("Left out, as are the figures above."))
        if not found.worst:
            return section("mistakes", title, tag("p", "Nothing is wrong."))
        started, cards = time.perf_counter(), []
        for one in found.worst[:most]:
            cards.append(self._card(one, time.perf_counter() - started < SECONDS))
        parts: list[Any] = [tag("p", found.wrong), tag("ul", *cards, class_="mistakes")]
        if found.kind == "numbers":
            parts.append(note("Grad-CAM is of classes, and left out."))
        elif any("looked" in card for card in cards):
            where = "Beside each picture: where the network looked for what it said (Grad-CAM)."
            parts.insert(1, tag("p", where, class_="facts"))
        else:
            parts.append(note("Grad-CAM needs maps of several places, which are not here."))
        return section("mistakes", title, *parts)

    def _card(self, one: Mistake, may: bool) -> Markup:
        """A picture, where the network looked, and what it said."""
        assert self.model is not None
        part, source = self.parts["test"], getattr(self.data["test"], "source", "the test images")
        image, shown_, lines = part.x[one.sample], [], list(one.lines)
        try:
            shown_.append(picture(image, f"image {one.sample}"))
            if one.of is not None and may:
                found = grad_cam(self.model, image, one.of)
                label = f"where the network looked for {found.name} in image {one.sample}"
                shown_.append(covered(image, found.map, label))
                if not found.map.any():
                    lines.append(f"nothing in its maps speaks for {found.name}")
        except MiniCNNError:  # no picture, or no maps
            pass
        lines = [tag("strong", lines[0]), *lines[1:], f"image {one.sample} of {source}"]
        caption = tag("figcaption", joined((tag("span", line) for line in lines), " "))
        return tag("li", tag("figure", tag("div", *shown_), caption))

    def _diagnosed(self) -> list[Finding] | None:
        """What ails the run; None where what the doctor needs is not here."""
        if self.model is None or self.model.loss is None or "training" not in self.data:
            return None
        data = self.data["training"]
        x, y = (data, None) if isinstance(data, Dataset) else data
        test = self.data.get("test")
        return diagnose(self.model, x, y, history=self.run.history, validation_data=test)

    def _findings(self) -> Markup:
        """What ails the run, and what is wrong with the data."""
        found: list[Any] = [*(self.ailments or []), *self.dangers]
        items = [
            tag(
                "li",
                tag("strong", f"{one.name[:1].upper()}{one.name[1:]}."),
                f" {one.sentence} ",
                tag("em", one.remedy),
            )
            for one in found
        ]
        parts = [tag("ul", *items, class_="findings") if found else tag("p", "Nothing was found.")]
        if self.ailments is None:
            needs = "the training images, the network and its loss, of which one is not here"
            parts.append(note(f"The doctor was not asked: that takes {needs}."))
        return section("findings", "Findings", *parts)

    def _trained(self) -> Markup:
        counted = [part for part in self.parts.values() if part.classes is not None]
        counts: list[Any] = []
        if counted:
            table = facts.class_counts(self.parts, self.names)
            counts = [more("Images of each class", table) if len(self.names) > MANY else table]
        return facts.trained(self.run, self.model, self.parts, *counts)


TITLES = {
    "result": "Result",
    "mistakes": "Mistakes",
    "findings": "Findings",
    "trained": "Network and data",
    "curves": "Curves",
    "speed": "Speed",
    "environment": "Environment",
    "repeat": "Repeat",
}
"""The parts of a page in order."""


def _link(name: str) -> Markup:
    return tag("li", tag("a", TITLES[name], href=f"#{name}"))
