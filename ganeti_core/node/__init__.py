"""What a node does when asked: run plugins' hooks, and a few services of its own."""
