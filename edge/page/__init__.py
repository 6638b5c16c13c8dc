"""The page: a process of its own, which starts when somebody comes (`procrastobot page`)."""
