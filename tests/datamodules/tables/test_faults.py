"""Tables with something wrong in them: one sentence that names the place."""

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.frame import read_frame
from datamodules.tables.own import Tabular

GOOD = "x,c,y\n" + "".join(f"{k},{'ab'[k % 2]},{k * 2}\n" for k in range(20))


def table(folder, text, kind="number", target="y", **options):
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Tabular(str(path), target, kind, **options)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, r"table.csv is empty"),
        ("x,c,y\n", {}, r"no rows below its header"),
        ("\n\n", {}, r"table.csv"),
        (GOOD, {"target": "z"}, r"has no column `z`; there are: x, c, y|did you mean"),
        (GOOD.replace("x,c,y", "x,c,price"), {"target": "pric"}, r"no column `pric`; did you mean `price`"),
        (GOOD, {"ignore": ["q"]}, r"no column `q`"),
        (GOOD, {"categorical": ["q"]}, r"no column `q`"),
        (GOOD.replace("x,c,y", "x,x,y"), {}, r"two columns named `x`"),
        (GOOD.replace("13,b,26", "abc,b,26"), {}, r"row 14, column `x`: 'abc' is not a number .*categorical"),
        (GOOD.replace("13,b,26", "13,b,abc"), {}, r"row 14, column `y`: 'abc' is not a number"),
        (GOOD.replace("13,b,26", "inf,b,26"), {}, r"row 14, column `x`: 'inf' is not a number"),
        (GOOD.replace("13,b,26", "1e300,b,26"), {}, r"row 14, column `x`: '1e300' is not a number"),
        (
            GOOD.replace("13,b,26", "13,b,-1e300"),
            {},
            r"column `y`: '-1e300' is not a number .*is it a class\? then configs/own/t",
        ),
        (GOOD, {"numeric": ["c"]}, r"row 1, column `c`: 'a' is not a number .*11 more like it"),
        (GOOD, {"dates": ["c"]}, r"row 1, column `c`: 'a' is not a date"),
        ("x,y\n" + "1,5\n" * 20, {}, r"target `y` is the same in all training rows"),
        ("x,y\n" + "1,no\n" * 20, {"kind": "class"}, r"target `y` is the same in all training rows"),
        (GOOD, {"kind": "class", "target": ["x", "y"]}, r"a class is one column, but target names 2"),
        (GOOD.encode().replace(b"7,b", b"7,\xe9"), {}, r"line 9: byte 0xe9 is not UTF-8"),
        (GOOD.replace("7,b,14", "7,b,14,99,98"), {}, r"line 9: 5 cells, but the header has 3 \(separated by commas\)"),
        (
            "".join(line + ",1\n" if k else line + "\n" for k, line in enumerate(GOOD.split())),
            {},
            r"line 2: 4 cells, but the header has 3 ",
        ),
        (GOOD.replace("13,b,26", "13,b,?"), {}, r"column `y`: '\?' is not a number .*--data.missing \"\['\?'\]\""),
        ("x,y\n" + "1,\n" * 20, {}, r"no row has y, so there is nothing to learn"),
        ("x,y\n1,2\n", {}, r"1 examples are too few to split"),
        ("y\n" + "".join(f"{k}\n" for k in range(20)), {}, r"no column to predict from"),
    ],
)
def test_says_what_is_wrong(tmp_path, text, options, message):
    with pytest.raises(MisconfigurationException, match=message) as error:
        table(tmp_path, text, **options).setup("fit")
    assert "\n" not in str(error.value)


def test_no_such_file(tmp_path):
    with pytest.raises(MisconfigurationException, match=r"there is no file .*none.csv"):
        read_frame(tmp_path / "none.csv")


def test_not_a_parquet_file(tmp_path):
    (tmp_path / "t.parquet").write_text("x,y\n1,2\n")
    with pytest.raises(MisconfigurationException, match=r"t.parquet is not a whole Parquet file"):
        read_frame(tmp_path / "t.parquet")


