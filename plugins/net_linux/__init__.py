"""Networks of a Linux node: bridges, routing tables, Open vSwitch, the administrator's scripts.

And none: ``user``, where the hypervisor's own user-mode network serves the card.
"""

from .bridged import BridgedNetwork
from .openvswitch import OpenvswitchNetwork
from .routed import RoutedNetwork
from .scripts import ScriptNetwork
from .user import UserNetwork

__all__ = [
    "BridgedNetwork", "OpenvswitchNetwork", "RoutedNetwork", "ScriptNetwork", "UserNetwork"]
