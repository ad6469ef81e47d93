"""Word vectors, learned from which words stand near each other."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.regression import SpearmanCorrCoef

from datamodules.types import CorpusFacts, Questions, Row
from modules.nets.pairs import PairLoss, damped, neighbours
from modules.optimisation import Linear
from modules.task import Step, Task


class SkipGram(Task[CorpusFacts]):
    """Skip-gram word embeddings with negative sampling (Mikolov et al. 2013).

    For each word and each neighbour within a window of random width, ``softplus(-x y)`` is added, x and y being the
    vectors of the two, and ``softplus(x n)`` for each of ``num_negatives`` other words n. A stretch of ``stretch``
    successive words shares its negatives, of which it draws more, each with a smaller weight that makes up for it; so
    all products of vectors are products of matrices.

    A training step's gradient is the sum over all pairs, not the mean, so a learning rate means what it means in
    word2vec: 0.025 to 0.05 for SGD.

    Scores of a test: ``wordsim353`` and ``simlex999``, Spearman's correlation with what people said, and ``analogies``,
    the share that is right (the nearest to ``b - a + c`` but for these three).

    Args:
        size: Length of a vector.
        window: Most words between a word and its neighbour, plus one.
        num_negatives: Negative words for each pair.
        stretch: Successive words that share negatives.
        num_shared: Negative words that they share.
        max_pairs: Pairs of one batch that a word's gradient is the sum of; of a more frequent word it is their mean
            times this number.
        optimizer: Makes the optimizer from the parameters; it must take sparse gradients (SGD, Adagrad, SparseAdam).
        scheduler: Makes the learning-rate scheduler from the optimizer; a constant rate if None.
        top_k: How many neighbours a prediction names.
        **kwargs: Further options: see ``modules.task.Task``.
    """

    needs = CorpusFacts

    def __init__(
        self,
        size: int = 100,
        window: int = 5,
        num_negatives: int = 5,
        stretch: int = 16,
        num_shared: int = 16,
        max_pairs: float = 50.0,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.SGD(parameters, lr=0.025),
        scheduler: LRSchedulerCallable | None = Linear,
        top_k: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer=optimizer, scheduler=scheduler, **kwargs)
        self.size, self.window, self.num_negatives = size, window, num_negatives
        self.stretch, self.num_shared, self.max_pairs, self.top_k = stretch, num_shared, max_pairs, top_k

    def build(self) -> None:
        """Make the vectors: of words, and of words as neighbours."""
        self.words = self.facts.words
        counts = torch.tensor(self.facts.word_counts, dtype=torch.float64)
        # The authors' choice: frequencies to the power of 3/4.
        self.register_buffer("noise", (counts**0.75).cumsum(0) / (counts**0.75).sum(), persistent=False)
        self.inner = nn.Embedding(len(counts), self.size, sparse=True)
        self.outer = nn.Embedding(len(counts), self.size, sparse=True)
        nn.init.uniform_(self.inner.weight, -0.5 / self.size, 0.5 / self.size)
        nn.init.zeros_(self.outer.weight)

    def metrics(self) -> MetricCollection:
        """Spearman's correlations and the share of right analogies."""
        return MetricCollection(
            {"wordsim353": SpearmanCorrCoef(), "simlex999": SpearmanCorrCoef()}, compute_groups=False
        )

    # ---- training

    def negatives(self, num_stretches: int) -> Tensor:
        """Draw words ``(stretches, shared)`` by the noise distribution."""
        drawn = torch.rand(num_stretches, self.num_shared, dtype=torch.float64, device=self.device)
        return torch.searchsorted(self.noise, drawn).clamp_(max=len(self.words) - 1)  # type: ignore[arg-type]

    def losses(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the losses of all pairs in ``words`` ``(words)``, and number of pairs."""
        centres, around, near = neighbours(words, self.stretch, self.window)
        num_near = near.sum(2)  # (stretches, stretch)
        share = num_near * (self.num_negatives / self.num_shared)
        weights = torch.cat([near, share[:, :, None].expand(-1, -1, self.num_shared)], 2)
        others = torch.cat([around, self.negatives(len(centres))], 1)  # (stretches, around + shared)
        x, y = self.inner(centres), self.outer(others)  # (..., size)
        damping = self.damping(centres, weights.sum(2)), self.damping(others, weights.sum(1))
        return PairLoss.apply(x, y, weights, around.shape[1], *damping), num_near.sum()

    def damping(self, words: Tensor, pairs: Tensor) -> Tensor:
        """Factor on the gradient of each word, given how many pairs it is in, both ``(...)``."""
        # The gradients of all pairs of a batch are taken at the same place. A frequent word, moved by their sum, would
        # go far too far; word by word, as word2vec does it, each step would see where the one before has led.
        total = torch.zeros(len(self.words), device=words.device).index_add_(0, words.flatten(), pairs.flatten())
        return (self.max_pairs / total).clamp_(max=1)[words]

    def step(self, batch: Tensor) -> Step:
        """Mean loss of the pairs in a batch of words ``(words)``."""
        total, num = self.losses(batch)
        return Step(total / num.clamp(min=1), num)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Sum of the loss over the pairs; their mean is logged."""
        total, num = self.losses(batch)
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/loss", total.detach() / num.clamp(min=1), prog_bar=True)
        # The sum over accumulated batches and processes too, of which Lightning takes the mean.
        return total * (self.trainer.accumulate_grad_batches * self.trainer.world_size)

    # ---- what the vectors are good for

    def vectors(self) -> Tensor:
        """Vectors of unit length ``(words, size)``; that of padding is zero."""
        unit = F.normalize(self.inner.weight.detach(), dim=1)
        return unit.index_fill(0, torch.zeros(1, dtype=torch.long, device=unit.device), 0.0)

    def _evaluate(self, batch: Any, counts: bool, loss: Any, metrics: MetricCollection) -> Step | None:
        if isinstance(batch, Tensor):  # validation: the loss on text
            output = self.step(batch)
            if counts:
                loss.update(output.loss, output.size)
            return output
        return None

    def on_validation_epoch_end(self) -> None:
        """Log the loss."""
        self.log("val/loss", self.val_loss.compute(), prog_bar=True, sync_dist=True, reduce_fx="max")
        self.val_loss.reset()

    def test_step(self, batch: Questions, batch_idx: int) -> None:
        """Ask what people were asked."""
        vectors = self.vectors()
        for name, pairs, scores in batch.similarity:
            if len(pairs) > 1:
                cosine = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
                self.test_metrics[name].update(cosine, scores.to(cosine))
        self.right, self.asked = right_analogies(vectors, batch.analogies), len(batch.analogies)

    def on_test_epoch_end(self) -> None:
        """Log the scores."""
        metrics: Any = self.test_metrics.items(keep_base=True)  # a list of which no word is known has no score
        scores = {f"test/{name}": metric.compute() for name, metric in metrics if metric.update_called}
        scores["test/analogies"] = torch.tensor(self.right / max(1, self.asked))
        self.log_dict(scores, prog_bar=True)
        self.test_metrics.reset()

    def predict_step(self, batch: Tensor, batch_idx: int) -> list[Row]:
        """The nearest neighbours of each word, with their cosines; nothing for an unknown word."""
        vectors = self.vectors()
        cosines = vectors[batch] @ vectors.T  # (batch, words)
        cosines[:, 0] = -torch.inf
        cosines.scatter_(1, batch[:, None], -torch.inf)  # not the word itself
        best = cosines.topk(min(self.top_k, len(self.words) - 2), dim=1)
        rows = []
        for word, values, indices in zip(batch.tolist(), best.values.tolist(), best.indices.tolist(), strict=True):
            row: Row = {}
            for rank, (value, index) in enumerate(zip(values, indices, strict=True), start=1):
                row[f"neighbour_{rank}"] = self.words[index] if word else ""
                row[f"cosine_{rank}"] = round(value, 4) if word else ""
            rows.append(row)
        return rows


class CBOW(SkipGram):
    """Continuous bag of words: the mean of a window's vectors tells the word in its middle (Mikolov et al. 2013).

    Negatives are shared and the options the same as in ``SkipGram``.
    """

    def losses(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the losses of all words in ``words`` ``(words)``, and number of them."""
        centres, around, near = neighbours(words, self.stretch, self.window)
        num_near = near.sum(2, keepdim=True)  # (stretches, stretch, 1)
        shares = near / num_near.clamp(min=1)
        has_context = num_near[:, :, 0] > 0
        weights = (has_context * (self.num_negatives / self.num_shared))[:, :, None].expand(-1, -1, self.num_shared)
        noise = self.negatives(len(centres))
        # A word is in as many pairs as the words around which it stands, each with all its negatives.
        inner = damped(self.inner(around), self.damping(around, shares.sum(1) * (1 + self.num_negatives)))
        outer = damped(self.outer(centres), self.damping(centres, has_context.float()))
        context = shares @ inner  # (stretches, stretch, size)
        positive = F.softplus(-(context * outer).sum(2)) * has_context
        damping = torch.ones_like(weights[:, :, 0]), self.damping(noise, weights.sum(1))
        negative = PairLoss.apply(context, self.outer(noise), weights, 0, *damping)
        return positive.sum() + negative, has_context.sum()


def right_analogies(vectors: Tensor, questions: Tensor, chunk: int = 500) -> int:
    """How many of the analogies ``(questions, 4)`` are right: d is nearest to b - a + c (but for a, b, c)."""
    right = 0
    for part in questions.split(chunk):
        a, b, c, d = part.T
        cosines = F.normalize(vectors[b] - vectors[a] + vectors[c], dim=1) @ vectors.T
        cosines.scatter_(1, part[:, :3], -torch.inf)
        right += int((cosines.argmax(1) == d).sum())
    return right
