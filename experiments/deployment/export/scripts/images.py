"""Predicts from images: ``python predict.py a.png b.jpg > predictions.csv`` (files need Pillow; arrays do not)."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.deployment.export.scripts.files import checked, run, write_csv
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import answers_of, read_json


def weights(size: int, wanted: int, bicubic: bool) -> np.ndarray:
    """Weights ``(wanted, size)`` that resize a side with antialiasing."""
    scale = max(size / wanted, 1.0)
    reach = (2.0 if bicubic else 1.0) * scale
    centre = (np.arange(wanted)[:, None] + 0.5) * (size / wanted)
    place = np.arange(size)[None] + 0.5
    x = np.abs(place - centre) / scale
    found = np.clip(1 - x, 0, None)
    if bicubic:
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        found = np.where(x < 1, near, np.where(x < 2, far, 0))
    inside = (np.arange(size)[None] >= np.floor(centre - reach + 0.5)) & (place < np.floor(centre + reach + 0.5) + 0.5)
    found = found * inside
    return np.asarray(found / found.sum(1, keepdims=True))


def resize(pixels: np.ndarray, size: Sequence[int], bicubic: bool) -> np.ndarray:
    """Resize ``(channels, height, width)`` of 0-255."""
    height, width = pixels.shape[1:]
    if len(size) == 1:  # the shorter side
        short = size[0]
        size = (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
    if tuple(size) == (height, width):
        return pixels
    rows, columns = weights(height, size[0], bicubic), weights(width, size[1], bicubic)
    across = np.clip(np.floor(pixels @ columns.T + 0.5), 0, 255)
    return np.asarray(np.clip(np.floor(rows @ across + 0.5), 0, 255))


def crop(pixels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The middle of ``(channels, height, width)``, with black around it where it is smaller."""
    for axis, wanted in zip((1, 2), size, strict=True):
        lack = max(0, wanted - pixels.shape[axis])
        edges = [(0, 0)] * 3
        edges[axis] = (lack // 2, (lack + 1) // 2)
        pixels = np.pad(pixels, edges)
        first = round((pixels.shape[axis] - wanted) / 2)
        pixels = pixels.take(range(first, first + wanted), axis)
    return pixels


def pixels_of(image: Any, channels: int) -> np.ndarray:
    """``(channels, height, width)`` of 0-255, of a path or an array ``(height, width[, channels])``."""
    if isinstance(image, str | Path):
        from PIL import Image, ImageOps

        upright = ImageOps.exif_transpose(Image.open(image))
        upright = upright.convert("RGBA") if upright.mode == "P" else upright
        image = np.array(upright.convert("RGB" if channels == 3 else "L"))
    image = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    if image.shape[0] != channels:
        raise ValueError(f"an image has {image.shape[0]} channels; the network takes {channels}")
    return np.asarray(image)


def predict(images: Sequence[object], folder: Path) -> list[dict[str, Any]]:
    """What the network says of each image, a path or an array of 0-255."""
    facts = read_json(folder)
    if facts["not_written"]:
        raise ValueError(f"transforms that are not written here: {', '.join(facts['not_written'])}; see README.md")
    network, rows = Network(folder), []
    mean, std = (255 * np.array(facts[name]).reshape(-1, 1, 1) for name in ("mean", "std"))
    for image in images:
        pixels = pixels_of(image, facts["channels"])
        for step in facts["transforms"]:
            if step["name"] == "shrink" and min(pixels.shape[1:]) <= step["size"][0]:
                continue
            bicubic = step.get("interpolation") == "bicubic"
            pixels = crop(pixels, step["size"]) if step["name"] == "crop" else resize(pixels, step["size"], bicubic)
        rows += answers_of(network(images=((pixels - mean) / std).astype(np.float32)[None]), facts)
    return rows


if __name__ == "__main__":
    paths = [checked(path) for path in sys.argv[1:]] or sys.exit(__doc__)
    found = run(predict, paths, Path(__file__).parent)
    write_csv([{"path": path, **row} for path, row in zip(paths, found, strict=True)])
