"""Untidy tables give the right answer or a sentence: what training told of a file holds for every later one."""

import csv
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.tables import Tabular
from experiments.deployment.export.scripts.table import encode

RNG = np.random.default_rng(0)
NOISE = [f"{x:.3f}" for x in RNG.normal(size=200)]


def write(folder, rows, name="table.csv", header="x,c,y", encoding="utf-8"):
    path = folder / name
    path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
    return str(path)


def ready(path, target="y", kind="number", stages=("fit",), **options):
    data = Tabular(path, target, kind, **options)
    for stage in stages:
        data.setup(stage)
    return data


def predicted(data, path):
    """Inputs of a file to predict."""
    data.predict_path = str(path)
    data.setup("predict")
    examples = data.datasets["predict"]
    return examples.__getitems__(BatchIndices(range(len(examples)))).inputs


def columns(data):
    return {column["name"]: column["kind"] for column in data.facts.columns}


# ---- codes, classes and words


def test_codes_stay_texts_where_a_later_file_has_only_digits(tmp_path):
    rows = [f"{NOISE[k]},{('01067', '02625', '80331', '0A12')[k % 4]},{k % 4}" for k in range(80)]
    data = ready(write(tmp_path, rows))
    assert columns(data)["c"] == "category"
    assert data.facts.columns[1]["categories"] == ["01067", "02625", "0A12", "80331"]
    inputs = predicted(data, write(tmp_path, ["0.5,80331", "0.5,02625", "0.5,01067"], "new.csv", "x,c"))
    assert inputs[:, 1:].tolist() == [[0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]
    pd.DataFrame({"x": [0.5], "c": ["80331"]}).to_parquet(tmp_path / "new.parquet")
    assert predicted(data, tmp_path / "new.parquet")[:, 1:].tolist() == [[0, 0, 0, 1]]


def test_numbers_stay_numbers_where_a_later_file_has_a_code(tmp_path):
    data = ready(write(tmp_path, [f"{NOISE[k]},{k % 7 + 10},{k % 5}" for k in range(60)]))
    with pytest.raises(MisconfigurationException, match=r"new.csv, row 1, column `c`: '0A12' is not a number"):
        predicted(data, write(tmp_path, ["0.5,0A12"], "new.csv", "x,c"))


def test_numbers_with_a_unit_are_numbers_in_this_unit_only(tmp_path):
    rows = [f"{NOISE[k]},{k % 7 + 10} kg,{k % 5}" for k in range(60)]
    data, plain = ready(write(tmp_path, rows)), [row.replace(" kg", "") for row in rows]
    assert columns(data)["c"] == "number"
    assert data.facts.columns[1]["mean"] == ready(write(tmp_path, plain, "plain.csv")).facts.columns[1]["mean"]
    new = [write(tmp_path, [f"0.5,{cell}"], f"{k}.csv", "x,c") for k, cell in enumerate(("12kg", "12 lb", "12"))]
    known = predicted(data, new[0])
    assert known.equal(predicted(data, write(tmp_path, ["0.5,12 kg"], "new.csv", "x,c")))
    for path in new[1:]:
        with pytest.raises(MisconfigurationException, match=r"column `c`: '12.*' is not a number in kg \(write"):
            predicted(data, path)


@pytest.mark.parametrize("unit", [" kg", "%"])
@pytest.mark.parametrize("name", ["new.xlsx", "new.parquet", "new.jsonl", ""])
def test_a_bare_number_is_none_in_a_unit(tmp_path, unit, name):
    data = ready(write(tmp_path, [f"{NOISE[k]},{k % 7 + 10}{unit},{k % 5}" for k in range(60)]))
    for cells, number in (([f"12{unit}", None], True), ([12, None], False), ([12.5, 13], False)):
        given = frame = pd.DataFrame({"x": [0.5, 1.5], "c": cells})
        if name:
            given = tmp_path / name
            if name == "new.xlsx":
                frame.to_excel(given, index=False)
            elif name == "new.parquet":
                frame.to_parquet(given)
            else:
                frame.to_json(given, orient="records", lines=True)
        if number:
            data.ask(given)
            data.setup("predict")
            continue
        with pytest.raises(MisconfigurationException, match=rf"`c`: {cells[0]}.* is not a number in {unit.strip()}"):
            data.ask(given)
            data.setup("predict")


@pytest.mark.parametrize(
    ("cells", "options", "told"),
    [
        (["12 kg", "300 g", "7 kg"], {}, "not all in one unit (`7 kg`, `300 g`), so each different cell is a category"),
        (["12 kg", "300", "7 kg"], {}, "not all in one unit (`7 kg`, `300`)"),
        (["1.2M", "350k", "5"], {}, "not all in one unit (`1.2M`, `350k`, `5`)"),
        (["12 g", "15"], {}, "not all in one unit (`12 g`, `15`)"),
        (["12g", "1k"], {}, "not all in one unit (`12g`, `1k`)"),
        (["1.2B", "350M", "7"], {}, "not all in one unit (`1.2B`, `350M`, `7`)"),
        (["19.5C", "70F", "20C"], {}, "not all in one unit (`20C`, `70F`)"),
        (["12 kg", "300 g", "7 kg"], {"categorical": ["c"]}, ""),
        (["12A", "12B", "12"], {}, ""),  # house numbers
        (["3 a", "3 b", "3 d", "5"], {}, ""),
        (["12M", "12L", "12S"], {}, ""),  # sizes
        (["12A", "30B", "7A"], {}, ""),  # codes
        (["12 Oak", "3 Elm", "7 Main", "8 High", "9 Low", "2 Park"], {}, ""),
        (["1st", "many", "2nd"], {}, ""),
    ],
)
def test_numbers_in_several_units_are_categories_and_told(tmp_path, cells, options, told):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = ready(write(tmp_path, [f"{NOISE[k]},{cells[k % len(cells)]},{k % 5}" for k in range(60)]), **options)
    assert columns(data)["c"] == "category"
    found = [str(warning.message) for warning in caught if "column `c`" in str(warning.message)]
    assert [told in message for message in found] == ([True] if told else [])


@pytest.mark.parametrize(
    "names", [["001", "002", "010"], ["1", "01", "10"], ["None", "NA", "null", "nan"], ["1.0", "1"]]
)
def test_classes_keep_their_names(tmp_path, names):
    data = Tabular(write(tmp_path, [f"{NOISE[k]},a,{names[k % len(names)]}" for k in range(80)]), "y", "class")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if names == ["1.0", "1"]:  # one class: all are whole numbers
            with pytest.raises(MisconfigurationException, match="target `y` is the same in all"):
                data.setup("fit")
            return
        data.setup("fit")
    assert sorted(data.facts.classes) == sorted(names)


def test_a_class_that_may_mean_missing_is_told(tmp_path):
    rows = [f"{NOISE[k]},{'abc'[k % 3]},{('NA', 'yes', 'no', '')[k % 4]}" for k in range(80)]
    path = write(tmp_path, rows)
    with pytest.warns(UserWarning, match=r"`NA` is taken for a class of `y` like others .*--data.missing \[NA\]"):
        data = ready(path, kind="class")
    assert data.facts.classes == ["NA", "no", "yes"]
    data = ready(path, kind="class", missing=["NA"])
    assert data.facts.classes == ["no", "yes"]


def test_whole_numbers_as_classes_are_the_same_with_a_point(tmp_path):
    rows = [f"{NOISE[k]},{'abc'[k % 3]},{k % 3}" for k in range(60)]
    test = write(tmp_path, ["0.5,a,2.0", "0.5,b,"], "test.csv")
    data = ready(write(tmp_path, rows), kind="class", test_path=test, stages=("fit",))
    assert data.facts.classes == ["0", "1", "2"]
    pd.read_csv(test).astype({"y": "float64"}).to_parquet(tmp_path / "test.parquet")  # a gap makes floats of them
    data.test_path = tmp_path / "test.parquet"
    data.setup("test")
    assert data.datasets["test"].__getitems__(BatchIndices([0])).target.tolist() == [2]


def test_new_categories_are_told_with_their_count(tmp_path):
    data = ready(write(tmp_path, [f"{NOISE[k]},{'ab'[k % 2]},{k % 5}" for k in range(60)]))
    new = write(tmp_path, ["1,a", "1,zz", "1,zz", "1,q", "1,"], "new.csv", "x,c")
    with pytest.warns(
        UserWarning, match=r"new.csv: categories that training did not have.*`c` in 3 rows \(`q`, `zz`\)"
    ):
        predicted(data, new)


FLAGS = {"csv": ["TRUE", "FALSE"], "tsv": ["true", "false"], "xlsx": [True, False], "parquet": [True, False]}


def flags(folder, ending, count=60, gap=None, name="flags"):
    """A file of flags, every third is true; ``gap`` is what further rows have."""
    yes, no = FLAGS[ending]
    cells = [no if k % 3 else yes for k in range(count)] + ([] if gap is None else [gap] * 15)
    x = [float(NOISE[k]) for k in range(len(cells))]
    frame = pd.DataFrame({"x": x, "c": pd.Series(cells, dtype="object"), "y": [k % 5 for k in range(len(cells))]})
    path = folder / f"{name}.{ending}"
    if ending == "parquet":
        frame.infer_objects().to_parquet(path)
    elif ending == "xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    return str(path)


@pytest.mark.parametrize("trained", FLAGS)
@pytest.mark.parametrize("later", FLAGS)
def test_truth_values_are_the_same_in_every_form_of_file(tmp_path, trained, later):
    wanted = [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]] * 20  # false, true
    data = ready(flags(tmp_path, trained))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predicted(data, flags(tmp_path, later, name="later"))[:, 1:].tolist() == wanted
    facts = {"columns": data.facts.columns[1:], "missing": [], "missing_words": []}
    assert encode([{"c": str(cell)} for cell in FLAGS[later]], facts).tolist() == [[0, 1], [1, 0]]
    test = flags(tmp_path, later, name="test")
    data = ready(flags(tmp_path, trained), "c", "class", test_path=test, stages=("fit", "test"))
    assert data.facts.classes == sorted(str(flag) for flag in FLAGS[trained])  # as they are written there
    found = data.datasets["test"].__getitems__(BatchIndices(range(60))).target.tolist()
    assert found == [1, 0, 0] * 20


