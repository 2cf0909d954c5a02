"""Evaluations: techniques and models compared on questions with known answers.

A run goes through the modules in this order: `files`, `shapes`, `questions` and `suites` say what is asked, `targets`
who answers, `scorers` what an answer is worth, `forecast` what all of it will take; `runner` does it through
`answering`, writes `results` and shows `progress`. `summary` compares them, with the formulas of `statistics` and, from
the `candidates`, the measures of `selection`; `tables` makes it text. `evaluation` is all of this together.
"""
