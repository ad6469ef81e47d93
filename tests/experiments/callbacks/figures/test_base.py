import errno
import html
import io
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import markdown
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.tensorboard import SummaryWriter

from experiments import runs
from experiments.callbacks.figures import (
    ClassificationFigures,
    LabelFigures,
    RegressionFigures,
    SelectionFigures,
    TaggingFigures,
)
from experiments.callbacks.figures.base import DPI, EvaluationFigures, heat_map, is_due, plain, show_figure
from experiments.cli import LeydenCLI
from experiments.commands.configs import CONFIGS

SHOPS = Path(__file__).parents[3] / "samples" / "series" / "shops.csv"


class Recorder(EvaluationFigures):
    def __init__(self, every_n_epochs: int | None = 1) -> None:
        super().__init__(every_n_epochs)
        self.shown: list[tuple[int, str, list[tuple[int, int]], float]] = []

    def start(self, task: Any, num_batches: int) -> None:
        self.num_batches = num_batches
        self.seen: list[tuple[int, int]] = []

    def see(self, trainer: Trainer, task: Any, output: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append((batch_idx, self.num_batches))

    def show(self, trainer: Trainer, task: Any, stage: str) -> None:
        self.shown.append((trainer.current_epoch, stage, self.seen, float(task.layer.bias[0])))


class Model(BoringModel):
    """Has other weights while it is validated, as with an average of weights; says nothing of its last batch."""

    def on_validation_epoch_start(self) -> None:
        self.layer.bias.data += 100

    def on_validation_epoch_end(self) -> None:
        self.layer.bias.data -= 100

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return super().validation_step(batch, batch_idx) if batch_idx < 2 else None


def trained(figures: Recorder, folder: Path, **options: Any) -> tuple[Trainer, LightningModule]:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    few = {"limit_train_batches": 1, "limit_val_batches": 3, "limit_test_batches": 2}
    fitting = Trainer(accelerator="cpu", max_epochs=5, callbacks=[figures], **quiet, **few, **options)
    model = Model()
    fitting.fit(model)
    return fitting, model


def test_figures_are_shown_when_due_with_the_weights_that_were_evaluated(tmp_path: Path) -> None:
    figures = Recorder(every_n_epochs=2)
    fitting, model = trained(figures, tmp_path, logger=TensorBoardLogger(tmp_path))
    assert [shown[:3] for shown in figures.shown] == [(n, "val", [(0, 3), (1, 3)]) for n in (1, 3, 4)]
    assert all(bias > 50 for *_, bias in figures.shown)
    figures.shown.clear()
    fitting.test(model, verbose=False)
    assert [shown[1:3] for shown in figures.shown] == [("test", [(0, 2), (1, 2)])]


def test_nothing_is_looked_at_without_a_board(tmp_path: Path) -> None:
    figures = Recorder()
    trained(figures, tmp_path, logger=False)
    assert figures.shown == []
    assert not hasattr(figures, "seen")


def test_figures_are_shown_ten_times_in_a_thousand_epochs() -> None:
    def due(fn: str, epoch: int, last: int) -> bool:
        trainer: Any = SimpleNamespace(state=SimpleNamespace(fn=fn), current_epoch=epoch - 1, max_epochs=last)
        return is_due(trainer, None)

    assert [n for n in range(1, 1001) if due("fit", n, -1)] == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert [n for n in range(1, 13) if due("fit", n, 12)] == [1, 2, 5, 10, 12]
    assert due("test", 7, 12)


def figures_in(*words: Any) -> list[EvaluationFigures]:
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu", "--trainer.limit_train_batches=1"]
    cli = LeydenCLI([str(word) for word in (*words, *quiet)])
    return [callback for callback in cli.trainer.callbacks if isinstance(callback, EvaluationFigures)]  # type: ignore[attr-defined]


def test_fit_validate_and_test_have_the_figures_of_their_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["fit", "--config", CONFIGS / "regression" / "line.yaml", "--trainer.max_epochs=1"]
    (found,) = figures_in(*line)
    assert isinstance(found, RegressionFigures)
    assert Path("runs/line/0/pictures/val_predictions.png").is_file()
    for command in ("validate", "test"):
        assert [type(one) for one in figures_in(command, "--ckpt_path", "runs/line/0")] == [RegressionFigures]
    Path("new.csv").write_text("x\n1\n")
    assert figures_in("predict", "--ckpt_path", "runs/line/0", "--data.predict_path=new.csv") == []


def test_a_figure_that_a_config_names_takes_the_place_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    figures = [ClassificationFigures.__name__, RegressionFigures.__name__]
    named = [f"--trainer.callbacks+=experiments.callbacks.figures.{name}" for name in figures]
    line = ["fit", "--config", CONFIGS / "regression" / "line.yaml", "--trainer.fast_dev_run=true", *named]
    found = figures_in(*line, "--trainer.callbacks.targets=2")
    assert [type(one).__name__ for one in found] == figures
    assert found[1].targets == 2  # type: ignore[attr-defined]


def test_figures_can_be_left_out_also_of_a_run_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["fit", "--config", CONFIGS / "regression" / "line.yaml", "--trainer.max_epochs=1", "--figures=false"]
    assert figures_in(*line) == []
    assert not Path("runs/line/0/pictures").exists()
    assert figures_in("fit", "--ckpt_path", "runs/line/0", "--trainer.max_epochs=2") == []
    assert figures_in("test", "--ckpt_path", "runs/line/0") == []
    assert len(figures_in("test", "--ckpt_path", "runs/line/0", "--figures")) == 1


def test_forecasts_are_drawn_beside_their_table_unless_figures_are_left_out(
    tmp_path: Path, leyden: Callable[..., int]
) -> None:
    words = ["--data.path", SHOPS, "--data.id=shop", "--data.target=sales", "--trainer.max_epochs=1"]
    assert leyden("fit", "--config", CONFIGS / "own" / "forecasting.yaml", *words) == 0
    predict = ["predict", "--ckpt_path", "runs/forecasting/0", "--data.predict_path", SHOPS]
    assert leyden(*predict) == 0
    assert Path("runs/forecasting/0/predictions.csv").is_file()
    assert not Path("runs/forecasting/0/predictions.png").exists()
    assert leyden(*predict, "--figures") == 0
    assert Path("runs/forecasting/0/predictions.png").read_bytes()[:4] == b"\x89PNG"


def test_texts_are_shown_as_they_are() -> None:
    text = "a_b *c* `d` \\n <you>\n | e__f &lt; g"
    shown = re.sub(r"<.*?>", "", markdown.markdown(f"- {plain(text)}"))  # as TensorBoard does it
    assert html.unescape(shown).strip() == " ".join(text.split())


def test_figures_in_no_epoch_are_refused() -> None:
    with pytest.raises(MisconfigurationException, match=r"Recorder.every_n_epochs is 0"):
        Recorder(every_n_epochs=0)


def test_heat_map_names_rows_and_columns_and_has_a_colour_bar() -> None:
    figure = heat_map(torch.eye(2, 3), ["Ein", "Hund"], ["A", "dog", "<end>"], ("written", "source"), limits=(0, 1))
    axes, bar = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "dog", "<end>"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Ein", "Hund"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("written", "source")
    assert axes.images[0].get_clim() == (0, 1)
    assert bar.get_position().x0 > axes.get_position().x1


def test_dollars_in_names_are_no_formulas(tmp_path: Path) -> None:
    trainer = Trainer(logger=False, default_root_dir=tmp_path, accelerator="cpu", enable_model_summary=False)
    figure = heat_map(torch.eye(2), ["$a$", r"$\x"], ["up to $5", r"$\frac$"])  # not all of them are formulas even
    show_figure(trainer, "val/confusion", figure)
    assert (tmp_path / "pictures" / "val_confusion.png").exists()
    assert [label.get_parse_math() for label in figure.axes[0].get_yticklabels()] == [False, False]


def test_pictures_and_texts_that_cannot_be_written_cost_no_scores(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def claim_beside_a_file(root: Path, name: str) -> runs.Claim:
        claimed = claim(root, name)
        (claimed.folder / "pictures").touch()
        return claimed

    claim = runs.claim
    monkeypatch.setattr(runs, "claim", claim_beside_a_file)
    monkeypatch.setattr(SummaryWriter, "add_text", full)
    with pytest.warns(UserWarning, match="cannot be written into") as told:
        assert leyden("fit", "--config", digits, "--trainer.max_epochs=2", "--figures") == 0
    said = [str(one.message) for one in told if "cannot be written" in str(one.message)]
    assert [(one.split()[0], one.partition("all else goes on. ")[2]) for one in said] == [
        ("run", "--trainer.logger false leaves the board out"),
        ("train_inputs.png", "--figures false leaves pictures out"),
    ]
    assert "val/accuracy" in Path("runs/digits/0/metrics.json").read_text()


def test_heat_map_with_numbers_in_its_cells() -> None:
    values, numbers = torch.tensor([[0.9, 0.1], [0.0, 1.0]]), torch.tensor([[9999, 1], [0, 12345]])
    figure = heat_map(values, ["a", "b"], ["a", "b"], limits=(0, 1), numbers=numbers)
    assert len(figure.axes) == 1
    cells = {text.get_position(): (text.get_text(), text.get_color()) for text in figure.axes[0].texts}
    assert cells == {(0, 0): ("9999\n90%", "white"), (1, 0): ("1\n10%", "black"), (1, 1): ("12k\n100%", "white")}


def test_heat_map_leaves_out_what_is_no_number_and_numbers_of_many_classes() -> None:
    values = torch.tensor([[1.0, torch.nan], [3.0, 2.0]])
    image = heat_map(values, ["a", "b"], ["a", "b"]).axes[0].images[0]
    assert image.get_clim() == (1, 3)
    assert image.get_array().mask.tolist() == [[False, True], [False, False]]
    names = [str(i) for i in range(26)]
    many = heat_map(torch.eye(26), names, names, limits=(0, 1), numbers=torch.eye(26))
    assert not many.axes[0].texts


def test_sanity_check_is_no_evaluation() -> None:
    assert not Recorder().wanted(SimpleNamespace(sanity_checking=True))  # type: ignore[arg-type]


def test_names_in_a_dozen_columns_are_readable_at_half_the_size() -> None:
    for num in (2, 10, 12):
        names = [f"a rather long name {i}" for i in range(num)]
        figure = heat_map(torch.eye(num), names, names, ("true", "predicted"), limits=(0, 1), numbers=torch.eye(num))
        assert figure.get_size_inches()[0] * DPI <= 2.2 * 360
        axes = figure.axes[0]
        assert {label.get_size() for label in axes.get_xticklabels()} == {9.0}  # points: 10 of 320 pixels
        assert len(axes.get_xticklabels()[0].get_text()) == 14
        figure.savefig(io.BytesIO())
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label):
            box = label.get_window_extent()
            assert box.x0 >= 0
            assert box.y0 >= 0  # nothing is cut


@pytest.mark.parametrize(
    ("figure", "joining"),
    [
        (ClassificationFigures(), "torchmetrics.classification.MulticlassConfusionMatrix.compute"),
        (TaggingFigures(), "torchmetrics.classification.MulticlassConfusionMatrix.compute"),
        (LabelFigures(), "modules.metrics.LabelScores.sync_context"),
        (SelectionFigures(), "experiments.callbacks.figures.selection.from_all"),
    ],
)
def test_a_process_without_examples_meets_the_others(
    figure: EvaluationFigures, joining: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Met(Exception):
        """The process is where all processes come together."""

    def meet(*args: object) -> None:
        raise Met

    monkeypatch.setattr(joining, meet)
    names = {"classes": ["a", "b"], "labels": ["a", "b"], "tags": ["O", "B-x"], "threshold": 0.5, "scheme": "IOB2"}
    task: Any = SimpleNamespace(device=torch.device("cpu"), **names)
    figure.start(task, 1)
    with pytest.raises(Met):
        figure.show(Trainer(logger=False, accelerator="cpu", enable_model_summary=False), task, "val")
