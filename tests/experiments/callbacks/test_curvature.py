import glob
from typing import ClassVar

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules.types import ClassFacts
from experiments.callbacks.curvature import Curvature, hessian, hessian_product, hutchinson, lanczos, loss_of
from modules.classification import Classifier
from modules.task import Step


class LeastSquares(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.net = nn.Linear(features, 1)

    def step(self, batch: tuple[Tensor, Tensor]) -> Step:
        inputs, target = batch
        return Step(((self.net(inputs).squeeze(1) - target) ** 2).mean(), len(target))


def least_squares() -> tuple[LeastSquares, list[tuple[Tensor, Tensor]], Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs, target = torch.randn(40, 5, generator=generator), torch.randn(40, generator=generator)
    design = torch.cat([inputs, torch.ones(40, 1)], 1)  # weights, then the bias
    # Batches of different sizes: the loss is the mean over the examples.
    return LeastSquares(5), [(inputs[:30], target[:30]), (inputs[30:], target[30:])], 2 / 40 * design.T @ design


def network() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    torch.manual_seed(0)
    task = LeastSquares(4)
    task.net = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.BatchNorm1d(12), nn.Linear(12, 1)).eval()
    return task, [(torch.randn(64, 4), torch.randn(64))]


def by_double_backward(task: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    parameters = list(task.parameters())
    grads = torch.autograd.grad(task.step(batch).loss, parameters, create_graph=True)
    rows = []
    for value in torch.cat([g.flatten() for g in grads]):
        row = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        whole = [torch.zeros_like(p) if r is None else r for r, p in zip(row, parameters, strict=True)]
        rows.append(torch.cat([part.flatten() for part in whole]))
    return torch.stack(rows)


def test_exact_hessian_of_least_squares_is_the_analytic_one() -> None:
    task, batches, expected = least_squares()
    torch.testing.assert_close(hessian(*loss_of(task, batches)), expected, atol=1e-5, rtol=1e-5)


def test_exact_hessian_of_a_network_agrees_with_differentiating_twice() -> None:
    task, batches = network()
    torch.testing.assert_close(
        hessian(*loss_of(task, batches)), by_double_backward(task, batches[0]), atol=1e-5, rtol=1e-4
    )


def test_lanczos_finds_the_extreme_eigenvalues() -> None:
    task, batches = network()
    loss, parameters = loss_of(task, batches)
    expected = torch.linalg.eigvalsh(hessian(loss, parameters).double())
    found = lanczos(hessian_product(loss, parameters), parameters, 40)
    assert len(parameters) > 60
    torch.testing.assert_close(found[-3:], expected[-3:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[:1], expected[:1], atol=1e-4, rtol=1e-4)


def test_lanczos_stops_when_it_has_them_all() -> None:
    task, batches, expected = least_squares()
    loss, parameters = loss_of(task, batches)
    found = lanczos(hessian_product(loss, parameters), parameters, 40)
    torch.testing.assert_close(found.float(), torch.linalg.eigvalsh(expected), atol=1e-4, rtol=1e-4)


def test_hutchinson_is_exact_for_a_diagonal_and_near_otherwise() -> None:
    diagonal = torch.tensor([3.0, -1.0, 0.5])
    assert hutchinson(lambda v: diagonal * v, torch.zeros(3), 1) == pytest.approx(2.5)
    task, batches, expected = least_squares()
    loss, parameters = loss_of(task, batches)
    estimate = hutchinson(hessian_product(loss, parameters), parameters, 2000)
    assert estimate == pytest.approx(expected.trace().item(), rel=0.03)


def test_frozen_parameters_are_left_out() -> None:
    task, batches, expected = least_squares()
    task.net.bias.requires_grad = False
    torch.testing.assert_close(hessian(*loss_of(task, batches)), expected[:5, :5], atol=1e-5, rtol=1e-5)


class Points(LightningDataModule):
    facts, restored = ClassFacts(classes=["a", "b"], class_counts=[20, 20], num_inputs=3), False
    counted: ClassVar = {"val": 5}

    def train_dataloader(self) -> DataLoader:
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(40, 3, generator=generator)
        return DataLoader(TensorDataset(inputs, (inputs.sum(1) > 0).long()), batch_size=8)

    val_dataloader = train_dataloader


class Net(nn.Module):
    def __init__(self, num_inputs: int, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(num_inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, num_classes)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs)


def fit(folder: str, callbacks: list) -> Classifier:
    seed_everything(0)
    task = Classifier(Net)
    logger = TensorBoardLogger(folder, version="0")
    trainer = Trainer(
        max_epochs=4, callbacks=callbacks, logger=logger, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(task, Points())
    return task


@pytest.mark.parametrize("max_exact", [3000, 10])
def test_callback_logs_every_n_epochs_and_does_not_change_training(tmp_path, max_exact: int) -> None:
    plain = fit(str(tmp_path / "plain"), [])
    watched = fit(str(tmp_path / "watched"), [Curvature(every_n_epochs=2, max_exact=max_exact, num_batches=5)])
    for ours, theirs in zip(watched.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    events = EventAccumulator(glob.glob(str(tmp_path / "watched" / "*" / "0"))[0]).Reload()
    largest = [event.value for event in events.Scalars("curvature/largest")]
    assert [event.step for event in events.Scalars("curvature/trace")] == [10, 20]
    assert ("curvature/spectrum" in events.Tags()["histograms"]) == (max_exact == 3000)
    # The last value is that of the trained network, in evaluation, over the five validation batches.
    loss, parameters = loss_of(watched.eval(), [tuple(batch) for batch in Points().val_dataloader()])
    expected = torch.linalg.eigvalsh(hessian(loss, parameters))[-1].item()
    assert largest[-1] == pytest.approx(expected, rel=1e-3)
