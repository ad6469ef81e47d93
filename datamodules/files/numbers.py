"""Numbers as people write them: decimal sign, thousands and units are told from whole columns."""

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import Series

Texts = Any  # an array of texts of pyarrow, which has no types

# Words that are no value where numbers or dates are expected; in a column of names they are names.
MISSING = (
    "na", "n/a", "#n/a", "#na", "<na>", "#n/a n/a", "nan", "-nan", "1.#ind", "1.#qnan", "-1.#ind", "-1.#qnan", "null",
    "none", "nil",
)  # fmt: skip
SIGN = r"(?:[$€£¥₹₽₩]|%|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR)\b)"
WORD = r"[\pL°µ][\pL°µ./^]{0,15}[23²³]?"  # kg, km/h, m2
SPACES = "[ \u00a0\u202f\u2009]"
GROUPS = {"": "", ",": ",", ".": r"\.", " ": SPACES, "'": "['\u2019]"}  # between thousands
LARGEST = 1e150  # number that is one: its square, of a deviation, can be computed with too
MOSTLY = 0.9  # a column of texts of which so many are numbers is meant to hold numbers


class NumberFormat(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: Decimal sign, ``.`` or ``,``.
        thousands: Sign between groups of three digits; a blank stands for narrow and protected ones too.
        unit: Currency, percent sign, or word behind each number (kg); the number is in this unit.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @property
    def has_word(self) -> bool:
        """Whether the unit is a word, and no sign."""
        return not re.fullmatch(f"{SIGN}?", self.unit)

    @property
    def needs_unit(self) -> bool:
        """Whether a number without the unit is another one; an amount without its sign is not."""
        return self.unit == "%" or self.has_word

    @property
    def pattern(self) -> str:
        """Regular expression of all numbers so written, without unit."""
        point = r"\." if self.decimal == "." else ","
        plain = rf"[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+"
        group = GROUPS[self.thousands]
        # Groups of two but for the last are Indian.
        grouped = rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{2,3}})*{group}[0-9]{{3}}(?:{point}[0-9]*)?" if group else ""
        return rf"^[+-]?(?:{'|'.join(filter(None, (plain, grouped)))})(?:[eE][+-]?[0-9]+)?$"


PLAIN = NumberFormat()
FORMATS = [NumberFormat(decimal, group) for group in GROUPS for decimal in ".," if group != decimal]


def find_formats(
    columns: "Mapping[str, Series]",
    decimal: str | None,
    separator: str | None,
    source: str,
    shown: Collection[str] = (),
) -> dict[str, NumberFormat]:
    """The columns of texts that are numbers, and how these are written.

    A column holds numbers if at least nine in ten of its texts are, all in one format, or if all are in one unit
    (``12 kg``); and none is a code: digits that begin with a zero. Where a column allows for two formats (1.234), the
    decimal sign of the other columns decides; if that is not known either, a point is a decimal one where all cells
    have one, and could be anything beside whole numbers below 1000 (950, 1.234).

    Args:
        columns: Texts by column.
        decimal: Decimal sign if it is known.
        separator: Between the cells: where it is a semicolon, commas may be decimal ones.
        source: Where they are from, for messages.
        shown: Decimal signs of further columns.

    Raises:
        MisconfigurationException: If a column could mean two things, or has several currencies.
    """
    found = {name: _fitting(texts_of(values), decimal, source, name) for name, values in columns.items()}
    signs = {*shown, *(ways[0].decimal for ways, told in found.values() if told)}
    formats = {}
    for name, (ways, _) in found.items():
        if len(ways) > 1:
            likely = [way for way in ways if way.decimal in signs]
            if not signs and separator != ";" and PLAIN in ways and not _may_be_grouped(texts_of(columns[name])):
                likely = [PLAIN]
            ways = likely if len(likely) == 1 else ways
        if len(ways) > 1:
            raise _ambiguous(name, texts_of(columns[name]), ways, source)
        if ways:
            formats[name] = ways[0]
    return formats


