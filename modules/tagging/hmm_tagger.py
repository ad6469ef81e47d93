"""A tag for every word from counts."""

from typing import Literal

import torch
from torch import Tensor, nn

from datamodules.types import PAD, Batch, Row
from modules.nets.tagging.hmm import TaggedHMM
from modules.tagging.tagger import TaggingTask, decode_tags
from modules.task import Step


class HMMTagger(TaggingTask):
    """Hidden Markov model of tags and words (Brants 2000): a Bayesian network whose tables are counted in one pass.

    There is no optimizer.

    Scores: ``accuracy`` and ``f1``, and those of entities, as ``Tagger`` has them; the loss is the negative
    log-likelihood of the tags given the words, a word.

    Args:
        order: How many tags before a tag it depends on: 1 (bigrams) or 2 (trigrams).
        decoding: ``viterbi`` for the most probable sequence, ``posterior`` for the most probable tag of each word.
        strength: Weight of the prior of a word (its lower-case form) against its own counts.
        ending_strength: Weight of the prior of each ending (the one a character shorter) against its own counts.
    """

    def __init__(
        self,
        order: Literal[1, 2] = 2,
        decoding: Literal["viterbi", "posterior"] = "viterbi",
        strength: float = 3.0,
        ending_strength: float = 5.0,
    ) -> None:
        super().__init__(optimizer=torch.optim.SGD)
        self.automatic_optimization = False
        self.order, self.decoding = order, decoding
        self.strength, self.ending_strength = strength, ending_strength

    def build(self) -> None:
        """Make the empty tables."""
        super().build()
        self.net = TaggedHMM(self.facts, self.order, self.strength, self.ending_strength)
        # Distributed strategies want something to train.
        self.nothing = nn.Parameter(torch.zeros(()))

    def configure_optimizers(self) -> None:
        """None: counting is all there is."""

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Add the counts of a batch, of all processes."""
        inputs, target = batch
        assert target is not None
        counts = self.net.count(inputs.words, target)
        self.net.add(*(self.trainer.strategy.reduce(count, reduce_op="sum") for count in counts))
        if self.trainer.is_last_batch:
            self.net.fit()

    def step(self, batch: Batch) -> Step:
        """Negative log-likelihood per word of ``(inputs, target)``, target ``(batch, length)``."""
        inputs, target = batch
        assert target is not None
        lengths = (inputs.words != PAD).sum(1)
        emissions = self.net.emissions(inputs)
        total = self.net.log_partition(emissions, lengths)
        known = (target < len(self.tags)).all(1)  # (batch)
        losses = total - self.net.score(emissions, target.clamp(max=len(self.tags) - 1), lengths)
        size = (lengths * known).sum()
        loss = ((losses * known).sum() / size.clamp(min=1)).float()
        return Step(loss, size, self._decode(emissions, lengths), target)

    def _decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        if self.decoding == "posterior":
            return self.net.marginals(emissions, lengths).argmax(2)
        return self.net.decode(emissions, lengths)

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Row]:
        """The tags of each sentence by name, and the probability of each."""
        lengths = (batch.inputs.words != PAD).sum(1)
        emissions = self.net.emissions(batch.inputs)
        probabilities = self.net.marginals(emissions, lengths)
        return decode_tags(self._decode(emissions, lengths), probabilities, lengths, self.tags)
