"""What a server answers: the gate by itself, the questions by themselves, and a whole server."""

import asyncio
import base64
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments import load
from experiments.deployment.serving.api import PredictionAPI, Question, plain
from experiments.deployment.serving.command import serve
from experiments.deployment.serving.gate import Gate
from experiments.program import main
from tests.test_configs import CONFIGS, OPTIONS, options


class Echo:
    """Answers with the body that it gets."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        await asyncio.sleep(self.delay)
        assert dict(scope["headers"])[b"content-length"] == str(len(message["body"])).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})


def through_gate(body: bytes, kind: str = "application/json", delay: float = 0.0, chunk: int = 10) -> tuple[int, Any]:
    """Status and answer of a request."""
    parts = [body[k : k + chunk] for k in range(0, len(body), chunk)] or [b""]
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/predict", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    asyncio.run(Gate(Echo(delay), "/predict", 500, 0.2)(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"inputs": ["a"]}', 200, None),
        (b'{"inputs": ["a"]', 400, "the body is not JSON"),
        (b"", 400, "the body is not JSON"),
        (b"\xff\xfe\xfd", 400, "the body is not JSON"),
        (b'{"inputs": ' + b"9" * 100 + b'e"}', 400, "the body is not JSON"),
        (b"[" * 400, 400, "the body is"),
        (b"[]", 422, 'the body must be {"inputs": ...}'),
        (b'{"inputs": 1, "more": 2}', 422, 'the body must be {"inputs": ...}'),
        (b'{"inputs": "' + b"a" * 600 + b'"}', 413, "the request has more than 0.0005 MB"),
    ],
)
def test_gate_of_json(body: bytes, status: int, said: str | None) -> None:
    found, answer = through_gate(body)
    assert found == status
    if said is None:
        assert answer == json.loads(body)
    else:
        assert answer["detail"].startswith(said)


def test_gate_of_uploads_and_time() -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.txt"\r\n\r\nhello\x00\xff\r\n--x--\r\n'
    kind = "multipart/form-data; boundary=x"
    status, answer = through_gate(form % b"file", kind)
    assert (status, answer["file"]["name"]) == (200, "a.txt")
    assert base64.b64decode(answer["file"]["content"]) == b"hello\x00\xff"
    assert through_gate(form % b"other", kind)[0] == 422
    assert through_gate(b"nonsense", kind)[0] in (400, 422)
    assert through_gate(b"nonsense", "multipart/form-data")[0] == 400
    assert through_gate(b'{"inputs": 1}', delay=1.0) == (
        504,
        {"detail": "no answer within 0.2 seconds; ask for less at once"},
    )


def test_cells_are_plain() -> None:
    assert plain([np.int64(3), np.float32(0.5), float("nan"), np.nan, None, "a", True]) == [
        3, 0.5, None, None, None, "a", True,
    ]  # fmt: skip
    assert json.dumps(plain({"a": np.array([1.0])[0], "b": (Path("x"),)})) == '{"a": 1.0, "b": ["x"]}'


@pytest.fixture
def api(samples: Path, leyden: Callable[..., int]) -> Callable[[str], PredictionAPI]:
    def make(config: str) -> PredictionAPI:
        assert leyden("fit", *options(CONFIGS / f"{config}.yaml"), *OPTIONS.get(config, []), "--name=run") == 0
        found = PredictionAPI("runs/run/0", [], max_inputs=50, max_requests=8, wait=0.0)
        found.setup("cpu")
        return found

    return make


def answers(api: PredictionAPI, *requests: Any) -> list[Any]:
    """Answers to several requests at once: rows, or the sentence of a refusal."""
    found = []
    for response in map(api.encode_response, api.predict([api.decode_request(request) for request in requests])):
        content = json.loads(response.body)
        assert response.status_code == (200 if "predictions" in content else 422)
        found.append(content.get("predictions", content.get("detail")))
    return found


def test_texts_of_several_requests(api: Callable[[str], PredictionAPI]) -> None:
    one = api("own/text")
    texts = ["a good film", "bad", "nothing but words", "texts/reviews.csv"]
    wanted = load("runs/run/0").predict(texts).to_dict("records")
    upload = {"name": "../../many.txt", "content": base64.b64encode("\n".join(texts).encode()).decode()}
    found = answers(
        one,
        {"inputs": texts[:2]},
        {"inputs": "nothing but words"},
        {"inputs": [1]},
        {"inputs": ["texts/reviews.csv"]},
        {"file": upload},
        {"inputs": []},
        {"inputs": None},
        {"inputs": ["a"] * 51},
        {"inputs": [{"text": "bad", "key": 1}]},
    )
    for rows, some in zip(found[:2] + found[3:5], (wanted[:2], wanted[2:3], wanted[3:], wanted), strict=True):
        for row, other in zip(rows, some, strict=True):
            assert row == pytest.approx(other, abs=1e-5)
    assert found[2] == "input 0 is a int, not a text: 1"
    assert found[5] == found[6] == "there is nothing to predict: no inputs"
    assert found[7] == "51 inputs; at most 50 may be asked at once"
    assert found[8][0]["key"] == 1
    assert not list(Path(one.folder.name).iterdir())
    single = one.predict(one.decode_request({"inputs": "bad"}))
    assert single[0] == pytest.approx(wanted[1], abs=1e-5)


def test_rows_of_several_requests(api: Callable[[str], PredictionAPI]) -> None:
    one = api("own/tabular_classification")
    table = load("runs/run/0").predict("tables/people.csv")
    rows = [{**row, "id": int(row["id"])} for row in table.iloc[:, :7].to_dict("records")]
    found = answers(
        one,
        {"inputs": rows[:3]},
        {"inputs": rows[3]},
        {"inputs": [{"age": 3}]},
        {"inputs": "tables/people.csv"},
        {"inputs": [{**rows[4], "age": "old"}]},
        {"inputs": rows[4:6]},
        {"file": {"name": "zero.csv", "content": base64.b64encode(b"age,city\n").decode()}},
    )
    assert found[6] == "zero.csv has no rows below its header"
    for part, some in ((found[0], table[:3]), (found[1], table[3:4]), (found[5], table[4:6])):
        assert [row["prediction"] for row in part] == some["prediction"].tolist()
        assert [row["probability"] for row in part] == pytest.approx(some["probability"].tolist(), abs=1e-5)
    assert "the table has no column" in found[2]
    assert found[3].startswith("a list is no table")
    assert "row 1, column `age`: 'old' is not a number" in found[4]


def test_images_and_no_paths_of_the_server(api: Callable[[str], PredictionAPI]) -> None:
    one = api("own/images_from_scratch")
    paths = sorted(Path("my_images").glob("*/*.*"))[:3]
    wanted = load("runs/run/0").predict([str(path) for path in paths])
    content = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    upload = {"name": paths[0].name, "content": content[0]}
    found = answers(
        one,
        {"inputs": content[:2]},
        {"inputs": content[2]},
        {"inputs": [str(paths[0])]},
        {"inputs": [{"path": str(paths[0])}]},
        {"file": upload},
        {"file": {**upload, "name": "labels.csv"}},
        {"inputs": base64.b64encode(b"no image").decode()},
    )
    assert [row["class"] for part in found[:2] for row in part] == wanted["class"].tolist()
    assert [row["path"] for row in found[0]] == ["image 0", "image 1"]
    assert found[2] == found[3] == "input 0 is no image: a file of one, in base64, is wanted"
    assert found[4][0]["path"] == paths[0].name
    assert found[5] == "labels.csv is no image by its name"
    assert found[6].startswith("image 0 is not an image that can be read")


def test_refusals_of_the_command(leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--ckpt_path", "runs/none"]) == 1
    assert "there is no checkpoint runs/none" in capsys.readouterr().err
    assert main(["serve", "--ckpt_path", "runs/none", "--workers", "0"]) == 1
    assert "--workers is 0; it must be at least 1" in capsys.readouterr().err
    assert leyden("fit", "--config", digits) == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(MisconfigurationException, match="cannot be listened at: Address already in use"):
            serve("runs/digits/0", port=taken.getsockname()[1])


def test_questions_that_stand_alone() -> None:
    one = PredictionAPI("", [], 10, 1, 0.0)
    assert one.batch_timeout == 0.0
    assert Question("a").key is None


@pytest.fixture
def server(samples: Path, leyden: Callable[..., int]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    path = CONFIGS / "own" / "text.yaml"
    assert leyden("fit", *options(path), "--name=run") == 0
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    words = ["--ckpt_path", "runs/run/0", "--port", str(port), "--accelerator", "cpu"]
    process = subprocess.Popen([sys.executable, "-m", "experiments", "serve", *words])
    try:
        yield port, process
    finally:
        process.kill()


@pytest.mark.slow
def test_a_server(server: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, process = server

    def ask(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()

    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            if ask("GET", "/health")[0] == 200:
                break
        except OSError:
            time.sleep(0.5)
    status, content = ask("POST", "/predict", b'{"inputs": ["a good film", "bad"]}')
    assert status == 200
    wanted = load("runs/run/0").predict(["a good film", "bad"]).to_dict("records")
    for row, other in zip(json.loads(content)["predictions"], wanted, strict=True):
        assert row == pytest.approx(other, abs=1e-5)
    assert ask("POST", "/predict", b"{")[0] == 400
    assert ask("POST", "/predict", b'{"inputs": [1]}')[0] == 422
    assert ask("POST", "/predict", b'{"inputs": "' + b"a" * 11_000_000 + b'"}')[0] == 413
    schema = json.loads(ask("GET", "/openapi.json")[1])
    assert "multipart/form-data" in schema["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert ask("GET", "/docs")[0] == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    with pytest.raises(ConnectionRefusedError):
        ask("GET", "/health")
