"""Scenes as data, played to the box's judgement: what `procrastobot bench scenarios` runs."""
