"""Server-sent events, parsed as the bytes come in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """One event: its name ("message" if it has none) and its data."""

    name: str
    data: str


class EventParser:
    """Turns pieces of a text/event-stream into events; comments (heartbeats) yield none."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """Return the events that are complete with this piece."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        events = [self._line(line.rstrip(b"\r").decode("utf-8", "replace")) for line in lines]
        return [event for event in events if event is not None]

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        return None

    def _complete(self) -> ServerEvent | None:
        event = ServerEvent(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data = "", []
        return event
