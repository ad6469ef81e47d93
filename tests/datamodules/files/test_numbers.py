"""Numbers as people write them: told from the whole column, or refused."""

import math

import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.columns import texts_to
from datamodules.files.frame import read_frame
from datamodules.files.numbers import NumberFormat, find_formats, parse


def formats(*texts, decimal=None, separator=",", **others):
    columns = {name: pd.Series(values, dtype="str") for name, values in {"x": texts, **others}.items()}
    return find_formats(columns, decimal, separator, "t.csv")


def numbers(*texts, **options):
    how = formats(*texts, **options)["x"]
    return texts_to(pd.Series(texts, dtype="str"), lambda some: parse(some, how)).tolist()


@pytest.mark.parametrize(
    ("texts", "options", "wanted"),
    [
        (["1", "-2.5", "+3e2", ".5", "7."], {}, [1, -2.5, 300, 0.5, 7]),
        (["1,5", "2,25", "3"], {"separator": ";"}, [1.5, 2.25, 3]),
        (["1,234.5", "12"], {}, [1234.5, 12]),
        (["1.234,5", "12"], {"separator": ";"}, [1234.5, 12]),
        (["1,234,567", "1,234"], {}, [1234567, 1234]),
        (["12,34,567.5", "1"], {}, [1234567.5, 1]),
        (["1 234,5", "1\u00a0234,25", "1\u202f000,0"], {"separator": ";"}, [1234.5, 1234.25, 1000]),
        (["1'234.5", "1\u2019000"], {}, [1234.5, 1000]),
        (["\u22125", "3"], {}, [-5, 3]),
        (["(5)", "3", "($1,234.50)", "7-", "1,000.25-"], {}, [-5, 3, -1234.5, -7, -1000.25]),  # of accountants
        ([" 1.5 ", "2"], {}, [1.5, 2]),
        (["$1.50", "-$2", "$ 3"], {}, [1.5, -2, 3]),
        (["1,50 €", "2€", "3 €"], {"separator": ";"}, [1.5, 2, 3]),
        (["EUR 1.50", "2 EUR", "3"], {}, [1.5, 2, 3]),
        (["5%", "6.5 %"], {}, [5, 6.5]),
        (["12 kg", "7.5kg", "-1,300 kg"], {}, [12, 7.5, -1300]),
        (["1,5 m²", "2 m²", "1 200,25 m²"], {"separator": ";"}, [1.5, 2, 1200.25]),
        (["\u22125 °C", "12 °C"], {}, [-5, 12]),
        (["1.5 km/h", "NA", "10 km/h"], {}, [1.5, math.nan, 10]),
        # what one column cannot tell, another one does
        (["1,234", "5,678"], {"separator": ";", "y": ["0,5", "1,25"]}, [1.234, 5.678]),
        (["1.234", "5.678"], {"separator": ";", "y": ["0,5", "1,25"]}, [1234, 5678]),
        (["1,234", "5,678"], {"y": ["0.5", "1.25"]}, [1234, 5678]),
        (["1.234", "5.678"], {"y": ["0,5", "1,25"]}, [1234, 5678]),
        (["1,234", "5,678"], {"decimal": ","}, [1.234, 5.678]),
        (["1,234", "5,678"], {"decimal": "."}, [1234, 5678]),
        (["1,234", "0,678"], {"separator": ";"}, [1.234, 0.678]),  # no number begins with a group of zeros
        # A point in whole numbers may be one between thousands, unless a cell or a column says that it is not.
        (["1.250", "0.375", "2"], {}, [1.25, 0.375, 2]),
        (["1.234", "1234", "2"], {}, [1.234, 1234, 2]),
        (["950", "1.234", "12.500"], {"y": ["0.5", "1.25"]}, [950, 1.234, 12.5]),
        (["950", "1.234", "12.500"], {"y": ["0,5", "1,25"]}, [950, 1234, 12500]),
        (["950", "1.234", "12.500"], {"decimal": "."}, [950, 1.234, 12.5]),
        (["950", "1.234", "12.500"], {"decimal": ","}, [950, 1234, 12500]),
        (["950", "1.234", "1.234.567"], {}, [950, 1234, 1234567]),
        (["1.234", "5.678"], {}, [1.234, 5.678]),  # where commas separate the cells, full stops are decimal
    ],
)
def test_formats_are_told_from_the_whole_table(texts, options, wanted):
    assert numbers(*texts, **options) == pytest.approx(wanted, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (["1,234", "5,678"], {"separator": ";"}, "whether `1,234` in column `x` is 1.234 or 1234 cannot be told"),
        (["1,234", "5,678"], {}, "--data.decimal"),
        (["1.234", "5.678"], {"separator": ";"}, "whether `1.234` in column `x` is 1.234 or 1234 cannot be told"),
        (["950", "1.234", "12.500", "3.450"], {}, "whether `1.234` in column `x` is 1.234 or 1234 cannot be told"),
        (["950", "-1.234", "NA"], {"separator": "\t"}, "whether `-1.234` in column `x` is -1.234 or -1234 cannot be"),
        (["950", "1.234"], {"separator": None}, "cannot be told"),
        (["1,234", "5,678"], {"y": ["0.5"], "z": ["0,5"]}, "cannot be told"),
        (["$5", "5 €"], {}, r"several units \(\$, €\)"),
        (["5%", "0.05"], {}, r"several units \(%, none\)"),
    ],
)
def test_what_could_mean_two_things_is_refused(texts, options, message):
    with pytest.raises(MisconfigurationException, match=message):
        formats(*texts, **options)


@pytest.mark.parametrize(
    "texts",
    [
        ["01067", "80331"],
        ["007", "12"],
        ["1A", "2B"],
        ["2024-01-02"],
        ["1-2"],
        ["12:30"],
        ["1.2.3"],
        ["NA", "null", ""],
        ["a"] * 2 + ["1"] * 8,
        ["0x1F"],
        ["12 kg", "300 g"],
        ["12 kg", "300"],
        ["12 kg"] * 99 + ["13 lb"],
        ["007 a", "12 a"],
        ["12 Main Street", "14 Main Street"],
    ],
)
def test_codes_and_names_are_no_numbers(texts):
    assert formats(*texts) == {}


def test_nine_in_ten_numbers_are_meant_as_numbers():
    texts = [str(k) for k in range(9)] + ["typo"]
    assert formats(*texts) == {"x": NumberFormat()}
    assert math.isnan(numbers(*texts)[-1])


def test_a_format_is_held_to():
    series = pd.Series(["1,5", "1.5", "1.500", "12.34"], dtype="str")
    read = texts_to(series, lambda some: parse(some, NumberFormat(",", ".")))
    assert read[0] == 1.5
    assert read[2] == 1500
    assert math.isnan(read[1])
    assert math.isnan(read[3])


@pytest.mark.parametrize(
    ("unit", "read"),
    [("kg", [12, 7, None, None, None]), ("%", [None, None, 12, None, None]), ("$", [None, None, None, 12, 12])],
)
def test_a_unit_is_held_to(unit, read):
    series = pd.Series(["12 kg", "7kg", "12 %", "$12", "12"], dtype="str")
    found = texts_to(series, lambda some: parse(some, NumberFormat(unit=unit)))
    assert [None if math.isnan(number) else number for number in found] == read


def test_no_digit_of_a_number_is_lost(tmp_path):
    texts = ["12345678.123456789", "0.1", "400000003", "9007199254740993", "1e-300"]
    (tmp_path / "t.csv").write_text("x\n" + "\n".join(texts) + "\n")
    assert read_frame(tmp_path / "t.csv")["x"].tolist() == [float(text) for text in texts]
