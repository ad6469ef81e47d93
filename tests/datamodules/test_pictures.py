"""Figures as pictures."""

import io
import warnings

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from PIL import Image

from datamodules import pictures
from datamodules.pictures import drawn


@pytest.fixture(autouse=True)
def untold(monkeypatch):
    monkeypatch.setattr(pictures, "_TOLD", set())


def titled(text):
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.4, text)
    return figure


def letters_of(name):
    path = next(font.fname for font in font_manager.fontManager.ttflist if font.name == name)
    return set(FT2Font(path).get_charmap())


def test_letters_that_no_font_has_are_told_once(monkeypatch):
    monkeypatch.setattr(pictures, "FONTS", ())
    with pytest.warns(UserWarning, match="has the letters \u4e2d\u6587: pictures show boxes") as told:
        drawn(titled("\u4e2d\u6587 and \u4e2d\u6587"), 50)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(titled("\u4e2d"), 50)  # once is enough
    with pytest.warns(UserWarning, match="has the letters \u8a9e: pictures"):
        drawn(titled("\u4e2d\u8a9e"), 50)


def test_another_font_has_what_the_first_one_lacks(monkeypatch, caplog):
    lacking = sorted(letters_of("STIXGeneral") - letters_of("DejaVu Sans"))
    letter = next(chr(code) for code in lacking if chr(code).isprintable() and not 0xE000 <= code < 0xF900)
    monkeypatch.setattr(pictures, "FONTS", ("no such font", "STIXGeneral"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = drawn(titled(letter), 100)
    assert Image.open(io.BytesIO(found)).size == (200, 100)
    assert not caplog.records  # matplotlib would miss the font that is not there, for each text
    monkeypatch.setattr(pictures, "FONTS", ())
    with pytest.warns(UserWarning, match="no font of this machine"):
        assert drawn(titled(letter), 100) != found  # a box


def test_other_warnings_stay_and_dollars_are_no_formulas():
    figure = titled("$a$ and $\\frac$")
    save = figure.savefig

    def savefig(*args, **kwargs):
        warnings.warn("slow", stacklevel=1)
        save(*args, **kwargs)

    figure.savefig = savefig
    with pytest.warns(UserWarning, match="slow"):
        drawn(figure, 50)
