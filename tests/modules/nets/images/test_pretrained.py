import pytest
import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules.types import ClassFacts
from modules.classification import Classifier
from modules.nets.images import TorchvisionModel


def loaded(*words) -> TorchvisionModel:
    model = TorchvisionModel(*words)
    model.load_pretrained()
    return model


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
        model = loaded(3, 2, "squeezenet1_1", "w.pth")
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
        loaded(3, 2, "squeezenet1_1", str(tmp_path / "w.pth"))


def test_files_that_hold_no_weights_are_named(tmp_path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"not a checkpoint")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    for name in ("broken", "other"):
        with pytest.raises(MisconfigurationException, match=rf"{name}\.pth is not a file of weights"):
            loaded(3, 2, "squeezenet1_1", str(tmp_path / f"{name}.pth"))
    with pytest.raises(MisconfigurationException, match=r"no weights file .*missing\.pth"):
        loaded(3, 2, "squeezenet1_1", str(tmp_path / "missing.pth"))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(MisconfigurationException, match="no classification model resnet19; nearest: resnet"):
        TorchvisionModel(3, 2, "resnet19")
    with pytest.raises(
        MisconfigurationException, match="resnet18 has no weights IMAGENET1K_V2; nearest: IMAGENET1K_V1"
    ):
        TorchvisionModel(3, 2, "resnet18", "IMAGENET1K_V2")


class Net(Classifier):
    """What a checkpoint of it would be loaded into, or trained."""

    def __init__(self, weights: str, restored: bool) -> None:
        super().__init__(lambda channels, classes: TorchvisionModel(channels, classes, "squeezenet1_1", weights))
        self.use(ClassFacts(classes=["a", "b"], class_counts=[1, 1], num_inputs=3), restored=restored)
        self.configure_model()


def test_pretrained_weights_are_not_needed_where_a_checkpoint_brings_them(tmp_path) -> None:
    missing = str(tmp_path / "missing.pth")
    Net(missing, restored=True)
    with pytest.raises(MisconfigurationException, match="no weights file"):
        Net(missing, restored=False)


def publish(monkeypatch, name: str) -> dict[str, torch.Tensor]:
    """Stands for the download of a model's weights."""
    known = torchvision.models.get_model(name, init_weights=False).state_dict()
    tensors = {key: value + 0.01 if value.is_floating_point() else value for key, value in known.items()}
    monkeypatch.setattr(torchvision.models._api.WeightsEnum, "get_state_dict", lambda *args, **kwargs: tensors)
    return tensors


@pytest.mark.parametrize(("name", "channels"), [("googlenet", 3), ("vgg11", 1)])
def test_published_weights_are_loaded_all_but_the_head(name: str, channels: int, monkeypatch) -> None:
    tensors = publish(monkeypatch, name)
    torch.manual_seed(0)
    random = TorchvisionModel(channels, 2, name, "DEFAULT").model.state_dict()
    torch.manual_seed(0)
    model = TorchvisionModel(channels, 2, name, "DEFAULT")
    before = torch.random.get_rng_state()
    model.load_pretrained()
    assert torch.equal(torch.random.get_rng_state(), before)
    for key, value in model.model.state_dict().items():
        assert torch.equal(value, random[key] if key.startswith(f"{model.head_name}.") else tensors[key])


def test_a_network_that_rescales_its_inputs_does_so_with_weights_of_a_checkpoint_too(monkeypatch) -> None:
    publish(monkeypatch, "googlenet")
    trained = TorchvisionModel(3, 2, "googlenet", "DEFAULT").eval()
    trained.load_pretrained()
    restored = TorchvisionModel(3, 2, "googlenet", "DEFAULT").eval()
    restored.load_state_dict(trained.state_dict())
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(restored(images), trained(images))
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    scaled = (images * std + mean) * 2 - 1  # what these weights were trained on
    trained.model.transform_input = False
    torch.testing.assert_close(restored(images), trained(scaled), rtol=1e-3, atol=1e-3)


def test_weights_that_cannot_be_downloaded_are_told(monkeypatch) -> None:
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models._api.WeightsEnum, "get_state_dict", offline)
    with pytest.raises(MisconfigurationException, match=r"DEFAULT of resnet18 cannot be downloaded \(no route to host"):
        loaded(3, 2, "resnet18", "DEFAULT")


def test_timm_models() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = TorchvisionModel(1, 5, "timm/resnet18")
    assert isinstance(model.model, timm.models.ResNet)
    assert model.head is model.model.fc
    assert model(torch.randn(2, 1, 64, 64)).shape == (2, 5)
    with pytest.raises(MisconfigurationException, match="timm has no model resnet19; nearest: resnet"):
        TorchvisionModel(3, 2, "timm/resnet19")


def test_published_weights_of_timm_are_loaded_all_but_the_head(monkeypatch) -> None:
    timm = pytest.importorskip("timm")
    make = timm.create_model
    published = make("resnet18", in_chans=1).state_dict()

    def download(name: str, pretrained: bool, in_chans: int, **options) -> torch.nn.Module:
        model = make(name, in_chans=in_chans, **options)
        if pretrained:
            assert in_chans == 1
            model.load_state_dict(published)
        return model

    monkeypatch.setattr(timm, "create_model", download)
    torch.manual_seed(0)
    model = TorchvisionModel(1, 2, "timm/resnet18", "DEFAULT")
    new = model.head.weight.clone()
    model.load_pretrained()
    assert torch.equal(model.head.weight, new)
    assert all(torch.equal(value, published[k]) for k, value in model.model.state_dict().items() if "fc" not in k)


def test_without_timm_it_is_asked_for(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(MisconfigurationException, match="pip install timm"):
        TorchvisionModel(3, 2, "timm/resnet18")
