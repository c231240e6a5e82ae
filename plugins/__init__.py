"""The plugins that come with the distribution, each found through its entry point."""
