"""The core of the cluster manager: job engine, locks, config store and plugin host."""

__version__ = "0.1.0"
