"""Which packages of one's own a run may name again: those of a run that the same user began, as a signature shows."""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

_LINE = re.compile(r"^# trusts ([\w, ]+), signed ([0-9a-f]{64})\n\Z", re.MULTILINE)


def sign(text: str, packages: Iterable[str]) -> str:
    """Note the packages that a configuration was allowed to name, so that only this user could have noted it.

    Args:
        text: The configuration.
        packages: Packages that the user typed or trusts. What was not imported is none.

    Returns:
        The configuration, with a comment as its last line; unchanged if there is nothing to note or no key.
    """
    names = ", ".join(sorted(package for package in packages if package in sys.modules and f"{package}." in text))
    key = _key(make=True) if names else None
    return text if key is None else f"{text}# trusts {names}, signed {_signature(key, text, names)}\n"


def trusted(text: object) -> list[str]:
    """The packages that the user who reads a configuration has allowed it to name.

    Args:
        text: What should be a configuration.
    """
    found = _LINE.search(text) if isinstance(text, str) else None
    key = _key(make=False) if found else None
    if not isinstance(text, str) or found is None or key is None:
        return []
    right = _signature(key, text[: found.start()], found[1])
    return found[1].split(", ") if hmac.compare_digest(right, found[2]) else []


def _signature(key: bytes, text: str, names: str) -> str:
    return hmac.new(key, f"{names}\n{text}".encode(), hashlib.sha256).hexdigest()


def _key(make: bool) -> bytes | None:
    """The user's own random key, which never leaves their settings; None where there can be none."""
    with contextlib.suppress(OSError, RuntimeError):  # no home, or one that cannot be written to
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "leyden"
        path = folder / "key"
        if make and not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            own = folder / f"key.{os.getpid()}"
            own.touch(mode=0o600)
            own.write_bytes(secrets.token_bytes(32))
            with contextlib.suppress(FileExistsError):  # of two runs that begin at one instant, one makes the key
                os.link(own, path)
            own.unlink()
        key = path.read_bytes()
        return key if len(key) == 32 else None
    return None
