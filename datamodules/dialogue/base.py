"""What all dialogues have in common: vocabulary, contexts and replies, predictions."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.data import Data, check_least
from datamodules.dialogue.examples import ME, YOU, ChoiceExamples, DialogueTokenizer, not_too_long, with_context
from datamodules.dialogue.reading import Dialogue, Dialogues, dialogues_in, find_files, read_dialogues
from datamodules.files.forms import TABLES
from datamodules.files.opening import read_lines, suffix_of
from datamodules.pairs import PairExamples, check_limits, text_of
from datamodules.ragged import Ragged
from datamodules.sampling import mix
from datamodules.tokens import Tokens
from datamodules.types import BEGIN, END, ChoiceFacts, PairFacts, Row, TypedText


class DialogueData(Data[Dialogues, PairFacts | ChoiceFacts]):
    """Base of dialogues, in which two people speak in turn.

    Every turn but the first is a reply to the ``num_turns`` before it. Of these, as many of the last ones are kept as
    fit into ``max_length`` tokens; a last turn longer than that is cut. Dialogues of one turn, pairs in which the reply
    or the turn before it is empty and, in training, replies longer than ``max_length`` are left out and counted.

    For ``modules.translation.Translator``, which writes replies, leave ``candidates`` at 0; for
    ``modules.dialogue.ResponseSelector``, which chooses them, give their number.

    Args:
        num_turns: Turns that a reply depends on.
        candidates: Replies to choose from in validation and test, the true one among them; 0 to write replies.
        num_replies: Replies of the training split that predictions choose from: the most frequent ones.
        num_tokens: Tokens of the vocabulary, learned by byte-pair encoding on the training turns.
        tokenizer: Name or folder of a pretrained tokenizer, instead of a vocabulary of one's own; with candidates only.
        max_length: Tokens of the longest context, and of the longest reply.
        max_tokens: Bound on (pairs) x (longest length) of a batch, per process; ``batch_size`` rules if not given.
        text: Something said, to reply to by ``leyden predict``, instead of ``predict_path``.
        batch_size: Pairs in a batch, per process, if there is no ``max_tokens``.
        **kwargs: Root, workers and the like: see ``datamodules.data.Data``. ``predict_path`` is a file of dialogues
            whose last turn wants a reply, or a text file of such turns, one a line.
    """

    str_is_text = True
    changeable = frozenset({"num_turns", "candidates", "max_length"})
    MAX_EVALUATED = 8192  # contexts that choose at once: each candidate is encoded once in a batch

    def __init__(
        self,
        num_turns: int = 3,
        candidates: int = 0,
        num_replies: int = 10000,
        num_tokens: int = 8000,
        tokenizer: str | None = None,
        max_length: int = 128,
        max_tokens: int | None = None,
        text: TypedText | None = None,
        batch_size: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, **kwargs)
        check_limits(num_tokens, max_length, max_tokens)
        check_least(1, num_turns=num_turns, num_replies=num_replies)
        if candidates == 1 or candidates < 0:
            raise MisconfigurationException(f"data.candidates is {candidates}; take at least 2, or 0 to write replies")
        if tokenizer is not None and not candidates:
            raise MisconfigurationException("a pretrained tokenizer is for choosing among candidates, not for writing")
        self.makes = ChoiceFacts if candidates else PairFacts
        self.num_turns, self.candidates, self.num_replies = num_turns, candidates, num_replies
        self.num_tokens, self.tokenizer_name = num_tokens, tokenizer
        self.max_length, self.max_tokens = max_length, max_tokens
        self.text = text
        self.separator: str | None = None

    # ---- facts

    def learn(self, train: Dialogues) -> PairFacts | ChoiceFacts:
        """Learn the vocabulary; choose the replies that predictions choose from."""
        if self.tokenizer_name is not None:
            tokens = Tokens.pretrained(self.tokenizer_name)
        else:
            turns = [turn for dialogue in train.dialogues for turn in dialogue.turns]
            tokens = Tokens.learn(turns, "bpe", self.num_tokens, lowercase=False, special=(YOU, ME))
        if not self.candidates:
            size = len(tokens)
            return PairFacts(
                source_tokenizer=tokens.json, target_tokenizer=tokens.json,
                num_source_tokens=size, num_target_tokens=size,
            )  # fmt: skip
        counts = Counter(
            dialogue.turns[place]
            for dialogue in train.dialogues
            for place in dialogue.replies()
            if dialogue.turns[place].strip()
        )
        # Most occur once: which of these are taken must not depend on where they stand.
        chance = {reply: mix(self.seed, number) for number, reply in enumerate(counts)}
        replies = sorted(counts, key=lambda reply: (-counts[reply], chance[reply]))[: self.num_replies]
        code = DialogueTokenizer(tokens.json, self.max_length)
        return ChoiceFacts(
            tokenizer=tokens.json,
            num_tokens=len(tokens),
            replies=replies,
            reply_tokens=[code.reply(ids) for ids in code.encode(replies).values()],
        )

    # ---- reading

    def read_predict(self, path: Path) -> Dialogues:
        """Read dialogues to go on with, or a text of which every line is something said."""
        if path.is_dir():
            raise MisconfigurationException(
                f"--data.predict_path {path} is a folder; give a file of dialogues, or a text file"
            )
        if suffix_of(path) in TABLES:
            return read_dialogues(path, self.encoding, self.separator, self.on_error, unanswered=True)
        lines = list(read_lines(path, self.encoding))
        return Dialogues([Dialogue([line]) for line in lines], [{"text": line} for line in lines])

    def read_given(self, text: str) -> Dialogues:
        """Something said."""
        return Dialogues([Dialogue([text_of(text, "--data.text")])], [{"text": text}])

    def read_objects(self, inputs: object) -> Dialogues:
        """Something said, a list of that, or of dialogues: lists of turns, of messages, or rows of a table."""
        return dialogues_in(inputs, unanswered=True)

    def read_labelled(self, inputs: object) -> Dialogues:
        """Whole dialogues: a table, in a file or not, or lists of turns."""
        if not isinstance(inputs, str | Path):
            return dialogues_in(inputs, unanswered=False)
        files = find_files(Path(inputs))
        return self.open_dialogues(files["test"] if "test" in files else files["train"])

    def open_dialogues(self, path: Path) -> Dialogues:
        """The dialogues of a file."""
        return read_dialogues(path, self.encoding, self.separator, self.on_error)

    # ---- batches

    def examples(self, raw: Dialogues, train: bool) -> PairExamples | ChoiceExamples:
        """Contexts and replies of a split."""
        code = self.code()
        ids = code.encode(turn for dialogue in raw.dialogues for turn in dialogue.turns)
        texts: list[str] = []
        if raw.rows is not None:
            self.rows = raw.rows
            contexts = [dialogue.turns[-self.num_turns :] for dialogue in raw.dialogues]
        else:
            pairs = with_context(raw.dialogues, self.num_turns)
            if train:
                pairs = not_too_long(pairs, ids, self.max_length)
            contexts, texts = [turns for turns, _ in pairs], [reply for _, reply in pairs]
        code.tell_cut([ids[turns[-1]] for turns in contexts], "last turns")
        inputs = Ragged(code.context([ids[turn] for turn in turns]) for turns in contexts)
        if not self.candidates:
            target = Ragged([BEGIN, *ids[reply], END] for reply in texts) if texts else None
            return PairExamples(inputs, target, texts if texts and not train else None)
        code.tell_cut([ids[reply] for reply in texts], "replies")
        replies = Ragged(code.reply(ids[reply]) for reply in texts) if texts else None
        return ChoiceExamples(inputs, replies, texts, self.candidates if texts and not train else 0)

    def decode(self, texts: Sequence[Tensor]) -> list[str]:
        """The texts of contexts or replies, of token ids ``(length)`` each: ``you:`` or ``me:`` before each turn."""
        return self.code().decode(ids.tolist() for ids in texts)

    def code(self) -> DialogueTokenizer:
        """What puts contexts and replies together."""
        facts = self.facts
        tokenizer = facts.tokenizer if isinstance(facts, ChoiceFacts) else facts.source_tokenizer
        return DialogueTokenizer(tokenizer, self.max_length)

    def size_of_batches(self, split: str) -> int:
        """Contexts that choose come in larger batches, as they share candidates."""
        return max(self.batch_size, self.MAX_EVALUATED if self.candidates and split in ("val", "test") else 1)

    # ---- predictions

    def describe(self, index: int) -> Row:
        """What was said, or the user's own columns."""
        return self.rows[index]

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write ``predictions.jsonl``, and a table in which lists are JSON too."""
        lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        # Half a character, which JSON may hold, is written as it was: `\ud83d`.
        (folder / "predictions.jsonl").write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
        return super().write([{name: _cell(value) for name, value in row.items()} for row in rows], folder)


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value
