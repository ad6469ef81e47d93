"""Dialogue by selection: the reply is chosen among given ones. (``modules.translation.Translator`` writes replies.)"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import MetricCollection

from datamodules.types import PAD, ChoiceBatch, ChoiceFacts, Row
from modules.metrics import Ranking
from modules.task import Step, Task


class ResponseSelector(Task[ChoiceFacts]):
    """Response selection: the reply that goes best with what was said before, among candidates.

    A bi-encoder: one network makes a vector of the context and a vector of a reply, and the cosine of the two is the
    score. (A mark in the text tells it which of the two it reads.) In training each context must find its reply among
    those of its batch, so larger batches teach more (Henderson et al. 2017, "Efficient natural language response
    suggestion"); replies of the same words do not compete.

    Scores, among the candidates that the data draws: ``recall_at_1``, ``recall_at_5``, ``mrr`` (mean reciprocal rank).
    ``val/loss`` is the cross-entropy among the candidates.

    Predictions choose among the replies of the training split that the data keeps. Their texts travel in the
    checkpoint; their vectors are made anew when a prediction first needs them, so they always belong to the weights.

    Args:
        net: Makes the encoder from the number of tokens and of features: any network of ``modules.nets.text``, or
            ``modules.nets.pretrained.PretrainedClassifier``; it maps tokens ``(batch, length)`` to
            ``(batch, features)``.
        size: Number of features of a vector.
        scale: Factor that makes logits of cosines.
        temperature: 0 predicts the best reply; else the reply is drawn by chance, from the softmax of the logits
            divided by this.
        top_k: How many replies a prediction names.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
        **kwargs: Optimizer, scheduler and the like: see ``modules.task.Task``.
    """

    needs = ChoiceFacts

    CHUNK = 64  # texts that are encoded at once

    def __init__(
        self,
        net: Callable[[int, int], nn.Module],
        size: int = 256,
        scale: float = 20.0,
        temperature: float = 0.0,
        top_k: int = 3,
        decay_all: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(decay_all=decay_all, **kwargs)
        for name, value, least in (("size", size, 1), ("top_k", top_k, 1)):
            if value < least:
                raise MisconfigurationException(f"model.{name} is {value}; it must be at least {least}")
        if not 0 < scale < math.inf:
            raise MisconfigurationException(f"model.scale is {scale}; it must be above 0, and finite")
        if not 0 <= temperature < math.inf:
            raise MisconfigurationException(f"model.temperature is {temperature}; it must be at least 0, and finite")
        self.make_net, self.size, self.scale = net, size, scale
        self.temperature, self.top_k = temperature, top_k
        self.index: Tensor | None = None  # vectors of the replies to predict

    def build(self) -> None:
        """Make the encoder."""
        self.net = self.make_net(self.facts.num_tokens, self.size)

    def metrics(self) -> MetricCollection:
        """Recall and mean reciprocal rank."""
        return MetricCollection({"ranking": Ranking()})

    def forward(self, tokens: Tensor) -> Tensor:
        """Unit vectors ``(texts, features)`` of texts ``(texts, length)``."""
        # Replies are mostly short, but for a few: encoded by length, they need little padding.
        lengths = (tokens != PAD).sum(1)
        order = lengths.argsort(stable=True)
        parts = [tokens[rows, : max(1, int(lengths[rows[-1]]))] for rows in order.split(self.CHUNK)]
        vectors = torch.cat([self.net(part).float() for part in parts])
        return F.normalize(vectors[order.argsort()], dim=1)

    def step(self, batch: ChoiceBatch) -> Step:
        """Cross-entropy of ``(contexts, replies, candidates)``; without candidates the batch's replies are these."""
        contexts, replies, candidates = batch
        assert replies is not None
        context, reply = self(contexts), self(replies)  # (batch, features), (replies, features)
        if candidates is None:
            logits = self.scale * context @ reply.T  # (batch, batch)
            same = (replies[:, None] == replies).all(2).fill_diagonal_(False)  # (batch, batch)
            logits = logits.masked_fill(same, -torch.inf)
            target = torch.arange(len(contexts), device=logits.device)
        else:
            logits = self.scale * torch.einsum("bf,bcf->bc", context, reply[candidates])  # (batch, candidates)
            target = torch.zeros(len(contexts), dtype=torch.long, device=logits.device)
        loss = F.cross_entropy(logits, target)
        return Step(loss, len(contexts)) if self.training else Step(loss, len(contexts), logits, target)

    def on_fit_start(self) -> None:
        """Forget vectors that will be outdated."""
        super().on_fit_start()
        self.index = None

    def predict_step(self, batch: ChoiceBatch, batch_idx: int) -> list[Row]:
        """The best replies, ``reply``, ``reply_2``, ..., and the ``score`` of each: its cosine, from -1 to 1."""
        replies = self.facts.replies
        if self.index is None:
            tokens = pad_sequence([torch.tensor(ids) for ids in self.facts.reply_tokens], batch_first=True)
            self.index = self(tokens.to(self.device))
        cosines = self(batch.contexts) @ self.index.T  # (batch, replies)
        if self.temperature:
            # The largest of logits with Gumbel noise are a draw from their softmax, without putting back.
            noise = torch.empty_like(cosines).exponential_().log()
            order = self.scale * cosines / self.temperature - noise
        else:
            order = cosines
        best = order.topk(min(self.top_k, len(replies)), dim=1).indices  # (batch, top_k)
        rows = []
        for indices, scores in zip(best.tolist(), cosines.gather(1, best).tolist(), strict=True):
            row: Row = {}
            for rank, (index, score) in enumerate(zip(indices, scores, strict=True), start=1):
                suffix = "" if rank == 1 else f"_{rank}"
                row[f"reply{suffix}"], row[f"score{suffix}"] = replies[index], round(score, 4)
            rows.append(row)
        return rows
