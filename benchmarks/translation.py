"""Translation beside JoeyNMT: tokens per second in training, sentences per second in search.

    python -m benchmarks.translation training                             (needs joeynmt, subword-nmt, sentencepiece)
    python -m benchmarks.translation search --run runs/multi30k_transformer/0

Trained is a Transformer of 256 features and 3 layers on Multi30k, English to German. Both sides have the same byte
pairs, the same bound on tokens in a batch (padding counts) and the same optimizer. JoeyNMT runs in a plain loop without
its trainer, in float32, which is its default, and in bfloat16, which it can. The search translates the test
sentences with the same network and weights: those of a run of Leyden. Each in turns; the medians are printed.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import sacrebleu
import torch
from lightning.pytorch import Trainer
from torch import nn

from benchmarks.probes import Stopwatch, compare, train
from datamodules.parallel import Multi30k
from datamodules.tokens import SPECIAL, Tokens
from datamodules.types import PAD
from experiments import load
from modules.nets.seq2seq.transformer import EncoderLayer, Transformer
from modules.translation import Translator

SIZE, HIDDEN, LAYERS, HEADS, DROPOUT = 256, 512, 3, 4, 0.3
MAX_TOKENS, SENTENCES = 2048, 64

Texts = tuple[list[str], list[str]]  # translations and references


def make_net(num_source: int, num_target: int) -> Transformer:
    return Transformer(num_source, num_target, SIZE, LAYERS, HEADS, HIDDEN, DROPOUT, "all")


class Counter(Stopwatch):
    """Target tokens that were trained on."""

    tokens = 0

    def on_train_batch_start(self, trainer: Trainer, task: Any, batch: Any, batch_idx: int) -> None:
        self.tokens += int((batch[1][:, 1:] != PAD).sum())


def train_ours(data: Multi30k, steps: int, precision: Any) -> float:
    clock = Counter()
    train(Translator(make_net), data, [clock], steps, precision=precision)
    return clock.tokens / clock.seconds


class JoeyNMT:
    """Its dataset and its model, as large as ``net``, on the byte pairs of ``data``, written to ``folder`` as words."""

    def __init__(self, data: Multi30k, net: Transformer, folder: Path) -> None:
        from joeynmt.data import load_data  # type: ignore[import-not-found]
        from joeynmt.model import build_model  # type: ignore[import-not-found]

        self.tokens = Tokens(data.facts.target_tokenizer)
        self.words, self.references = self.tokens.words, data.read("test").target or []
        for split in ("train", "test"):
            pairs = data.read(split)
            for language, texts in ((data.source, pairs.source), (data.target, pairs.target)):
                lines = [" ".join(self.words[index] for index in ids) for ids in self.tokens.encode(texts or [])]
                (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (folder / "vocabulary").write_text("".join(f"{word}\n" for word in self.words[4:]), encoding="utf-8")
        names = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), SPECIAL, strict=True))
        ids = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3}
        side = {"level": "word", "voc_file": str(folder / "vocabulary")}
        source, target, self.train, _, self.test = load_data(
            {
                "train": str(folder / "train"), "test": str(folder / "test"),
                "src": {"lang": data.source, **side}, "trg": {"lang": data.target, **side},
                "special_symbols": SimpleNamespace(**names, **ids, sep_token=None, lang_tags=[]),
            },
            datasets=["train", "test"],
        )  # fmt: skip
        layer = cast(EncoderLayer, net.encoder[0])
        half = {
            "type": "transformer", "num_layers": len(net.encoder), "num_heads": layer.attention.num_heads,
            "hidden_size": net.size, "ff_size": layer.feed_forward.widen.out_features,
            "dropout": DROPOUT, "layer_norm": "pre",
            "embeddings": {"embedding_dim": net.size, "scale": True, "dropout": DROPOUT},
        }  # fmt: skip
        self.model = build_model(
            {"encoder": half, "decoder": half, "tied_embeddings": True, "tied_softmax": True}, source, target
        )
        self.model.loss_function = ("crossentropy", 0.1)

    def take(self, net: Transformer) -> None:
        """The weights of our network, so that both write the same."""
        model, order = self.model, [1, 0, *range(2, len(self.words))]  # JoeyNMT has padding at 1, unknown at 0
        with torch.no_grad():
            model.src_embed.lut.weight.copy_(net.source_embedding.weight[order])
        model.decoder.output_layer.bias = nn.Parameter(net.output.bias[order].clone())
        _copy([model.encoder.layer_norm, model.decoder.layer_norm], [net.encoder_norm, net.decoder_norm])
        for theirs, ours in zip(model.encoder.layers, net.encoder, strict=True):
            _copy([theirs.layer_norm], [ours.norm1])
            _copy_attention(theirs.src_src_att, ours.attention)
            _copy_feed_forward(theirs.feed_forward, ours.norm2, ours.feed_forward)
        for theirs, ours in zip(model.decoder.layers, net.decoder, strict=True):
            _copy([theirs.x_layer_norm, theirs.dec_layer_norm], [ours.norm1, ours.norm2])
            _copy_attention(theirs.trg_trg_att, ours.self_attention)
            _copy_attention(theirs.src_trg_att, ours.cross_attention)
            _copy_feed_forward(theirs.feed_forward, ours.norm3, ours.feed_forward)

    def fit(self, steps: int, bfloat16: bool) -> float:
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.model.train()
        tokens, start, done = 0, time.perf_counter(), 0
        batches = self.train.make_iter(MAX_TOKENS, "token", shuffle=True)
        for batch in batches:
            batch.sort_by_src_length()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss, *_ = self.model(return_type="loss", **vars(batch))
            (loss / batch.ntokens).backward()
            optimizer.step()
            self.model.zero_grad()
            tokens, done = tokens + batch.ntokens, done + 1
            if done == steps:
                break
        return tokens / (time.perf_counter() - start)

    def translate(self, beam_size: int, bfloat16: bool) -> Texts:
        from joeynmt.search import search  # type: ignore[import-not-found]

        self.model.eval()
        texts: list[str] = []
        autocast = {"device_type": "cpu", "dtype": torch.bfloat16, "enabled": bfloat16}
        for batch in self.test.make_iter(SENTENCES, "sentence"):
            back = batch.sort_by_src_length()
            output, *_ = search(self.model, batch, -1, beam_size, 1.0, autocast=autocast)
            rows = [row[: row.index(3)] if 3 in row else row for row in output.tolist()]
            texts += self.tokens.decode([rows[place] for place in back])
        return texts, self.references


def _copy(theirs: list[Any], ours: list[Any]) -> None:
    for one, other in zip(theirs, ours, strict=True):
        one.load_state_dict(other.state_dict())


def _copy_attention(theirs: Any, ours: Any) -> None:
    _copy([theirs.q_layer, theirs.output_layer], [ours.query, ours.out])
    with torch.no_grad():
        for part in ("weight", "bias"):
            keys, values = getattr(ours.key_value, part).chunk(2)
            getattr(theirs.k_layer, part).copy_(keys)
            getattr(theirs.v_layer, part).copy_(values)


def _copy_feed_forward(theirs: Any, norm: Any, ours: Any) -> None:
    _copy([theirs.layer_norm, theirs.pwff_layer[0], theirs.pwff_layer[3]], [norm, ours.widen, ours.narrow])


def translate_ours(task: Translator, data: Multi30k, beam_size: int, bfloat16: bool) -> Texts:
    texts: list[str] = []
    references: list[str] = []
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        for source, _, wanted in data.test_dataloader():
            texts += task.write(source, beam_size)
            references += wanted
    return texts, references


def speed(translate: Callable[[], Texts], name: str) -> Callable[[], float]:
    """Sentences per second; BLEU is printed, by which one sees that both sides do the same."""

    def run() -> float:
        start = time.perf_counter()
        texts, references = translate()
        seconds = time.perf_counter() - start
        bleu = sacrebleu.corpus_bleu(texts, [references]).score
        print(f"  {name}: {len(texts)} sentences, BLEU {bleu:.2f}", flush=True)
        return len(texts) / seconds

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=["training", "search"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--run", type=Path)
    given = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    data = Multi30k(num_tokens=6000, max_tokens=MAX_TOKENS if given.case == "training" else None, batch_size=SENTENCES)
    data.prepare_data()
    data.setup("fit")
    with tempfile.TemporaryDirectory() as folder:
        if given.case == "training":
            joey = JoeyNMT(data, make_net(data.facts.num_source_tokens, data.facts.num_target_tokens), Path(folder))
            for low, precision in ((True, "bf16-mixed"), (False, "32-true")):
                ways = {
                    "Leyden": lambda: train_ours(data, given.steps, precision),  # noqa: B023
                    "JoeyNMT": lambda: joey.fit(given.steps, low),  # noqa: B023
                }
                compare(f"training, {precision}", ways, given.repeats, "target tokens/s")
            return
        data.setup("test")
        task, _ = load(given.run)
        assert isinstance(task, Translator)
        net = cast(Transformer, task.net)
        joey = JoeyNMT(data, net, Path(folder))
        joey.take(net)
        for beam, kind in ((1, "greedy"), (5, "beam of 5")):
            for low, precision in ((True, "bf16-mixed"), (False, "32-true")):
                name = f"{kind}, {precision}"
                ways = {
                    "Leyden": speed(lambda: translate_ours(task, data, beam, low), "Leyden"),  # noqa: B023
                    "JoeyNMT": speed(lambda: joey.translate(beam, low), "JoeyNMT"),  # noqa: B023
                }
                compare(name, ways, given.repeats, "sentences/s")


if __name__ == "__main__":
    main()
