"""Where a server is, and how we prove to it who we are."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.names import authority

Kind = Literal["none", "basic", "bearer", "mtls"]
_NEEDS: dict[Kind, tuple[str, ...]] = {
    "none": (),
    "basic": ("login", "password"),
    "bearer": ("token",),
    "mtls": ("cert", "key"),
}
_ADDRESS = re.compile(
    r"https?://(?P<place>(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@%:\\\[\]]+)(?::[0-9]{1,5})?)(?:/(?!\.\./|\.\.$)[^\s/?#@]*)*",
    re.IGNORECASE,
)


def address(url: str, what: str = "a server's URL") -> str:
    """The URL of a server without the slash at its end; Misconfigured if it is none, or if there is more in it.

    :param what: which one it is, for the message, which shows nothing of it
    """
    if (found := _ADDRESS.fullmatch(url)) and url.isprintable():
        try:
            authority(found["place"])
            found["place"].encode("idna")  # the name that is asked for, where it has other letters than ASCII
        except ValueError as error:
            why = error if type(error) is ValueError else "its host cannot be asked for"
            raise Misconfigured(f"{what}: {why}.") from None
        return url.rstrip("/")
    if "@" in url:
        raise Misconfigured(
            f"{what} holds a login, and addresses are shown everywhere. Put it into login and password of an Airflow "
            "connection, and basic into its auth."
        )
    raise Misconfigured(f"{what} must look like http://host:port or https://host:port/path, and hold no more.")


@dataclass(frozen=True)
class Auth:
    """Credentials for one server. ``cert`` and ``key`` are paths to PEM files. Printing it shows no secret."""

    kind: Kind = "none"
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    cert: str = ""
    key: str = ""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Auth:
        """Reads ``auth`` and what that kind needs; anything else in ``settings`` is not ours to judge."""
        asked = str(settings.get("auth") or "none").lower()
        kind = next((kind for kind in _NEEDS if kind == asked), None)
        if kind is None:
            raise Misconfigured(f"auth: {asked!r} is not known; it may be {', '.join(_NEEDS)}")
        given = {name: str(settings[name]) for name in _NEEDS[kind] if settings.get(name)}
        if missing := [name for name in _NEEDS[kind] if name not in given]:
            raise Misconfigured(f"auth: {kind} needs {' and '.join(missing)}")
        if not (given.get("token", "").isascii() and given.get("token", "").isprintable()):
            raise Misconfigured("auth: the token holds a line break or another character that cannot be sent")
        return cls(kind=kind, **given)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a server could repeat and nobody is to read."""
        sent = self.headers().get("Authorization", "").partition(" ")[2]
        return tuple(value for value in (self.login, self.password, self.token, sent) if value)

    def headers(self) -> dict[str, str]:
        """The headers to send with each request."""
        match self.kind:
            case "basic":
                pair = base64.b64encode(f"{self.login}:{self.password}".encode()).decode()
                return {"Authorization": f"Basic {pair}"}
            case "bearer":
                return {"Authorization": f"Bearer {self.token}"}
            case _:
                return {}
