"""Networks in files: ONNX, ``torch.export``, safetensors."""

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from experiments.deployment.export.graphs import Graph
from experiments.messages import less_logged, needing


def write_onnx(graph: Graph, arguments: tuple[Tensor, ...], folder: Path) -> Path:
    """Write a network in ONNX, which most programs read.

    Args:
        graph: The network.
        arguments: Examples of its inputs.
        folder: Where to write.

    Raises:
        MisconfigurationException: If a package is missing, or the network cannot be written so; says why.
    """
    with needing("ONNX needs onnx, onnxruntime and onnxscript", "export"):
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401

    path = folder / f"{graph.name}.onnx"
    with _told(graph), torch.no_grad():
        torch.onnx.export(
            graph.module,
            arguments,
            str(path),
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=_shapes(graph),
        )
    # The exporter fixes a size in silence where the network depends on it.
    for one in onnx.load(path, load_external_data=False).graph.input:
        axes = zip(graph.inputs[one.name], one.type.tensor_type.shape.dim, strict=True)
        fixed = next((name for name, dim in axes if name and not dim.dim_param), None)
        if fixed is not None:
            path.unlink()
            raise _refusal(graph, f"the size of its axis `{fixed}` cannot be left open")
    return path


def write_torch(graph: Graph, arguments: tuple[Tensor, ...], folder: Path) -> Path:
    """Write a network as ``torch.export.load`` reads it; the arguments are those of ``write_onnx``."""
    path = folder / f"{graph.name}.pt2"
    with _told(graph), torch.no_grad():
        try:
            program = torch.export.export(graph.module, arguments, dynamic_shapes=_shapes(graph))
        except torch._dynamo.exc.UserError as error:
            fixed = re.search(r"^  (\w+) = \d+$", str(error), re.MULTILINE)
            if fixed:
                reason = (
                    f"the size of its axis `{fixed[1]}` cannot be left open in torch.export; --format onnx may do it"
                )
                raise _refusal(graph, reason) from error
            # Some sizes have bounds, as the length of what a pretrained encoder takes. Behind the fixes stands advice.
            fixes, _, _ = str(error).partition("\n\n")
            refined = torch.export.dynamic_shapes.refine_dynamic_shapes_from_suggested_fixes(fixes, _shapes(graph))
            program = torch.export.export(graph.module, arguments, dynamic_shapes=refined)
        torch.export.save(program, path)
    return path


def _refusal(graph: Graph, reason: str) -> MisconfigurationException:
    net = vars(graph.module)["_modules"].get("net", graph.module)
    return MisconfigurationException(f"the network {type(net).__name__} ({graph.name}) cannot be exported: {reason}")


def _shapes(graph: Graph) -> Any:
    named = {name: torch.export.Dim(name) for axes in graph.inputs.values() for name in axes if name}
    shapes = [{k: named[name] for k, name in enumerate(axes) if name} for axes in graph.inputs.values()]
    code = graph.module.forward.__code__
    count = code.co_argcount - 1
    if not count:  # *tensors
        return {code.co_varnames[1]: tuple(shapes)}
    return (*shapes[:count], tuple(shapes[count:])) if len(shapes) > count else tuple(shapes)


@contextlib.contextmanager
def _told(graph: Graph) -> Iterator[None]:
    """Say what cannot be exported in one sentence; leave out what the exporters say of themselves."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
    torch._dynamo.reset()  # what it keeps of earlier exports of a process fixes sizes of later ones
    try:
        with less_logged(*names, level=logging.ERROR), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MisconfigurationException:
        raise
    except Exception as error:  # the exporters raise nearly every kind
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        reason = next((line.strip() for line in str(first).splitlines() if line.strip()), type(first).__name__)
        raise _refusal(graph, reason[:300]) from error
