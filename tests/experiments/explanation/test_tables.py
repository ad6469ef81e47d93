"""One column decides."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from datamodules.tables import Tabular
from experiments.deployment.model import Model
from experiments.explanation.tables import ExplainedRow, TableExplainer, average_row
from modules.classification import Classifier
from modules.multilabel import MultiLabelClassifier
from modules.nets.tabm import TabM
from modules.nets.tabular import FTTransformer
from modules.regression import Regressor
from modules.task import Task

COUNT = 60


def table() -> pd.DataFrame:
    """A number with gaps, one without, a category with gaps, a date, and answers."""
    generator = np.random.default_rng(0)
    size, weight = generator.normal(5, 2, COUNT).round(2), generator.normal(0, 1, COUNT).round(3)
    colour = [("red", "red", "blue", "red", None, "green")[k % 6] for k in range(COUNT)]
    day = pd.date_range("2024-01-01", periods=COUNT).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"size": size, "weight": weight, "colour": colour, "day": day})
    frame.loc[::7, "size"] = np.nan
    kind = np.where(np.arange(COUNT) % 2, "yes", "no")
    return frame.assign(kind=kind, price=3 * weight + 1, length=size.round(1))


def model(task: Task, **options: object) -> Model:
    """A task of random weights for the table."""
    table().to_csv("table.csv", index=False)
    ignored = [name for name in ("kind", "price", "length") if name not in options["target"]]  # type: ignore[operator]
    data = Tabular("table.csv", ignore=ignored, **options)  # type: ignore[arg-type]
    data.setup("fit")
    torch.manual_seed(0)
    task.use(data.facts)
    task.configure_model()
    return Model(task.eval(), data)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


INPUTS = ["size", "weight", "colour", "day"]


@pytest.mark.parametrize("column", INPUTS)
def test_one_column_decides(column: str) -> None:
    found = model(Classifier(net=nn.Linear), target=["kind"], kind="class")
    facts = found.task.facts
    own = torch.tensor(facts.input_columns) == [c["name"] for c in facts.columns].index(column)
    with torch.no_grad():
        found.task.net.weight[:, ~own] = 0
    answers = found.predict(table(), explain=True)
    contributions = answers[[f"contribution_{name}" for name in INPUTS]]
    others = contributions.drop(columns=f"contribution_{column}")
    assert (others == 0).all(axis=None)
    assert (contributions[f"contribution_{column}"] != 0).mean() > 0.9
    first = answers["because"].iloc[1]
    assert first == f"{column} ({contributions[f'contribution_{column}'].iloc[1]:+.3g})"


@pytest.mark.parametrize("net", [TabM, FTTransformer])
def test_contributions_add_up_to_the_log_odds(net: type[nn.Module]) -> None:
    found = model(Classifier(net=lambda inputs, outputs: net(inputs, outputs)), target=["kind"], kind="class")
    plain, answers = found.predict(table()), found.predict(table(), explain=True)
    pd.testing.assert_frame_equal(answers[list(plain)], plain)
    with torch.no_grad():
        average = found.task(average_row(found.task.facts)[None])[0].double().softmax(0)
    of_average = {name: float((p / (1 - p)).log()) for name, p in zip(found.task.classes, average, strict=True)}
    log_odds = np.log(answers["probability"] / (1 - answers["probability"]))
    expected = log_odds - answers["prediction"].map(of_average)
    total = answers[[f"contribution_{name}" for name in INPUTS]].sum(axis=1)
    assert total.to_numpy() == pytest.approx(expected.to_numpy(), abs=0.02)


def test_of_a_calibrated_model_they_are_those_of_its_probabilities() -> None:
    found = model(Classifier(net=nn.Linear), target=["kind"], kind="class")
    plain = found.predict(table(), explain=True)
    found.task.calibration = found.task.calibrator(0.9)
    assert found.task.calibration is not None
    found.task.calibration.values["temperature"] = torch.tensor(4.0, dtype=torch.float64)
    scaled = found.predict(table(), explain=True)
    assert scaled["contribution_day"].to_numpy() == pytest.approx(plain["contribution_day"].to_numpy() / 4, rel=1e-3)


def test_contributions_to_numbers_are_in_their_units() -> None:
    found = model(Regressor(net=nn.Linear), target=["price", "length"], kind="number")
    answers = found.predict(table(), explain=True)
    for target, mean in zip(("price", "length"), found.task.facts.target_mean, strict=True):
        with torch.no_grad():
            scale = found.task.facts.target_scale[found.task.targets.index(target)]
            average = found.task(average_row(found.task.facts)[None])[0, found.task.targets.index(target)] * scale
        total = answers[[f"contribution_{target}_{name}" for name in INPUTS]].sum(axis=1)
        expected = answers[f"prediction_{target}"] - mean - float(average)
        assert total.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-4)
        assert answers[f"because_{target}"].str.contains("day").any()


def test_the_likeliest_label_is_explained() -> None:
    frame = table()
    frame["price"] = [("a,b", "a", "b")[k % 3] for k in range(COUNT)]
    frame.drop(columns=["kind", "length"]).to_csv("labels.csv", index=False)
    data = Tabular("labels.csv", ["price"], "labels", label_separator=",")
    data.setup("fit")
    task = MultiLabelClassifier(net=nn.Linear)
    task.use(data.facts)
    task.configure_model()
    answers = Model(task.eval(), data).predict(frame[INPUTS], explain=True)
    likeliest = answers[["probability_a", "probability_b"]].idxmax(axis=1).str.removeprefix("probability_")
    assert answers["explained"].tolist() == likeliest.tolist()
    assert answers["explained"].nunique() == 2
    with torch.no_grad():
        average = dict(zip("ab", task(average_row(data.facts)[None])[0].tolist(), strict=True))
    shares = answers[["probability_a", "probability_b"]].max(axis=1)
    expected = np.log(shares / (1 - shares)) - answers["explained"].map(average)
    total = answers[[f"contribution_{name}" for name in INPUTS]].sum(axis=1)
    assert total.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-3)


def test_the_average_row_has_the_shares_of_the_categories() -> None:
    found = model(Classifier(net=nn.Linear), target=["kind"], kind="class")
    facts = found.task.facts
    examples = found.data.datasets["train"]
    inputs = examples.__getitems__(list(range(len(examples)))).inputs  # type: ignore[arg-type]
    categories = torch.tensor([facts.columns[k]["kind"] == "category" for k in facts.input_columns])
    assert int(categories.sum()) == 4
    torch.testing.assert_close(average_row(facts)[categories], inputs.mean(0)[categories])
    assert not average_row(facts)[~categories].any()
    for column in facts.columns:
        column.pop("shares", None)  # as in a run of before they were learned
    assert average_row(facts)[categories].tolist() == [0.25] * 4


def test_numbers_that_are_not_scaled_are_compared_with_their_median() -> None:
    found = model(Regressor(net=nn.Linear), target=["price"], kind="number", scale=False)
    column = found.task.facts.columns[1]
    assert average_row(found.task.facts)[found.task.facts.input_columns.index(1)] == pytest.approx(column["median"])


def test_the_strongest_columns_are_drawn() -> None:
    explainer = TableExplainer(*model(Classifier(net=nn.Linear), target=["kind"], kind="class"))
    rows = [
        ExplainedRow("$yes$", {"$a$": 1.0, "b": -2.0, **{f"c{k}": 0.1 * k for k in range(8)}}),
        ExplainedRow("no", {"a": 0.5}),
        ExplainedRow("no", {"a": -0.5}),
    ]
    figure = explainer.draw(rows)
    figure.draw_without_rendering()
    first, *others = figure.axes
    assert len(others) == 2
    assert first.get_title() == "$yes$"
    assert [label.get_text() for label in first.get_yticklabels()] == ["c4", "c5", "c6", "c7", "$a$", "b"]
    assert [bar.get_width() for bar in first.patches][-2:] == [1.0, -2.0]
    assert first.patches[-1].get_facecolor() != first.patches[-2].get_facecolor()
