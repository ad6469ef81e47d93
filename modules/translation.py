"""Translation: from one sequence of tokens to another."""

import math
import re
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from datamodules.types import END, PAD, PairBatch, PairFacts, ParallelFacts, Row
from modules.metrics import BLEU, ChrF, Distinct
from modules.nets.seq2seq.encoder_decoder import EncoderDecoder
from modules.nets.seq2seq.losses import linear_cross_entropy
from modules.nets.seq2seq.search import Sampling, beam_search, write
from modules.task import Step, Task

LINE_ENDS = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")  # what some program takes for the end of a line


class Translator(Task[PairFacts]):
    """Sequence-to-sequence generation: translations, or replies.

    Trained on the cross-entropy of each token after the true ones before it (teacher forcing). Scores: ``bleu``, the
    same as the tool sacrebleu gives for the texts as they are; ``chrf``; ``perplexity``, the exponential of the loss,
    which is that of a token, without label smoothing (so it compares only with that of the same vocabulary); with
    ``distinct``, also ``distinct_1`` and ``distinct_2``.

    Args:
        net: Makes the network from the numbers of source and of target tokens.
        label_smoothing: Probability spread evenly over all tokens in training (Szegedy et al. 2016).
        beam_size: Hypotheses that the search keeps open in test and prediction; 1 takes the best token each time.
        val_beam_size: The same in validation, where it should cost little.
        length_penalty: The search divides a log-probability by so high a power of the length.
        temperature: If not 0, test and prediction draw by chance instead; below 1 they keep to what is probable.
        top_k: Draw from so many of the most probable tokens; from all if None.
        top_p: Draw from the fewest tokens that have this probability together.
        max_length: Tokens of the longest target; twice those of the source, and ten, if None.
        distinct: Also score how diverse the texts are, as of replies in dialogues.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
        **kwargs: Optimizer, scheduler and the like: see ``modules.task.Task``.
    """

    needs = PairFacts
    of_loss: ClassVar = {"perplexity": torch.exp}

    def __init__(
        self,
        net: Callable[[int, int], EncoderDecoder],
        label_smoothing: float = 0.1,
        beam_size: int = 5,
        val_beam_size: int = 1,
        length_penalty: float = 1.0,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        max_length: int | None = None,
        distinct: bool = False,
        decay_all: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(decay_all=decay_all, **kwargs)
        if min(beam_size, val_beam_size) < 1:
            raise MisconfigurationException(f"beam_size is {beam_size}, val_beam_size {val_beam_size}; take at least 1")
        if not 0 <= label_smoothing < 1:
            raise MisconfigurationException(f"label_smoothing is {label_smoothing}; it must be from 0 to below 1")
        if not math.isfinite(length_penalty):
            raise MisconfigurationException(f"length_penalty is {length_penalty}; it must be a finite number")
        if max_length is not None and max_length < 1:
            raise MisconfigurationException(f"model.max_length is {max_length}; it must be at least 1")
        self.make_net = net
        self.label_smoothing = label_smoothing
        self.beam_size, self.val_beam_size, self.length_penalty = beam_size, val_beam_size, length_penalty
        self.sampling = sampling_of(temperature, top_k, top_p)
        self.max_length, self.distinct = max_length, distinct

    def build(self) -> None:
        """Make the network."""
        from tokenizers import Tokenizer

        source, target = self.facts.source_tokenizer, self.facts.target_tokenizer
        self.source_tokens, self.target_tokens = Tokenizer.from_str(source), Tokenizer.from_str(target)
        try:
            self.net = self.make_net(self.facts.num_source_tokens, self.facts.num_target_tokens)
        except ValueError as error:
            raise MisconfigurationException(str(error)) from error
        if self.net.source_embedding is self.net.target_embedding and source != target:
            raise MisconfigurationException("tied: all needs a vocabulary that both languages share (data.joint: true)")

    def metrics(self) -> MetricCollection:
        """BLEU and chrF; distinct n-grams if wanted."""
        scores: dict[str, Metric | MetricCollection] = {"bleu": BLEU(), "chrf": ChrF()}
        return MetricCollection(scores | ({"distinct": Distinct()} if self.distinct else {}))

    def step(self, batch: PairBatch) -> Step:
        """Cross-entropy of sources ``(batch, source)`` and targets ``(batch, target)``; references for the scores."""
        source, target, references = batch
        assert target is not None
        features = self.net.decode(target[:, :-1], self.net.encode(source))  # (batch, target - 1, features)
        counted = target[:, 1:] != PAD  # (batch, target - 1)
        truth = target[:, 1:][counted]  # (tokens)
        smoothing = self.label_smoothing if self.training else 0.0
        loss = linear_cross_entropy(features[counted], self.net.output, truth, smoothing)
        if self.training:
            return Step(loss, len(truth))
        testing = self.trainer.testing if self._trainer is not None else True
        texts = self.write(source, self.beam_size, self.sampling) if testing else self.write(source, self.val_beam_size)
        return Step(loss, len(truth), texts, references)

    def write(self, source: Tensor, beam_size: int = 1, sampling: Sampling | None = None) -> list[str]:
        """Texts for sources ``(batch, source)``; an empty one for an empty source.

        Args:
            source: Token ids, each row ended by ``END``.
            beam_size: Hypotheses that the search keeps open; 1 takes the best token each time.
            sampling: Draw the tokens by chance instead.
        """
        lengths = (source != PAD).sum(1)  # (batch)
        limits = 2 * lengths + 10 if self.max_length is None else torch.full_like(lengths, self.max_length)
        if sampling is None and beam_size > 1:
            found = beam_search(self.net, source, limits, beam_size, self.length_penalty)
            written = [hypotheses[0].tokens for hypotheses in found]
        else:
            written = write(self.net, source, limits, sampling)
        texts = (LINE_ENDS.sub(" ", text.strip()) for text in self.target_tokens.decode_batch(written))
        return [text if first != END else "" for text, first in zip(texts, source[:, 0].tolist(), strict=True)]

    def predict_step(self, batch: PairBatch, batch_idx: int) -> list[Row]:
        """A ``translation`` of each source, or a ``reply`` to it."""
        name = "translation" if isinstance(self.facts, ParallelFacts) else "reply"
        return [{name: text} for text in self.write(batch.source, self.beam_size, self.sampling)]

    def on_test_epoch_end(self) -> None:
        """Log the scores and say how BLEU was computed."""
        super().on_test_epoch_end()
        rank_zero_info(f"BLEU is sacrebleu's, {BLEU.signature()}, with beam {self.beam_size}")

    @torch.no_grad()
    def attention(self, source: Tensor, target: Tensor) -> list[tuple[list[str], list[str], Tensor]]:
        """Words of each source, words of its target, and the attention ``(target words, source words)`` between them.

        Args:
            source: ``(batch, source)``.
            target: ``(batch, target)``.
        """
        weights = self.net.attention(source, target[:, :-1]).float().cpu()  # (batch, target - 1, source)
        pictures = []
        for read, written, weight in zip(source.tolist(), target[:, 1:].tolist(), weights, strict=True):
            (from_, columns), (to, rows) = _words(self.source_tokens, read), _words(self.target_tokens, written)
            weight = weight[: len(rows), : len(columns)]  # (target, source)
            # To all tokens of a source word together, and from the tokens of a target word on average.
            weight = torch.zeros(len(rows), len(from_)).index_add_(1, torch.tensor(columns), weight)
            counts = torch.tensor(rows).bincount()[:, None]
            pictures.append(
                (from_, to, torch.zeros(len(to), len(from_)).index_add_(0, torch.tensor(rows), weight) / counts)
            )
        return pictures


def sampling_of(temperature: float, top_k: int | None = None, top_p: float = 1.0) -> Sampling | None:
    """How to draw tokens by chance; None for a temperature of 0, which draws nothing.

    Raises:
        MisconfigurationException: If an option is out of range, or has no effect without a temperature.
    """
    if temperature == 0 and (top_k is not None or top_p != 1):
        raise MisconfigurationException("top_k and top_p are for drawing by chance; give a temperature above 0 too")
    try:
        return Sampling(temperature, top_k, top_p) if temperature else None
    except ValueError as error:
        raise MisconfigurationException(str(error)) from error


def _words(tokens: Any, ids: list[int]) -> tuple[list[str], list[int]]:
    """Words that tokens make up, and the number of the word that each belongs to."""
    groups: list[list[int]] = []
    owners = []
    marks = tokens.get_added_tokens_decoder()  # the end, those of the speakers in a dialogue: words by themselves
    for index in ids:
        if index == PAD:
            break
        # A token that begins with a space (which byte-level vocabularies write so) begins a word.
        if not groups or {index, groups[-1][-1]} & marks.keys() or tokens.id_to_token(index).startswith("Ġ"):
            groups.append([])
        groups[-1].append(index)
        owners.append(len(groups) - 1)
    texts = (tokens.decode(group, skip_special_tokens=False).strip() for group in groups)
    return ["<end>" if group == [END] else text for group, text in zip(groups, texts, strict=True)], owners
