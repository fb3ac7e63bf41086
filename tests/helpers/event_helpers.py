"""A reader of event files, written from the description of the format."""

import struct

import numpy as np


def crc32c(data):
    """Bit by bit, from the polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """Field number -> the values of a message, in order."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size = 8
            if key & 7 == 2:
                size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def events(path):
    """The events of a file, as fields; each record is checked."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        message = data[at + 12 : at + 12 + size]
        assert masked(data[at : at + 8]) == struct.unpack_from("<I", data, at + 8)[0]
        assert masked(message) == struct.unpack_from("<I", data, at + 12 + size)[0]
        at += 16 + size
        yield fields(message)


def summaries(folder):
    """(step, tag, plugin, tensor) of all files in a folder, in the order of time."""
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name.split(".")[3:]):
        for event in events(path):
            for summary in event.get(5, ()):
                for value in map(fields, fields(summary).get(1, ())):
                    plugin = fields(fields(value[9][0])[1][0])[1][0].decode()
                    step = event.get(2, [0])[0]
                    found.append((step, value[1][0].decode(), plugin, fields(value[8][0])))
    return found


def scalars(folder):
    """tag -> [(step, number), ...]."""
    found = {}
    for step, tag, plugin, tensor in summaries(folder):
        if plugin == "scalars":
            value = float(np.frombuffer(tensor[4][0], "<f4")[0])
            found.setdefault(tag, []).append((step, value))
    return found