def shown_signs(columns: "Mapping[str, Series]", formats: Mapping[str, NumberFormat]) -> dict[str, str]:
    """The decimal sign of each column that shows one, itself or by that between thousands; whole numbers do not."""
    shown = {}
    for name, how in formats.items():
        marks = how.decimal + how.thousands.strip(" '")
        if name in columns and _any(texts_of(columns[name]), f"[{marks}]"):
            shown[name] = how.decimal
    return shown


def _fitting(texts: Texts, decimal: str | None, source: str, name: str) -> tuple[list[NumberFormat], bool]:
    """The formats that fit most texts and make different numbers of them; and whether they tell the decimal sign."""
    import pyarrow.compute as pc

    german = NumberFormat(",", ".")
    if decimal != "," and _floats(texts) is not None and _share(texts[:1000], german.pattern) != 1:
        return ([], False) if _any_code(texts) else ([PLAIN], True)
    texts = _clean(texts)
    texts = texts.filter(pc.invert(_is_missing(texts)))
    if not len(texts) or _any_code(texts):
        return [], False
    if decimal != "," and _share(texts, PLAIN.pattern) == 1 and _share(texts, german.pattern) != 1:
        return [PLAIN], True
    units = _signs(texts)
    bodies = _bare(texts, SIGN) if units else texts
    ways = [way for way in FORMATS if decimal in (None, way.decimal)]
    shares = {way: _share(bodies, way.pattern) for way in ways}
    if max(shares.values()) < MOSTLY and (word := _word(texts)):
        units, bodies = {word}, pc.struct_field(measures(texts), "number")
        shares = {way: float(_share(bodies, way.pattern) == 1) for way in ways if not _any_code(bodies)}
    best = max(shares.values(), default=0)
    if best < MOSTLY:
        return [], False
    if len(units) > 1:
        raise MisconfigurationException(
            f"{source}: column `{name}` has numbers in several units ({', '.join(sorted(units))}); "
            "convert them, or list the column under --data.categorical or --data.ignore"
        )
    ways = [way._replace(unit=next(iter(units), "")) for way, share in shares.items() if share == best]
    numbers = [parse(texts, way) for way in ways]
    different = [
        way
        for k, way in enumerate(ways)
        if not any(np.array_equal(numbers[k], other, equal_nan=True) for other in numbers[:k])
    ]
    signs = {way.decimal for way in ways}
    return different, len(signs) == 1 and _any(texts, "[.,]")


def _may_be_grouped(texts: Texts) -> bool:
    """Whether points may stand between thousands: some numbers have none, and all of these are below 1000."""
    import pyarrow.compute as pc

    texts = _clean(texts)
    texts = texts.filter(pc.invert(_is_missing(texts)))
    return _share(texts, r"^[+-]?(?:[0-9]{1,3}|[1-9][0-9]{0,2}\.[0-9]{3})$") == 1 and _any(texts, r"^[+-]?[0-9]{1,3}$")


def _ambiguous(name: str, texts: Texts, ways: list[NumberFormat], source: str) -> MisconfigurationException:
    numbers = [parse(texts, way) for way in ways]
    where = int(np.argmax(numbers[0] != numbers[1]))
    return MisconfigurationException(
        f"{source}: whether `{texts[where]}` in column `{name}` is {numbers[0][where]:.12g} or "
        f"{numbers[1][where]:.12g} cannot be told from the whole file; say the decimal sign: "
        "`--data.decimal .` or `--data.decimal ,`"
    )


def texts_of(values: "Series") -> Texts:
    """The texts of a column as an array of pyarrow without nulls; those of a column of categories once each."""
    return arrow_texts(values.array.categories if values.dtype == "category" else values).drop_null()


