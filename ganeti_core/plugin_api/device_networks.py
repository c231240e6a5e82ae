"""Network back ends that connect an interface of the node to something that the node has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import ClassVar

from ganeti_core.errors import GanetiError, OpExecError

from .context import HookContext
from .data import Description, InstanceSpec, NetworkLink, NicSpec
from .kinds import hookimpl
from .network import DEVICE_LINK, link_of


class DeviceNetwork(ABC):
    """The hooks `describe` and `attach` of such a back end, whose own are `check` and `detach`.

    A subclass says what it is, `title` and `capabilities`, and has `connect`. Its `check` takes
    ``ctx, links``, and its `detach` the same as `connect`.
    """

    title: ClassVar[str]
    capabilities: ClassVar[frozenset[str]] = frozenset({DEVICE_LINK})
    api_version: ClassVar[int] = 0

    @abstractmethod
    def check(self, ctx: HookContext, links: tuple[NetworkLink, ...]) -> list[str]:
        """The hook of this name, asked before each `connect`, too."""

    @abstractmethod
    def connect(
        self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> None:
        """Connect `device` to the card's link, which is there; `detach` follows if this fails."""

    @abstractmethod
    def detach(
        self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str
    ) -> None:
        """The hook of this name."""

    @hookimpl
    def describe(self) -> Description:
        return Description(self.api_version, self.title, capabilities=self.capabilities)

    @hookimpl
    def attach(self, ctx: HookContext, nic: NicSpec, instance: InstanceSpec, device: str) -> None:
        if problems := self.check(ctx, (link_of(nic),)):
            raise OpExecError("; ".join(problems))
        try:
            self.connect(ctx, nic, instance, device)
        except BaseException:
            with suppress(GanetiError):  # the hypervisor calls it again, and this reason counts
                self.detach(ctx, nic, instance, device)
            raise
