from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules.parallel import Multi30k
from experiments.callbacks.figures.translation import TranslationSamples, attention_figure
from modules.nets.seq2seq.transformer import Transformer
from modules.translation import Translator

SAMPLES = Path(__file__).parents[3] / "samples"


def test_samples_and_heat_maps_are_on_the_board(tmp_path: Path) -> None:
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=TensorBoardLogger(tmp_path),
        callbacks=[TranslationSamples(num_samples=3, figures_every_n_epochs=2)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )
    data = Multi30k(root=str(SAMPLES), num_tokens=400)
    trainer.fit(Translator(lambda a, b: Transformer(a, b, 8, 1, 2, 8)), data)
    board = EventAccumulator(trainer.logger.log_dir).Reload()
    texts = board.Tensors("val/sample_2/text_summary")
    assert len(texts) == 2, "every epoch"
    text = texts[0].tensor_proto.string_val[0].decode()
    _, _, references = data.datasets["val"].__getitems__([4])
    assert f"reference: {references[0]}" in text
    assert "source: " in text
    assert len(board.Images("val/attention_2")) == 1, "every second epoch"


def test_a_long_text_goes_down() -> None:
    for num_read, num_written, upright in ((5, 3, False), (12, 3, False), (13, 3, True), (13, 14, False)):
        weights = torch.rand(num_written, num_read)
        written, read = ([f"{name}{i}" for i in range(num)] for name, num in (("w", num_written), ("r", num_read)))
        axes = attention_figure(weights, written, read).axes[0]
        down, across = (
            [label.get_text() for label in labels] for labels in (axes.get_yticklabels(), axes.get_xticklabels())
        )
        assert (down, across) == ((read, written) if upright else (written, read))
        assert (axes.get_ylabel(), axes.get_xlabel()) == (("read", "written") if upright else ("written", "read"))
        assert torch.equal(torch.tensor(axes.images[0].get_array()), weights.T if upright else weights)
