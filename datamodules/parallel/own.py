"""The user's own parallel text: sentences and their translations, line by line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from datamodules.data import Data, Row
from datamodules.pairs import Sentences
from datamodules.parallel.reading import Pairs, read_lines, read_table, read_text
from datamodules.ragged import Ragged
from datamodules.splits import share_of
from datamodules.tokens import BEGIN, END, Tokens


class ParallelText(Data[Pairs]):
    """Your own sentences and their translations, in UTF-8.

    ``path`` is one of

    - a folder of ``train.en``, ``train.de``, ``val.en``, ..., a sentence a line, plain or gzipped (``train.en.gz``);
    - a folder of ``train.tsv``, ``val.tsv``, ``test.tsv`` whose first line names the columns ``en`` and ``de``;
    - one such TSV file, or the common stem of two files ``stem.en`` and ``stem.de``: ``val_share`` and ``test_share``
      of their pairs, drawn by chance, are then set aside.

    Training pairs with an empty side, or a side of more than ``max_length`` tokens, are left out and counted. In the
    other splits none is left out: a source longer than that is cut (and so is a target, for the perplexity only).

    Args:
        path: Where the sentences are.
        source: Language to translate from: the ending of its files, or its column.
        target: Language to translate into.
        num_tokens: Tokens of the vocabulary, learned by byte-pair encoding on the training pairs.
        joint: Whether both languages share one vocabulary.
        max_length: Tokens of the longest sentence.
        max_tokens: Bound on (sentences) x (longest length) of a batch, per process; ``batch_size`` rules if not given.
        val_share: Share of the pairs to validate on, if ``path`` is not split.
        test_share: Share of the pairs to test on, if ``path`` is not split.
        text: One sentence to translate by ``leyden predict``, instead of ``predict_path``.
        root: Folder of datasets, not used here.
        batch_size: Pairs in a batch, per process, if there is no ``max_tokens``.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Text file of sentences to translate, one a line.
    """

    facts = ("languages", "source_tokenizer", "target_tokenizer")

    def __init__(
        self,
        path: str,
        source: str = "en",
        target: str = "de",
        num_tokens: int = 8000,
        joint: bool = True,
        max_length: int = 256,
        max_tokens: int | None = None,
        val_share: float = 0.05,
        test_share: float = 0.05,
        text: str | None = None,
        root: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        if source == target:
            raise MisconfigurationException(f"source and target are both {source}")
        if num_tokens < 300:
            raise MisconfigurationException(f"num_tokens is {num_tokens}; 256 of them are bytes, so take at least 300")
        self.path = Path(path)
        self.source, self.target = source, target
        self.num_tokens, self.joint, self.max_length, self.max_tokens = num_tokens, joint, max_length, max_tokens
        self.shares = {"val": val_share, "test": test_share}
        self.text = text
        self.languages: list[str]
        self.source_tokenizer: str
        self.target_tokenizer: str

    # ---- facts

    def learn(self, train: Pairs) -> None:
        """Learn the vocabularies."""
        assert train.target is not None
        self.languages = [self.source, self.target]
        if self.joint:
            # In the order of the languages' names, so that either direction learns the same.
            sides = (train.source, train.target) if self.source < self.target else (train.target, train.source)
            self.source_tokenizer = self.target_tokenizer = self.vocabulary([*sides[0], *sides[1]])
        else:
            self.source_tokenizer = self.vocabulary(train.source)
            self.target_tokenizer = self.vocabulary(train.target)

    def vocabulary(self, texts: list[str]) -> str:
        """Byte pairs (Sennrich et al. 2016), which can spell any script; the case is kept."""
        return Tokens.learn(texts, "bpe", self.num_tokens, lowercase=False).json

    @property
    def num_source_tokens(self) -> int:
        """Size of the source vocabulary."""
        return len(Tokens(self.source_tokenizer))

    @property
    def num_target_tokens(self) -> int:
        """Size of the target vocabulary."""
        return len(Tokens(self.target_tokenizer))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the vocabularies from a checkpoint."""
        super().load_state_dict(state_dict)
        if self.languages != [self.source, self.target]:
            source, target = self.languages
            raise MisconfigurationException(
                f"the checkpoint translates {source} to {target}, not {self.source} to {self.target}"
            )

    # ---- reading

    def read(self, split: str) -> Pairs:
        """Read the pairs of a split."""
        if self.path.is_dir():
            table = self.path / f"{split}.tsv"
            return self._read(table if table.exists() else self.path / split)
        return self.share(self._read(self.path), split)

    def _read(self, path: Path) -> Pairs:
        return (read_table if path.is_file() else read_lines)(path, self.source, self.target)

    def share(self, whole: Pairs, split: str) -> Pairs:
        """The pairs of a split, drawn by number, so that they stay the same when lines are added at the end."""
        assert whole.target is not None
        mine = share_of(split, self.shares, len(whole.source))
        if not mine:
            raise MisconfigurationException(f"{self.path}: none of {len(whole.source)} pairs fell to {split}")
        return Pairs([whole.source[line] for line in mine], [whole.target[line] for line in mine])

    def read_predict(self, path: Path) -> Pairs:
        """Read sentences, one a line."""
        if path.is_dir():
            raise MisconfigurationException(f"--data.predict_path {path} is a folder; give a text file")
        return Pairs(read_text(path), None)

    def read_given(self, text: str) -> Pairs:
        """One sentence."""
        return Pairs([text], None)

    # ---- batches

    def examples(self, raw: Pairs, train: bool) -> Sentences:
        """Encode a split; leave out of training what is empty or too long."""
        sources = _encode(self.source_tokenizer, raw.source)
        targets = None if raw.target is None else _encode(self.target_tokenizer, raw.target)
        longest = self.max_length - 1  # and the end
        if train and targets is not None:
            pairs = list(zip(sources, targets, strict=True))
            kept = [(s, t) for s, t in pairs if 0 < len(s) <= longest and 0 < len(t) <= longest]
            if len(kept) < len(pairs):
                empty = sum(not s or not t for s, t in pairs)
                rank_zero_warn(
                    f"left out {len(pairs) - len(kept)} of {len(pairs)} training pairs: {empty} with an empty side, "
                    f"{len(pairs) - len(kept) - empty} longer than {self.max_length} tokens (max_length)"
                )
            if not kept:
                raise MisconfigurationException("no training pair is left")
            sources, targets = [s for s, _ in kept], [t for _, t in kept]
        cut = sum(len(s) > longest for s in sources)
        if cut:
            rank_zero_warn(f"{cut} of {len(sources)} sources are longer than {self.max_length} tokens and were cut")
        return Sentences(
            Ragged([*s[:longest], END] for s in sources),
            None if targets is None else Ragged([BEGIN, *t[:longest], END] for t in targets),
            None if train else raw.target,
        )

    # ---- predictions

    def describe(self, index: int) -> Row:
        """Nothing: translations answer the sources line for line."""
        return {}

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write one translation a line; one of a sentence on the command line is also printed."""
        path = folder / "predictions.txt"
        path.write_text("".join(f"{row['translation']}\n" for row in rows), encoding="utf-8")
        if self.text is not None:
            rank_zero_info("\n".join(row["translation"] for row in rows))
        return path


def _encode(tokenizer: str, texts: list[str]) -> list[list[int]]:
    # Somebody may have typed "<eos>": that ends nothing, it is left out.
    return [[index for index in ids if index > END] for ids in Tokens(tokenizer).encode(texts)]