def test_truth_values_beside_another_word(tmp_path):
    data = ready(flags(tmp_path, "csv", gap="unknown"))
    wanted = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]] * 20 + [[0.0, 0.0, 1.0]] * 15
    assert predicted(data, flags(tmp_path, "xlsx", gap="unknown"))[:, 1:].tolist() == wanted
    mixed = write(tmp_path, [f"{NOISE[k]},{('TRUE', 'true', 'False')[k % 3]},{k % 5}" for k in range(60)])
    assert len(ready(mixed).facts.columns[1]["categories"]) == 2


# ---- decimal signs and dates


def test_decimal_commas_are_read_as_points(tmp_path):
    def comma(text):
        return text.replace(".", ",")

    rows = [f"{NOISE[k]};{'ab'[k % 2]};{k / 8}" for k in range(60)]
    points = ready(write(tmp_path, rows, header="x;c;y"))
    commas = ready(write(tmp_path, [comma(row) for row in rows], "comma.csv", "x;c;y"))
    assert points.facts.target_mean == commas.facts.target_mean
    for split in ("train", "val"):
        assert (
            points.datasets[split]
            .__getitems__(BatchIndices([0, 1, 2]))
            .inputs.equal(commas.datasets[split].__getitems__(BatchIndices([0, 1, 2])).inputs)
        )
    new = write(tmp_path, ["1,234;a"], "new.csv", "x;c")  # by itself it could be 1234
    column = commas.facts.columns[0]
    assert predicted(commas, new)[0, 0].item() == pytest.approx((1.234 - column["mean"]) / column["scale"])
    with pytest.raises(MisconfigurationException, match=r"'1.2' is not a number with the decimal sign `,`"):
        predicted(commas, write(tmp_path, ["1.2;a"], "new.csv", "x;c"))


