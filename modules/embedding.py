"""Word vectors, learned from which words stand near each other."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics.functional.regression import spearman_corrcoef

from datamodules.types import CorpusFacts, Questions, Row
from modules.nets.pairs import PairLoss, damped, neighbours
from modules.optimisation import Linear
from modules.task import Step, Task


class SkipGram(Task[CorpusFacts]):
    """Skip-gram word vectors with negative sampling (Mikolov et al. 2013).

    For each word and each neighbour within a window of random width, ``softplus(-x y)`` is added, x and y being the
    vectors of the two, and ``softplus(x n)`` for each of ``num_negatives`` other words n. The ``segment`` successive
    words of a segment share their negatives: more are drawn, each with a smaller weight that makes up for it; so all
    products of vectors are products of matrices.

    A training step's gradient is the sum over all pairs, not the mean, so a learning rate means what it means in
    word2vec: 0.025 to 0.05 for SGD.

    Scores of a test: ``wordsim353`` and ``simlex999``, Spearman's correlation with what people said, and ``analogies``,
    the share that is right (the nearest to ``b - a + c`` but for these three); NaN where no words are known.

    Args:
        size: Length of a vector.
        window: Most words between a word and its neighbour, plus one.
        num_negatives: Negative words for each pair.
        segment: Successive words that share negatives.
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
        segment: int = 16,
        num_shared: int = 16,
        max_pairs: float = 50.0,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.SGD(parameters, lr=0.025),
        scheduler: LRSchedulerCallable | None = Linear,
        top_k: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer=optimizer, scheduler=scheduler, **kwargs)
        self.size, self.window, self.num_negatives = size, window, num_negatives
        self.segment, self.num_shared, self.max_pairs, self.top_k = segment, num_shared, max_pairs, top_k

    def build(self) -> None:
        """Make the vectors: of words, and of words as neighbours."""
        self.words = self.facts.words
        counts = torch.tensor(self.facts.word_counts, dtype=torch.float64)
        # The authors' choice: frequencies to the power of 3/4.
        self.register_buffer("noise", (counts**0.75).cumsum(0) / (counts**0.75).sum(), persistent=False)
        sparse = self.device_mesh is None  # gradients of weights that are shared out cannot be
        self.inner = nn.Embedding(len(counts), self.size, sparse=sparse)
        self.outer = nn.Embedding(len(counts), self.size, sparse=sparse)
        nn.init.uniform_(self.inner.weight, -0.5 / self.size, 0.5 / self.size)
        nn.init.zeros_(self.outer.weight)
        self.scores: dict[str, Tensor] = {}

    # ---- training

    def negatives(self, num_segments: int) -> Tensor:
        """Draw words ``(segments, shared)`` by the noise distribution."""
        drawn = torch.rand(num_segments, self.num_shared, dtype=torch.float64, device=self.device)
        return torch.searchsorted(self.noise, drawn).clamp_(max=len(self.words) - 1)  # type: ignore[arg-type]

    def losses(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the losses of all pairs in ``words`` ``(words)``, and number of pairs."""
        centres, around, near = neighbours(words, self.segment, self.window)
        num_near = near.sum(2)  # (segments, segment)
        share = num_near * (self.num_negatives / self.num_shared)
        weights = torch.cat([near, share[:, :, None].expand(-1, -1, self.num_shared)], 2)
        others = torch.cat([around, self.negatives(len(centres))], 1)  # (segments, around + shared)
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

    def test_step(self, batch: Questions | Tensor, batch_idx: int) -> Step | None:  # type: ignore[override]
        """Ask the vectors what people were asked; or take the loss on text."""
        if isinstance(batch, Tensor):
            return super().test_step(batch, batch_idx)
        self.scores = {f"test/{name}": score for name, score in answer(self.vectors(), batch).items()}
        return None

    def on_test_epoch_end(self) -> None:
        """Log the scores."""
        if not self.scores:
            return super().on_test_epoch_end()
        self.log_dict(self.scores, prog_bar=True)
        self.scores = {}

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
        centres, around, near = neighbours(words, self.segment, self.window)
        num_near = near.sum(2, keepdim=True)  # (segments, segment, 1)
        shares = near / num_near.clamp(min=1)
        has_context = num_near[:, :, 0] > 0
        weights = (has_context * (self.num_negatives / self.num_shared))[:, :, None].expand(-1, -1, self.num_shared)
        noise = self.negatives(len(centres))
        # A word is in as many pairs as the words around which it stands, each with all its negatives.
        inner = damped(self.inner(around), self.damping(around, shares.sum(1) * (1 + self.num_negatives)))
        outer = damped(self.outer(centres), self.damping(centres, has_context.float()))
        context = shares @ inner  # (segments, segment, size)
        positive = F.softplus(-(context * outer).sum(2)) * has_context
        damping = torch.ones_like(weights[:, :, 0]), self.damping(noise, weights.sum(1))
        negative = PairLoss.apply(context, self.outer(noise), weights, 0, *damping)
        return positive.sum() + negative, has_context.sum()


def answer(vectors: Tensor, questions: Questions) -> dict[str, Tensor]:
    """The scores of vectors of unit length ``(words, size)``, by their names."""
    scores, nothing = {}, vectors.new_tensor(torch.nan)
    for name, pairs, people in questions.similarity:
        cosine = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
        scores[name] = spearman_corrcoef(cosine, people.to(cosine)) if len(pairs) > 1 else nothing
    num = len(questions.analogies)
    scores["analogies"] = vectors.new_tensor(right_analogies(vectors, questions.analogies) / num) if num else nothing
    return scores


def right_analogies(vectors: Tensor, questions: Tensor) -> int:
    """How many of the analogies ``(questions, 4)`` are right: d is nearest to b - a + c (but for a, b, c)."""
    right = 0
    for part in questions.split(500):  # all at once would take too much memory
        a, b, c, d = part.T
        cosines = F.normalize(vectors[b] - vectors[a] + vectors[c], dim=1) @ vectors.T
        cosines.scatter_(1, part[:, :3], -torch.inf)
        right += int((cosines.argmax(1) == d).sum())
    return right
