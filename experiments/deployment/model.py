"""A trained model in Python: asked, scored, described."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tqdm.auto import tqdm

from datamodules.data import Data
from datamodules.types import Row
from experiments import checkpoint
from experiments.callbacks.predictions import in_order
from experiments.messages import be_quiet, less_logged
from experiments.parsing import instantiate
from experiments.runs import read_conditions, read_scores
from experiments.signatures import trusted
from experiments.untrusted import read_carried
from modules.faults import told
from modules.task import Task, check_rows

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")

LONG = 3.0  # seconds after which a progress bar appears


class Pair(NamedTuple):
    """A task and its data: ``task, data = model``."""

    task: Task
    data: Data


class Model(Pair):
    """A trained task and the data that knows its facts; ``task, data = model`` takes them apart.

    Attributes:
        task: The task with its weights, in evaluation mode.
        data: The datamodule with its facts.
        folder: The run that it is from.
    """

    folder: Path | None = None

    def to(self, device: str | torch.device) -> "Model":
        """Move the weights to a device (``cuda``), where predictions are then made."""
        self.task.to(device)
        return self

    def predict(self, inputs: object, batch_size: int | None = None, explain: bool = False) -> "DataFrame":
        """What ``leyden predict`` would write of the same inputs, to the last bit with the same batch size.

        Args:
            inputs: A ``pathlib.Path`` to a file or folder, as ``--data.predict_path`` takes them; or what the kind of
                data is: paths, images of Pillow or arrays; texts; a DataFrame; sentences, as texts or lists of words;
                dialogues, as texts, lists of turns or of messages; a table of series. One, or a list of them. A plain
                string is the path of a file where inputs are no texts.
            batch_size: Inputs in a batch; that of training if None.
            explain: Say which words, pixels or columns decide, as ``--explain`` does. Further, ``contributions`` has
                what each word of a text adds, ``[(word, contribution), ...]``, or each pixel ``(height, width)``.

        Returns:
            A row for each input, with the columns of ``predictions.csv``.

        Raises:
            MisconfigurationException: If the inputs cannot be used, or what is said of them cannot be explained; the
                sentence says which and why.
        """
        task, data = self
        data.ask(inputs)
        data.setup("predict")
        if not len(data.datasets["predict"]):
            raise MisconfigurationException("there is nothing to predict: no inputs")
        rows: list[tuple[int, Row]] = []
        task.eval()
        explainer = None
        if explain:
            from experiments.explanation.choice import explainer_of

            explainer = explainer_of(task, data)
        without_gradients = torch.no_grad() if explain else torch.inference_mode()
        with _batches_of(data, batch_size), _products_as_in_the_program(), without_gradients:
            loader = data.loader("predict")
            indices = data.batches("predict")
            for number, batch in enumerate(tqdm(loader, delay=LONG, unit="batch", leave=False)):
                batch = move_data_to_device(batch, task.device)
                found = task.predict_step(batch, number)
                check_rows(found, task)
                if explainer is not None:
                    explainer.complete(found, batch.inputs, task(batch.inputs), indices[number], in_memory=True)
                rows += zip(indices[number], found, strict=True)
        frame = data.frame(in_order(data, rows))
        del data.datasets["predict"]
        return frame

    def score(self, inputs: object = None, batch_size: int | None = None) -> dict[str, float]:
        """The scores that ``leyden test`` gives.

        Args:
            inputs: Inputs with what is to be predicted of them, as a path or in memory, in the forms of training; the
                test split if None.
            batch_size: Inputs in a batch; that of training if None.

        Returns:
            Scores by name, without ``test/``.
        """
        task, data = self
        data.predict_path = data.text = data.objects = None
        data.labelled = inputs
        data.datasets.pop("test", None)
        device = task.device
        try:
            with (
                _batches_of(data, batch_size),
                _products_as_in_the_program(),
                less_logged("lightning.pytorch.utilities.rank_zero"),
            ):
                trainer = Trainer(
                    accelerator="gpu" if device.type == "cuda" else device.type,
                    devices=[device.index or 0] if device.type == "cuda" else 1,
                    logger=False,
                    enable_checkpointing=False,
                    enable_progress_bar=False,
                    enable_model_summary=False,
                    use_distributed_sampler=False,
                )
                found = trainer.test(task, data, verbose=False)
        finally:
            data.labelled = None
            task.to(device)
            task.eval()
        return {name.removeprefix("test/"): value for name, value in found[0].items()}

    @property
    def scores(self) -> dict[str, float]:
        """The scores in ``metrics.json`` of the run."""
        return self._of_run(read_scores)

    def _of_run(self, read: Callable[[Path], dict[str, T]]) -> dict[str, T]:
        """What is read from the folder of the run; nothing if there is none, or it is damaged."""
        try:
            return {} if self.folder is None else read(self.folder)
        except (OSError, MisconfigurationException):
            return {}

    def __repr__(self) -> str:
        task, data = self
        net = vars(task)["_modules"].get("net")
        weights = sum(parameter.numel() for parameter in task.parameters())
        size = sum(p.numel() * p.element_size() for p in task.parameters()) / 1e6
        name = type(task).__name__ + (f" ({type(net).__name__})" if net is not None else "")
        lines = [f"{name} of {type(data).__name__}, {weights:,} weights, {size:.1f} MB, on {task.device}"]
        lines.append(f"  {data.facts.summary()}")
        test = {name: value for name, value in self.scores.items() if name.startswith("test/")}
        scores = test or {name: value for name, value in self.scores.items() if name.startswith("val/")}
        if scores:
            of = self._of_run(read_conditions).get("test" if test else "val", [])
            lines += [f"  of {', '.join(of)}:"] if of else []
            lines.append("  " + ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))
        return "\n".join([*lines, f"  from {self.folder}"])


def load(path: str | Path, trust: Sequence[str] = ()) -> Model:
    """Load a trained model, for use in a notebook or a program.

    Args:
        path: A run folder (its best checkpoint) or a checkpoint file.
        trust: Packages of your own that the checkpoint may name classes and functions of.

    Returns:
        The model: ``model.predict(inputs)``, ``model.score()``, ``task, data = model``.
    """
    be_quiet()
    source, content = checkpoint.find(Path(path), to_train=False)
    config = read_carried(content, source or Path(path), to_train=False)
    task, data = instantiate(config, source or Path(path), [*trust, *trusted(content["config"])])
    with told(f"{source} cannot be used", AttributeError, LookupError):
        data.load_state_dict(checkpoint.facts(content, config))
        task.use(data.facts, type(data).__name__, restored=True)
        task.configure_model()
        task.load_state_dict(content["state_dict"])
        task.take_calibration(content)
    model = Model(task.eval(), data)
    model.folder = None if source is None else checkpoint.run_folder(source)
    return model


@contextmanager
def _batches_of(data: Data, size: int | None) -> Iterator[None]:
    """Batches of another size, for a while."""
    kept = data.batch_size, data.global_batch_size, data.max_tokens
    if size is not None and (not isinstance(size, int) or size < 1):
        raise MisconfigurationException(f"batch_size is {size}; it must be a whole number, at least 1")
    if size is not None:
        data.batch_size, data.global_batch_size, data.max_tokens = size, None, None
    try:
        yield
    finally:
        data.batch_size, data.global_batch_size, data.max_tokens = kept


@contextmanager
def _products_as_in_the_program() -> Iterator[None]:
    """Matrix products in the precision that ``leyden`` takes on a GPU."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
