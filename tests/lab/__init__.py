"""The laboratory: what measures the box, and is on no box.

    procrastobot evaluate           the eyes, on labelled pictures and on frames of clips
    procrastobot bench clips        the whole chain, on real footage
    procrastobot bench taught       what showing things to the box is worth
    procrastobot bench scenarios    the whole chain, in simulated hours

In a checkout the command line hands over to `python -m tests.lab`; arrows go from here to `edge`,
never back (tests/test_architecture.py).
"""
