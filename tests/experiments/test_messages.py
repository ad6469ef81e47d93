"""Wrong command lines: one sentence each, an exit code and no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import TypedText
from experiments.messages import for_the_user, last_sentence, readable
from experiments.parsing import LeydenParser
from modules.faults import told

WRONG = [
    ("--model.optimizer.lr=abc", "model.optimizer.lr: abc is not a number"),
    ("--model.optimizer.lx=1", "model.optimizer has no option lx"),
    ("--model.net.widthx=1", "model.net has no option widthx - did you mean width?"),
    ("--model.net.width=x", "model.net.width: x is not a whole number"),
    ("--trainer.max_epocs=1", "there is no option trainer.max_epocs - did you mean trainer.max_epochs?"),
    ("--trainer.limit_val_batche=1", "did you mean trainer.limit_val_batches?"),  # no abbreviations
    ("--trainer.min_steps=-", "trainer.min_steps: - is not a whole number or null"),
    ("--checkpoint.mode=x", "checkpoint.mode: x is not min, max or null"),
    ("--model.optimizer.lr", "--model.optimizer.lr needs a value"),
    ("--name", "--name needs a value"),
    ("--model=Foo", "model: there is no class Foo"),
    ("--model=[1,2]", "model: [1, 2] is no Task"),
    ("--model=null", "the command needs model"),
    ("word", "word is no option: these begin with --"),
    ("--trainer.devices=lots", "`devices`"),
    ("--trainer.accelerator=tpu", "torch_xla"),
    ("--trainer.strategy=dpd", "strategy='dpd'"),
    ("--trainer.max_epochs=0", "trainer.max_epochs is 0; it must be above 0"),
    ("--trainer.val_check_interval=0", "trainer.val_check_interval is 0; it must be above 0"),
    ("--trainer.log_every_n_steps=0", "trainer.log_every_n_steps is 0"),
    ("--trainer.gradient_clip_val=-1", "trainer.gradient_clip_val is -1; it must be at least 0"),
    ("--trainer.logger=lightning.pytorch.loggers.CometLogger", "comet"),
    ("--seed_everything=-1", "-1 is not in bounds"),
    ("--data.batch_size=0", "data.batch_size is 0"),
    ("--data.num_workers=-1", "data.num_workers is -1"),
    ("--model.label_smoothing=-1", "model.label_smoothing is -1.0"),
    ("--model.top_k=0", "model.top_k is 0"),
    ("--model.mixup=.inf", "model.mixup is inf"),
    ("--model.net.num_stages=0", "num_stages is 0; it must be at least 1"),
    ("--model.net.dropout=2", "the network cannot be made (SmallCNN): dropout probability"),
    ("--model.net=modules.nets.mlp.MLP", "Classifier cannot use the first batch: "),
    ("--model.optimizer.lr=-1", "the optimizer cannot be made (AdamW): Invalid learning rate"),
    ("--model.scheduler={class_path: modules.optimisation.Cosine, init_args: {warmup: .nan}}", "Cosine.warmup is nan"),
    ("--model.scheduler={class_path: modules.optimisation.Cosine, init_args: {final: 2}}", "Cosine.final is 2"),
    ("--config=bytes.bin", "bytes.bin cannot be read as YAML"),
    ("--config=list.yaml", "list.yaml is no configuration: it holds a list"),
    ("--config=deep.yaml", "deep.yaml cannot be read as YAML: line 1 nests deeper than 50 levels"),
]


@pytest.mark.parametrize(("word", "sentence"), WRONG, ids=[word for word, _ in WRONG])
def test_wrong_words_are_told_in_one_sentence(
    word: str, sentence: str, leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bytes.bin").write_bytes(bytes(range(256)))
    Path("list.yaml").write_text("- 1\n")
    Path("deep.yaml").write_text("a: " + "[" * 60)
    try:
        code = leyden("fit", "--config", digits, "--trainer.num_sanity_val_steps=1", word)
    except SystemExit as end:
        code = int(end.code or 0)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("leyden: ")]
    assert code in (1, 2)
    assert len(lines) == 1
    assert sentence in lines[0]
    assert len(lines[0]) < 500
    assert not Path("runs").exists()


def test_changed_network_is_told_by_its_tensors(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=1") == 0
    for command in ("test", "fit"):
        assert leyden(command, "--ckpt_path", "runs/digits/0", "--model.net.width=5") == 1
        said = capsys.readouterr().err
        assert "the checkpoint holds the weights of another network: net.features." in said
        assert "(4,) instead of (5,)" in said
        assert "leave the options of the network as they were trained" in said


def test_fault_of_the_program_keeps_its_traceback(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("experiments.cli.avoid_emulation", broken)
    with pytest.raises(KeyError, match="ours"):
        leyden("fit", "--config", digits)
    assert "leyden: this is a fault of the program, not of yours: please report it" in capsys.readouterr().err


def test_what_is_told_of_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "none").read_text()
    assert for_the_user(missing.value) is missing.value
    assert last_sentence(missing.value) == f"{tmp_path / 'none'}: No such file or directory"
    assert for_the_user(KeyError("ours")) is None
    inner = MisconfigurationException("the cause")
    with pytest.raises(MisconfigurationException, match=r"^the cause$"), told("not this"):
        try:
            raise inner
        except MisconfigurationException as error:
            raise ValueError("does not validate") from error
    with pytest.raises(MisconfigurationException, match=r"^it cannot be: first line$"), told("it cannot be"):
        raise RuntimeError("first line\nsecond line")
    with pytest.raises(KeyError), told("it cannot be"):  # a fault of ours
        raise KeyError("x")


@pytest.mark.parametrize("text", ["null", "no", "Note: it works", "- item", "?", "[a", "001", "*x", "~", "a\nb", "'x'"])
def test_option_of_texts_takes_what_is_typed(text: str) -> None:
    parser = LeydenParser(exit_on_error=False)
    parser.add_class_arguments(Texts, "x")
    found = parser.parse_args([f"--x.plain={text}", f"--x.text={text}", "--x.names=[no, 01]"]).x
    assert found.plain == found.text == text
    assert found.names == ["no", "01"]
    assert parser.parse_args([f"--x.unset={text}"]).x.unset == (None if text == "null" else text)
    assert parser.parse_object({"x": {"unset": text}}).x.unset == text  # quoted in a configuration


class Texts:
    def __init__(
        self,
        plain: str = "",
        text: TypedText | None = None,
        unset: str | None = "set",
        names: list[str] | None = None,
    ) -> None:
        pass


def test_a_file_that_is_not_there_has_its_nearest_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "digits.yaml").write_text("")
    said = ['Parser key "config"', f"File does not exist: '{tmp_path / 'configs' / 'digit.yml'}'"]
    assert readable(said) == "there is no file configs/digit.yml; did you mean configs/digits.yaml?"
