"""A network as ``torch.export`` writes it."""

import json
from pathlib import Path

import numpy as np


class TorchNetwork:
    """Runs ``NAME.pt2`` by PyTorch: named arrays in, named arrays out."""

    def __init__(self, folder: Path, name: str = "model") -> None:
        import torch

        self.module = torch.export.load(folder / f"{name}.pt2").module()
        names = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))["networks"][name]
        self.inputs, self.outputs = names["inputs"], names["outputs"]

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name."""
        import torch

        with torch.inference_mode():
            found = self.module(*(torch.from_numpy(inputs[name]) for name in self.inputs))
        found = found if isinstance(found, tuple) else (found,)
        return {name: tensor.numpy() for name, tensor in zip(self.outputs, found, strict=True)}
