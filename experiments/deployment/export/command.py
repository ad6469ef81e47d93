"""``leyden export``: a trained network for programs without this package, and what it needs beside it."""

import inspect
import json
import re
import shutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.data import Data, Examples
from datamodules.sampling import BatchIndices
from experiments.deployment.export.formats import write_onnx, write_torch
from experiments.deployment.export.graphs import Graph, graphs_of
from experiments.deployment.export.preprocessing import Preprocessing, preprocessing_of
from experiments.deployment.export.scripts import onnx_network, torch_network
from experiments.deployment.model import Model, load
from experiments.parsing import LeydenParser

Format = Literal["onnx", "torch", "safetensors"]

CLOSE = 1e-4  # greatest difference, relative to values above 1
NETWORKS = {"onnx": (onnx_network, "OnnxNetwork", write_onnx), "torch": (torch_network, "TorchNetwork", write_torch)}
RUNTIMES = {"onnx": "onnxruntime", "torch": "torch"}
_SCRIPTS = "experiments.deployment.export.scripts"
_PART = re.compile(rf"^from ({re.escape(_SCRIPTS)}\.\w+|datamodules\.[\w.]+) import .*\n", re.MULTILINE)


def main(words: list[str]) -> int:
    """Run ``leyden export``.

    Returns:
        Exit code 0.
    """
    parser = LeydenParser(prog="leyden export", description="Write a trained network for programs without leyden.")
    parser.add_function_arguments(export)
    options = parser.parse_args(words)
    folder = export(**vars(options))
    print(f"exported into {folder}: README.md says how it is used")
    return 0


def export(
    ckpt_path: str,
    format: Format = "onnx",
    output: str | None = None,
    inputs: str | None = None,
    trust: list[str] | None = None,
) -> Path:
    """Write the network of a run with what its inputs are made by, and compare it with the run.

    Args:
        ckpt_path: A run folder or a checkpoint file.
        format: ``onnx``; ``torch``, as ``torch.export`` writes it; or ``safetensors``, the weights alone.
        output: Folder to write into; ``export/FORMAT`` in the run if not given.
        inputs: File or folder of inputs to compare on, as of ``--data.predict_path``; the validation split if not.
        trust: Packages of your own that the checkpoint may name.

    Returns:
        The folder.

    Raises:
        MisconfigurationException: If the network cannot be exported, or what was written gives other results.
    """
    model = load(ckpt_path, trust or ())
    task, data = model
    examples = _examples(data, inputs)
    folder = Path(output) if output else (model.folder or Path()) / "export" / format
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        batches = [_batch(data, examples, k) for k in range(2)]
        with torch.no_grad():
            graphs = graphs_of(task, batches[1])
            known = preprocessing_of(data, task)
            _write_beside(known, graphs, format, model, beside)
            if format == "safetensors":
                _write_weights(task.state_dict(), beside)
            else:
                _write_and_compare(graphs, batches, format, beside)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _examples(data: Data, inputs: str | None) -> Examples:
    if inputs is not None:
        data.ask(Path(inputs))
        data.setup("predict")
        return data.datasets["predict"]
    try:
        data.setup("validate")
    except MisconfigurationException as error:
        raise MisconfigurationException(
            f"the data of the run cannot be read, and an export is compared on examples: give some with --inputs "
            f"FILE_OR_FOLDER ({error})"
        ) from error
    return data.datasets["val"]


def _batch(data: Data, examples: Examples, number: int) -> object:
    """A batch to compare on: one short example, or several of which the longest is one."""
    order, first = list(range(len(examples))), 0
    lengths = data.lengths(examples)
    if lengths is not None:
        order.sort(key=lambda index: int(lengths[index]))
        first = next((place for place, index in enumerate(order) if lengths[index]), 0)
    # A size of one would be taken for one that never changes: some examples may come twice.
    chosen = order[first : first + 1] if number == 0 else (order[::-1] * 3)[:3]
    return examples.__getitems__(BatchIndices(chosen))


