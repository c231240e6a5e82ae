"""What plugins receive of instances, disks and network cards, made from the configuration.

An object need not be in the configuration yet: the snapshot is where what it refers to is looked
up (the cluster's defaults, node groups, nodes, networks), and nothing is looked up of the object.
``instances`` has instances and their cards, ``disks`` existing disks and the layout of new ones,
``storages`` which storages disks lie in, and what there is of them on a node.
"""
