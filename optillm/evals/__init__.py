"""Evaluations: questions with known answers, put to techniques and models, scored and compared.

A run goes through the modules in this order: `questions` and `suites` say what is asked, `targets` who answers,
`scorers` what an answer is worth, `forecast` what all of it will take; `runner` does it and writes `results`, and
`summary` compares them with the formulas of `statistics`.
"""
