"""Sequence labelling beside a plain loop over the steps of the CRF, and beside flair.

    python -m benchmarks.tagging [crf training flair] [--repeats 7] [--steps 30]

- ``crf``: negative log-likelihood and gradients of the CRF, batch 64, length 50, 20 tags, against the usual loop whose
  steps autograd records (one ``logsumexp`` a step, vectorised over batch and tags).
- ``training``: tokens that a BiLSTM-CRF trains on in a second, Leyden's ``Trainer`` and all: word vectors of 100 and
  an LSTM of 256 units in each direction, batches of 32 posts of WNUT-17, SGD.
- ``flair``: flair's ``SequenceTagger`` (``pip install flair``) at these sizes, in a plain loop without its trainer, on
  the same posts.

WNUT-17 lies under ``$LEYDEN_DATA``, or is downloaded. Printed are medians of the repeats and their range.
"""

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from benchmarks.probes import train
from datamodules.tagging import WNUT17
from datamodules.tagging.schemes import spans
from datamodules.types import PAD, PieceTokens, TaggingFacts, WordTokens
from modules.nets.dropout import Dropout
from modules.nets.recurrent import RecurrentEncoder
from modules.nets.tagging.crf import CRF, path_score
from modules.tagging import Tagger

WORD_SIZE, HIDDEN, BATCH = 100, 256, 32


def timed(run: Callable[[], Any], repeats: int) -> list[float]:
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def show(name: str, values: list[float], unit: str, digits: int = 1) -> None:
    low, high = min(values), max(values)
    print(
        f"{name:<28} {statistics.median(values):.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f})", flush=True
    )


def crf(repeats: int) -> None:
    torch.manual_seed(0)
    size, length, num_tags = 64, 50, 20
    layer = CRF(num_tags)
    emissions = torch.randn(size, length, num_tags, requires_grad=True)
    tags = torch.randint(num_tags, (size, length))
    lengths = torch.randint(1, length + 1, (size,)).index_fill_(0, torch.tensor([0]), length)

    def plain() -> None:
        mask = torch.arange(length) < lengths[:, None]
        alpha = layer.start + emissions[:, 0]
        for t in range(1, length):
            following = torch.logsumexp(alpha[:, :, None] + layer.transitions, 1) + emissions[:, t]
            alpha = torch.where(mask[:, t, None], following, alpha)
        total = torch.logsumexp(alpha + layer.end, 1)
        gold = path_score(emissions, tags, layer.transitions, layer.start, layer.end, lengths)
        (total - gold).mean().backward()

    show("CRF, plain loop", [1000 * s for s in timed(plain, repeats)], "ms")
    show(
        "CRF, Leyden",
        [1000 * s for s in timed(lambda: layer(emissions, tags, lengths).mean().backward(), repeats)],
        "ms",
    )


class WordTagger(nn.Module):
    """Words alone, as in flair without character features."""

    def __init__(self, facts: TaggingFacts) -> None:
        super().__init__()
        self.words = nn.Embedding(facts.num_words, WORD_SIZE)
        self.lstm = RecurrentEncoder(WORD_SIZE, HIDDEN)
        self.dropout = Dropout(0.5)
        self.output = nn.Linear(self.lstm.num_features, len(facts.tags))

    def forward(self, inputs: WordTokens | PieceTokens) -> Tensor:
        states = self.lstm(self.words(inputs.words), (inputs.words != PAD).sum(1))
        emissions: Tensor = self.output(self.dropout(states))
        return emissions


class Counter(Callback):
    """Tokens and seconds of the steps after the first."""

    tokens = 0
    start = seconds = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, i: int
    ) -> None:
        now = time.perf_counter()
        self.tokens = 0 if i == 0 else self.tokens + int((batch[0].words != 0).sum())
        self.start = now if i == 0 else self.start
        self.seconds = now - self.start


def training(repeats: int, steps: int, precision: Literal["32-true", "bf16-mixed"]) -> None:
    speeds = []
    for _ in range(repeats):
        torch.manual_seed(0)
        counter = Counter()
        task = Tagger(WordTagger, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        train(task, WNUT17(batch_size=BATCH), [counter], steps + 1, precision=precision)
        speeds.append(counter.tokens / counter.seconds)
    show(f"training, Leyden, {precision}", speeds, "tokens/s", 0)


def flair(repeats: int, steps: int) -> None:
    from flair.data import Corpus, Sentence  # type: ignore[import-not-found]
    from flair.datasets import DataLoader, FlairDatapointDataset  # type: ignore[import-not-found]
    from flair.embeddings import OneHotEmbeddings  # type: ignore[import-not-found]
    from flair.models import SequenceTagger  # type: ignore[import-not-found]

    posts = []
    for sentence in WNUT17().read("train")[: BATCH * (steps + 1)]:
        post = Sentence(sentence.words)
        for first, last, kind in spans(sentence.tags):
            post[first : last + 1].add_label("ner", kind)
        posts.append(post)
    dataset = FlairDatapointDataset(posts)
    corpus = Corpus(train=dataset, sample_missing_splits=False)
    speeds = []
    for _ in range(repeats):
        torch.manual_seed(0)
        embeddings = OneHotEmbeddings.from_corpus(corpus, embedding_length=WORD_SIZE, min_freq=1)
        tagger = SequenceTagger(
            embeddings, corpus.make_label_dictionary("ner"), "ner", hidden_size=HIDDEN, rnn_layers=1, use_crf=True,
            reproject_embeddings=False,
        )  # fmt: skip
        optimizer = torch.optim.SGD(tagger.parameters(), lr=0.1)
        tagger.train()
        tokens, start = 0, 0.0
        for i, batch in enumerate(DataLoader(dataset, batch_size=BATCH, shuffle=True)):
            loss, _ = tagger.forward_loss(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for post in batch:
                post.clear_embeddings()
            if i == 0:
                start = time.perf_counter()
            else:
                tokens += sum(len(post) for post in batch)
        speeds.append(tokens / (time.perf_counter() - start))
    show("training, flair", speeds, "tokens/s", 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["crf", "training"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if "crf" in given.cases:
        crf(given.repeats)
    if "training" in given.cases:
        training(given.repeats, given.steps, "32-true")
        training(given.repeats, given.steps, "bf16-mixed")
    if "flair" in given.cases:
        flair(given.repeats, given.steps)


if __name__ == "__main__":
    main()
