"""Dialogues as token ids: contexts, replies, and candidates to choose replies from."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.dialogue.reading import Dialogue
from datamodules.ragged import Ragged
from datamodules.sampling import BatchIndices, mix
from datamodules.tokens import Tokens
from datamodules.types import END, ChoiceBatch

YOU, ME = "<you>", "<me>"  # marks of the speakers, as the one who replies sees them

Pair = tuple[list[str], str]  # a context, turn by turn, and its reply


class DialogueTokenizer:
    """Puts dialogues together from the tokens of their turns, each of which is encoded once.

    With a vocabulary of our own, each turn begins with a token that marks its speaker; a pretrained tokenizer has no
    such tokens and gets ``you:`` and ``me:``, and a text begins and ends with the tokens that its model wants there.

    Args:
        tokenizer: As JSON.
        max_length: Tokens of the longest context.
    """

    def __init__(self, tokenizer: str, max_length: int) -> None:
        self.tokens = Tokens(tokenizer)
        self.max_length = min(filter(None, (max_length, self.tokens.max_length)))
        empty, letter, you, me = self.tokens.encode(["", "a", YOU, ME])
        self.is_own = len(you) == 1
        if self.is_own:
            self.first, self.last, self.you, self.me = [], [END], you, me
            return
        num = next(i for i in range(len(letter)) if empty[i : i + 1] != letter[i : i + 1])
        self.first, self.last = empty[:num], empty[num:]
        self.you, self.me = self.encode(["you:", "me:"]).values()

    @property
    def room(self) -> int:
        """Tokens of the longest context without those that begin and end it."""
        return self.max_length - len(self.first) - len(self.last)

    def encode(self, texts: Iterable[str]) -> dict[str, list[int]]:
        """Token ids of each distinct text."""
        distinct = list(dict.fromkeys(texts))
        encoded = self.tokens.encode(distinct)
        if self.is_own:  # somebody may have typed "<me>" or "<eos>": they mark nothing, and are left out
            special = max(*self.you, *self.me)
            return {text: [i for i in ids if i > special] for text, ids in zip(distinct, encoded, strict=True)}
        first, last = len(self.first), len(self.last)
        return {text: ids[first : len(ids) - last] for text, ids in zip(distinct, encoded, strict=True)}

    def decode(self, texts: Iterable[Sequence[int]]) -> list[str]:
        """The text of each sequence of ids, with ``you:`` or ``me:`` before each turn."""
        decoded = []
        for ids in texts:
            starts = {
                place: (name, place + len(mark))
                for name, mark in (("you", self.you), ("me", self.me))
                for place in range(len(ids))
                if list(ids[place : place + len(mark)]) == mark
            }
            ends = [*sorted(starts), len(ids)]
            turns = self.tokens.decode([ids[starts[a][1] : b] for a, b in pairwise(ends)])
            decoded.append(" ".join(f"{starts[a][0]}: {turn}" for a, turn in zip(ends[:-1], turns, strict=True)))
        return decoded

    def tell_cut(self, turns: Sequence[list[int]], what: str) -> None:
        """Warn of turns, of which ``what`` is the name, that are cut as they are too long."""
        room = self.room - max(len(self.you), len(self.me))
        cut = sum(len(turn) > room for turn in turns)
        if cut:
            rank_zero_warn(
                f"{cut} of {len(turns)} {what} are longer than {room} tokens: what follows is not read "
                f"(--data.max_length {self.max_length})"
            )

    def context(self, turns: Sequence[list[int]]) -> list[int]:
        """A context: as many of the last turns as fit, of which the very last is ``you``; cut if it is too long."""
        kept: list[int] = []
        for place, turn in enumerate(reversed(turns)):
            marked = (self.me if place % 2 else self.you) + turn
            if place and len(kept) + len(marked) > self.room:
                break
            kept = marked + kept
        return self.first + kept[: self.room] + self.last

    def reply(self, turn: list[int]) -> list[int]:
        """A reply as a text of its own, cut if it is too long."""
        return self.first + (self.me + turn)[: self.room] + self.last


class ChoiceExamples:
    """Contexts, and the replies among which theirs is to be found.

    Args:
        contexts: Token ids of each context.
        replies: Token ids of each reply; None where there is nothing but the contexts.
        texts: The replies as they were written; equal ones are one candidate.
        num_candidates: How many there are for each context, the true one among them; the others are drawn by chance
            from the same split, the same ones whatever the seed of the run. 0 in training, where the replies of a
            batch compete with each other.
    """

    def __init__(self, contexts: Ragged, replies: Ragged | None, texts: Sequence[str], num_candidates: int) -> None:
        self.contexts, self.replies = contexts, replies
        self.lengths = contexts.lengths
        self.candidates: Tensor | None = None
        if num_candidates:
            self.candidates = torch.tensor(list(_candidates(texts, num_candidates)))

    def __len__(self) -> int:
        return len(self.contexts)

    def __getitems__(self, indices: BatchIndices) -> ChoiceBatch:
        """Contexts ``(batch, context length)``, replies ``(replies, reply length)`` and candidates."""
        contexts = self.contexts.pad(indices)
        if self.replies is None:
            return ChoiceBatch(contexts, None, None)
        if self.candidates is None:
            return ChoiceBatch(contexts, self.replies.pad(indices), None)
        rows, candidates = self.candidates[torch.tensor(indices)].unique(return_inverse=True)
        return ChoiceBatch(contexts, self.replies.pad(rows.tolist()), candidates)


def _candidates(texts: Sequence[str], num_candidates: int) -> Iterator[list[int]]:
    distinct = {text: index for index, text in reversed(list(enumerate(texts)))}
    pool = list(distinct.values())
    if len(pool) < 2:
        raise MisconfigurationException("there is nothing to choose: all replies of a split are the same")
    if len(pool) < num_candidates:
        rank_zero_warn(f"{len(pool)} candidates instead of {num_candidates}: a split has no more different replies")
        num_candidates = len(pool)
    for index, text in enumerate(texts):
        drawn, attempt = {distinct[text]: None}, 0
        while len(drawn) < num_candidates:
            drawn[pool[mix(10, index, attempt) % len(pool)]] = None
            attempt += 1
        yield list(drawn)


def with_context(dialogues: list[Dialogue], num_turns: int) -> list[Pair]:
    """Each reply with the ``num_turns`` before it."""
    every = [
        (dialogue.turns[max(0, place - num_turns) : place], dialogue.turns[place])
        for dialogue in dialogues
        for place in dialogue.replies()
    ]
    pairs = [(context, reply) for context, reply in every if context[-1].strip() and reply.strip()]
    alone = sum(not dialogue.replies() for dialogue in dialogues)
    if alone or len(pairs) < len(every):
        rank_zero_warn(
            f"left out {alone} of {len(dialogues)} dialogues, of one turn, and {len(every) - len(pairs)} of "
            f"{len(every)} replies, empty or to an empty turn"
        )
    if not pairs:
        raise MisconfigurationException(f"none of {len(dialogues)} dialogues has a turn and a reply to it")
    return pairs


def not_too_long(pairs: list[Pair], ids: dict[str, list[int]], max_length: int) -> list[Pair]:
    """Pairs whose reply, with what begins and ends it, is not longer than ``max_length``."""
    kept = [(context, reply) for context, reply in pairs if len(ids[reply]) + 2 <= max_length]
    if len(kept) < len(pairs):
        rank_zero_warn(
            f"left out {len(pairs) - len(kept)} of {len(pairs)} training replies, "
            f"longer than {max_length} tokens (max_length)"
        )
    if not kept:
        raise MisconfigurationException("no training reply is left")
    return kept
