import math
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.tables.columns import origins
from datamodules.tables.own import Tabular
from experiments.deployment.export.scripts.table import encode

SAMPLE = Path(__file__).parents[2] / "samples" / "tables" / "people.csv"


def people(target="income", kind="number", **options):
    data = Tabular(str(SAMPLE), target, kind, **{"ignore": ["id", "group"], **options})
    data.setup("fit")
    data.setup("test")
    return data


def rows(data, split):
    """Inputs, target and the numbers of the rows of a split."""
    examples = data.datasets[split]
    inputs, target = examples.__getitems__(BatchIndices(range(len(examples))))
    return inputs, target, data.read(split).where


def write(folder, text, name="table.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def numbers(count, header="x,y"):
    return header + "\n" + "".join(f"{k},{3 * k}\n" for k in range(count))


# ---- what the columns become


def test_kinds_are_told_by_type_and_can_be_overridden():
    kinds = {column["name"]: column["kind"] for column in people().facts.columns}
    assert kinds == {"age": "number", "city": "category", "joined": "date", "active": "category"}
    kinds = {column["name"]: column["kind"] for column in people(categorical=["age"]).facts.columns}
    assert "age" not in kinds  # left out, because as a category every value is another one


def test_numbers_are_standardized_with_the_training_rows_only():
    data = people()
    table = pd.read_csv(SAMPLE)
    inputs, _, where = rows(data, "train")
    train = table["age"].iloc[where]
    for split in ("train", "val", "test"):
        inputs, _, where = rows(data, split)
        age = table["age"].iloc[where].fillna(train.median())
        expected = (age - train.mean()) / train.std(ddof=0)
        assert inputs[:, 0].numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_missing_number_becomes_the_median_and_an_indicator(tmp_path):
    text = "x,y\n" + "".join(f"{'' if k % 3 == 0 else k},{k}\n" for k in range(30))
    data = Tabular(write(tmp_path, text), "y", "number")
    data.setup("fit")
    inputs, _, where = rows(data, "train")
    column = data.facts.columns[0]
    missing = torch.from_numpy(where % 3 == 0)
    assert inputs[:, 1].bool().equal(missing)
    filled = (column["median"] - column["mean"]) / column["scale"]
    assert inputs[missing, 0].numpy() == pytest.approx(filled)


def test_categories_are_one_hot_with_an_own_one_for_missing():
    data = people(ignore=["id", "group", "age", "joined", "active"])
    table = pd.read_csv(SAMPLE)
    for split in ("train", "val", "test"):
        inputs, _, where = rows(data, split)
        column = data.facts.columns[0]
        for vector, city in zip(inputs.tolist(), table["city"].iloc[where], strict=True):
            expected = [float(city == name) for name in column["categories"]]
            if column["missing"]:
                expected.append(float(isinstance(city, float)))
            assert vector == expected
    inputs, _, _ = rows(data, "train")
    assert column["shares"] == pytest.approx(inputs.mean(0).tolist())


def test_new_category_is_all_zeros(tmp_path):
    text = "c,y\n" + "".join(f"{'ab'[k % 2]},{k}\n" for k in range(20))
    data = Tabular(write(tmp_path, text), "y", "number", predict_path=write(tmp_path, "c\na\nnew\n\n", "new.csv"))
    data.setup("fit")
    data.setup("predict")
    inputs, target = data.datasets["predict"].__getitems__(BatchIndices([0, 1]))
    assert inputs.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert target is None


def test_whole_numbers_and_floats_are_the_same_category(tmp_path):
    text = "c,y\n" + "".join(f"{k % 2},{k}\n" for k in range(20))
    new = write(tmp_path, "c,z\n1,0\n,0\n0.0,0\n", "new.csv")  # the gap makes the whole numbers floats
    data = Tabular(write(tmp_path, text), "y", "number", categorical=["c"], predict_path=new)
    data.setup("fit")
    data.setup("predict")
    inputs, _ = data.datasets["predict"].__getitems__(BatchIndices([0, 1, 2]))
    assert inputs.tolist() == [[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]


def test_a_category_has_one_form_of_unicode(tmp_path):
    one, two = "Caf\u00e9", "Cafe\u0301"
    cells = [one, two, "Bar", "Bar", "Bar"] * 4
    new = write(tmp_path, f"c\n{two}\n{one}\n Bar \n", "new.csv")
    text = "c,y\n" + "".join(f"{cell},{k}\n" for k, cell in enumerate(cells))
    data = Tabular(write(tmp_path, text), "y", "number", predict_path=new)
    data.setup("fit")
    data.setup("predict")
    (column,) = data.facts.columns
    assert column["categories"] == ["Bar", one]
    inputs, _ = data.datasets["predict"].__getitems__(BatchIndices([0, 1, 2]))
    assert inputs.tolist() == [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    facts = {"columns": [column], "missing_words": [], "missing": []}
    assert encode([{"c": two}, {"c": one}, {"c": " Bar "}], facts).tolist() == inputs.tolist()


def test_rare_categories_are_left_out(tmp_path):
    text = "c,x,y\n" + "".join(f"{name},{k},{k}\n" for k, name in enumerate("a" * 30 + "b" * 20 + "c" * 10 + "d"))
    data = Tabular(write(tmp_path, text), "y", "number", max_categories=2)
    data.setup("fit")
    assert data.facts.columns[0]["categories"] == ["a", "b"]


def test_date_becomes_days_and_waves(tmp_path):
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    text = "d,y\n" + "".join(f"{day.date()},{k}\n" for k, day in enumerate(days))
    data = Tabular(write(tmp_path, text), "y", "number", scale=False)
    data.setup("fit")
    inputs, target, _ = rows(data, "train")
    since = (days[0] - pd.Timestamp("1970-01-01")).days
    assert inputs.shape[1] == 5
    assert torch.allclose(inputs[:, 0], target[:, 0] + since)
    week = 2 * math.pi * target[:, 0] / 7  # 2024-01-01 was a Monday
    assert torch.allclose(inputs[:, 1], torch.sin(week), atol=1e-4)
    assert torch.allclose(inputs[:, 2], torch.cos(week), atol=1e-4)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y"])
@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_a_date_that_means_never_is_a_day_too(tmp_path, form, year, ending):
    days = [date(year, 12, 31) if k % 5 == 0 else date(2024, k % 12 + 1, k % 28 + 1) for k in range(60)]
    table = pd.DataFrame({"d": days, "x": [k % 7 + 0.5 for k in range(60)], "y": range(60)})
    path = tmp_path / f"table.{ending}"
    if ending == "csv":
        cells = [form.replace("%Y", f"{day.year:04}").replace("%m", f"{day.month:02}") for day in days]
        table["d"] = [cell.replace("%d", f"{day.day:02}") for cell, day in zip(cells, days, strict=True)]
        table.to_csv(path, index=False)
    elif ending == "parquet":
        table.astype({"d": "datetime64[us]"}).to_parquet(path)
    elif year == 1:
        pytest.skip("Excel counts from 1900")
    else:
        table.to_excel(path, index=False)
    data = Tabular(str(path), "y", "number", scale=False)
    data.setup("fit")
    inputs, _, where = rows(data, "train")
    assert inputs[:, 0].tolist() == [days[k].toordinal() - date(1970, 1, 1).toordinal() for k in where]
    by_time = Tabular(str(path), "y", "number", time_column="d")
    by_time.setup("fit")
    by_time.setup("test")
    latest = sorted(range(60), key=lambda k: days[k])[-12:]
    assert year == 1 or sorted(by_time.read("test").where) == sorted(latest)


def test_origins_of_the_inputs():
    data = people()
    # age and its indicator, a date without the hour and its indicator, then two cities, then no, yes and missing
    assert [column["name"] for column in data.facts.columns] == ["age", "city", "joined", "active"]
    assert data.facts.input_columns == origins(data.facts.columns) == [*[0] * 2, *[2] * 6, *[1] * 2, *[3] * 3]
    assert data.facts.num_inputs == rows(data, "train")[0].shape[1] == 13


def test_classes_and_their_counts():
    data = people("active", "class")
    _, target, where = rows(data, "train")
    truth = pd.read_csv(SAMPLE)["active"].iloc[where]
    assert data.facts.classes == ["no", "yes"]
    assert [data.facts.classes[k] for k in target] == truth.tolist()
    assert data.facts.class_counts == [(truth == "no").sum(), (truth == "yes").sum()]


def test_targets_are_standardized_with_the_training_rows():
    data = people(["income", "age"])  # the row without age is left out
    truth = pd.read_csv(SAMPLE)[["income", "age"]]
    total = 0
    for split in ("train", "val", "test"):
        _, target, where = rows(data, split)
        back = target.double() * torch.tensor(data.facts.target_scale) + torch.tensor(data.facts.target_mean)
        assert back.numpy() == pytest.approx(truth.iloc[where].to_numpy(), rel=1e-5)
        total += len(where)
    assert rows(data, "train")[1].mean(0).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert total == 19


# ---- splits


def test_splits_share_the_rows_out_by_the_seed():
    data = people()
    where = {split: set(rows(data, split)[2].tolist()) for split in ("train", "val", "test")}
    assert [len(part) for part in where.values()] == [12, 4, 4]
    assert set().union(*where.values()) == set(range(20))
    other = Tabular(str(SAMPLE), "income", "number")
    other.seed = 7
    assert set(other.read("test").where.tolist()) != where["test"]


def test_classes_have_equal_shares(tmp_path):
    text = "x,y\n" + "".join(f"{k},{'rare' if k % 5 == 0 else 'often'}\n" for k in range(100))
    data = Tabular(write(tmp_path, text), "y", "class")
    for split in ("train", "val", "test"):
        where = data.read(split).where
        assert (where % 5 == 0).sum() * 5 == len(where)


def test_groups_are_not_divided():
    data = people(group_column="group", ignore=["id"])
    groups = [set(pd.read_csv(SAMPLE)["group"].iloc[rows(data, s)[2]]) for s in ("train", "val", "test")]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert "group" not in [column["name"] for column in data.facts.columns]


def test_time_must_be_known():
    with pytest.raises(MisconfigurationException, match="row 6: no joined"):
        Tabular(str(SAMPLE), "income", "number", time_column="joined").read("train")


def test_time_order(tmp_path):
    text = "t,x,y\n" + "".join(f"{2000 - k},{k % 7},{k}\n" for k in range(50))
    data = Tabular(write(tmp_path, text), "y", "number", time_column="t")
    assert data.read("test").where.tolist() == list(range(10))
    assert data.read("val").where.tolist() == list(range(10, 20))
    data.setup("fit")
    assert [column["name"] for column in data.facts.columns] == ["x"]


def test_split_column(tmp_path):
    names = ["train", "Validation", "test", "train", "train"]
    text = "s,x,y\n" + "".join(f"{names[k % 5]},{k},{k * k}\n" for k in range(20))
    data = Tabular(write(tmp_path, text), "y", "number", split_column="s")
    assert data.read("val").where.tolist() == [1, 6, 11, 16]
    assert data.read("test").where.tolist() == [2, 7, 12, 17]
    bad = Tabular(write(tmp_path, text + "hold,1,1\n"), "y", "number", split_column="s")
    with pytest.raises(MisconfigurationException, match="row 21, column `s`: 'hold' is not train, val or test"):
        bad.read("train")
    none = Tabular(write(tmp_path, text.replace("test", "train")), "y", "number", split_column="s")
    with pytest.raises(MisconfigurationException, match="names no row `test`"):
        none.read("train")


def test_own_test_file(tmp_path):
    test = write(tmp_path, "x,y\n5,5\n6,6\n", "test.csv")
    data = Tabular(write(tmp_path, numbers(20)), "y", "number", test_path=test)
    data.setup("fit")
    data.setup("test")
    assert len(data.datasets["train"]) == 16
    assert len(data.datasets["val"]) == 4
    assert rows(data, "test")[1].flatten().numpy() * data.facts.target_scale[0] + data.facts.target_mean[
        0
    ] == pytest.approx([5, 6])


def test_only_one_way_to_split():
    with pytest.raises(MisconfigurationException, match="only one of"):
        Tabular("t.csv", "y", "number", time_column="a", group_column="b")


# ---- what a checkpoint carries


def test_facts_come_from_the_checkpoint_and_are_not_learned_again(tmp_path):
    data = people()
    path = tmp_path / "facts.pt"
    torch.save(data.state_dict(), path)
    other = Tabular(str(SAMPLE), "income", "number", predict_path=str(SAMPLE))
    other.load_state_dict(torch.load(path, weights_only=True))
    other.seed = data.seed
    other.learn = None
    other.setup("test")
    other.setup("predict")
    assert rows(other, "test")[0].equal(rows(data, "test")[0])


def test_rows_added_after_training_are_refused(tmp_path):
    data = Tabular(write(tmp_path, numbers(20)), "y", "number")
    data.setup("fit")
    write(tmp_path, numbers(21))
    with pytest.raises(MisconfigurationException, match="has 21 rows, but had 20 when the model was trained"):
        data.setup("test")


# ---- predictions


def asked(folder, path, kind="number"):
    table = "c,x,y\n" + "".join(f"{'ab'[k % 2]},{k % 7}.5,{k % 3}\n" for k in range(40))
    data = Tabular(write(folder, table), "y", kind, predict_path=str(path))
    for stage in ("fit", "predict"):
        data.setup(stage)
    return data


def test_predictions_come_beside_the_rows_as_they_were(tmp_path):
    text = '\ufeffname,c,x,class\r\n"Ann, B.",a,1.50,old\n\nBob,,2,\r\n'
    data = asked(tmp_path, write(tmp_path, text, "new.csv"), "class")
    row = {"class": "yes", "probability": 0.9, "class_2": "no", "probability_2": 0.1}
    predicted = [data.describe(k) | row for k in range(2)]
    path = data.write(predicted, tmp_path)
    lines = path.read_bytes().decode().split("\n")
    assert lines == [
        "name,c,x,class,prediction,probability,prediction_2,probability_2",
        '"Ann, B.",a,1.50,old,yes,0.9,no,0.1',
        "Bob,,2,,yes,0.9,no,0.1",
        "",
    ]


def test_predictions_for_parquet(tmp_path):
    table = pd.DataFrame(
        {"x": [1, 2], "c": ["a", "b"], "d": pd.to_datetime(["2024-01-01", "2024-02-01"])}, index=[5, 9]
    )
    table.to_parquet(tmp_path / "new.parquet")
    data = asked(tmp_path, tmp_path / "new.parquet")
    path = data.write([data.describe(k) | {"prediction": k + 1.5} for k in range(2)], tmp_path)
    back = pd.read_parquet(path)
    assert back["prediction"].tolist() == [1.5, 2.5]
    assert back["d"].tolist() == table["d"].tolist()


def test_no_column_of_the_users_is_lost_to_one_of_the_prediction(tmp_path):
    table = pd.DataFrame({"c": ["a", "b"], "set": [7, 8], "given_set": [5, 6], "x": [1.5, 2.5], "prediction": [3, 4]})
    names = ["c", "given_given_set", "given_set", "x", "given_prediction", "prediction", "set"]
    table.to_csv(tmp_path / "new.csv", index=False)
    table.to_parquet(tmp_path / "new.parquet")
    for given in ("new.csv", "new.parquet", table):
        data = asked(tmp_path, tmp_path / "new.csv", "class")
        data.ask(tmp_path / given if isinstance(given, str) else given)
        data.setup("predict")
        predicted = [data.describe(k) | {"class": "no", "set": "no|yes"} for k in range(2)]
        wanted = dict(zip(names, [*table.astype(str).values.T.tolist(), ["no"] * 2, ["no|yes"] * 2], strict=True))
        assert data.frame(predicted).astype(str).to_dict("list") == wanted
        if isinstance(given, str):
            path = data.write(predicted, tmp_path)
            back = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
            assert back.astype(str).to_dict("list") == wanted


def test_only_rows_that_were_predicted_are_written(tmp_path):
    data = asked(tmp_path, write(tmp_path, "i,c,x\n" + "".join(f"{k},a,{k}\n" for k in range(6)), "new.csv"))
    some = [data.describe(k) | {"prediction": k / 2} for k in (1, 2, 4)]  # as two processes leave them
    assert data.write(some, tmp_path).read_text() == "i,c,x,prediction\n1,a,1,0.5\n2,a,2,1.0\n4,a,4,2.0\n"
    assert data.frame(some)["i"].tolist() == ["1", "2", "4"]


def test_parquet_and_tsv_and_semicolons_read_the_same(tmp_path):
    table = pd.read_csv(SAMPLE)
    table.to_parquet(tmp_path / "people.parquet")
    table.to_csv(tmp_path / "people.tsv", sep="\t", index=False)
    table.to_csv(tmp_path / "people.txt", sep=";", decimal=",", index=False)
    expected = rows(people(), "train")[0]
    for name, options in (("people.parquet", {}), ("people.tsv", {}), ("people.txt", {"decimal": ","})):
        data = Tabular(str(tmp_path / name), "income", "number", ignore=["id", "group"], **options)
        data.setup("fit")
        assert rows(data, "train")[0].equal(expected)


def test_truth_values_are_categories(tmp_path):
    text = "b,y\n" + "".join(f"{k % 2 == 0},{k}\n" for k in range(20)) + ",20\n"
    data = Tabular(write(tmp_path, text), "y", "number")
    data.setup("fit")
    assert data.facts.columns[0]["categories"] == ["False", "True"]


@pytest.mark.parametrize(("split", "stage"), [("val", "fit"), ("test", "test")])
def test_a_split_without_rows_is_refused_when_it_is_needed(tmp_path, split, stage):
    data = Tabular(write(tmp_path, numbers(20)), "y", "number", **{f"{split}_fraction": 0.0})
    data.setup(stage)
    with pytest.raises(
        MisconfigurationException, match=f"no examples in its {split} split: raise data.{split}_fraction"
    ):
        data.loader(split)


@pytest.mark.parametrize("option", ["group_column", "time_column", "split_column"])
def test_a_target_does_not_divide_the_rows(option):
    with pytest.raises(MisconfigurationException, match=f"`y` is named twice, by data.target and data.{option}; name"):
        Tabular("t.csv", target="y", kind="class", **{option: "y"})
    with pytest.raises(MisconfigurationException, match=r"`y` is named twice, by data.target and data.target"):
        Tabular("t.csv", target=["y", "x", "y"], kind="number")
