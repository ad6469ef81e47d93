"""Writing with a trained network: token by token, the most probable or by chance, or by beam search."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.types import BEGIN, END, PAD
from modules.nets.seq2seq.encoder_decoder import EncoderDecoder, Tensors


class Hypothesis(NamedTuple):
    """A target that was written.

    Attributes:
        tokens: Its tokens, without begin and end.
        score: Logarithm of its probability over ``length ** length_penalty``; the end counts in the length.
    """

    tokens: list[int]
    score: float


@torch.no_grad()
def write(
    net: EncoderDecoder, source: Tensor, max_lengths: Tensor, choose: Callable[[Tensor], Tensor] | None = None
) -> list[list[int]]:
    """Write a target for each source, token by token.

    Args:
        net: The network, in evaluation mode.
        source: ``(batch, source)``.
        max_lengths: Longest target of each source, ``(batch)``; the end counts.
        choose: Takes the next tokens ``(rows)`` from logits ``(rows, tokens)``; the most probable ones if None.

    Returns:
        Tokens of each target, without begin and end.
    """
    memory = net.encode(source)
    state = net.start(memory, 1)
    going = torch.arange(len(source), device=source.device)  # (going), sources whose target has no end yet
    written = torch.full((len(source), int(max_lengths.max())), PAD, device=source.device)  # (batch, longest)
    tokens = torch.full((len(source), 1), BEGIN, device=source.device)  # (going, 1)
    for position in range(written.shape[1]):
        features, state = net.step(tokens, memory, state)  # (going, 1, features)
        logits = _logits(net, features)[:, 0]  # (going, tokens)
        tokens = (logits.argmax(1) if choose is None else choose(logits))[:, None]  # (going, 1)
        written[going, position] = tokens[:, 0]
        unfinished = (tokens[:, 0] != END) & (position + 1 < max_lengths[going])  # (going)
        if not unfinished.all():
            rows = unfinished.nonzero()[:, 0]  # (still going)
            if not len(rows):
                break
            going, tokens, memory, state = going[rows], tokens[rows], _pick(memory, rows), _pick(state, rows)
    return [_strip(row) for row in written.tolist()]


class Sampling:
    """Draws the next token by chance: a ``choose`` for ``write``.

    Args:
        temperature: Divides the logits; below 1 the probable tokens get more probable.
        top_k: Only so many of the most probable tokens are drawn from (Fan et al. 2018); all if None.
        top_p: Only the fewest most probable tokens that have this probability together (Holtzman et al. 2020).
    """

    def __init__(self, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0) -> None:
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature is {temperature}; it must be above 0, and finite")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p is {top_p}; it must be above 0 and at most 1")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}; it must be at least 1")
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p

    def __call__(self, logits: Tensor) -> Tensor:
        """A token ``(rows)`` for each row of ``(rows, tokens)``."""
        logits = logits / self.temperature  # (rows, tokens)
        if self.top_k is not None and self.top_k < logits.shape[1]:
            least = logits.topk(self.top_k, 1).values[:, -1:]  # (rows, 1)
            logits = logits.masked_fill(logits < least, -math.inf)
        if self.top_p < 1:
            ordered, order = logits.softmax(1).sort(1, descending=True)  # (rows, tokens)
            beyond = ordered.cumsum(1) - ordered >= self.top_p  # (rows, tokens), false for the first
            logits = logits.masked_fill(beyond.scatter(1, order, beyond), -math.inf)
        return torch.multinomial(logits.softmax(1), 1)[:, 0]


@torch.no_grad()
def beam_search(
    net: EncoderDecoder, source: Tensor, max_lengths: Tensor, beam_size: int = 5, length_penalty: float = 1.0
) -> list[list[Hypothesis]]:
    """Search for the targets of the best score, keeping ``beam_size`` hypotheses open for each source.

    A hypothesis is complete when its end is among the ``beam_size`` best continuations. A source is done when it has
    ``beam_size`` complete hypotheses, when no open one can overtake the best, or at its longest target, where the
    open ones compete as they are. Sources that are done leave the batch.

    Args:
        net: The network, in evaluation mode.
        source: ``(batch, source)``.
        max_lengths: Longest target of each source, ``(batch)``; the end counts.
        beam_size: Hypotheses kept open.
        length_penalty: Exponent of the length by which the logarithm of the probability is divided; 0 prefers short
            targets, 1 compares the means of the tokens.

    Returns:
        At most ``beam_size`` hypotheses of each source, the best first.
    """
    width, device, longest = beam_size, source.device, int(max_lengths.max())
    memory = net.encode(source)
    state = net.start(memory, width)
    going = torch.arange(len(source), device=device)  # (going), sources that are not done
    tokens = torch.full((len(source), width), BEGIN, device=device)  # (going, width)
    written = torch.zeros(len(source), width, 0, dtype=torch.long, device=device)  # (going, width, position)
    sums = torch.full((len(source), width), -math.inf, device=device)  # (going, width), log probabilities
    sums[:, 0] = 0  # all hypotheses are the same yet: go on from one
    done = _Done(len(source), width, longest, device)
    for length in range(1, longest + 1):
        features, state = net.step(tokens, memory, state)  # (going, width, features)
        logits = _logits(net, features)  # (going, width, tokens)
        # The best continuations of all are among the best of each hypothesis: no need to normalise all logits.
        best, word = logits.topk(min(2 * width, logits.shape[2]), 2)  # (going, width, best)
        best = best - logits.logsumexp(2, keepdim=True) + sums[:, :, None]  # (going, width, best)
        total, at = best.flatten(1).topk(min(2 * width, best[0].numel()), 1)  # (going, 2 * width)
        parent, word = at // best.shape[2], word.flatten(1).gather(1, at)  # (going, 2 * width)

        ends = word == END  # (going, 2 * width)
        complete = total.masked_fill(~ends, -math.inf)[:, :width] / length**length_penalty  # (going, width)
        done.add(going, complete, _follow(written, parent[:, :width], word[:, :width]))
        sums, at = total.masked_fill(ends, -math.inf).topk(width, 1)  # (going, width)
        parent, tokens = parent.gather(1, at), word.gather(1, at)  # (going, width)
        written = _follow(written, parent, tokens)  # (going, width, length)

        limit = max_lengths[going]  # (going)
        last = length >= limit  # (going)
        open_scores = (sums / length**length_penalty).masked_fill(~last[:, None], -math.inf)  # (going, width)
        done.add(going, open_scores, written)
        # The best that an open one can come to: nothing more is lost, and the length is the most helpful one.
        hope = sums[:, 0] / limit.clamp(min=length) ** max(0.0, length_penalty)  # (going)
        finished = last | (done.scores[going, -1] > -math.inf) | (done.scores[going, 0] >= hope)  # (going)
        rows = (~finished).nonzero()[:, 0]  # (still going)
        if not len(rows):
            break
        state = _pick(state, (rows[:, None] * width + parent[rows]).flatten())
        if len(rows) < len(going):
            going, tokens, written, sums = going[rows], tokens[rows], written[rows], sums[rows]
            memory = _pick(memory, rows)
    return done.hypotheses()


class _Done:
    """The best complete hypotheses of each source, in order."""

    def __init__(self, batch: int, width: int, longest: int, device: torch.device) -> None:
        self.scores = torch.full((batch, width), -math.inf, device=device)
        self.tokens = torch.full((batch, width, longest), PAD, device=device)

    def add(self, going: Tensor, scores: Tensor, tokens: Tensor) -> None:
        # scores (going, width), -inf for what is none; tokens (going, width, length)
        some = (scores > -math.inf).any(1).nonzero()[:, 0]  # (some)
        if not len(some):
            return
        rows = going[some]
        more = torch.nn.functional.pad(tokens[some], (0, self.tokens.shape[2] - tokens.shape[2]), value=PAD)
        all_scores = torch.cat([self.scores[rows], scores[some]], 1)  # (some, 2 * width)
        all_tokens = torch.cat([self.tokens[rows], more], 1)  # (some, 2 * width, longest)
        self.scores[rows], at = all_scores.topk(self.scores.shape[1], 1)  # (some, width)
        self.tokens[rows] = all_tokens.gather(1, at[:, :, None].expand(-1, -1, all_tokens.shape[2]))

    def hypotheses(self) -> list[list[Hypothesis]]:
        pairs = zip(self.tokens.tolist(), self.scores.tolist(), strict=True)
        return [
            [Hypothesis(_strip(row), score) for row, score in zip(rows, scores, strict=True) if score > -math.inf]
            for rows, scores in pairs
        ]


def _follow(written: Tensor, parent: Tensor, word: Tensor) -> Tensor:
    # (going, width, position), (going, hypotheses) twice, to (going, hypotheses, position + 1)
    before = written.gather(1, parent[:, :, None].expand(-1, -1, written.shape[2]))
    return torch.cat([before, word[:, :, None]], 2)


def _logits(net: EncoderDecoder, features: Tensor) -> Tensor:
    logits: Tensor = net.output(features).float()
    logits[..., :END] = -math.inf  # padding, unknown and begin are never written
    return logits


def _pick(tensors: Tensors, rows: Tensor) -> Tensors:
    return {name: tensor.index_select(0, rows) for name, tensor in tensors.items()}


def _strip(tokens: list[int]) -> list[int]:
    return [token for token in tokens if token not in (PAD, END)]