def arrow_texts(values: "Series") -> Texts:
    """All texts of a column as one array of pyarrow, null where they are missing."""
    import pyarrow as pa

    array = pa.array(values, pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _floats(texts: Texts) -> Array | None:
    """The usual case, quickly: finite numbers with a decimal point, or None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        numbers = np.asarray(pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False), dtype="float64")
    except pa.ArrowInvalid:
        return None
    if not len(texts) or (np.abs(numbers) > LARGEST).any() or np.isnan(numbers).sum() > texts.null_count:
        return None
    return numbers


def _clean(texts: Texts) -> Texts:
    """Without blanks around them, and with the minus sign of programs for those of printers and accountants."""
    import pyarrow.compute as pc

    texts = pc.replace_substring(pc.utf8_trim_whitespace(texts), "\u2212", "-")
    # (1,234.50) and 1,234.50- are negative.
    return pc.replace_substring_regex(texts, r"^(?:\(([^-+(][^()]*)\)|([0-9][0-9.,]*)-)$", r"-\1\2")


def parse(texts: Texts, how: NumberFormat) -> Array:
    """Numbers as float64, not-a-number where a text is none.

    Args:
        texts: An array of texts of pyarrow; may have nulls.
        how: How they are written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = _floats(texts) if how == PLAIN else None
    if numbers is not None:
        return numbers
    given = texts = _clean(texts)
    if how.unit:
        texts = _bare(given, re.escape(how.unit))
    good = pc.fill_null(pc.match_substring_regex(texts, how.pattern), False)
    if how.needs_unit:
        good = pc.and_(good, pc.fill_null(pc.not_equal(texts, given), False))
    if how.thousands:
        texts = pc.replace_substring_regex(texts, GROUPS[how.thousands], "")
    if how.decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    cast = pc.cast(pc.if_else(good, texts, None), pa.float64())
    numbers = np.asarray(cast.to_numpy(zero_copy_only=False), dtype="float64")
    return np.where(np.abs(numbers) > LARGEST, np.nan, numbers)


def _signs(texts: Texts) -> set[str]:
    """Currency and percent signs of a column; ``none`` too, where some numbers beside percentages have no sign."""
    import pyarrow.compute as pc

    has = pc.fill_null(pc.match_substring_regex(texts, SIGN), False)
    if not pc.any(has).as_py():
        return set()
    marked = texts.filter(has)
    marks = pc.unique(pc.struct_field(pc.extract_regex(marked, f"(?P<unit>{SIGN})"), "unit")).to_pylist()
    # A percentage beside a plain number is another number; an amount without its sign is not.
    return {*marks, *(["none"] if "%" in marks and len(marked) < len(texts) - texts.null_count else [])}


def measures(texts: Texts) -> Texts:
    """The ``number`` and the ``unit`` (perhaps empty) of texts such as ``12 kg``; null for other texts."""
    import pyarrow.compute as pc

    return pc.extract_regex(_clean(texts), f"^(?P<number>[+-]?[0-9](?:[0-9.,']|{SPACES})*?){SPACES}*(?P<unit>{WORD}|)$")


def _word(texts: Texts) -> str:
    """The word behind the number, if it is the same in all texts of a column."""
    import pyarrow.compute as pc

    if measures(texts[:100]).null_count:  # so it is in most columns of texts
        return ""
    units = pc.unique(pc.struct_field(measures(texts), "unit")).to_pylist()
    return units[0] or "" if len(units) == 1 else ""


def _bare(texts: Texts, unit: str) -> Texts:
    """The texts without a unit before or behind the number; ``unit`` is a regular expression."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, f"^([+-]?){SPACES}*{unit}{SPACES}*", r"\1"))
    bare = pc.utf8_trim_whitespace(pc.replace_substring_regex(bare, f"{SPACES}*{unit}$", ""))
    return pa.array(bare) if not isinstance(bare, pa.Array) else bare


def _is_missing(texts: Texts) -> Texts:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.or_(pc.is_null(texts), pc.is_in(pc.utf8_lower(texts), pa.array(["", *MISSING], pa.large_string())))


def is_missing(texts: Texts) -> Array:
    """Where a text says that there is no number or date."""
    import pyarrow.compute as pc

    return np.asarray(_is_missing(pc.utf8_trim_whitespace(texts)).to_numpy(zero_copy_only=False))


def _share(texts: Texts, pattern: str) -> float:
    import pyarrow.compute as pc

    return float(pc.mean(pc.match_substring_regex(texts, pattern)).as_py() or 0.0)


def _any(texts: Texts, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _any_code(texts: Texts) -> bool:
    import pyarrow.compute as pc

    return _any(texts.filter(pc.starts_with(texts, "0")), "^0[0-9]+$")
