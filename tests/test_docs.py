"""The documentation: its code runs, prints what it says, and names files that are there."""

import re
import shlex
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType

import h5py
import pytest

from minicnn import Dense, Flatten, Input, Rescaling, Sequential
from minicnn._cli.main import main
from minicnn.data.synthetic import fingers

CHECKOUT = Path(__file__).parent.parent
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
COMMANDS = {"minicnn", "pip", "python", "pytest", "source"}


def blocks(page, language):
    return re.findall(
        rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )


def claims(code):
    """(the code with its prints numbered, what each of them is said to print)."""
    said = re.findall(r"^print\(.*\)\s+# -> (.*)$", code, flags=re.MULTILINE)
    lines = [line for line in code.splitlines() if line.startswith("print(")]
    assert len(lines) == len(said), "every print says what it prints, behind # ->"
    return said


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the pages speak of, small ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    x, y = fingers(24, seed=0)
    for part in ("train", "test"):
        with h5py.File(f"datasets/{part}_signs.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y
    layers = [Input((64, 64, 3)), Rescaling(1 / 255), Flatten(), Dense(6, activation="softmax")]
    model = Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save("signs.keras")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page, folder, monkeypatch):
    """All of it in one program, from top to bottom, with one epoch where there are many."""
    code = "\n".join(blocks(page, "python"))
    if "onnx" in code:
        pytest.importorskip("onnx")
    said, printed = claims(code), StringIO()
    module = ModuleType(page.stem)
    monkeypatch.setitem(sys.modules, page.stem, module)  # its classes can be pickled
    with redirect_stdout(printed):
        exec(re.sub(r"epochs=\d+", "epochs=1", code), vars(module))
    text = " ".join(printed.getvalue().split())
    for one in said:
        assert " ".join(one.split()) in text


def test_the_readme_s_script_leaves_its_files(folder):
    """The model and the picture that it names."""
    (folder / "signs.keras").unlink()
    exec(re.sub(r"epochs=\d+", "epochs=1", blocks(CHECKOUT / "README.md", "python")[0]), {})
    assert (folder / "signs.keras").exists()
    assert (folder / "curves.png").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_are_there(page, capsys):
    """Each begins with a known program; of minicnn's every command and option is in its help."""
    for line in "".join(blocks(page, "sh")).splitlines():
        for command in line.split("&&"):
            program, *arguments = shlex.split(command, comments=True)
            assert program in COMMANDS, line
            if program == "minicnn":
                inner = arguments[0] == "data"  # a group of commands
                with pytest.raises(SystemExit):
                    main([*arguments[: 1 + inner], "--help"])
                options = capsys.readouterr().out
                assert all(word in options for word in arguments if word.startswith("--")), line
            scripts = [word for word in arguments if word.endswith(".py") and program != "minicnn"]
            assert all((CHECKOUT / script).exists() for script in scripts), line


QUOTED = re.compile(r"`(minicnn/[\w./]+\.(?:py|c))`:\n\n```(?:py|c)\n(.*?)```", re.DOTALL)
"""A file's name and, below it, lines of it."""


def quoted(page):
    """(path, lines): what a page quotes of each file; "..." stands for lines that are left out."""
    for path, code in QUOTED.findall(page.read_text(encoding="utf-8")):
        yield path, [line.strip() for line in code.splitlines() if line.strip() not in ("", "...")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_quotes_stands_in_the_file(page):
    """Every line, in that order; a macro's lines end with a backslash there."""
    for path, lines in quoted(page):
        text = (CHECKOUT / path).read_text(encoding="utf-8")
        rest = iter(line.rstrip("\\ ").strip() for line in text.splitlines())
        for line in lines:
            assert line in rest, f"{path} has no such line, or not there: {line}"


def test_the_three_convolutions_are_quoted():
    """The page of the kernel sets shows lines of each."""
    sources = [path for path, lines in quoted(CHECKOUT / "docs/three_convolutions.md") if lines]
    sets = ["reference.py", "vectorized", "vectorized", "compiled"]
    assert [path.split("/")[2] for path in sources] == sets


def anchors(page):
    """What a link can name within a page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page):
    """Every relative link, with its heading, and every file of the package that is named."""
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith("http"):
            path, _, heading = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not heading or heading in anchors(target), link
    for path in re.findall(r"`((?:minicnn|tests|benchmarks|examples|docs)/[\w./]+)`", text):
        assert (CHECKOUT / path).exists(), path


def test_every_page_is_in_the_readme():
    """Its table of the documentation has them all, and it is short."""
    text = PAGES[0].read_text(encoding="utf-8")
    assert all(f"docs/{page.name}" in text for page in PAGES[1:])
    assert len(text.splitlines()) <= 130


def test_readme_names_both_commands():
    """The two commands of the quick start stand in the README as they are run in CI."""
    lines = PAGES[0].read_text(encoding="utf-8").splitlines()
    assert "pip install . && minicnn train" in lines
    assert 'pip install ".[dev]" && pytest -n auto' in lines
