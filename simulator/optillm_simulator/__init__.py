"""A simulated reasoner behind an OpenAI-compatible endpoint on loopback: `python -m optillm_simulator`.

It lets a newcomer without a key see the techniques work, gives tests a living counterpart, and lets gains be measured
against known truth (`optillm_simulator.problems`). It knows nothing of optillm.
"""
