"""Which words of a text decide."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.data import Data
from datamodules.text.base import TextData
from datamodules.tokens import Tokens
from datamodules.types import Row, SegmentTokens, SubwordTokens, TextFacts
from experiments.callbacks.figures.base import shortened
from experiments.explanation.attribution import integrated_gradients
from experiments.explanation.base import Explainer, Explanation, because
from experiments.explanation.quantities import Quantity
from modules.nets.pretrained import PretrainedEncoder
from modules.nets.text.embedding import WordEmbedding
from modules.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDS = 60  # that are drawn of a text
ACROSS = 80  # letters in a line of them


@dataclass(frozen=True)
class ExplainedText(Explanation):
    """Why the model said that of a text.

    Attributes:
        words: The words as they are written, as far as the model reads.
        contributions: What each adds.
        is_cut: Whether the text goes on after the words.
    """

    words: list[str]
    contributions: list[float]
    is_cut: bool = False

    def columns(self, name: str) -> Row:
        """``because``; a word that stands in the text several times counts as one."""
        total: dict[str, float] = {}
        for word, value in zip(self.words, self.contributions, strict=True):
            total[word] = total.get(word, 0) + value
        return {f"because{name}": because(total.items())}

    def in_memory(self, name: str) -> Row:
        """``because``, and ``contributions``: each word with what it adds."""
        each = [(word, float(f"{value:.6g}")) for word, value in zip(self.words, self.contributions, strict=True)]
        return {**self.columns(name), f"contributions{name}": each}


class TextExplainer(Explainer[ExplainedText]):
    """Compares the vectors of the words with that of padding, the tokens that the tokenizer adds left as they are."""

    data: TextData

    def __init__(self, task: Task, data: Data) -> None:
        super().__init__(task, data)
        if not isinstance(data, TextData):
            raise MisconfigurationException(
                f"the texts of {type(data).__name__} cannot be explained: it is no TextData"
            )
        assert isinstance(task.facts, TextFacts)
        self.tokens = Tokens(task.facts.tokenizer)
        self.layer = embedding_of(task, task.facts.num_inputs)

    def attribute(self, quantity: Quantity, inputs: Any, indices: Sequence[int]) -> list[ExplainedText]:
        """What each word adds."""
        texts = [self._text(index) for index in indices]
        written = self.tokens.written_words(texts, self.data.max_length)
        with torch.no_grad(), _seen(self.layer) as vectors:
            self.task(inputs)
        tokens = inputs if isinstance(inputs, Tensor) else inputs.tokens
        owners = torch.full(tokens.shape, -1)  # (batch, length)
        for row, (_, numbers) in zip(owners, written, strict=True):
            row[: len(numbers)] = torch.tensor(numbers, dtype=torch.long)
        if [one.shape[:-1] for one in vectors] != [owners.shape]:
            raise MisconfigurationException(
                f"the {type(self.layer).__name__} of this network does not make one vector of each token, once, so it "
                "cannot be said which words decide"
            )
        of_words = (owners >= 0).to(vectors[0].device)[:, :, None]
        reference = torch.where(of_words, _padding(self.layer, vectors[0]), vectors[0])

        def score(replaced: Tensor, rows: Tensor) -> Tensor:
            with _put(self.layer, replaced):
                return quantity.score(_chosen(inputs, rows), rows)

        parts = integrated_gradients(score, vectors[0], reference).sum(2).double().cpu()  # (batch, length)
        found = []
        for answer, text, (words, _), row, numbers in zip(quantity.answers, texts, written, parts, owners, strict=True):
            total = row.new_zeros(len(words)).index_add(0, numbers[numbers >= 0], row[numbers >= 0])
            found.append(ExplainedText(answer, words, total.tolist(), self.tokens.is_cut(text, self.data.max_length)))
        return found

    def _text(self, index: int) -> str | tuple[str, str]:
        row, columns = self.data.describe(index), self.data.columns
        given = [row[name] for name in (columns if all(name in row for name in columns) else ["text"])]
        texts = ["" if text is None else str(text) for text in given]
        return texts[0] if len(texts) == 1 else (texts[0], texts[1])

    def draw(self, explanations: list[ExplainedText]) -> "Figure":
        """The words on a ground that is the redder the more they speak for the answer, bluer against it."""
        from matplotlib import colormaps
        from matplotlib.figure import Figure

        colour = colormaps["RdBu_r"]
        texts = [(one.answer, list(_lines(one))) for one in explanations]
        height, width = 0.2, 0.07  # of a line and a letter, in inches
        total = 0.1 + height * sum(len(lines) + 1.6 for _, lines in texts)
        longest = max(len(" ".join(word for word, _ in line)) for _, lines in texts for line in lines)
        across = 0.2 + width * max(longest, 40)
        figure = Figure(figsize=(across, total))
        y = total - 0.1 - height / 2

        def write(x: float, text: str, **further: Any) -> None:
            figure.text((0.1 + width * x) / across, y / total, text, va="center", **further)

        for answer, lines in texts:
            write(0, shortened(answer, 40), fontsize=9, fontweight="bold")
            y -= height
            for line in lines:
                x = 0
                for word, strength in line:
                    ground = {"facecolor": colour(0.5 + 0.3 * strength), "edgecolor": "none", "pad": 1.5}
                    write(x, word, fontsize=8, family="monospace", bbox=ground)
                    x += len(word) + 1
                y -= height
            y -= 0.6 * height
        return figure


def _lines(one: ExplainedText) -> Iterator[list[tuple[str, float]]]:
    """The words around those that decide, in lines, each with its strength from -1 to 1."""
    strength = torch.tensor([0.0, *one.contributions], dtype=torch.float64)
    strength /= strength.abs().max().clamp(min=1e-12)
    sums = strength.abs().cumsum(0)
    begin = int((sums[WORDS:] - sums[: len(sums) - WORDS]).argmax()) if len(one.words) > WORDS else 0
    line: list[tuple[str, float]] = [("\u2026", 0.0)] if begin else []
    for word, value in list(zip(one.words, strength[1:].tolist(), strict=True))[begin : begin + WORDS]:
        shown = shortened(word, 30)
        if line and sum(len(word) + 1 for word, _ in line) + len(shown) > ACROSS - 2:
            yield line
            line = []
        line.append((shown, value))
    yield [*line, *([("\u2026", 0.0)] if begin + WORDS < len(one.words) or one.is_cut else [])]


def embedding_of(task: nn.Module, num_inputs: int) -> nn.Module:
    """The layer that turns tokens into vectors.

    Args:
        task: Has it somewhere.
        num_inputs: Number of different tokens.

    Raises:
        MisconfigurationException: If there is none.
    """
    for module in task.modules():  # what contains others comes before them
        if isinstance(module, PretrainedEncoder) and module.model is not None:
            found: nn.Module = module.model.get_input_embeddings()
            return found
        if isinstance(module, WordEmbedding) or (
            isinstance(module, nn.Embedding) and module.num_embeddings >= num_inputs
        ):
            return module
    raise MisconfigurationException("this network has no embedding of tokens, so it cannot be said which words decide")


def _chosen(inputs: Any, rows: Tensor) -> Any:
    """The inputs of some examples of a batch."""
    if isinstance(inputs, SubwordTokens):
        return inputs._replace(tokens=inputs.tokens[rows])
    return SegmentTokens(*(part[rows] for part in inputs)) if isinstance(inputs, SegmentTokens) else inputs[rows]


def _padding(layer: nn.Module, vectors: Tensor) -> Tensor:
    """The vector of padding ``(size)``."""
    if not isinstance(layer, nn.Embedding):
        return vectors.new_zeros(vectors.shape[2])
    return layer.weight[layer.padding_idx or 0].detach()


@contextmanager
def _seen(layer: nn.Module) -> Iterator[list[Tensor]]:
    """The vectors ``(batch, length, size)`` that a layer returns meanwhile."""
    seen: list[Tensor] = []

    def look(module: nn.Module, inputs: object, output: Any) -> None:
        seen.append((output[0] if isinstance(output, tuple) else output).detach())

    handle = layer.register_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


@contextmanager
def _put(layer: nn.Module, vectors: Tensor) -> Iterator[None]:
    """Let a layer return other vectors meanwhile."""
    handle = layer.register_forward_hook(
        lambda module, inputs, output: (vectors, *output[1:]) if isinstance(output, tuple) else vectors
    )
    try:
        yield
    finally:
        handle.remove()
