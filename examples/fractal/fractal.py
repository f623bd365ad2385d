#!/usr/bin/env python3
"""The work of examples/render.yaml: a zoom into the Mandelbrot set as PNG files, with nothing but Python's own library.

Run by `igor worker --exec`, one task a process: the task's arguments come on standard input, who it is in IGOR_* variables.
Exit code 0 is done, 75 is try again, anything else failed with the last line of standard error as the reason.

Every file is written under another name first and then renamed, so a task that runs twice does no harm.
"""

import hashlib
import html
import json
import os
import struct
import sys
import zlib
from math import log

OUTPUT = os.environ.get("IGOR_OUTPUT", "render")
WIDTH, HEIGHT = 320, 180
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def main(step):
    arguments = json.loads(sys.stdin.read() or "{}")
    os.makedirs(OUTPUT, exist_ok=True)
    STEPS[step](arguments, int(os.environ.get("IGOR_INDEX") or 0))


def render(arguments, index):
    """One frame: each is a little nearer to the point than the one before."""
    x, y = arguments["center"]
    width = arguments["width"] * arguments["zoom"] ** index
    save(frame_name(index), png(WIDTH, HEIGHT, frame(x, y, width, 64 + 4 * index)))


def join(arguments, _index):
    """The contact sheet and the film, from the frames' files."""
    frames = [read(frame_name(index)) for index in range(arguments["frames"])]
    if os.environ["IGOR_NAME"] == "contact-sheet":
        save("contact-sheet.png", contact_sheet([pixels(data) for data in frames], columns=10))
    else:
        save("zoom.png", film(frames, frames_per_second=12))


def checksum(_arguments, index):
    """The SHA-256 of one frame, beside it."""
    name = frame_name(index)
    save(name + ".sha256", f"{hashlib.sha256(read(name)).hexdigest()}  {name}\n".encode())


def publish(arguments, _index):
    """One list of checksums, checked once more, and a page to look at."""
    lines = []
    for index in range(arguments["frames"]):
        line = read(frame_name(index) + ".sha256").decode()
        digest, name = line.split()
        if hashlib.sha256(read(name)).hexdigest() != digest:
            sys.exit(f"{name} is not what was rendered")
        lines.append(line)
    save("SHA256SUMS", "".join(lines).encode())
    title = html.escape(os.environ["IGOR_JOB"])
    save("index.html", f'<title>{title}</title><h1>{title}</h1><img src="zoom.png"><p><img src="contact-sheet.png">\n'.encode())


STEPS = {"render": render, "join": join, "checksum": checksum, "publish": publish}


# --- pictures -------------------------------------------------------------------------------------------------------------

def frame(x, y, width, limit):
    """Rows of RGB: how soon z*z + c leaves the circle says the colour."""
    step = width / WIDTH
    palette = [color(n / 24) for n in range(24 * 64)]
    for row in range(HEIGHT):
        line = bytearray()
        imaginary = y + (row - HEIGHT / 2) * step
        for column in range(WIDTH):
            line += escape(complex(x + (column - WIDTH / 2) * step, imaginary), limit, palette)
        yield bytes(line)


def escape(c, limit, palette):
    z = c
    for n in range(limit):
        if abs(z) > 8:
            smooth = n + 1 - log(log(abs(z)), 2)
            return palette[int(24 * smooth) % len(palette)]
        z = z * z + c
    return b"\0\0\0"


def color(value):
    """A ring of colours, from deep blue over white to amber and back."""
    ring = [(0, 7, 100), (32, 107, 203), (237, 255, 255), (255, 170, 0), (90, 20, 10)]
    position = value / 16 % 1 * len(ring)
    one, two, part = ring[int(position)], ring[(int(position) + 1) % len(ring)], position % 1
    return bytes(round(a + (b - a) * part) for a, b in zip(one, two))


def contact_sheet(frames, columns):
    """Every frame at a third of its size."""
    third = [[row[at:at + 3] for at in range(0, len(row), 9)] for rows in frames for row in rows[::3]]
    height, width = len(frames[0][::3]), len(third[0])
    frames = [third[at:at + height] for at in range(0, len(third), height)]
    empty = [[b"\0\0\0"] * width] * height
    lines = []
    for first in range(0, len(frames), columns):
        band = frames[first:first + columns]
        band += [empty] * (columns - len(band))
        lines += [b"".join(pixel for picture in band for pixel in picture[row]) for row in range(height)]
    return png(width * columns, len(lines), lines)


# --- PNG files ------------------------------------------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def head(width, height):
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def png(width, height, rows):
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    return head(width, height) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def packed(data):
    """The one IDAT of a file that png() wrote."""
    at = len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            return data[at + 8:at + 8 + length]
        at += 12 + length
    raise ValueError("a PNG file without pixels")


def pixels(data):
    """The rows of a file that png() wrote."""
    flat, stride = zlib.decompress(packed(data)), 1 + 3 * WIDTH
    return [flat[at + 1:at + stride] for at in range(0, len(flat), stride)]


def film(frames, frames_per_second):
    """An animated PNG: the frames' own pixel data, each behind the order in which it is shown."""
    out, number = [head(WIDTH, HEIGHT), chunk(b"acTL", struct.pack(">II", len(frames), 0))], 0
    for index, data in enumerate(frames):
        out.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, WIDTH, HEIGHT, 0, 0, 1, frames_per_second, 0, 0)))
        number += 1
        if index == 0:
            out.append(chunk(b"IDAT", packed(data)))
        else:
            out.append(chunk(b"fdAT", struct.pack(">I", number) + packed(data)))
            number += 1
    return b"".join(out) + chunk(b"IEND", b"")


# --- files ----------------------------------------------------------------------------------------------------------------

def frame_name(index):
    return f"frame-{index:03}.png"


def read(name):
    with open(os.path.join(OUTPUT, name), "rb") as file:
        return file.read()


def save(name, data):
    """Whole or not at all, also when two attempts of a task write at once."""
    path = os.path.join(OUTPUT, name)
    fresh = f"{path}.{os.getpid()}"
    with open(fresh, "wb") as file:
        file.write(data)
    os.replace(fresh, path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.environ["IGOR_TYPE"])