def test_damaged_archive(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(MisconfigurationException, match=r"t.csv.gz cannot be read: Compressed file ended"):
        read_frame(tmp_path / "t.csv.gz")


def test_column_without_values_is_left_out(tmp_path):
    data = table(tmp_path, "x,empty,y\n" + "".join(f"{k},,{k}\n" for k in range(20)))
    with pytest.warns(UserWarning, match="column `empty` has no value in the training rows"):
        data.setup("fit")
    assert data.facts.num_inputs == 1


def test_class_with_one_member_is_told(tmp_path):
    data = table(tmp_path, "x,y\n" + "".join(f"{k},{'c' if k == 3 else 'ab'[k % 2]}\n" for k in range(20)), "class")
    with pytest.warns(UserWarning, match="class `c` of `y` has a single training row"):
        data.setup("fit")
    assert data.facts.class_counts[data.facts.classes.index("c")] == 1


def test_class_that_training_never_saw(tmp_path):
    text = (
        "s,x,y\n" + "".join(f"{['train', 'val', 'test'][k % 3]},{k},{'ab'[k % 2]}\n" for k in range(18)) + "test,1,z\n"
    )
    data = table(tmp_path, text, "class", split_column="s")
    data.setup("fit")
    with pytest.raises(MisconfigurationException, match="no training row has the class `z`"):
        data.setup("test")


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_may_be_mixed(tmp_path, end):
    lines = GOOD.split("\n")
    mixed = "\n".join(lines[:5]) + end + "\r\n".join(lines[5:12]) + "\n" + end.join(lines[12:])
    path = tmp_path / "t.csv"
    path.write_bytes(mixed.encode())
    assert read_frame(path)["y"].tolist() == [2 * k for k in range(20)]


def test_text_in_a_numeric_column_of_the_rows_to_predict(tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("x,c\n1,a\nmany,b\n")
    data = table(tmp_path, GOOD, predict_path=str(new), keep=["x"])
    data.setup("fit")
    with pytest.raises(MisconfigurationException, match=r"row 2, column `x`: 'many' is not a number \(write it as in"):
        data.setup("predict")
    new.write_text("x,c\n1,a\n1e100,b\n")  # a number, but none in single precision
    with pytest.raises(
        MisconfigurationException, match=r"new.csv, row 2, column `x`: 1e\+100 is too large for a network"
    ):
        data.setup("predict")
    new.write_text("x,c\n1.234,a\n950,b\n")  # in Germany 1234
    with pytest.warns(UserWarning, match="column `x` had whole numbers in training, and now 1.234: is it in the same"):
        data.setup("predict")
    new.write_text("x,c\n,a\n,b\n")
    with pytest.warns(UserWarning, match="new.csv: column `x` is empty, so its median in training is taken"):
        data.setup("predict")
    new.write_text("x\n1\n")
    with pytest.raises(MisconfigurationException, match=r"new.csv has no column `c`"):
        data.setup("predict")


def test_byte_order_mark_and_spaces_after_separators(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfx, y\n1, 2\n3, 4\n")  # no quotation marks, but blanks
    assert read_frame(path).to_dict("list") == {"x": [1, 3], "y": [2, 4]}


def test_texts_that_stand_for_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n?,2\n3,-\n")
    assert read_frame(path, missing=["?", "-"]).isna().to_numpy().tolist() == [[True, False], [False, True]]


def test_chunks_of_a_long_file_are_joined(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    lines = [f"{k},{'' if k < 8 else 'ab'[k % 2]},{k if k != 9 else ''},{k * 1000}\n" for k in range(20)]
    path.write_text("x,late,gap,n\n" + "".join(lines))
    whole = read_frame(path)
    monkeypatch.setattr("datamodules.files.columns.CHUNK", 3)
    parts = read_frame(path)
    assert parts["late"].astype(object).where(parts["late"].notna(), None).tolist()[7:10] == [None, "a", "b"]
    for name in ("x", "gap", "n"):
        assert parts[name].to_numpy() == pytest.approx(whole[name].to_numpy(), nan_ok=True)
    path.write_text("x,y\n" + "".join(f"{'text' if k == 17 else k},{k}\n" for k in range(20)))
    data = Tabular(str(path), "y", "number", val_fraction=0.05, test_fraction=0.05)
    with pytest.raises(MisconfigurationException, match=r"row 18, column `x`: 'text' is not a number"):
        data.setup("fit")
