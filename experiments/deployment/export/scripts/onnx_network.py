"""A network in ONNX."""

from pathlib import Path

import numpy as np


class OnnxNetwork:
    """Runs ``NAME.onnx`` by onnxruntime: named arrays in, named arrays out."""

    def __init__(self, folder: Path, name: str = "model") -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        self.inputs = {one.name for one in self.session.get_inputs()}  # without those that change nothing
        self.outputs = [one.name for one in self.session.get_outputs()]

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name."""
        found = self.session.run(None, {name: inputs[name] for name in inputs if name in self.inputs})
        return dict(zip(self.outputs, found, strict=True))
