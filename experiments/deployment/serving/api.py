"""A model as LitServe asks it: questions out of JSON, several of them answered at once."""

import base64
import binascii
import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import litserve
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from starlette.responses import JSONResponse

from datamodules.files.objects import is_table
from datamodules.images.base import Images
from datamodules.images.decoding import is_image
from datamodules.tables.base import TableData
from experiments.deployment.model import Model, load
from experiments.messages import last_sentence


class Question(NamedTuple):
    """What a request asks.

    Attributes:
        inputs: As ``Model.predict`` takes them; a path if a file was uploaded.
        key: Questions of the same key can be answered together; None for one that stands alone.
        refusal: Why it cannot be answered, if so.
    """

    inputs: Any
    key: object = None
    refusal: str = ""


class PredictionAPI(litserve.LitAPI):
    """Answers with the rows of ``Model.predict``.

    Args:
        path: A run folder or a checkpoint.
        trust: Packages of the user's that it may name.
        max_inputs: Most inputs of a request.
        max_requests: Requests that are answered at once.
        wait: Seconds to wait for them.
    """

    def __init__(self, path: str, trust: Sequence[str], max_inputs: int, max_requests: int, wait: float) -> None:
        super().__init__(max_batch_size=max_requests, batch_timeout=wait if max_requests > 1 else 0.0)
        self.path, self.trust, self.max_inputs = path, list(trust), max_inputs

    def setup(self, device: str) -> None:
        """Load the model, in the process that answers."""
        self.model: Model = load(self.path, self.trust).to(device)
        self.folder = tempfile.TemporaryDirectory()

    def decode_request(self, request: dict[str, Any]) -> Question:
        """The question of a request. What is wrong with it is no error here, where it would fail others too."""
        try:
            if "file" in request:
                return Question(self._file(request["file"]))
            return self._question(request["inputs"])
        except MisconfigurationException as error:
            return Question(None, refusal=last_sentence(error))

    def _file(self, file: dict[str, str]) -> Path:
        name = Path(file["name"].replace("\\", "/")).name or "upload"
        if isinstance(self.model.data, Images) and not is_image(Path(name)):
            raise MisconfigurationException(f"{name} is no image by its name")
        path = Path(tempfile.mkdtemp(dir=self.folder.name)) / name[-100:]
        path.write_bytes(base64.b64decode(file["content"]))
        return path

    def _question(self, inputs: Any) -> Question:
        data = self.model.data
        several = inputs if isinstance(inputs, list) else [inputs]
        if not several or inputs is None:
            raise MisconfigurationException("there is nothing to predict: no inputs")
        if len(several) > self.max_inputs:
            raise MisconfigurationException(f"{len(several)} inputs; at most {self.max_inputs} may be asked at once")
        if isinstance(data, Images):
            return Question([self._image(image, k) for k, image in enumerate(several)], "images")
        if isinstance(data, TableData):
            keys = {tuple(row) if isinstance(row, dict) else None for row in several}
            return Question(several, keys.pop() if len(keys) == 1 else None)
        if not data.str_is_text and not is_table(inputs):  # a path would be one of this machine
            raise MisconfigurationException("inputs must be rows, objects with a value for each column")
        texts = all(isinstance(text, str) for text in several)
        return Question(several if texts else inputs, "texts" if texts else None)

    def _image(self, image: object, number: int) -> Path:
        try:
            content = base64.b64decode(image, validate=True) if isinstance(image, str) else b""
        except (binascii.Error, ValueError):
            content = b""
        if not content:
            raise MisconfigurationException(f"input {number} is no image: a file of one, in base64, is wanted")
        path = Path(tempfile.mkdtemp(dir=self.folder.name)) / f"image {number}"
        path.write_bytes(content)
        return path

    def batch(self, inputs: list[Question]) -> list[Question]:
        """Questions as they are."""
        return inputs

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Answers as they are."""
        return output

    def predict(self, x: Any) -> Any:
        """Rows, or a refusal, for each of several questions, or for a single one."""
        questions: list[Question] = [x] if isinstance(x, Question) else x
        answers: list[Any] = [question.refusal or None for question in questions]
        groups: dict[object, list[int]] = {}
        for number, question in enumerate(questions):
            if question.key is not None:
                groups.setdefault(question.key, []).append(number)
        for numbers in groups.values():
            together = [one for number in numbers for one in questions[number].inputs]
            rows = self._rows(together) if len(numbers) > 1 else None
            if isinstance(rows, list) and len(rows) == len(together):  # else one of them is at fault
                for number in numbers:
                    count = len(questions[number].inputs)
                    answers[number], rows = rows[:count], rows[count:]
        for number, question in enumerate(questions):
            if answers[number] is None:
                answers[number] = self._rows(question.inputs)
        for folder in Path(self.folder.name).iterdir():  # of files that were sent
            shutil.rmtree(folder)
        return answers[0] if isinstance(x, Question) else answers

    def _rows(self, inputs: Any) -> list[dict[str, object]] | str:
        """The rows of some inputs; a sentence if they cannot be used."""
        data = self.model.data
        try:
            as_it_is = data.str_is_text or isinstance(inputs, Path | list)
            frame = self.model.predict(inputs if as_it_is else [inputs])
        except MisconfigurationException as error:
            folder = re.escape(self.folder.name)  # of which the client knows nothing
            return re.sub(rf"{folder}/\w+/", "", last_sentence(error))
        if isinstance(data, Images):
            frame = frame.assign(path=[Path(path).name for path in frame["path"]])
        return [{str(name): plain(cell) for name, cell in row.items()} for row in frame.to_dict("records")]

    def encode_response(self, output: object) -> object:
        """JSON of the rows; 422 of a refusal."""
        if isinstance(output, str):
            return JSONResponse({"detail": output}, 422)
        return JSONResponse({"predictions": output})


def plain(cell: object) -> object:
    """A cell as JSON can hold it."""
    if isinstance(cell, list | tuple):
        return [plain(one) for one in cell]
    if isinstance(cell, dict):
        return {str(name): plain(one) for name, one in cell.items()}
    if hasattr(cell, "item") and not isinstance(cell, str):  # of numpy
        cell = cell.item()
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell if cell is None or isinstance(cell, str | bool | int | float) else str(cell)