@pytest.mark.parametrize("order", ["dmy", "mdy"])
def test_the_order_of_day_and_month_is_that_of_training(tmp_path, order):
    form = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}
    days = pd.Series(pd.date_range("2022-01-01", periods=120, freq="D")).sample(frac=1, random_state=0)
    rows = [f"{day.strftime(form[order])},{'ab'[k % 2]},{day.dayofyear}" for k, day in enumerate(days)]
    data = ready(write(tmp_path, rows), scale=False)
    assert columns(data) == {"x": "date", "c": "category"}
    wanted = (pd.Timestamp("2022-04-03" if order == "dmy" else "2022-03-04") - pd.Timestamp("1970-01-01")).days
    new = write(tmp_path, ["03/04/2022,a"], "new.csv", "x,c")
    assert predicted(data, new)[0, 0].item() == wanted
    other = "25/12/2022" if order == "mdy" else "12/25/2022"
    with pytest.raises(MisconfigurationException, match=r"is not a date that begins with the .*, as in training"):
        predicted(data, write(tmp_path, [f"{other},a"], "new.csv", "x,c"))


def test_dates_that_could_mean_two_things_are_refused(tmp_path):
    rows = [f"{RNG.integers(1, 13):02d}/{RNG.integers(1, 13):02d}/2022,{'ab'[k % 2]},{NOISE[k]}" for k in range(60)]
    path = write(tmp_path, rows)
    with pytest.raises(MisconfigurationException, match=r"--data.date_format"):
        ready(path)
    data = ready(path, date_format="%d/%m/%Y")
    assert columns(data)["x"] == "date"


