"""The kinds that the core knows, by name."""

from __future__ import annotations

from typing import Any

from .authenticator import AUTHENTICATORS
from .collector import COLLECTORS
from .disk import DISK_TEMPLATES
from .extstorage import EXTSTORAGE
from .hypervisor import HYPERVISORS
from .iallocator import IALLOCATORS
from .kinds import Kind
from .network import NETWORK_BACKENDS
from .network_services import NETWORK_SERVICES
from .os import OS_DEFINITIONS

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        HYPERVISORS, DISK_TEMPLATES, NETWORK_BACKENDS, NETWORK_SERVICES, EXTSTORAGE,
        OS_DEFINITIONS, COLLECTORS, IALLOCATORS, AUTHENTICATORS
    )
}
