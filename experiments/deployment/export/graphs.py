"""The networks of a task as plain functions of tensors, which other programs can run."""

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.types import BEGIN, Batch, ChoiceBatch, PairBatch, PieceTokens, SubwordTokens, WordTokens
from modules.classification import Classifier
from modules.dialogue import ResponseSelector
from modules.embedding import SkipGram
from modules.forecasting import Forecaster
from modules.members import mean_binary_logits, mean_logits, mean_numbers
from modules.multilabel import MultiLabelClassifier
from modules.nets.seq2seq.encoder_decoder import EncoderDecoder, Tensors
from modules.regression import Regressor
from modules.tagging import HMMTagger, Tagger
from modules.task import Task
from modules.translation import Translator

Axes = tuple[str, ...]  # name of each axis; one without a name has a fixed size


class Graph(NamedTuple):
    """A network of named tensors.

    Attributes:
        name: Of its file.
        module: Takes the inputs one after the other, returns a tensor or a tuple of them.
        inputs: Axes of each input.
        outputs: Names of what it returns.
        arguments: Makes the inputs from a batch.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Axes]
    outputs: Sequence[str]
    arguments: Callable[[Any], tuple[Tensor, ...]]


class _OfTensors(nn.Module):
    """A network whose inputs are handed over one by one."""

    def __init__(
        self, net: nn.Module, together: Callable[..., Any], mirror: bool, then: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.net, self.together, self.mirror, self.then = net, together, mirror, then

    def forward(self, *tensors: Tensor) -> Tensor:
        inputs = self.together(*tensors)
        found: Tensor = self.net(inputs)
        return self.then((found + self.net(inputs.flip(-1))) / 2 if self.mirror else found)


@singledispatch
def graphs_of(task: Task, batch: object) -> list[Graph]:
    """The networks of a task.

    Args:
        task: The task, in evaluation mode.
        batch: One of its batches, to see what it is made of.

    Raises:
        MisconfigurationException: If the task is none that can be exported; says why.
    """
    if not isinstance(batch, Batch):
        raise MisconfigurationException(f"it is not known how a {type(task).__name__} is exported")
    return [_plain(task, batch, "outputs")]


def _itself(inputs: Tensor) -> Tensor:
    return inputs


def _plain(
    net: nn.Module, batch: Batch, output: str, mirror: bool = False, then: Callable[[Tensor], Tensor] = _itself
) -> Graph:
    """A network of the inputs of a batch, whatever these are."""
    inputs = batch.inputs
    if isinstance(inputs, SubwordTokens):
        axes: dict[str, Axes] = {"tokens": ("batch", "length"), "subwords": ("words", "grams")}
    elif isinstance(inputs, WordTokens | PieceTokens):
        axes = dict.fromkeys(("words", "shapes", "spelled"), ("batch", "length"))
        axes["spelling"] = ("distinct", "characters")
        if isinstance(inputs, PieceTokens):
            axes |= {"tokens": ("windows", "pieces"), "first": ("batch", "length")}
    elif isinstance(inputs, Tensor):
        tokens = inputs.ndim == 2 and not inputs.is_floating_point()
        rest = ("length",) if tokens else ("",) * (inputs.ndim - 1)
        axes = {"tokens" if tokens else "images" if inputs.ndim == 4 else "inputs": ("batch", *rest)}
    else:
        raise MisconfigurationException(f"it is not known how inputs of {type(inputs).__name__} are exported")
    if isinstance(inputs, Tensor):
        return Graph("model", _OfTensors(net, _itself, mirror, then), axes, [output], lambda b: (b.inputs,))
    return Graph("model", _OfTensors(net, type(inputs), mirror, then), axes, [output], lambda b: tuple(b.inputs))


@graphs_of.register
def _(task: Classifier, batch: Batch) -> list[Graph]:
    return [_plain(task.net, batch, "logits", task.mirror, mean_logits)]


@graphs_of.register
def _(task: MultiLabelClassifier, batch: Batch) -> list[Graph]:
    return [_plain(task.net, batch, "logits", then=mean_binary_logits)]


@graphs_of.register
def _(task: Regressor, batch: Batch) -> list[Graph]:
    return [_plain(task.net, batch, "standardized", then=mean_numbers)]


@graphs_of.register
def _(task: Tagger, batch: Batch) -> list[Graph]:
    return [_plain(task.net, batch, "emissions")]


@graphs_of.register
def _(task: HMMTagger, batch: Batch) -> list[Graph]:
    raise MisconfigurationException(
        "a hidden Markov model is no network: its tables are counted, and unknown words are looked up by their "
        "spelling; use it in Python, or train a modules.tagging.Tagger"
    )


class _Forecast(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        found: Tensor = self.net(history, known)
        return found.sort(-1).values  # quantiles must not cross


@graphs_of.register
def _(task: Forecaster, batch: Batch) -> list[Graph]:
    axes = dict.fromkeys(("history", "known"), ("batch", "", ""))
    return [Graph("model", _Forecast(task.net), axes, ["forecast"], lambda b: (b.inputs.history, b.inputs.known))]


@graphs_of.register
def _(task: ResponseSelector, batch: ChoiceBatch) -> list[Graph]:
    net = _OfTensors(task.net, _itself, False, lambda vectors: F.normalize(vectors.float(), dim=1))
    return [Graph("model", net, {"tokens": ("batch", "length")}, ["vectors"], lambda b: (b.contexts,))]


class _Cosines(nn.Module):
    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors, requires_grad=False)

    def forward(self, words: Tensor) -> Tensor:
        return self.vectors[words] @ self.vectors.T


@graphs_of.register
def _(task: SkipGram, batch: Tensor) -> list[Graph]:
    return [Graph("model", _Cosines(task.vectors()), {"words": ("batch",)}, ["cosines"], lambda b: (b,))]


class _Encode(nn.Module):
    """Sources to memory and first state."""

    def __init__(self, net: EncoderDecoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, source: Tensor) -> tuple[Tensor, ...]:
        memory = self.net.encode(source)
        return *memory.values(), *self.net.start(memory, 1).values()


class _Step(nn.Module):
    """A token, memory and state to logits of the next token and the next state."""

    def __init__(self, net: EncoderDecoder, memory: Sequence[str], state: Sequence[str]) -> None:
        super().__init__()
        self.net, self.memory, self.state = net, memory, state

    def forward(self, token: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        memory = dict(zip(self.memory, tensors, strict=False))
        state = dict(zip(self.state, tensors[len(self.memory) :], strict=True))
        features, after = self.net.step(token, memory, state)
        return self.net.output(features)[:, 0].float(), *(after[name] for name in self.state)


@graphs_of.register
def _(task: Translator, batch: PairBatch) -> list[Graph]:
    net = task.net

    def walk(source: Tensor, steps: int) -> tuple[Tensors, Tensors]:
        memory = net.encode(source)
        state = net.start(memory, 1)
        for _ in range(steps):
            _, state = net.step(source.new_full((source.shape[0], 1), BEGIN), memory, state)
        return memory, state

    def arguments(batch: PairBatch) -> tuple[Tensor, ...]:
        memory, state = walk(batch.source, 3)
        tensors = [tensor.contiguous() for tensor in (*memory.values(), *state.values())]
        return (batch.source.new_full((batch.source.shape[0], 1), BEGIN), *tensors)

    # Which axis is what is seen from how sizes follow those of the source and the number of steps.
    some = torch.full((2, 5), BEGIN, device=task.device)
    of = [walk(some, 2), walk(some[:1], 2), walk(some[:, :4], 2), walk(some, 3)]
    names = [[*of[0][0]], [*of[0][1]]]
    axes: dict[str, Axes] = {"token": ("batch", "")}
    for part, prefix in enumerate(("memory", "state")):
        for name in names[part]:
            shapes = [list(each[part][name].shape) for each in of]
            axes[f"{prefix}_{name}"] = tuple(
                "batch" if one != size else "length" if short != size else "before" if later != size else ""
                for size, one, short, later in zip(*shapes, strict=True)
            )
    memory, state = (
        [f"{prefix}_{name}" for name in each] for prefix, each in zip(("memory", "state"), names, strict=True)
    )
    source = {"source": ("batch", "length")}
    return [
        Graph("encoder", _Encode(net), source, [*memory, *state], lambda b: (b.source,)),
        Graph("step", _Step(net, *names), axes, ["logits", *(f"next_{name}" for name in state)], arguments),
    ]
