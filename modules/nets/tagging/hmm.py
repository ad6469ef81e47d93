"""The hidden Markov model of tags: a dynamic Bayesian network whose tables are counted, not descended to."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from datamodules.types import PAD, UNKNOWN, PieceTokens, TaggingFacts, WordTokens
from modules.nets.tagging.crf import expected_tags, log_partition, viterbi
from modules.nets.tagging.trigrams import TINY, log_partition_2, viterbi_2
from modules.nets.tagging.word_features import LONGEST, word_features

RARE = 20  # endings are counted in words seen at most so often: what is unknown is more like them


class TaggedHMM(nn.Module):
    """A model of tags and words, ``prod_t p(tag_t | tags before) p(word_t | tag_t)``, counted from tagged sentences.

    A tag depends on the one or two before it, by deleted interpolation (Brants 2000, TnT). ``p(word | tag)`` is
    ``p(tag | word) p(word) / p(tag)``, and the tags of a word are drawn to those of its lower-case form, its endings
    of falling length and the kinds of its characters, each the Dirichlet prior of the next (MacKay & Peto 1995): so
    known, rare and unknown words are one case.

    Args:
        facts: Vocabularies and tags.
        order: How many tags before a tag it depends on: 1 (bigrams) or 2 (trigrams).
        strength: Weight of the prior of a word against its own counts.
        ending_strength: Weight of the prior of each ending.
    """

    known: Tensor
    tag_counts: Tensor
    word_counts: Tensor
    steps: Tensor

    def __init__(
        self, facts: TaggingFacts, order: int = 2, strength: float = 3.0, ending_strength: float = 5.0
    ) -> None:
        super().__init__()
        num_tags = len(facts.tags)
        self.chars, self.num_tags, self.order = ["", "\ufffd", *facts.chars], num_tags, order
        self.strength, self.ending_strength = strength, ending_strength
        self.features: dict[str, int] = {}
        for word in facts.words:
            for feature in word_features(word):
                self.features.setdefault(feature, len(self.features))
        self.register_buffer("known", self._lookup(facts.words), persistent=False)
        # Tags, counted with two before the first and one after the last, all of the extra number ``num_tags``.
        self.register_buffer("tag_counts", torch.zeros((num_tags + 1,) * 3))
        self.register_buffer("word_counts", torch.zeros(facts.num_words, num_tags))
        self.fitted = False

    def _lookup(self, words: Sequence[str]) -> Tensor:
        """Numbers of the features of each word ``(words, features)``; -1 for one that training did not have."""
        rows = [[self.features.get(feature, -1) for feature in word_features(word)] for word in words]
        return torch.tensor(rows).view(len(words), LONGEST + 3)

    def count(self, words: Tensor, tags: Tensor) -> tuple[Tensor, Tensor]:
        """Counts of a batch, shaped as ``tag_counts`` and ``word_counts``.

        Args:
            words: ``(batch, length)``, 0 after a sentence's end.
            tags: ``(batch, length)``.
        """
        num, border = self.num_tags, words.new_full((len(words), 2), self.num_tags)
        inside = words != PAD
        padded = torch.cat([border, tags.masked_fill(~inside, num), border[:, :1]], 1)
        ended = torch.cat([inside[:, :1], inside], 1)  # the last word's successor is the border
        triples = (padded[:, :-2] * (num + 1) + padded[:, 1:-1]) * (num + 1) + padded[:, 2:]
        tag_counts = torch.bincount(triples[ended], minlength=(num + 1) ** 3).view_as(self.tag_counts)
        pairs = words[inside] * num + tags[inside]
        return tag_counts, torch.bincount(pairs, minlength=self.word_counts.numel()).view_as(self.word_counts)

    def add(self, tag_counts: Tensor, word_counts: Tensor) -> None:
        """Add the counts of a batch."""
        self.tag_counts += tag_counts
        self.word_counts += word_counts
        self.fitted = False

    def fit(self) -> None:
        """Make the tables from the counts; done anew whenever these have changed."""
        if self.fitted:
            return
        counts = self.tag_counts.double()
        pairs, singles = counts.sum(0), counts.sum((0, 1))  # (tag before, tag), (tag)
        # Deleted interpolation: each trigram votes, with its count, for the order that predicts it best without it.
        estimates = [
            (counts - 1) / (counts.sum(2, keepdim=True) - 1),
            ((pairs - 1) / (pairs.sum(1, keepdim=True) - 1)).expand_as(counts),
            ((singles - 1) / (singles.sum() - 1)).expand_as(counts),
        ][2 - self.order :]
        votes = torch.stack(estimates).nan_to_num(0, 0, 0).argmax(0)
        weights = torch.stack([counts[votes == i].sum() for i in range(len(estimates))]) / counts.sum().clamp(min=1)
        tables = [
            counts / counts.sum(2, keepdim=True).clamp(min=1),
            (pairs / pairs.sum(1, keepdim=True).clamp(min=1)).expand_as(counts),
            (singles / singles.sum().clamp(min=1)).expand_as(counts),
        ][2 - self.order :]
        mixed = torch.stack([w * table for w, table in zip(weights, tables, strict=True)]).sum(0)
        self.steps = mixed.clamp(min=TINY).log()
        # Counts of the features: of the endings in rare words, of the words (the last two) in all.
        own = self.word_counts[2:].double()
        rare = own * (own.sum(1, keepdim=True) <= RARE)
        self.feature_counts = own.new_zeros(len(self.features) + 1, self.num_tags)  # the last row is for unknown ones
        for column in range(LONGEST + 3):
            source = own if column > LONGEST else rare
            self.feature_counts.index_add_(0, self.known[:, column] % len(self.feature_counts), source)
        self.feature_counts[-1] = 0
        self.shares = (own.sum(0) + 1) / (own.sum() + self.num_tags)  # p(tag)
        table = self._log_odds(self.known)
        self.odds = torch.cat([table.new_zeros(2, self.num_tags), table])
        self.fitted = True

    def _log_odds(self, features: Tensor) -> Tensor:
        """``log p(tag | word) - log p(tag)`` of words given by their features."""
        tags = self.shares.expand(len(features), -1)
        for column in range(LONGEST + 3):
            own = self.feature_counts[features[:, column]]  # (words, tags)
            weight = self.strength if column > LONGEST else self.ending_strength
            tags = (own + weight * tags) / (own.sum(1, keepdim=True) + weight)
        return (tags / self.shares).clamp(min=TINY).log()

    def emissions(self, inputs: WordTokens | PieceTokens) -> Tensor:
        """``log p(word | tag)`` up to a constant of each word, ``(batch, length, tags)``."""
        self.fit()
        emissions: Tensor = self.odds[inputs.words]
        unknown = inputs.words == UNKNOWN
        if unknown.any():
            rows, inverse = inputs.spelled[unknown].unique(return_inverse=True)
            texts = ["".join(self.chars[i] for i in ids) for ids in inputs.spelling[rows].tolist()]
            emissions[unknown] = self._log_odds(self._lookup(texts).to(inverse.device))[inverse]
        return emissions

    def decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The most probable sequence of tags ``(batch, length)``."""
        return (
            viterbi(emissions, *self._chain(), lengths)
            if self.order == 1
            else viterbi_2(emissions, self.steps, lengths)
        )

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Log of the sum over all sequences of tags, ``(batch)``."""
        if self.order == 1:
            return log_partition(emissions, *self._chain(), lengths)
        return log_partition_2(emissions, self.steps, lengths)

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Probability of each tag at each position, ``(batch, length, tags)``: the gradient of ``log_partition``."""
        return expected_tags(self.log_partition, emissions, lengths)

    def score(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Log-probability, up to the constants of the words, of given tags ``(batch, length)``; ``(batch)``."""
        inside = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
        border = tags.new_full((len(tags), 2), self.num_tags)
        padded = torch.cat([border, tags.masked_fill(~inside, self.num_tags), border[:, :1]], 1)
        steps = self.steps[padded[:, :-2], padded[:, 1:-1], padded[:, 2:]]  # (batch, length + 1)
        ended = torch.cat([inside[:, :1], inside], 1)
        nodes = emissions.gather(2, tags.masked_fill(~inside, 0)[..., None])[..., 0]
        return (steps * ended).sum(1) + (nodes * inside).sum(1)

    def _chain(self) -> tuple[Tensor, Tensor, Tensor]:
        pairs = self.steps[0].clone()  # with bigrams all of them are alike
        return pairs[:-1, :-1], pairs[-1, :-1], pairs[:-1, -1]
