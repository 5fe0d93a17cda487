"""A backend in play: makes the rows that a real one writes, with its faults, and keeps what is true of each call.

:func:`tests.backend.play.play` gives a :class:`tests.backend.play.World`; the same seed gives the same world. It knows
nothing of the rules that it is there to measure.
"""
