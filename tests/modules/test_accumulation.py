"""One optimizer step over several batches, on one process or two, is the step of one batch of all their examples."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.data import Data
from datamodules.sampling import DistributedBatchSampler, mix
from datamodules.types import (
    BEGIN,
    END,
    IGNORE,
    Batch,
    ChoiceBatch,
    ChoiceFacts,
    ClassFacts,
    CorpusFacts,
    Facts,
    NumberFacts,
    PairBatch,
    PairFacts,
    SeriesFacts,
    TaggingFacts,
    Window,
    WordTokens,
)
from modules.accumulation import WholeBatch
from modules.classification import Classifier
from modules.dialogue import ResponseSelector
from modules.embedding import SkipGram
from modules.forecasting import Forecaster
from modules.nets.forecasting import LinearForecaster
from modules.nets.seq2seq.transformer import Transformer
from modules.regression import Regressor
from modules.tagging import Tagger
from modules.task import Task
from modules.translation import Translator

SIZE = 16  # examples, all of which make up one step


class Numbered:
    """Examples whose batches a function makes of their numbers."""

    def __init__(self, batch: Callable[[list[int]], Any]) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return SIZE

    def __getitems__(self, indices: list[int]) -> Any:
        return self.batch(list(indices))


class Fixed(Data[None, Facts]):
    """The same examples in every split."""

    def __init__(self, facts: Facts, batch: Callable[[list[int]], Any], batch_size: int) -> None:
        super().__init__(batch_size=batch_size)
        self.makes, self.batch, self._facts = type(facts), batch, facts

    def read(self, split: str) -> None:
        """Nothing."""

    def learn(self, train: None) -> Facts:
        return self.facts

    def examples(self, raw: None, train: bool) -> Any:
        return Numbered(self.batch)


def numbers(*shape: int) -> Tensor:
    return torch.randn(SIZE, *shape, generator=torch.Generator().manual_seed(0))


INPUTS, CLASSES, NUMBERS = numbers(4), torch.arange(SIZE) % 3, numbers(2)
# Two words or eight: the mean of the means of batches is far from the mean over all words.
LENGTHS = torch.tensor([8 if mix(i) % 2 else 2 for i in range(SIZE)])
INSIDE = torch.arange(8) < LENGTHS[:, None]
WORDS = torch.tensor([[4 + mix(i, j) % 8 for j in range(8)] for i in range(SIZE)])
LINE = torch.tensor([[1 + mix(i, j, 1) % 11 for j in range(3)] + [0] for i in range(SIZE)])


def labelled(indices: list[int]) -> Batch:
    return Batch(INPUTS[indices], CLASSES[indices])


def measured(indices: list[int]) -> Batch:
    return Batch(INPUTS[indices], NUMBERS[indices])


def pairs(indices: list[int]) -> PairBatch:
    source = (WORDS * INSIDE)[indices]
    target = torch.cat([torch.full((len(source), 1), BEGIN), source, torch.zeros(len(source), 1, dtype=torch.long)], 1)
    target[torch.arange(len(source)), LENGTHS[indices] + 1] = END
    return PairBatch(source, target, None)


def tagged(indices: list[int]) -> Batch:
    words = (WORDS * INSIDE)[indices]
    target = (WORDS % 3).masked_fill(~INSIDE, IGNORE)
    return Batch(WordTokens(words, words, words, torch.zeros(12, 1, dtype=torch.long)), target[indices])


def windows(indices: list[int]) -> Batch:
    window = Window(
        numbers(6, 2)[indices], torch.zeros(len(indices), 9, 0), torch.zeros(len(indices), dtype=torch.long)
    )
    return Batch(window, numbers(3, 2)[indices])


def choices(indices: list[int]) -> ChoiceBatch:
    return ChoiceBatch(WORDS[indices], WORDS.flip(1)[indices], None)


def lines(indices: list[int]) -> Tensor:
    return LINE[indices].flatten()


class WordNet(nn.Module):
    def __init__(self, facts: TaggingFacts) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(12, 6), nn.Linear(6, len(facts.tags))

    def forward(self, inputs: WordTokens) -> Tensor:
        emissions: Tensor = self.output(self.embedding(inputs.words).tanh())
        return emissions


class Bag(nn.Module):
    def __init__(self, num_tokens: int, num_features: int) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(num_tokens, num_features, mode="mean")

    def forward(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = self.embedding(tokens)
        return vectors


class Still(SkipGram):
    """Draws nothing by chance, and damps nothing, so that the pairs of many batches are those of one."""

    def losses(self, words: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.get_rng_state()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "randint", lambda low, high, shape, device: torch.full(tuple(shape), high - 1))
            found = super().losses(words)
        torch.set_rng_state(state)
        return found

    def negatives(self, num_segments: int) -> Tensor:
        return torch.arange(1, 3).expand(num_segments, 2)


def tokenizer() -> str:
    from datamodules.tokens import Tokens

    return Tokens.learn(["a b c d e f g h"], "words").json


def task(name: str) -> tuple[Task[Any], Facts, Callable[[list[int]], Any]]:
    classes = ClassFacts(classes=["a", "b", "c"], class_counts=[3, 5, 8], num_inputs=4)
    tags = TaggingFacts(
        tags=["x", "y", "z"], scheme="", words=[], word_counts=[], chars=[], shapes=[], tokenizer=""
    )  # fmt: skip
    units = {"mean": torch.zeros(1, 2), "std": torch.ones(1, 2), "known_mean": torch.zeros(0)}
    series = SeriesFacts(
        time="t", targets=["a", "b"], past=[], known=[], calendar=[], series=["s"], frequency="D",
        date_order="", zone="", decimal=".", season=2, context=6, horizon=3, scale="standard", **units,
        known_std=torch.zeros(0), seasonal_error=torch.ones(1, 2),
        usual_range=torch.zeros(1, 2, 2),
    )  # fmt: skip
    sgd: dict[str, Any] = {"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=1.0), "decay_all": True}
    if name == "classification":
        return Classifier(nn.Linear, label_smoothing=0.1, **sgd), classes, labelled
    if name == "class weights":
        return Classifier(nn.Linear, class_weights=[1.0, 5.0, 0.1], **sgd), classes, labelled
    if name == "regression":
        facts = NumberFacts(num_inputs=4, targets=["a", "b"], target_mean=[0.0, 0.0], target_scale=[1.0, 1.0])
        return Regressor(nn.Linear, **sgd), facts, measured
    if name == "translation":
        text = tokenizer()
        pair = PairFacts(source_tokenizer=text, target_tokenizer=text, num_source_tokens=12, num_target_tokens=12)
        return Translator(lambda a, b: Transformer(a, b, 8, 1, 2, 8, 0.0, "all"), **sgd), pair, pairs
    if name == "forecasting":
        return Forecaster(LinearForecaster, **sgd), series, windows
    if name == "embedding":
        corpus = CorpusFacts(words=["", *"abcdefghijk"], word_counts=[0, *range(20, 9, -1)])
        options: dict[str, Any] = {"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.05)}
        options["scheduler"] = None
        return Still(4, window=2, segment=4, num_shared=2, max_pairs=1e9, **options), corpus, lines
    if name == "selection":
        choice = ChoiceFacts(tokenizer="", num_tokens=12, replies=["a"], reply_tokens=[[4]])
        return ResponseSelector(Bag, size=4, **sgd), choice, choices
    return Tagger(WordNet, head="crf" if name == "tagging, crf" else "softmax", **sgd), tags, tagged


TASKS = [
    "classification", "class weights", "regression", "translation", "tagging, crf", "tagging, softmax", "forecasting",
    "embedding",
]  # fmt: skip


def step(name: str, batch_size: int, accumulate: int = 1, **options: Any) -> dict[str, Tensor]:
    """The weights after one step."""
    seed_everything(0, verbose=False)
    module, facts, batch = task(name)
    data = Fixed(facts, batch, batch_size)
    trainer = Trainer(
        **{"accelerator": "cpu", "devices": 1, "max_epochs": 1, **options},
        accumulate_grad_batches=accumulate, limit_val_batches=0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, data)
    assert trainer.global_step == 1
    return {
        name: value.clone() for name, value in module.state_dict().items() if name.startswith("net") or "er." in name
    }


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", TASKS)
def test_accumulated_batches_are_one_batch(name: str) -> None:
    whole = step(name, SIZE)
    assert_same(step(name, 4, 4), whole)
    assert_same(step(name, 3, 8), whole)  # six batches, the last of one example, and no eighth


def test_gradients_are_clipped_when_they_are_whole() -> None:
    found, whole = (step("translation", *sizes, gradient_clip_val=0.01) for sizes in ((3, 8), (SIZE,)))
    assert_same(found, whole)


def test_a_limit_ends_a_step_early() -> None:
    found = step("tagging, softmax", 5, 8, limit_train_batches=2)
    assert_same(found, by_hand("tagging, softmax", order(5)[:2]))


def by_hand(name: str, batches: list[list[int]]) -> dict[str, Tensor]:
    """The weights after a step along the mean, over all terms, of the batches' own gradients."""
    seed_everything(0, verbose=False)
    module, facts, batch = task(name)
    module.use(facts)
    module.configure_model()
    steps = [module.step(batch(indices)) for indices in batches]
    sizes = torch.stack([torch.as_tensor(one.size) for one in steps])
    mean = (torch.stack([one.loss for one in steps]) * sizes).sum() / sizes.sum()
    gradients = torch.autograd.grad(mean, list(module.parameters()))
    return {n: p.detach() - g for (n, p), g in zip(module.named_parameters(), gradients, strict=True)}


