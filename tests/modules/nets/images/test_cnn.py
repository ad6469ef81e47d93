import pytest
import torch
from torch import nn

from modules.nets.images import ResidualCNN, SmallCNN, TorchvisionModel


@pytest.mark.parametrize(
    "net",
    [
        lambda: ResidualCNN(3, 2, width=4, blocks=1),
        lambda: TorchvisionModel(3, 2, "resnet18"),
        lambda: SmallCNN(3, 2, width=4, num_stages=1),
    ],
)
def test_a_batch_of_one_small_image_is_trained_on(net) -> None:
    torch.manual_seed(0)
    model, image = net().train(), torch.randn(1, 3, 4, 4)  # a single point is left of it, but for the last network
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(image).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert all(module.training for module in model.modules())
    last = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)][-1]
    (name,) = [name for name, module in model.named_modules() if module is last]
    kept = torch.equal(model.state_dict()[f"{name}.running_mean"], before[f"{name}.running_mean"])
    assert kept == (not isinstance(model, SmallCNN))
    model(torch.randn(2, 3, 8, 8))
    assert not torch.equal(model.state_dict()[f"{name}.running_mean"], before[f"{name}.running_mean"])


def test_outputs_have_a_logit_a_class_and_do_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 1, 12, 12)
    for model in (ResidualCNN(1, 5, width=4).eval(), SmallCNN(1, 5, width=4).eval()):
        logits = model(images)
        assert logits.shape == (4, 5)
        torch.testing.assert_close(torch.cat([model(image[None]) for image in images]), logits)


def test_a_stride_of_two_halves_the_images_at_once() -> None:
    images = torch.randn(2, 1, 16, 16)
    sizes = [ResidualCNN(1, 5, width=4, stride=stride).features(images).shape[-1] for stride in (1, 2)]
    assert sizes == [4, 2]
