import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch import nn

from datamodules.sampling import BatchIndices
from datamodules.tables.own import Tabular
from datamodules.tables.public import Diabetes
from experiments.callbacks.coefficients import Coefficients
from modules.nets.tabular import FTTransformer
from modules.regression import Regressor


def trainer(**options):
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **{"max_epochs": 2, **options},
    )


def several(tmp_path, offset=0.0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    lines = [f"{a},{b},{offset + 10 * a + rng.normal()},{300 * b}" for a, b in x]
    path = tmp_path / "t.csv"
    path.write_text("a,b,first,second\n" + "\n".join(lines) + "\n")
    return Tabular(str(path), ["first", "second"], "number", batch_size=7)


def truth(data, split):
    examples = data.datasets[split]
    return examples.__getitems__(BatchIndices(range(len(examples))))


def test_scores_are_scikit_learns_in_the_users_units():
    pl.seed_everything(0, verbose=False)
    data, task = Diabetes(), Regressor(nn.Linear)
    trained = trainer()
    trained.fit(task, data)
    scores = trained.test(task, data, verbose=False)[0]
    inputs, target = truth(data, "test")
    mean, scale = data.facts.target_mean[0], data.facts.target_scale[0]
    predicted = task(inputs).detach().numpy() * scale + mean
    table = data.table()["progression"].to_numpy()[data.read("test").where]
    assert target.numpy()[:, 0] * scale + mean == pytest.approx(table, rel=1e-5)
    assert scores["test/mae"] == pytest.approx(mean_absolute_error(table, predicted), rel=1e-4)
    assert scores["test/rmse"] == pytest.approx(root_mean_squared_error(table, predicted), rel=1e-4)
    assert scores["test/r2"] == pytest.approx(r2_score(table, predicted), rel=1e-4)
    assert scores["test/loss"] == pytest.approx((scores["test/rmse"] / scale) ** 2, rel=1e-4)


def test_several_targets_and_their_predictions_by_name(tmp_path):
    pl.seed_everything(0, verbose=False)
    data = several(tmp_path)
    task = Regressor(nn.Linear, optimizer=lambda p: torch.optim.SGD(p, lr=0.3))
    trained = trainer(max_epochs=20)
    trained.fit(task, data)
    scores = trained.test(task, data, verbose=False)[0]
    assert scores["test/r2"] > 0.98
    inputs, target = truth(data, "test")
    rows = task.predict_step((inputs, None), 0)
    back = target * torch.tensor(data.facts.target_scale) + torch.tensor(data.facts.target_mean)
    assert list(rows[0]) == ["prediction_first", "prediction_second"]
    assert [row["prediction_second"] for row in rows] == pytest.approx(back[:, 1].tolist(), rel=0.1, abs=5)


def test_targets_far_from_zero_cost_no_digits(tmp_path):
    scores, predictions = [], []
    for offset in (0.0, 1e7):
        pl.seed_everything(0, verbose=False)
        data = several(tmp_path, offset)
        task = Regressor(nn.Linear, optimizer=lambda p: torch.optim.SGD(p, lr=0.3))
        trained = trainer(max_epochs=5)
        trained.fit(task, data)
        scores.append(trained.test(task, data, verbose=False)[0])
        rows = task.predict_step((truth(data, "test")[0], None), 0)
        predictions.append([row["prediction_first"] - offset for row in rows])
    assert scores[1] == pytest.approx(scores[0], rel=1e-3)
    assert predictions[1] == pytest.approx(predictions[0], abs=0.06)  # single precision would be off by 1


def test_other_losses():
    task = Regressor(nn.Linear, loss=nn.L1Loss())
    data = Diabetes()
    data.setup("fit")
    task.use(data.facts)
    task.configure_model()
    inputs, target = truth(data, "val")
    assert task.step((inputs, target)).loss.item() == pytest.approx((task(inputs) - target).abs().mean().item())


def test_a_network_may_take_the_columns(tmp_path):
    lines = "".join(f"{k},{'abc'[k % 3]},{k * k}\n" for k in range(30))
    (tmp_path / "t.csv").write_text("x,c,y\n" + lines)
    task = Regressor(lambda num_inputs, num_outputs: FTTransformer(num_inputs, num_outputs, width=8))
    data = Tabular(str(tmp_path / "t.csv"), "y", "number", keep=["x"])
    data.setup("fit")
    task.use(data.facts)
    task.configure_model()
    assert task.net.embed.num_columns == 2
    assert task(truth(data, "val")[0]).shape == (6, 1)


def test_coefficients_are_printed(capsys):
    task = Regressor(nn.Linear)
    task.net = nn.Linear(2, 1)
    nn.init.constant_(task.net.weight, 0.5)
    nn.init.constant_(task.net.bias, -1.0)
    Coefficients().on_fit_end(None, task)
    assert capsys.readouterr().out == "learned weight = 0.5000, 0.5000\nlearned bias = -1.0000\n"
    Coefficients(max_numbers=2).on_fit_end(None, task)
    assert capsys.readouterr().out == ""