def order(batch_size: int) -> list[list[int]]:
    return list(DistributedBatchSampler(SIZE, batch_size, shuffle=True))


def test_replies_compete_in_their_own_batch() -> None:
    # What a context is to be told from differs, so the step is the weighted mean of the batches' own gradients.
    assert_same(step("selection", 6, 3), by_hand("selection", order(6)))


def test_it_goes_on_between_two_batches_of_a_step() -> None:
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, accumulate_grad_batches=3)
    first, second = WholeBatch(), WholeBatch()
    weight, sizes, losses = nn.Parameter(torch.zeros(())), [4, 1, 2], [1.0, 10.0, 100.0]
    for number, (size, loss) in enumerate(zip(sizes, losses, strict=True)):
        if number == 2:
            second.load_state_dict(first.state_dict())
        weighing = second if number == 2 else first
        (weighing.weigh(weight * loss, size, number, trainer) / 3).backward()
        weighing.finish([weight], 3)
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx((4 * 1 + 1 * 10 + 2 * 100) / 7)


def test_lbfgs_does_not_accumulate() -> None:
    module, facts, batch = task("regression")
    module.optimizer = torch.optim.LBFGS
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, accumulate_grad_batches=2, max_epochs=1)
    with pytest.raises(MisconfigurationException, match="LBFGS computes the loss of a batch several times"):
        trainer.fit(module, Fixed(facts, batch, 4))


def test_nothing_is_changed_where_nothing_is_accumulated() -> None:
    loss = torch.tensor(0.1)
    assert WholeBatch().weigh(loss, 7, 0, Trainer(accelerator="cpu", devices=1, logger=False)) is loss


def _train(rank: int, folder: Path, port: int) -> None:
    import os

    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    found = {}
    for name in TASKS:
        for batch_size, accumulate in ((8, 1), (2, 4), (3, 4)):
            options: dict[str, Any] = {"devices": 2, "strategy": "ddp"}
            found[name, batch_size] = step(name, batch_size, accumulate, **options)
    if rank == 0:
        torch.save(found, folder / "found.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_are_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_train, (tmp_path, port), nprocs=2)
    for (name, _), weights in torch.load(tmp_path / "found.pt", weights_only=True).items():
        assert_same(weights, step(name, SIZE))
