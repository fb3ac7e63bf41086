"""Sound sets of drawn pictures, and ways to spoil one, for the doctor for data.

Each function writes into a folder, or makes arrays, and gives what ``data.inspect`` takes: a tuple
of the training data and, for some, the test data.
"""

import functools

import h5py
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from minicnn.data import Dataset
from minicnn.data.synthetic import fingers


@functools.cache
def hands(n=240, seed=1):
    x, y = fingers(n, seed)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def writable(n=240, seed=1):
    return tuple(array.copy() for array in hands(n, seed))


def textures(n=150, classes=3, seed=0, size=48):
    """Clouds whose spectrum falls as that of photographs, stretched in a direction by class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    v, u = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    x = np.empty((n, size, size, 3), np.uint8)
    for i, label in enumerate(y):
        angle = np.pi * label / classes
        along = u * np.cos(angle) + v * np.sin(angle)
        across = -u * np.sin(angle) + v * np.cos(angle)
        amplitude = (along**2 + 3 * across**2 + 1 / size**2) ** -0.6
        waves = np.fft.ifft2(
            amplitude[..., None] * np.fft.fft2(rng.normal(size=(size, size, 3)), axes=(0, 1)),
            axes=(0, 1),
        ).real
        waves = waves / waves.std() + 0.7 * waves.mean(axis=2, keepdims=True) / waves.std()
        x[i] = np.clip(rng.uniform(90, 160) + rng.uniform(30, 50) * waves, 0, 255)
    return x, y


def shapes(n=160, seed=0):
    """White rings and squares of any size at any place on black, 28 x 28."""
    rng = np.random.default_rng(seed)
    x, y = np.empty((n, 28, 28, 1), np.uint8), rng.permutation(np.arange(n) % 2)
    for i in range(n):
        picture = Image.new("L", (28, 28))
        draw, r = ImageDraw.Draw(picture), rng.uniform(4, 9)
        a, b = rng.uniform(r + 1, 27 - r, 2)
        drawn = draw.ellipse if y[i] else draw.rectangle
        drawn((a - r, b - r, a + r, b + r), outline=int(rng.integers(160, 256)), width=2)
        x[i, ..., 0] = np.asarray(picture.rotate(rng.uniform(-40, 40)))
    return x, y


def write(path, x, y, part="train", names=(), **options):
    with h5py.File(path, "w") as file:
        file.create_dataset(f"{part}_set_x", data=x, **options)
        file[f"{part}_set_y"] = y
        if names:
            file["list_classes"] = np.array([name.encode() for name in names])
    return path


def write_folder(folder, x, y, names="abcdef", ending="png", resize=lambda i: None):
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        (folder / names[label]).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image.squeeze())
        if size := resize(i):
            picture = picture.resize(size)
        picture.save(folder / names[label] / f"{i:03}.{ending}")
    return folder


# Sound sets --------------------------------------------------------------------------------


def colour_arrays(folder):
    return (hands(),)


def a_file_and_a_test_file(folder):
    names = [f"{i} fingers" for i in range(6)]
    rows = {"chunks": (60, 64, 64, 3), "compression": "gzip"}
    train = write(folder / "train.h5", *hands(), names=names, **rows)
    return train, write(folder / "test.h5", *hands(60, 2), "test", names)


def grey(folder):
    x, y = hands()
    return (write(folder / "grey.h5", x.mean(axis=3).astype(np.uint8), y),)


def two_classes_a_little_uneven(folder):
    x, y = hands()
    return ((x, (y > 3).astype(np.int64)),)


def floats(folder):
    x, y = hands()
    xt, yt = hands(60, 2)
    return (x.astype(np.float32) / 255, y), (xt.astype(np.float32) / 255, yt)


def standardized(folder):
    x, y = hands()
    return ((x.astype(np.float32) / 127.5 - 1, y),)


def photographs_in_folders(folder):
    x, y = textures()
    sizes = [(64, 48), (48, 64), (60, 60), (80, 50)]
    return (write_folder(folder / "p", x, y, ending="jpg", resize=lambda i: sizes[i % 4]),)


def one_hot(folder):
    x, y = hands()
    return (write(folder / "one_hot.h5", x, np.eye(6)[y]),)


def few(folder):
    return (hands(24, 3),)


def rings_and_squares(folder):
    return (shapes(), shapes(60, 1))


def photographs(folder):
    return (Dataset(*textures(200, 4, 1), class_names=tuple("abcd")),)


def many(folder):
    return (hands(1000, 4),)


SOUND = [
    *(colour_arrays, a_file_and_a_test_file, grey, two_classes_a_little_uneven, floats),
    *(standardized, photographs_in_folders, one_hot, few, rings_and_squares, photographs, many),
]


# Spoiled ones: the name of a finding, and what has it ----------------------------------------

SPOILED = {}


def spoiled(name, where=None):
    """Register a function of a folder; ``where`` are the numbers of the images that are named."""

    def keep(function):
        SPOILED[function.__name__] = (name, where, function)
        return function

    return keep


FIVE = [3, 50, 77, 101, 200]


@spoiled("test images in training", {"test": [7], "training": [17]})
def leaked(folder):
    x, y = hands()
    xt, yt = writable(60, 2)
    xt[7], yt[7] = x[17], y[17]
    return (x, y), (xt, yt)


@spoiled("test images in training, nearly", {"test": [7], "training": [17]})
def leaked_as_jpeg(folder):
    x, y = hands()
    xt, yt = writable(60, 2)
    Image.fromarray(x[17]).save(folder / "a.jpg", quality=60)
    xt[7] = np.clip(np.asarray(Image.open(folder / "a.jpg")) * 1.05 + 4, 0, 255)
    yt[7] = y[17]
    return (x, y), (xt, yt)


@spoiled("duplicates", {"training": [11, 50, 77, 101, 200]})
def doubled(folder):
    x, y = writable()
    x[FIVE], y[FIVE] = x[11], y[11]
    return ((x, y),)


@spoiled("duplicates")
def doubled_with_two_labels(folder):
    x, y = writable()
    x[50] = x[11]
    y[50] = (y[11] + 1) % 6
    return ((x, y),)


@spoiled("near duplicates", {"training": [200]})
def burst(folder):
    x, y = writable()
    rng = np.random.default_rng(0)
    x[200] = np.clip(x[10] + rng.normal(0, 4, x[10].shape), 0, 255)
    y[200] = y[10]
    return ((x, y),)


@spoiled("labels from 1")
def from_one(folder):
    x, y = hands()
    return (write(folder / "a.h5", x, y + 1, names="abcdef"),)


@spoiled("labels outside list_classes")
def outside(folder):
    x, y = writable()
    y[3] = 9
    return (write(folder / "a.h5", x, y, names="abcdef"),)


@spoiled("missing classes")
def gap(folder):
    x, y = hands()
    return ((x[y != 2], y[y != 2]),)


@spoiled("classes only in the test")
def unknown_class(folder):
    x, y = hands()
    return (x[y != 2], y[y != 2]), hands(60, 2)


@spoiled("classes not in the test")
def untested_class(folder):
    x, y = hands(60, 2)
    return hands(), (x[y != 2], y[y != 2])


@spoiled("imbalance")
def uneven(folder):
    x, y = hands()
    return ((x, (y == 0).astype(int)),)


@spoiled("one class")
def one_class(folder):
    x, y = hands()
    return ((x, np.zeros_like(y)),)


@spoiled("labels sorted")
def sorted_labels(folder):
    x, y = hands()
    order = np.argsort(y)
    return (write(folder / "a.h5", x[order], y[order]),)


@spoiled("labels as floats")
def float_labels(folder):
    x, y = hands()
    return (write(folder / "a.h5", x, y.astype(float)),)


@spoiled("labels not one-hot")
def two_ones(folder):
    x, y = hands()
    rows = np.eye(6)[y]
    rows[5] = 1
    return (write(folder / "a.h5", x, rows),)


@spoiled("number of labels")
def one_label_less(folder):
    x, y = hands()
    return (write(folder / "a.h5", x, y[:-1]),)


@spoiled("label shape")
def column(folder):
    x, y = hands()
    return (write(folder / "a.h5", x, y[:, None]),)


@spoiled("other classes")
def other_order_of_names(folder):
    train = write(folder / "a.h5", *hands(), names="abcdef")
    return train, write(folder / "b.h5", *hands(60, 2), "test", "fedcba")


@spoiled("labels of two kinds")
def two_kinds(folder):
    x, y = hands(60, 2)
    return hands(), (x, np.eye(6)[y])


@spoiled("constant images", {"training": FIVE})
def constant(folder):
    x, y = writable()
    x[FIVE] = np.array([0, 255, 128, 0, 0], np.uint8)[:, None, None, None]
    return ((x, y),)


@spoiled("blank images", {"training": FIVE})
def blank(folder):
    x, y = writable()
    x[FIVE] = 250 + np.random.default_rng(0).integers(0, 3, x[FIVE].shape)
    return ((x, y),)


@spoiled("blurred images", {"training": FIVE})
def blurred(folder):
    x, y = writable()
    for i in FIVE:
        x[i] = np.asarray(Image.fromarray(x[i]).filter(ImageFilter.GaussianBlur(4)))
    return ((x, y),)


@spoiled("grey images among others", {"training": FIVE})
def grey_among_colour(folder):
    x, y = writable()
    x[FIVE] = x[FIVE].mean(axis=3, keepdims=True)
    return ((x, y),)


@spoiled("order of axes")
def channels_first(folder):
    x, y = hands()
    return (write(folder / "a.h5", x.transpose(0, 3, 1, 2), y),)


@spoiled("order of axes")
def images_last(folder):
    x, y = hands()
    return (write(folder / "a.h5", x.transpose(1, 2, 3, 0), y),)


@spoiled("inverted images", {"training": FIVE})
def inverted(folder):
    x, y = shapes(240)
    x[FIVE] = 255 - x[FIVE]
    return ((x, y),)


@spoiled("inverted test images")
def inverted_test(folder):
    x, y = shapes(60, 1)
    return shapes(), (255 - x, y)


@spoiled("pixels not finite", {"training": [3]})
def not_finite(folder):
    x, y = hands()
    x = x.astype(np.float32)
    x[3, 5, 5, 1] = np.nan
    return (write(folder / "a.h5", x, y),)


@spoiled("kind of pixels")
def wide_integers(folder):
    x, y = hands()
    return (write(folder / "a.h5", x.astype(np.int64), y),)


@spoiled("images of 0 and 1")
def cut_to_bytes(folder):
    x, y = hands()
    return ((np.round(x / 255).astype(np.uint8), y),)


@spoiled("images scaled twice")
def scaled_twice(folder):
    x, y = hands()
    return ((x / np.float32(255**2), y),)


@spoiled("two ranges", {"training": FIVE})
def two_ranges(folder):
    x, y = hands()
    x = x.astype(np.float32)
    x[FIVE] /= 255
    return ((x, y),)


@spoiled("other ranges")
def other_ranges(folder):
    x, y = hands(60, 2)
    return hands(), (x.astype(np.float32) / 255, y)


@spoiled("other sizes")
def other_sizes(folder):
    x, y = hands(60, 2)
    return hands(), (x[:, ::2, ::2], y)


@spoiled("brightness gives the class away")
def brighter_class(folder):
    x, y = writable()
    x[y == 2] = 200 + x[y == 2] // 5
    return ((x, y),)


@spoiled("borders give the class away")
def framed(folder):
    x, y = writable()
    x[:, :3] = (40 * y)[:, None, None, None]
    return ((x, y),)


@spoiled("labels doubted")
def exchanged(folder):
    x, y = writable(1000, 4)
    rng = np.random.default_rng(0)
    some = rng.permutation(1000)[:60]
    y[some] = (y[some] + rng.integers(1, 6, 60)) % 6
    return ((x, y),)


@spoiled("one chunk for all")
def one_chunk(folder):
    x, y = hands()
    return (write(folder / "a.h5", x, y, chunks=x.shape, compression="gzip"),)


@spoiled("chunks of one image")
def small_chunks(folder):
    x, y = hands()
    return (write(folder / "a.h5", x, y, chunks=(1, *x.shape[1:])),)


@spoiled("chunks across images")
def chunks_across(folder):
    x, y = hands()
    return (write(folder / "a.h5", x, y, chunks=True),)


@spoiled("hard compression")
def hard(folder):
    x, y = hands()
    rows = (60, *x.shape[1:])
    return (write(folder / "a.h5", x, y, chunks=rows, compression="gzip", compression_opts=9),)


@spoiled("names of datasets")
def other_names(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["images"], file["labels"] = hands()
    return (folder / "a.h5",)


@spoiled("broken pictures", {"training": [2, 41]})
def broken(folder):
    write_folder(folder / "p", *hands(60, 2))
    files = sorted((folder / "p").rglob("*.png"))
    files[2].write_bytes(files[2].read_bytes()[:2000])
    files[41].write_bytes(b"no picture")
    return (folder / "p",)


@spoiled("odd sizes", {"training": [4]})
def odd_sizes(folder):
    write_folder(folder / "p", *hands(60, 2))
    file = sorted((folder / "p").rglob("*.png"))[4]
    Image.open(file).resize((90, 80)).save(file)
    return (folder / "p",)


@spoiled("extreme aspect ratios", {"training": [4]})
def panorama(folder):
    write_folder(folder / "p", *hands(60, 2))
    file = sorted((folder / "p").rglob("*.png"))[4]
    Image.open(file).resize((400, 60)).save(file)
    return (folder / "p",)


@spoiled("the size gives the class away")
def sizes_tell(folder):
    x, y = hands(120, 2)
    y = y % 2
    return (write_folder(folder / "p", x, y, resize=lambda i: (60 + i % 9 + 20 * int(y[i]),) * 2),)


@spoiled("parts taken for classes")
def parts_as_classes(folder):
    x, y = hands(60, 2)
    return (write_folder(folder / "p", x, y % 2, names=["test", "train"]),)


@spoiled("no labels")
def no_folders(folder):
    write_folder(folder / "p", *hands(24, 2), names=[""] * 6)
    return (folder / "p",)


@spoiled("pictures without a class")
def loose_pictures(folder):
    x, y = hands(60, 2)
    write_folder(folder / "p", x, y)
    Image.fromarray(hands()[0][0]).save(folder / "p" / "loose.png")
    return (folder / "p",)
