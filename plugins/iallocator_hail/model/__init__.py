"""The cluster as arrays: state of nodes, changes to it, and its score."""
