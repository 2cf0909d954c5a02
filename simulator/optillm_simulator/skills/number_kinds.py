"""Functions about numbers."""

from __future__ import annotations

from math import gcd

from optillm_simulator.skills.kinds import MANY, Fault, Kind, reads

_LOOP = "ACC = {start}\nfor ITEM in numbers:\n    if ITEM "

NUMBERS: tuple[Kind, ...] = (
    Kind(
        "sum_above",
        ("numbers",),
        (
            "returns the sum of all numbers in the list that are greater than {k}",
            "adds up those elements of `numbers` that are greater than {k}",
        ),
        reads(rf"\b(?:sums?|add(?:s|ing)? up|total)\b{MANY}\b(?:greater|larger|bigger|more) than (\d+)"),
        (
            _LOOP + "{op} {k}:\n        ACC += ITEM\nreturn ACC",
            "return sum(ITEM for ITEM in numbers if ITEM {op} {k})",
        ),
        {"op": ">", "start": "0"},
        (
            Fault({"op": ">="}, "Numbers equal to {k} count as well."),
            Fault({"start": "1"}, "The sum starts at 1."),
        ),
        lambda k: (([k - 1, k, k + 1, k + 5],), ([],), ([-3, k],)),
        lambda numbers, k: sum(number for number in numbers if number > k),
    ),
    Kind(
        "count_multiples",
        ("numbers",),
        (
            "returns how many numbers in the list are divisible by {k}",
            "counts the multiples of {k} among `numbers`",
        ),
        reads(rf"\b(?:how many|count\w*|number of)\b{MANY}\b(?:divisible by|multiples of) (\d+)"),
        (
            _LOOP + "% {k} == {rest}:\n        ACC += 1\nreturn ACC",
            "return len([ITEM for ITEM in numbers if ITEM % {k} == {rest}])",
        ),
        {"rest": "0", "start": "0"},
        (
            Fault({"rest": "1"}, "What counts is a remainder of 1."),
            Fault({"start": "1"}, "The count starts at 1."),
        ),
        lambda k: (([k, 2 * k, 2 * k + 1, 1, 0],), ([],), ([k + 1],)),
        lambda numbers, k: sum(number % k == 0 for number in numbers),
    ),
    Kind(
        "keep_up_to",
        ("numbers",),
        (
            "returns a list of the numbers that are at most {k}, in their original order",
            "keeps only the elements of `numbers` that are at most {k}",
        ),
        reads(rf"\b(?:list|keep\w*|filter\w*|only)\b{MANY}\b(?:at most|no more than|up to) (\d+)"),
        (
            "OUT = []\nfor ITEM in numbers:\n    if ITEM {op} {k}:\n        OUT.append(ITEM)\nreturn OUT{tail}",
            "return [ITEM for ITEM in numbers if ITEM {op} {k}]{tail}",
        ),
        {"op": "<=", "tail": ""},
        (
            Fault({"op": "<"}, "{k} itself is left out."),
            Fault({"tail": "[::-1]"}, "The result is in reverse order."),
        ),
        lambda k: (([k, 1, k + 1, k - 1],), ([],), ([k + 2, k],)),
        lambda numbers, k: [number for number in numbers if number <= k],
    ),
    Kind(
        "spread",
        ("numbers",),
        (
            "returns the difference between the largest and the smallest number of the list, and 0 for an empty list",
            "gives the range of `numbers`, that is the largest minus the smallest, or 0 when there are none",
        ),
        reads(r"\b(?:largest|maximum|biggest)\b[^.]{0,20}(?:and|minus)[^.]{0,12}\b(?:smallest|minimum)\b()"),
        (
            "if not numbers:\n    return {empty}\nreturn max(numbers) - min(numbers){more}",
            "if not numbers:\n    return {empty}\nLOW = HIGH = numbers[0]\nfor ITEM in numbers:\n"
            "    LOW = min(LOW, ITEM)\n    HIGH = max(HIGH, ITEM)\nreturn HIGH - LOW{more}",
        ),
        {"empty": "0", "more": ""},
        (
            Fault({"more": " + 1"}, "Both ends count, so that 1 is added."),
            Fault({"empty": "None"}, "An empty list gives None."),
        ),
        lambda _: (([3, 9, 4, 11],), ([],), ([-2, -8],)),
        lambda numbers, _: max(numbers) - min(numbers) if numbers else 0,
    ),
    Kind(
        "running_max",
        ("numbers",),
        (
            "returns a list with the largest number seen so far at every place",
            "returns the running maximum of `numbers` as a list",
        ),
        reads(r"\brunning max\w*|\b(?:largest|maximum|biggest)\b[^.]{0,30}\bso far\b()"),
        (
            "OUT = []\nfor ITEM in numbers:\n    if not OUT or ITEM {op} OUT[-1]:\n        OUT.append(ITEM)\n"
            "    else:\n        OUT.append(OUT[-1])\nreturn OUT",
            "OUT = []\nBEST = {first}\nfor ITEM in numbers:\n    BEST = {pick}(BEST, ITEM)\n    OUT.append(BEST)\n"
            "return OUT",
        ),
        {"op": ">", "pick": "max", "first": 'float("-inf")'},
        (
            Fault({"first": "0"}, "The maximum never falls below 0."),
            Fault(
                {"op": "<", "pick": "min", "first": 'float("inf")'},
                "It is the smallest that is kept instead.",
            ),
        ),
        lambda _: (([3, 1, 4, 1, 5],), ([-2, -5],), ([],)),
        lambda numbers, _: [max(numbers[: at + 1]) for at in range(len(numbers))],
    ),
    Kind(
        "running_total",
        ("numbers",),
        (
            "returns a list of the running totals",
            "returns the cumulative sums of `numbers` as a list",
        ),
        reads(r"\b(?:running (?:total|sum)|cumulative (?:total|sum)|prefix sum)s?\b()"),
        (
            "OUT = []\nACC = {start}\nfor ITEM in numbers:\n    {order}\nreturn OUT",
            "return [sum(numbers[:{end}]) for INDEX in range(len(numbers))]",
        ),
        {"start": "0", "order": "ACC += ITEM\n    OUT.append(ACC)", "end": "INDEX + 1"},
        (
            Fault(
                {"order": "OUT.append(ACC)\n    ACC += ITEM", "end": "INDEX"},
                "Each total leaves out the number at its own place.",
            ),
            Fault({"start": "1"}, "The totals start at 1."),
        ),
        lambda _: (([1, 2, 3],), ([5],), ([],)),
        lambda numbers, _: [sum(numbers[: at + 1]) for at in range(len(numbers))],
    ),
    Kind(
        "digit_sum",
        ("n",),
        (
            "returns the sum of the decimal digits of the integer `n`, ignoring its sign",
            "adds up the digits of a whole number; the sign does not matter",
        ),
        reads(r"\b(?:sum|add\w* up|total)\b[^.]{0,30}\bdigits\b()"),
        (
            "return sum(int(ITEM) for ITEM in str(abs(n)){cut})",
            "n = abs(n)\nACC = {start}\nwhile n > {floor}:\n    ACC += n % 10\n    n //= 10\nreturn ACC",
        ),
        {"cut": "", "start": "0", "floor": "0"},
        (
            Fault({"cut": "[1:]", "floor": "9"}, "The leading digit is left out."),
            Fault({"start": "1"}, "One is added to the sum."),
        ),
        lambda _: ((123,), (7,), (-45,), (0,)),
        lambda n, _: sum(map(int, str(abs(n)))),
    ),
    Kind(
        "greatest_common_divisor",
        ("a", "b"),
        (
            "returns the greatest common divisor of two non-negative integers",
            "gives the largest whole number that divides both `a` and `b`",
        ),
        reads(r"\bgreatest common divisor\b|\bgcd\b|\blargest\b[^.]{0,30}\bdivides both\b()"),
        (
            "while b > {floor}:\n    a, b = b, a % b\nreturn a",
            "for ITEM in range(min(a, b), {last}, -1):\n    if a % ITEM == 0 and b % ITEM == 0:\n        return ITEM\n"
            "return max(a, b)",
        ),
        {"floor": "0", "last": "0"},
        (
            Fault({"floor": "1"}, "A remainder of 1 ends the search early."),
            Fault({"last": "1"}, "When only 1 divides both, the larger of the two is returned."),
        ),
        lambda _: ((12, 18), (8, 3), (7, 0), (5, 5)),
        lambda a, b, _: gcd(a, b),
    ),
)
