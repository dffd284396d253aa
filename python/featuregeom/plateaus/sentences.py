"""Plain sentences to measure a language model on, where there are no others: all end in one full stop."""

from __future__ import annotations

__all__ = ["SENTENCES"]

SENTENCES = (
    "The harbour was quiet after the storm.", "She sold the old piano last spring.",
    "Prices rose faster than wages this year.", "A fox crossed the frozen river at dawn.",
    "The committee rejected the second proposal.", "He never learned to ride a bicycle.",
    "Two trains leave the station every hour.", "The soup needs more salt and pepper.",
    "Her thesis is about medieval bridges.", "The children built a castle of sand.",
    "Rain fell on the roof all night long.", "The new engine uses much less fuel.",
    "My neighbour grows tomatoes and beans.", "The orchestra tuned before the concert.",
    "Doctors advised him to rest for a week.", "The museum opens at nine on Sundays.",
    "An old map showed the hidden valley.", "The court will hear the case in May.",
    "They painted the kitchen walls yellow.", "The satellite lost contact with Earth.",
    "Bread is cheaper at the corner shop.", "The striker scored in extra time.",
    "Snow closed the mountain pass again.", "The editor shortened every chapter.",
)  # fmt: skip
