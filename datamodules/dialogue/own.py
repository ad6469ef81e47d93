"""The user's own dialogues: what was said before, and the reply to it."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from datamodules.data import Data, Row
from datamodules.dialogue.examples import ME, YOU, Choices, TurnTokens, not_too_long, with_context
from datamodules.dialogue.reading import Turns, file_of, read_dialogues
from datamodules.pairs import Sentences
from datamodules.parallel.reading import read_text
from datamodules.ragged import Ragged
from datamodules.sampling import Batches, mix
from datamodules.splits import share_of
from datamodules.tokens import BEGIN, END, Tokens


class Dialogues(NamedTuple):
    """Raw dialogues; those that are ``open`` end with a turn that wants a reply."""

    dialogues: list[Turns]
    open: bool = False


class DialogueText(Data[Dialogues]):
    """Your own dialogues, in which two people speak in turn.

    ``path`` is a file in UTF-8, or a folder of ``train``, ``val`` and ``test`` files: JSON Lines
    (``{"turns": ["Hello!", "Hi, how are you?"]}``, or ``{"question": "...", "answer": "..."}``), or a table (``.csv``,
    ``.tsv``) with the columns ``question`` and ``answer``. Of one file, ``val_share`` and ``test_share`` of the
    dialogues, drawn by chance, are set aside.

    Every turn but the first is a reply to the ``num_turns`` before it. Of these, as many of the last ones are kept as
    fit into ``max_length`` tokens; a last turn longer than that is cut. Dialogues of one turn, pairs in which the reply
    or the turn before it is empty and, in training, replies longer than ``max_length`` are left out and counted.

    For ``modules.translation.Translator``, which writes replies, leave ``candidates`` at 0; for
    ``modules.dialogue.ResponseSelector``, which chooses them, give their number.

    Facts: the ``tokenizer`` and, with candidates, the ``replies`` of the training split to choose from.

    Args:
        path: Where the dialogues are.
        num_turns: Turns that a reply depends on.
        candidates: Replies to choose from in validation and test, the true one among them; 0 to write replies.
        num_replies: Replies of the training split that predictions choose from: the most frequent ones.
        num_tokens: Tokens of the vocabulary, learned by byte-pair encoding on the training turns.
        tokenizer: Name or folder of a pretrained tokenizer, instead of a vocabulary of one's own; with candidates only.
        max_length: Tokens of the longest context, and of the longest reply.
        max_tokens: Bound on (pairs) x (longest length) of a batch, per process; ``batch_size`` rules if not given.
        val_share: Share of the dialogues to validate on, if ``path`` is one file.
        test_share: Share of the dialogues to test on, if ``path`` is one file.
        text: Something said, to reply to by ``leyden predict``, instead of ``predict_path``.
        root: Folder of datasets, not used here.
        batch_size: Pairs in a batch, per process, if there is no ``max_tokens``.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Dialogues (``.jsonl``) whose last turn wants a reply, or a text file of such turns, one a line.
    """

    facts = ("tokenizer", "replies")
    EVALUATED = 8192  # contexts that choose at once: each candidate is encoded once in a batch

    def __init__(
        self,
        path: str,
        num_turns: int = 3,
        candidates: int = 0,
        num_replies: int = 10000,
        num_tokens: int = 8000,
        tokenizer: str | None = None,
        max_length: int = 128,
        max_tokens: int | None = None,
        val_share: float = 0.1,
        test_share: float = 0.1,
        text: str | None = None,
        root: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        if num_turns < 1 or max_length < 4:
            raise MisconfigurationException(f"num_turns is {num_turns}, max_length {max_length}; take at least 1 and 4")
        if candidates == 1 or candidates < 0:
            raise MisconfigurationException(f"candidates is {candidates}; take at least 2, or 0 to write replies")
        if tokenizer is not None and not candidates:
            raise MisconfigurationException("a pretrained tokenizer is for choosing among candidates, not for writing")
        self.path = Path(path)
        self.num_turns, self.candidates, self.num_replies = num_turns, candidates, num_replies
        self.num_tokens, self.tokenizer_name = num_tokens, tokenizer
        self.max_length, self.max_tokens = max_length, max_tokens
        self.shares = {"val": val_share, "test": test_share}
        self.text = text
        self.tokenizer = ""
        self.replies: list[str] = []

    # ---- facts

    def learn(self, train: Dialogues) -> None:
        """Learn the vocabulary; choose the replies that predictions choose from."""
        turns = [turn for dialogue in train.dialogues for turn in dialogue]
        if self.tokenizer_name is not None:
            self.tokenizer = Tokens.pretrained(self.tokenizer_name).json
        else:
            tokens = Tokens.learn(turns, "bpe", self.num_tokens, lowercase=False, special=(YOU, ME))
            self.tokenizer = tokens.json
        if self.candidates:
            counts = Counter(turn for dialogue in train.dialogues for turn in dialogue[1:] if turn.strip())
            # Most occur once: which of these are taken must not depend on where they stand.
            chance = {reply: mix(self.seed, number) for number, reply in enumerate(counts)}
            self.replies = sorted(counts, key=lambda reply: (-counts[reply], chance[reply]))[: self.num_replies]

    @property
    def source_tokenizer(self) -> str:
        """The tokenizer of the contexts, and of the replies."""
        return self.tokenizer

    @property
    def num_source_tokens(self) -> int:
        """Size of the vocabulary."""
        return len(Tokens(self.tokenizer))

    target_tokenizer, num_target_tokens = source_tokenizer, num_source_tokens

    @property
    def reply_tokens(self) -> list[list[int]]:
        """Token ids of ``replies``."""
        code = TurnTokens(self.tokenizer, self.max_length)
        return [code.reply(ids) for ids in code.encode(self.replies).values()]

    # ---- reading

    def read(self, split: str) -> Dialogues:
        """Read the dialogues of a split."""
        if self.path.is_dir():
            return Dialogues(read_dialogues(file_of(split, self.path)))
        if not self.path.exists():
            raise FileNotFoundError(f"there is no {self.path}")
        whole = read_dialogues(self.path)
        mine = [whole[number] for number in share_of(split, self.shares, len(whole))]
        if not mine:
            raise MisconfigurationException(f"{self.path}: of {len(whole)} dialogues none fell to {split}")
        return Dialogues(mine)

    def read_predict(self, path: Path) -> Dialogues:
        """Read dialogues to go on with, or a text of which every line is something said."""
        if path.is_dir():
            raise MisconfigurationException(f"--data.predict_path {path} is a folder; give a .jsonl or a text file")
        if path.suffix == ".jsonl":
            return Dialogues(read_dialogues(path), open=True)
        said = [[line] for line in read_text(path)]
        if not said:
            raise MisconfigurationException(f"{path} is empty")
        return Dialogues(said, open=True)

    def read_given(self, text: str) -> Dialogues:
        """Something said."""
        return Dialogues([[text]], open=True)

    def take(self, dialogues: list[Turns]) -> None:
        """Make these the dialogues to reply to."""
        self.datasets["predict"] = self.examples(Dialogues(dialogues, open=True), train=False)

    # ---- batches

    def examples(self, raw: Dialogues, train: bool) -> Sentences | Choices:
        """Contexts and replies of a split."""
        code = TurnTokens(self.tokenizer, self.max_length)
        if raw.open:
            self.asked = raw.dialogues
            contexts, texts = [turns[-self.num_turns :] for turns in raw.dialogues], []
            ids = code.encode(turn for turns in contexts for turn in turns)
        else:
            pairs = with_context(raw.dialogues, self.num_turns)
            ids = code.encode(turn for turns in raw.dialogues for turn in turns)
            if train:
                pairs = not_too_long(pairs, ids, self.max_length)
            contexts, texts = [turns for turns, _ in pairs], [reply for _, reply in pairs]
        inputs = Ragged(code.context([ids[turn] for turn in turns]) for turns in contexts)
        if not self.candidates:
            target = None if raw.open else Ragged([BEGIN, *ids[reply], END] for reply in texts)
            return Sentences(inputs, target, None if train or raw.open else texts)
        replies = None if raw.open else Ragged(code.reply(ids[reply]) for reply in texts)
        return Choices(inputs, replies, texts, 0 if train or raw.open else self.candidates)

    def batches(self, split: str) -> Batches:
        """The sampler of a split. Contexts that choose come in larger batches, as they share candidates."""
        size = self.batch_size
        try:
            if self.candidates and split in ("val", "test"):
                self.batch_size = max(size, self.EVALUATED)
            return super().batches(split)
        finally:
            self.batch_size = size

    # ---- predictions

    def describe(self, index: int) -> Row:
        """The dialogue."""
        return {"turns": self.asked[index]}

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write JSON Lines: the turns, and the reply to them; a reply to a text on the command line is also printed."""
        path = folder / "predictions.jsonl"
        rows = [{{"translation": "reply"}.get(name, name): value for name, value in row.items()} for row in rows]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        if self.text is not None:
            rank_zero_info("\n".join(row["reply"] for row in rows))
        return path
