"""Procrastobot: a box on a desk that sees the phone being picked up, and says so."""

__version__ = "0.1.0"
