"""One patch decides."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from datamodules.images import Digits
from datamodules.sampling import BatchIndices
from experiments.deployment.model import Model
from experiments.explanation.images import ExplainedImage, ImageExplainer, smoothed
from experiments.explanation.quantities import Quantity
from modules.classification import Classifier


class PatchNet(nn.Module):
    """Sees nothing but a patch of 2 x 3 pixels."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.output = nn.Linear(num_inputs * 6, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        patch: Tensor = self.output(images[:, :, 2:4, 3:6].flatten(1).tanh())
        return patch


@pytest.fixture
def model() -> Model:
    data = Digits()
    data.setup("fit")
    torch.manual_seed(0)
    task = Classifier(net=PatchNet)
    task.use(data.facts)
    task.configure_model()
    return Model(task.eval(), data)


def digits(count: int) -> list[np.ndarray[Any, Any]]:
    from sklearn.datasets import load_digits

    return [(image * 15.9).astype("uint8")[:, :, None] for image in load_digits().images[:count]]


def test_one_patch_decides(model: Model) -> None:
    answers = model.predict(digits(7), batch_size=3, explain=True)
    assert answers["contributions"][0].shape == (8, 8)
    with torch.no_grad():
        average = model.task(torch.zeros(1, 1, 8, 8))[0].double().softmax(0)
    for contributions, name, probability in answers[["contributions", "class", "probability"]].itertuples(False):
        assert np.argwhere(contributions).min(0).tolist() == [2, 3]
        assert np.argwhere(contributions).max(0).tolist() == [3, 5]
        of_average = average[model.task.classes.index(name)]
        expected = np.log(probability / (1 - probability)) - float((of_average / (1 - of_average)).log())
        assert contributions.sum() == pytest.approx(expected, abs=1e-3)


def test_the_image_and_what_speaks_for_it_are_drawn(model: Model) -> None:
    explainer = ImageExplainer(*model)
    heat = torch.zeros(8, 8)
    heat[2, 3] = -4
    one = ExplainedImage("$7$", torch.full((1, 8, 8), 0.25), heat)
    assert one.columns("") == {}
    figure = explainer.draw([one] * 3)
    figure.draw_without_rendering()
    left, right = figure.axes[:2]
    assert left.get_title("left") == "$7$"
    assert left.images[0].get_array().max() == 0.25
    shown = right.images[-1]
    assert (shown.get_array().argmin(), shown.get_clim()) == (2 * 8 + 3, (-4, 4))
    assert [bool(axes.images) for axes in figure.axes] == [True] * 6


def test_pictures_of_many_pixels_are_smoothed() -> None:
    heat = torch.zeros(96, 96)
    heat[50, 20] = 49**2
    shown = smoothed(heat)  # twice over 7 pixels
    assert shown[50, 20] == pytest.approx(49)
    assert shown[50, 14:27].tolist() == pytest.approx([7.0 * k for k in (1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1)])
    assert shown.sum() == pytest.approx(49**2, rel=1e-4)
    torch.testing.assert_close(smoothed(torch.ones(70, 96)), torch.ones(70, 96))
    assert smoothed(heat[45:53, 15:23]).equal(heat[45:53, 15:23])


def test_images_are_shown_as_they_were(model: Model) -> None:
    model.data.ask(digits(1))
    model.data.setup("predict")
    inputs = model.data.datasets["predict"].__getitems__(BatchIndices([0])).inputs
    quantity = Quantity("", ["7"], [{}], lambda images, rows: images.sum((1, 2, 3)))
    (explained,) = ImageExplainer(*model).attribute(quantity, inputs, [0])
    torch.testing.assert_close(explained.pixels[0], torch.from_numpy(digits(1)[0][:, :, 0]).float() / 255)
    torch.testing.assert_close(explained.contributions, inputs[0, 0])
    (bright,) = ImageExplainer(*model).attribute(quantity, inputs + 9, [0])
    assert bright.pixels.max() == 1
