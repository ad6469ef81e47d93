"""Compiled networks train to the same scores, and what cannot be compiled says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.callbacks.compiling import network_of
from modules.embedding import SkipGram


@pytest.mark.slow
def test_compiled_training_ends_alike(leyden: Callable[..., int], digits: Path) -> None:
    for name in ("plain", "compiled"):
        words = ["--compile=true"] if name == "compiled" else []
        assert leyden("fit", "--config", digits, f"--name={name}", *words) == 0
        assert leyden("test", f"--ckpt_path=runs/{name}/0", *words) == 0
    plain, compiled = (json.loads(Path(f"runs/{name}/0/metrics.json").read_text()) for name in ("plain", "compiled"))
    assert compiled == pytest.approx(plain, abs=2e-3)
    states = [torch.load(f"runs/{name}/0/checkpoints/last.ckpt", weights_only=True) for name in ("plain", "compiled")]
    assert states[0]["state_dict"].keys() == states[1]["state_dict"].keys()
    pixels = Path("a.png")
    from PIL import Image

    Image.new("L", (8, 8), 200).save(pixels)
    assert leyden("predict", "--ckpt_path=runs/compiled/0", f"--data.predict_path={pixels}", "--compile=true") == 0


def test_network_is_compiled_once(leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: seen.append(type(self).__name__))
    assert leyden("fit", "--config", digits, "--compile=true", "--trainer.max_epochs=1") == 0
    assert seen == ["SmallCNN"]
    assert leyden("test", "--ckpt_path=runs/digits/0") == 0  # it is not carried on
    assert seen == ["SmallCNN"]


def test_what_has_no_network_says_so() -> None:
    with pytest.raises(MisconfigurationException, match="SkipGram has no network of layers that could be compiled"):
        network_of(SkipGram())


@pytest.mark.usefixtures("samples")
def test_translators_say_so(leyden: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    from tests.test_configs import CONFIGS, options

    path = CONFIGS / "translation" / "multi30k_transformer.yaml"
    assert leyden("fit", *options(path), "--compile=true", "--data.num_tokens=320") == 1
    assert "Translator encodes and decodes in parts" in capsys.readouterr().err
