"""``leyden serve``: a trained model behind an address, by LitServe."""

import os
import signal
import socket
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.deployment.model import load
from experiments.messages import needing
from experiments.parsing import LeydenParser

PATH = "/predict"


def main(words: list[str]) -> int:
    """Run ``leyden serve``.

    Returns:
        Exit code 0, when it is stopped.
    """
    parser = LeydenParser(prog="leyden serve", description="Answer requests with the predictions of a trained model.")
    parser.add_function_arguments(serve)
    serve(**vars(parser.parse_args(words)))
    return 0


def serve(
    ckpt_path: str,
    port: int = 8000,
    host: str = "127.0.0.1",
    workers: int = 1,
    accelerator: str = "auto",
    max_megabytes: float = 10.0,
    max_inputs: int = 1000,
    max_requests: int = 16,
    wait: float = 0.005,
    timeout: float = 30.0,
    trust: list[str] | None = None,
) -> None:
    """Answer requests until stopped.

    Args:
        ckpt_path: A run folder or a checkpoint file.
        port: Where to listen.
        host: Who may ask: this machine alone, or all by 0.0.0.0.
        workers: Processes that answer, each with the model.
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        max_megabytes: Most of a request; a larger one is refused (413).
        max_inputs: Most inputs of a request (422).
        max_requests: Requests that are answered at once, as one batch.
        wait: Seconds to wait for further requests before a batch is answered.
        timeout: Seconds after which a request is given up (504).
        trust: Packages of your own that the checkpoint may name.

    Raises:
        MisconfigurationException: If LitServe is not there, the checkpoint cannot be used, or the port is taken.
    """
    for name, value in (("workers", workers), ("max_inputs", max_inputs), ("max_requests", max_requests)):
        if value < 1:
            raise MisconfigurationException(f"--{name} is {value}; it must be at least 1")
    if min(max_megabytes, timeout) <= 0 or wait < 0:
        raise MisconfigurationException("--max_megabytes and --timeout must be above 0, --wait at least 0")
    model = load(ckpt_path, trust or ())  # what is wrong with it is said here, not by a process that starts again
    _check_port(host, port)
    server = make_server(
        ckpt_path, trust or [], workers, accelerator, max_megabytes, max_inputs, max_requests, wait, timeout
    )
    address = f"http://{host}:{port}"
    print(
        f"{model!r}\nanswers at {address}{PATH}; described at {address}/docs, healthy at {address}/health", flush=True
    )
    main = os.getpid()

    def stop(*_: object) -> None:  # LitServe ends its processes at Ctrl-C alone
        if os.getpid() == main:
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    server.run(host=host, port=port, num_api_servers=1, generate_client_file=False, log_level="warning")


def make_server(
    path: str,
    trust: list[str],
    workers: int,
    accelerator: str,
    max_megabytes: float,
    max_inputs: int,
    max_requests: int,
    wait: float,
    timeout: float,
) -> Any:
    """The server, not started; the arguments are those of ``serve``."""
    with needing("serving needs LitServe", "serve"):
        import litserve

        from experiments.deployment.serving.api import PredictionAPI
        from experiments.deployment.serving.gate import Gate
    api = PredictionAPI(path, trust, max_inputs, max_requests, wait)
    gate = (Gate, {"path": PATH, "max_bytes": int(max_megabytes * 1e6), "seconds": timeout})
    server = litserve.LitServer(
        api, accelerator, devices=1, workers_per_device=workers, timeout=timeout, middlewares=[gate]
    )
    app = server.app
    made = app.openapi

    def described() -> Any:
        schema = made()
        schema["info"] |= {"title": "leyden", "description": f"Predictions of {path}"}
        schema["paths"][PATH]["post"] |= {"requestBody": BODY, "summary": "The rows of leyden predict"}
        return schema

    app.openapi = described
    return server


BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "inputs": {
                        "description": "Texts; rows of a table as objects; sentences as texts or lists of words; "
                        "dialogues as lists of turns; images as files in base64. One, or a list of them."
                    }
                },
            }
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "A file, as leyden predict takes it.",
                    }
                },
            }
        },
    },
}


def _check_port(host: str, port: int) -> None:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MisconfigurationException(f"--host {host} --port {port} cannot be listened at: {reason}") from error
