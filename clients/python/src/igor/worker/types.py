"""A task type as this worker serves it: its keys, its function, and what its settings in Redis say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .handlers import Handler

CONTRACT = 1
GROUP = "igor"
LANES = ("0", "1", "2")


class Kind:
    """A type `Q/T`. Where its settings are missing, the contract's defaults hold."""

    def __init__(self, prefix: str, name: str, handler: Handler, most: int | None = None) -> None:
        self.name, self.handler = name, handler
        self._most = handler.most if most is None else most
        base = f"{prefix}:{{{name}}}:"
        self.lanes = {lane: f"{base}q{lane}" for lane in LANES}
        self.results, self.meta, self.control = base + "r", base + "meta", base + "ctl"
        self.ready = False  # its group is there
        self.generation: str | None = None
        self.lease, self.grace = 30.0, 600.0
        self.batch_max, self.batch_delay, self.share = 100, 0.0, 0

    @property
    def batch(self) -> int:
        """The most tasks of one call."""
        return min(self._most, self.batch_max)

    @property
    def wanted(self) -> int:
        """The most tasks to ask for, for one slot."""
        return min(self.batch, self.share) if self.share > 0 else self.batch

    def learn(self, meta: dict[bytes, bytes]) -> bool:
        """Takes over what `meta` says; False: the type has none, or one of another contract. What was known then goes on."""
        fields = {name.decode(): value.decode() for name, value in meta.items()}
        self.generation = fields.get("gen")
        if fields.get("v") != str(CONTRACT):
            return False
        self.lease = int(fields.get("lease_ms", 30_000)) / 1000
        self.grace = int(fields.get("grace_ms", 600_000)) / 1000
        self.batch_max = max(1, int(fields.get("batch_max", 100)))
        self.batch_delay = int(fields.get("batch_delay_ms", 0)) / 1000
        self.share = int(fields.get("share", 0))
        return True
