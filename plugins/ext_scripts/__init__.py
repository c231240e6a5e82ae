"""ExtStorage providers that are folders of scripts, as programs of storage vendors install them."""

from .source import ProviderDirectories

__all__ = ["ProviderDirectories"]