def _write_and_compare(graphs: Sequence[Graph], batches: Sequence[object], format: Format, folder: Path) -> None:
    module, name, write = NETWORKS[format]
    for graph in graphs:
        write(graph, graph.arguments(batches[1]), folder)
        network = vars(module)[name](folder, graph.name)
        worst, sizes = 0.0, []
        for batch in batches:
            arguments = graph.arguments(batch)
            arrays = {name: tensor.numpy() for name, tensor in zip(graph.inputs, arguments, strict=True)}
            found, wanted = network(**arrays), graph.module(*arguments)
            for output, tensor in zip(graph.outputs, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
                worst = max(worst, _difference(found[output], tensor))
            sizes.append("x".join(map(str, arguments[0].shape)))
        print(f"{graph.name}: greatest difference {worst:.1e}, on inputs of {' and '.join(sizes)}")
        if not worst <= CLOSE:
            raise MisconfigurationException(
                f"the exported network {graph.name} differs by {worst:.2g} from the run, so it was not kept"
            )


def _difference(found: np.ndarray, wanted: Tensor) -> float:
    """The greatest difference, relative where values are above 1."""
    there = wanted.numpy().astype(float)
    if found.shape != there.shape:
        return float("inf")
    errors = np.abs(found.astype(float) - there) / np.maximum(1, np.abs(there))
    return float(errors.max(initial=0))


def _write_weights(weights: dict[str, Tensor], folder: Path) -> None:
    from safetensors.torch import save_file

    # Tied weights are one tensor, which the format refuses.
    save_file({name: tensor.clone().contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")


def _write_beside(known: Preprocessing, graphs: Sequence[Graph], format: Format, model: Model, folder: Path) -> None:
    networks = {graph.name: {"inputs": list(graph.inputs), "outputs": list(graph.outputs)} for graph in graphs}
    values = {"task": type(model.task).__name__, "data": type(model.data).__name__, "networks": networks}
    text = json.dumps(values | known.values, ensure_ascii=False, allow_nan=False)
    (folder / "preprocess.json").write_text(text, encoding="utf-8")
    for name, content in known.files.items():
        if isinstance(content, str):
            (folder / name).write_text(content, encoding="utf-8")
        else:
            np.save(folder / name, content)
    program = None if known.program is None or format == "safetensors" else composed(known.program, format)
    if program is not None:
        (folder / "predict.py").write_text(program, encoding="utf-8")
    (folder / "README.md").write_text(_readme(known, graphs, format, model, program), encoding="utf-8")


def composed(program: ModuleType, format: Format) -> str:
    """The source of a program in one file, with that of the parts it imports from this package.

    Args:
        program: A module of ``scripts``.
        format: Of the network that it runs.
    """
    module, name, _ = NETWORKS[format]
    parts: dict[str, str] = {}

    def add(source: str) -> str:
        for part in _PART.findall(source):
            if part not in parts:
                parts[part] = ""  # in the order in which they are needed
                is_network = part == f"{_SCRIPTS}.onnx_network"
                text = inspect.getsource(module if is_network else import_module(part))
                parts[part] = add(text)
        return _PART.sub("", source)

    own = add(inspect.getsource(program))
    title, imports, bodies = "", dict[str, None](), []
    for source in (*reversed(parts.values()), own):  # what others need comes first
        doc, lines, body = _split(source)
        title = doc
        imports |= dict.fromkeys(lines)
        bodies.append(body)
    bodies.insert(-1, f"Network = {name}")
    plain = sorted(line for line in imports if line.startswith("import "))
    others = sorted(line for line in imports if line.startswith("from "))
    return "\n".join([title, "", *plain, *others, "", ""]) + "\n\n\n".join(body.strip("\n") for body in bodies) + "\n"


def _split(source: str) -> tuple[str, list[str], str]:
    """First docstring, imports and the rest of a module."""
    doc, _, rest = source.partition("\n")
    lines = rest.split("\n")
    imports = [line.split("  #")[0] for line in lines if re.match(r"(import|from) \S+", line)]
    body = [line for line in lines if not re.match(r"(import|from) \S+", line)]
    return doc, imports, "\n".join(body)


def _readme(known: Preprocessing, graphs: Sequence[Graph], format: Format, model: Model, program: str | None) -> str:
    lines = [f"# {type(model.task).__name__} of {type(model.data).__name__}", "", "```", repr(model), "```", ""]
    if format == "safetensors":
        lines += [
            "`model.safetensors` holds the weights by their names in the task, `preprocess.json` what the data knows.",
            "",
            "```python",
            "from safetensors.torch import load_file",
            'weights = load_file("model.safetensors")',
            "```",
        ]
        return "\n".join(lines) + "\n"
    ending = "onnx" if format == "onnx" else "pt2"
    for graph in graphs:
        lines += [f"`{graph.name}.{ending}` takes", ""]
        lines += [f"- `{name}` ({', '.join(axis or 'fixed' for axis in axes)})" for name, axes in graph.inputs.items()]
        shown = ", ".join(f"`{name}`" for name in graph.outputs)
        lines += ["", f"and gives {shown}. Axes with a name may have any size.", ""]
    lines += ["`preprocess.json` holds what the data knows: how inputs are made, what outputs mean.", ""]
    others = known.values.get("not_written")
    if others:
        lines += [f"Transforms that `predict.py` does not have, and that must be done before: {', '.join(others)}.", ""]
    if program is not None:
        needs = " ".join(("numpy", RUNTIMES[format], *known.packages))
        usage = re.findall(r"``(python predict\.py.*?)``", program.split("\n", 1)[0])
        lines += ["```bash", f"pip install {needs}", *usage, "```"]
    return "\n".join(lines) + "\n"
