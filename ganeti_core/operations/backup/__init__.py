"""Exports of instances, and the way back."""