# ---- what is no feature


def noise_with(folder, values, name="Id"):
    rows = [f"{value},{NOISE[k]},{'abc'[k * 3 // len(values)]}" for k, value in enumerate(values)]
    return write(folder, rows, header=f"{name},width,kind")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (range(1, 91), "n"),
        (range(900, 0, -10), "n"),
        ([k * k for k in range(90)], "n"),
        (RNG.permutation(90) + 17, "n"),
        (RNG.permutation(5000)[:90], "customer_id"),
        (RNG.permutation(5000)[:90], "PassengerId"),
    ],
)
def test_row_numbers_and_identifiers_are_left_out_and_told(tmp_path, values, name):
    path = noise_with(tmp_path, values, name)
    with pytest.warns(
        UserWarning, match=rf"column `{name}` holds whole numbers that all differ.*--data.keep \[{name}\]"
    ):
        data = ready(path, "kind", "class")
    assert list(columns(data)) == ["width"]
    assert list(columns(ready(path, "kind", "class", keep=[name]))) == [name, "width"]


@pytest.mark.parametrize(
    ("values", "name"), [(RNG.permutation(5000)[:90], "price"), ([k // 2 for k in range(90)], "n")]
)
def test_other_whole_numbers_are_kept(tmp_path, values, name):
    assert list(columns(ready(noise_with(tmp_path, values, name), "kind", "class"))) == [name, "width"]


def test_a_row_number_alone_is_predicted_from_and_told(tmp_path):
    path = write(tmp_path, [f"{k},{2 * k}" for k in range(30)], header="x,y")
    with pytest.warns(UserWarning, match="`x` looks like a row number; it is predicted from because there is no other"):
        assert list(columns(ready(path))) == ["x"]


def test_constant_columns_are_left_out_and_told(tmp_path):
    rows = [f"{NOISE[k]},same,{NOISE[-k]},7" for k in range(60)]
    path = write(tmp_path, rows, header="x,c,y,n")
    with pytest.warns(UserWarning, match=r"column `n` is the same in all training rows.*--data.keep \[n\]"):
        assert list(columns(ready(path))) == ["x"]
    assert list(columns(ready(path, keep=["n", "c"]))) == ["x", "c", "n"]


def test_a_number_is_no_class(tmp_path):
    path = write(tmp_path, [f"{NOISE[k]},a,{k // 2 + 100}" for k in range(60)])
    with pytest.raises(
        MisconfigurationException, match=r"`y` has \d+ classes for \d+ rows.*configs/own/regression.yaml"
    ):
        ready(path, kind="class")
    assert len(ready(path, kind="class", categorical=["y"]).facts.classes) == 30
    path = write(tmp_path, [f"{NOISE[k % 200]},a,{(k % 25) / 4}" for k in range(400)])
    with pytest.raises(MisconfigurationException, match="is it a number to predict"):
        ready(path, kind="class")
    path = write(tmp_path, [f"{NOISE[k % 200]},a,{k % 50}" for k in range(400)])
    assert len(ready(path, kind="class").facts.classes) == 50  # eight rows each, whole numbers


def test_points_between_thousands_of_a_target_are_asked_for_unless_a_column_tells(tmp_path):
    targets = [k * 37 + 900 for k in range(60)]
    cells = [f"{y:,}".replace(",", ".") for y in targets]  # 937, 1.011
    path = write(tmp_path, [f"{k},a,{cell}" for k, cell in enumerate(cells)])
    with pytest.raises(
        MisconfigurationException, match=r"whether `1\.011` in column `y` is 1.011 or 1011 .*--data.dec"
    ):
        ready(path)
    assert min(targets) < ready(path, decimal=",").facts.target_mean[0] < max(targets)
    path = write(tmp_path, [f"{k / 8},a,{cell}" for k, cell in enumerate(cells)])
    assert 1 < ready(path).facts.target_mean[0] < 999  # 3.25 has a decimal point, so 1.011 has one


# ---- faulty cells and rows


def test_rows_with_faulty_cells_are_left_out_if_asked(tmp_path):
    rows = [f"{NOISE[k]},{'ab'[k % 2]},{k % 7}" for k in range(100)]
    rows[3], rows[50] = "oops,a,1", "1,b,oops"
    path = write(tmp_path, rows)
    with pytest.raises(MisconfigurationException, match=r"column `.`: 'oops' is not a number.*--data.on_error skip"):
        ready(path)
    with pytest.warns(UserWarning, match=r"table.csv: left out \d of \d+ rows; the first: .*oops") as told:
        data = ready(path, on_error="skip", stages=("fit", "test"))
    assert sum(len(examples) for examples in data.datasets.values()) == 98
    assert not any(examples.__getitems__(BatchIndices([0])).inputs.isnan().any() for examples in data.datasets.values())
    assert sum("left out" in str(warning.message) for warning in told) >= 1


def test_rows_that_cannot_be_predicted_stay_without_prediction(tmp_path):
    rows = [f"{NOISE[k]},{'ab'[k % 2]},{k % 7}" for k in range(100)]
    data = ready(write(tmp_path, rows), on_error="skip")
    new = write(tmp_path, ["7,1,a", "8,many,b", "9,2,b"], "new.csv", "id,x,c")
    with pytest.warns(UserWarning, match=r"new.csv: left out 1 of 3 rows; the first: .*row 2, column `x`: 'many'"):
        assert len(predicted(data, new)) == 2
    path = data.write([data.describe(k) | {"prediction": k + 1.5} for k in range(2)], tmp_path)
    with path.open() as file:
        assert [(row["id"], row["prediction"]) for row in csv.DictReader(file)] == [
            ("7", "1.5"),
            ("8", ""),
            ("9", "2.5"),
        ]


def test_ragged_rows(tmp_path):
    rows = [f"{NOISE[k]},{'ab'[k % 2]},{k % 7}" for k in range(100)]
    path = write(tmp_path, [*rows, "1,a"])
    with pytest.raises(MisconfigurationException, match="line 102: 2 cells, but the header has 3"):
        ready(path)
    with pytest.warns(UserWarning, match="left out 1 of 101 rows"):
        assert ready(path, on_error="skip").facts.num_rows == 100


# ---- other forms


def test_encodings_and_forms_give_the_same_facts(tmp_path):
    rows = [f'{NOISE[k]},"Zürich, {k % 3}",{k % 7}' for k in range(100)]
    facts = [ready(write(tmp_path, rows)).facts.state()]
    facts.append(ready(write(tmp_path, rows, "a.csv", encoding="cp1252"), encoding="cp1252").facts.state())
    facts.append(ready(write(tmp_path, rows, "b.csv", encoding="utf-16")).facts.state())
    frame = pd.read_csv(tmp_path / "table.csv")
    frame.to_excel(tmp_path / "c.xlsx", index=False)
    frame.to_json(tmp_path / "d.jsonl", orient="records", lines=True)
    facts += [ready(str(tmp_path / name)).facts.state() for name in ("c.xlsx", "d.jsonl")]
    for state in facts:
        state.pop("fingerprint")
        for column in [*state["columns"], *state["target_columns"]]:
            column.pop("format", None)
    assert all(state == facts[0] for state in facts)


def test_large_levels_lose_no_digit(tmp_path):
    truth = [12_345_678 + 8 * float(x) for x in NOISE[:100]]
    rows = [f"{NOISE[k]},{'ab'[k % 2]},{truth[k]:.6f}" for k in range(100)]
    data = ready(write(tmp_path, rows), stages=("fit", "test"))
    where = data.read("test").where
    target = data.datasets["test"].__getitems__(BatchIndices(range(len(where)))).target.double()
    back = target * torch.tensor(data.facts.target_scale, dtype=torch.float64) + data.facts.target_mean[0]
    assert back.flatten().tolist() == pytest.approx([truth[k] for k in where], rel=0, abs=1e-5)


# ---- splits


def test_rows_in_another_order_are_told(tmp_path):
    rows = [f"{NOISE[k]},{'ab'[k % 2]},{k % 7}" for k in range(100)]
    path = write(tmp_path, rows)
    trained = ready(path)
    data = Tabular(path, "y", "number")
    data.load_state_dict(trained.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.setup("test")
    write(tmp_path, rows[::-1])
    for stage in ("test", "fit"):
        other = Tabular(path, "y", "number")
        other.load_state_dict(trained.state_dict())
        with pytest.warns(UserWarning, match="table.csv: not what the model was trained on, or changed since"):
            other.setup(stage)


def test_rows_without_a_group_are_groups_of_their_own(tmp_path):
    rows = [f"{NOISE[k]},{'abcdefgh'[k % 8] if k % 3 else ''},{k % 7}" for k in range(90)]
    data = ready(write(tmp_path, rows), group_column="c", stages=("fit", "test"))
    names = {
        split: {rows[k].split(",")[1] for k in data.read(split).where} - {""} for split in ("train", "val", "test")
    }
    assert not names["train"] & names["test"]
    assert all(any(not rows[k].split(",")[1] for k in data.read(split).where) for split in names)  # not one big group
    assert sum(len(examples) for examples in data.datasets.values()) == 90
