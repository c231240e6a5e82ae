"""Services around helper guests: the copy of the image that one is booted from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.helper_images import MIB, HelperImages, package_of
from ganeti_core.node.services.arguments import decode

if TYPE_CHECKING:
    from ganeti_core.node.state import NodeState


def _images(state: NodeState) -> HelperImages:
    return HelperImages(state.world.local.paths.root)


@dataclass(frozen=True)
class ImageArgs:
    """Of ``helper.image``: the instance's uuid, and a path or URL."""

    instance: str
    image: str


def image(state: NodeState, args: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Return ``{"path": ..., "size": MiB, "package": path}`` of a new copy."""
    asked = decode(ImageArgs, args)
    path = _images(state).make(asked.instance, asked.image, deadline)
    return {"path": str(path), "size": path.stat().st_size // MIB,
            "package": str(package_of(path))}


@dataclass(frozen=True)
class CheckArgs:
    """Of ``helper.check``: a path or URL."""

    image: str


def check(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """See whether an image can be used, without a copy of it."""
    _images(state).check(decode(CheckArgs, args).image)


@dataclass(frozen=True)
class ForgetArgs:
    """Of ``helper.forget``."""

    instance: str


def forget(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Remove the copy."""
    _images(state).forget(decode(ForgetArgs, args).instance)
