"""Where instances go: nodes are chosen by allocators, what they need there is set aside.

Imports in here run only downward: ``new_instance`` and ``move`` choose for one instance; below them
``choose`` asks allocators (``document``, ``request``: what they are sent; ``allocators``,
``allocator_process``: where they run), ``retry`` chooses again while jobs compete, ``memory`` and
``disk_space`` set aside what is needed and see whether a node has it, ``nodes`` says which nodes
can take an instance at all, ``lacking`` which lack a driver for it.
"""
