"""The hidden Markov model of words alone, learned by expectation maximisation."""

import torch
from torch import Tensor, nn

from modules.nets.tagging.bilstm import Words
from modules.nets.tagging.crf import expected_tags, log_partition, viterbi


class HiddenHMM(nn.Module):
    """A model of words alone, whose tags are hidden states: learned by expectation maximisation (Baum et al. 1970).

    The expected counts of an iteration are gradients of the log-partition with respect to the log-probabilities.

    Args:
        num_words: Number of words, padding and unknown included.
        num_states: Number of states.
        smoothing: Added to each expected count.
    """

    steps: Tensor
    words: Tensor
    step_counts: Tensor
    word_counts: Tensor

    def __init__(self, num_words: int, num_states: int, smoothing: float = 0.01) -> None:
        super().__init__()
        self.smoothing = smoothing
        # Random, or all states would stay alike. The last row and column of the steps are the border of a sentence.
        self.register_buffer("steps", self._normal(1 + 0.1 * torch.rand(num_states + 1, num_states + 1)))
        self.register_buffer("words", self._normal(1 + torch.rand(num_states, num_words)))
        self.register_buffer("step_counts", torch.zeros_like(self.steps))
        self.register_buffer("word_counts", torch.zeros_like(self.words))

    @staticmethod
    def _normal(counts: Tensor) -> Tensor:
        return (counts / counts.sum(1, keepdim=True)).log()

    def emissions(self, inputs: Words) -> Tensor:
        """``log p(word | state)``, ``(batch, length, states)``, double precision."""
        return self.words.t()[inputs.words].double()

    def _chain(self) -> tuple[Tensor, Tensor, Tensor]:
        steps = self.steps.double()
        return steps[:-1, :-1], steps[-1, :-1], steps[:-1, -1]

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Log-likelihood of each sentence, ``(batch)``."""
        return log_partition(emissions, *self._chain(), lengths)

    def decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The most probable sequence of states ``(batch, length)``."""
        return viterbi(emissions, *self._chain(), lengths)

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Probability of each state at each position, ``(batch, length, states)``."""
        return expected_tags(self.log_partition, emissions, lengths)

    def count(self, words: Tensor, tags: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Expected counts of a batch: of steps from state to state, and of words in states.

        Args:
            words: ``(batch, length)``, 0 after a sentence's end.
            tags: Not looked at.
        """
        with torch.enable_grad():
            steps, table = (x.detach().double().requires_grad_() for x in (self.steps, self.words))
            chain = steps[:-1, :-1], steps[-1, :-1], steps[:-1, -1]
            total = log_partition(table.t()[words], *chain, (words != 0).sum(1)).sum()
            step_counts, word_counts = torch.autograd.grad(total, (steps, table))
        return step_counts.float(), word_counts.float()

    def add(self, step_counts: Tensor, word_counts: Tensor) -> None:
        """Add the expected counts of a batch."""
        self.step_counts += step_counts
        self.word_counts += word_counts

    def fit(self) -> None:
        """Make the tables from the expected counts, and forget these."""
        self.steps.copy_(self._normal(self.step_counts + self.smoothing))
        self.words.copy_(self._normal(self.word_counts + self.smoothing))
        self.step_counts.zero_()
        self.word_counts.zero_()
