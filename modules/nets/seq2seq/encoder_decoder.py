"""What all networks that read one sequence and write another have in common."""

from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

from datamodules.types import PAD

Tensors = dict[str, Tensor]
Tied = Literal["all", "target", "none"]


class EncoderDecoder(nn.Module, ABC):
    """Reads a source and writes a target, token by token.

    ``PAD`` is padding, ``BEGIN`` opens a target, ``END`` ends it (``datamodules.types``). What the encoder makes of the
    sources is the *memory*, with a row a source; what the decoder remembers of its own words is the *state*, with a row
    a hypothesis: ``width`` consecutive ones for each source. A search may pick rows of either, and so needs to know
    nothing of the network.

    A subclass sets ``output``, from features to logits.
    """

    output: nn.Linear

    @abstractmethod
    def encode(self, source: Tensor) -> Tensors:
        """Memory, each tensor ``(batch, ...)``, of sources ``(batch, source)``."""

    @abstractmethod
    def decode(self, target: Tensor, memory: Tensors) -> Tensor:
        """Features ``(batch, target, features)`` from which each next token follows (teacher forcing).

        Args:
            target: Tokens before them, ``(batch, target)``.
            memory: What ``encode`` made.
        """

    @abstractmethod
    def start(self, memory: Tensors, width: int) -> Tensors:
        """State before the first token, each tensor ``(batch * width, ...)``."""

    @abstractmethod
    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """Features ``(batch, width, features)`` from which the next tokens follow, and the state after these.

        Args:
            tokens: The latest token of each hypothesis, ``(batch, width)``.
            memory: What ``encode`` made.
            state: What ``start`` or the step before made.
        """

    @abstractmethod
    def attention(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights ``(batch, target, source)`` with which the source was looked at when each next token was written."""

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits ``(batch, target, tokens)`` of the token after each of ``target``."""
        logits: Tensor = self.output(self.decode(target, self.encode(source)))
        return logits


def embeddings(num_source: int, num_target: int, size: int, tied: Tied) -> tuple[nn.Embedding, nn.Embedding, nn.Linear]:
    """Embedding of the source, embedding of the target, and output layer (tied: Press & Wolf 2017).

    Args:
        num_source: Tokens of the source vocabulary.
        num_target: Tokens of the target vocabulary.
        size: Features of a token.
        tied: Which of the three have the same weight: ``all``, the ``target``'s embedding and the output, or ``none``.

    Raises:
        ValueError: If all are to be tied and the vocabularies differ in size.
    """
    target = nn.Embedding(num_target, size, padding_idx=PAD)
    output = nn.Linear(size, num_target)
    if tied == "all" and num_source != num_target:
        raise ValueError(f"tied: all needs one vocabulary; the source has {num_source} tokens, the target {num_target}")
    source = target if tied == "all" else nn.Embedding(num_source, size, padding_idx=PAD)
    for embedding in (source, target):
        nn.init.normal_(embedding.weight, std=size**-0.5)
        nn.init.zeros_(embedding.weight[PAD])
    if tied == "none":
        nn.init.normal_(output.weight, std=size**-0.5)
    else:
        output.weight = target.weight
    nn.init.zeros_(output.bias)
    return source, target, output
