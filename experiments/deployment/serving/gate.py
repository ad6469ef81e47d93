"""What stands before the model: requests that are too large, too slow or not understood are answered here."""

import asyncio
import base64
import json

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Refusal(Exception):
    """A request that is not handed on.

    Args:
        status: Code of HTTP.
        reason: A sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Gate:
    """Reads a request to ``path``, within limits of size and time, and hands it on as a JSON object.

    An uploaded file becomes ``{"file": {"name": ..., "content": base64}}``.

    Args:
        app: What answers.
        path: Of the requests that are looked at; others pass.
        max_bytes: Most bytes of a request.
        seconds: Most time until the answer begins.
    """

    def __init__(self, app: ASGIApp, path: str, max_bytes: int, seconds: float) -> None:
        self.app, self.path, self.max_bytes, self.seconds = app, path, max_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await asyncio.wait_for(self._answer(scope, receive, sent), self.seconds)
        except Refusal as refusal:
            await JSONResponse({"detail": refusal.reason}, refusal.status)(scope, receive, send)
        except TimeoutError:
            if begun:
                raise
            reason = f"no answer within {self.seconds:g} seconds; ask for less at once"
            await JSONResponse({"detail": reason}, 504)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(receive)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        form = headers.get("content-type", "").startswith("multipart/form-data")
        content = json.dumps(await _uploaded(scope, body) if form else _parsed(body)).encode()
        kept = [
            (name, value)
            for name, value in scope["headers"]
            if name.lower() not in (b"content-type", b"content-length")
        ]
        kept += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await self.app({**scope, "headers": kept}, _replay(content, receive), send)

    async def _body(self, receive: Receive) -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the request ended before its body")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_bytes:
                raise Refusal(413, f"the request has more than {self.max_bytes / 1e6:g} MB")
            more = message.get("more_body", False)
        return b"".join(parts)


def _parsed(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except RecursionError:
        raise Refusal(400, "the body is nested too deep") from None
    except ValueError as error:  # also of another encoding, and of numbers of thousands of digits
        raise Refusal(400, f"the body is not JSON: {error}") from None
    if not isinstance(found, dict) or found.keys() != {"inputs"}:
        raise Refusal(422, 'the body must be {"inputs": ...}, or an uploaded file by the name `file`')
    return found


async def _uploaded(scope: Scope, body: bytes) -> dict[str, object]:
    try:
        async with Request(scope, _replay(body)).form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Refusal(422, "there is no uploaded file by the name `file`")
            content = base64.b64encode(await file.read()).decode()
            return {"file": {"name": file.filename or "", "content": content}}
    except Refusal:
        raise
    except Exception as error:  # the parser of forms raises several kinds
        raise Refusal(400, f"the form cannot be read: {error}") from None


def _replay(body: bytes, then: Receive | None = None) -> Receive:
    """A body that was read, to be read again."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given and then is not None:
            return await then()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
