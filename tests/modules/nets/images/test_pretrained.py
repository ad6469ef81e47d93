import pytest
import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from modules.nets.images import TorchvisionModel
from modules.nets.loading import weights_come_later


def save(path, **changes) -> dict[str, torch.Tensor]:
    tensors = {k: torch.randn_like(v) for k, v in torchvision.models.squeezenet1_1().state_dict().items()}
    tensors = {k: v for k, v in tensors.items() if k.startswith("features")} | changes
    torch.save({k: v for k, v in tensors.items() if v is not None}, path)
    return tensors


@pytest.mark.parametrize(
    ("name", "head"),
    [("squeezenet1_1", "classifier.1"), ("resnet18", "fc"), ("alexnet", "classifier.6"), ("densenet121", "classifier"),
     ("mobilenet_v3_small", "classifier.3"), ("vit_b_32", "heads.head"), ("convnext_tiny", "classifier.2"),
     ("inception_v3", "fc"), ("googlenet", "fc")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_the_last_layer_is_new_and_the_output_has_the_classes(name: str, head: str) -> None:
    size = 299 if name == "inception_v3" else 224
    with torch.device("meta"):
        model = TorchvisionModel(3, 7, name).train()
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 7)
    assert model.head_name == head
    assert model.head is model.model.get_submodule(head)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", torchvision.models.list_models(module=torchvision.models))
def test_every_model_of_torchvision(name: str) -> None:
    if name.startswith("regnet"):
        pytest.skip("cannot be made without memory")
    with torch.device("meta"):
        assert TorchvisionModel(3, 7, name).train()(torch.zeros(2, 3, 299, 299)[..., :224, :224]).shape == (2, 7)


def test_squeezenet_has_no_relu_on_its_logits() -> None:
    torch.manual_seed(0)
    logits = TorchvisionModel(3, 4, "squeezenet1_1").eval()(torch.randn(8, 3, 64, 64))
    assert logits.min() < 0 < logits.max()


def test_grey_images_are_repeated() -> None:
    torch.manual_seed(0)
    grey = TorchvisionModel(1, 2, "squeezenet1_1").eval()
    colour = TorchvisionModel(3, 2, "squeezenet1_1").eval()
    colour.load_state_dict(grey.state_dict())
    images = torch.randn(2, 1, 64, 64)
    torch.testing.assert_close(grey(images), colour(images.repeat(1, 3, 1, 1)))


def test_dropout_replaces_the_models_own() -> None:
    probabilities = [
        [m.p for m in TorchvisionModel(3, 2, "alexnet", dropout=p).modules() if isinstance(m, nn.Dropout)]
        for p in (None, 0.1)
    ]
    assert probabilities == [[0.5, 0.5], [0.1, 0.1]]


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_a_file_are_loaded_all_but_the_head(tmp_path, monkeypatch, caplog, wrapped: bool) -> None:
    tensors = save(tmp_path / "w.pth")
    if wrapped:
        torch.save({"state_dict": {f"module.{k}": v for k, v in tensors.items()}, "best": 1.0}, tmp_path / "w.pth")
    monkeypatch.setenv("LEYDEN_DATA", str(tmp_path))  # where a relative path is looked for too
    with caplog.at_level("INFO"):
        model = TorchvisionModel(3, 2, "squeezenet1_1", "w.pth")
    for name, value in tensors.items():
        assert torch.equal(model.model.state_dict()[name], value)
    assert "loaded 50 tensors" in caplog.text
    assert "new: classifier.1.weight, classifier.1.bias" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features.0.weight": torch.zeros(64, 1, 3, 3)}, r"49 of its 50.*features.0.weight is \(64, 1, 3, 3\) in"),
        ({"strange.weight": torch.zeros(2)}, r"strange.weight is \(2,\) in the file, unknown here"),
        ({"features.3.squeeze.bias": None}, r"features.3.squeeze.bias \(16,\) is missing"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_named(tmp_path, changes, message: str) -> None:
    save(tmp_path / "w.pth", **changes)
    with pytest.raises(MisconfigurationException, match=message):
        TorchvisionModel(3, 2, "squeezenet1_1", str(tmp_path / "w.pth"))


def test_files_that_hold_no_weights_are_named(tmp_path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"not a checkpoint")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    for name in ("broken", "other"):
        with pytest.raises(MisconfigurationException, match=rf"{name}\.pth is not a file of weights"):
            TorchvisionModel(3, 2, "squeezenet1_1", str(tmp_path / f"{name}.pth"))
    with pytest.raises(MisconfigurationException, match=r"no weights file .*missing\.pth"):
        TorchvisionModel(3, 2, "squeezenet1_1", str(tmp_path / "missing.pth"))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(MisconfigurationException, match="no classification model resnet19; nearest: resnet"):
        TorchvisionModel(3, 2, "resnet19")
    with pytest.raises(
        MisconfigurationException, match="resnet18 has no weights IMAGENET1K_V2; nearest: IMAGENET1K_V1"
    ):
        TorchvisionModel(3, 2, "resnet18", "IMAGENET1K_V2")


def test_pretrained_weights_are_not_needed_where_a_checkpoint_brings_them(tmp_path) -> None:
    missing = str(tmp_path / "missing.pth")
    with weights_come_later():
        TorchvisionModel(3, 2, "squeezenet1_1", missing)
    with weights_come_later(False), pytest.raises(MisconfigurationException, match="no weights file"):
        TorchvisionModel(3, 2, "squeezenet1_1", missing)


def test_timm_models() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = TorchvisionModel(1, 5, "timm/resnet18")
    assert isinstance(model.model, timm.models.ResNet)
    assert model.head is model.model.fc
    assert model(torch.randn(2, 1, 64, 64)).shape == (2, 5)
    with pytest.raises(MisconfigurationException, match="timm has no model resnet19; nearest: resnet"):
        TorchvisionModel(3, 2, "timm/resnet19")


def test_without_timm_it_is_asked_for(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(MisconfigurationException, match="pip install timm"):
        TorchvisionModel(3, 2, "timm/resnet18")
