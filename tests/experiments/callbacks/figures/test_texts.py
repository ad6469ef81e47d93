"""What a text classifier gets wrong, in TensorBoard."""

import re
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules.images import Digits
from datamodules.text import TextTable
from datamodules.types import Batch
from experiments.callbacks.figures import TextMistakes
from modules.task import Step

CONFIG = """
model:
  class_path: modules.classification.Classifier
  init_args: {net: {class_path: modules.nets.text.BagOfEmbeddings, init_args: {size: 4}}}
data:
  class_path: datamodules.text.TextTable
  init_args: {path: PATH, batch_size: 8, val_fraction: 0.5}
trainer:
  max_epochs: 1
  callbacks+: [experiments.callbacks.figures.TextMistakes]
"""


def test_mistakes_are_shown(leyden, tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "a film | about it,a\nthe film | about it,b\n" * 20)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("PATH", str(tmp_path / "t.csv")))
    assert leyden("fit", "--config", tmp_path / "c.yaml") == 0
    board = EventAccumulator(str(tmp_path / "runs" / "c" / "0"), size_guidance={"tensors": 0})
    board.Reload()
    text = board.Tensors("val/mistakes/text_summary")[0].tensor_proto.string_val[0].decode()
    lines = text.splitlines()
    assert re.fullmatch(r"- \*\*[ab]\*\* \d+\.\d%, not \*\*[ab]\*\*: (a|the) film \| about it", lines[0])


def test_the_most_confident_mistakes_of_all_batches_are_kept(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "one,a\ntwo,b\nthree,a\nfour,b\n" * 5)
    data = TextTable(str(tmp_path / "t.csv"))
    data.setup("fit")
    words = {word: index for index, word in enumerate(data.decode(torch.arange(8)[:, None], range(8)))}
    figures = TextMistakes(num_mistakes=3)
    figures.start(None, 2)
    trainer = SimpleNamespace(datamodule=data)
    for confident, texts in (([0.6, 0.9, 0.7], "one two three"), ([0.95, 0.51, 0.8], "four one two")):
        preds = torch.tensor([[1 - p, p] for p in confident] + [[0.99, 0.01]])  # it always is class 0
        output = Step(torch.zeros(()), 4, preds, torch.zeros(4, dtype=torch.long))
        tokens = torch.tensor([[words[w]] for w in [*texts.split(), "one"]])
        figures.see(trainer, None, output, Batch(tokens, None), 0)
    assert [(round(p, 2), predicted, true, text) for p, predicted, true, text in figures._found] == [
        (0.95, 1, 0, "four"),
        (0.9, 1, 0, "two"),
        (0.8, 1, 0, "two"),
    ]


def test_they_are_of_texts():
    with pytest.raises(MisconfigurationException, match="TextMistakes is of texts, not of Digits"):
        TextMistakes().see(SimpleNamespace(datamodule=Digits()), None, None, None, 0)
