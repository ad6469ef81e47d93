"""Translation: from one sequence of tokens to another."""

from collections.abc import Callable
from typing import Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torchmetrics import MetricCollection

from modules.metrics import BLEU, ChrF, Generated, Perplexity
from modules.nets.losses import linear_cross_entropy
from modules.nets.search import greedy
from modules.nets.seq2seq import PAD, EncoderDecoder
from modules.task import Row, Step, Task

Batch = tuple[Tensor, Tensor | None, list[str] | None]


class Translator(Task):
    """Writes a target for each source.
    """

    def __init__(
        self,
        net: Callable[[int, int], EncoderDecoder],
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        interval: Literal["step", "epoch"] = "step",
        decay_all: bool = False,
        label_smoothing: float = 0.1,
        beam_size: int = 5,
    ) -> None:
        super().__init__(optimizer, scheduler, interval, decay_all)
        self.make_net = net
        self.label_smoothing, self.beam_size = label_smoothing, beam_size

    def build(self) -> None:
        """Make the network."""
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_str(self.fact("target_tokenizer"))
        self.net = self.make_net(self.fact("num_source_tokens"), self.fact("num_target_tokens"))

    def metrics(self) -> MetricCollection:
        """BLEU, chrF and perplexity."""
        return MetricCollection({"bleu": BLEU(), "chrf": ChrF(), "perplexity": Perplexity()})

    def step(self, batch: Batch) -> Step:
        """Cross-entropy of ``(sources, targets, references)``."""
        source, target, references = batch
        assert target is not None
        features = self.net.decode(target[:, :-1], self.net.encode(source))  # (batch, target - 1, features)
        counted = target[:, 1:] != PAD  # (batch, target - 1)
        truth = target[:, 1:][counted]  # (tokens)
        smoothing = self.label_smoothing if self.training else 0.0
        loss = linear_cross_entropy(features[counted], self.net.output, truth, smoothing)
        if self.training:
            return Step(loss, len(truth))
        texts = self.write(source)
        return Step(loss, len(truth), Generated(texts, loss.double() * len(truth), len(truth)), references)

    def write(self, source: Tensor) -> list[str]:
        limits = (source != PAD).sum(1) * 2 + 10
        return [text.strip() for text in self.tokenizer.decode_batch(greedy(self.net, source, limits))]

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Row]:
        return [{"translation": text} for text in self.write(batch[0])]
