"""Functions about texts and lists of anything."""

from __future__ import annotations

from optillm_simulator.skills.kinds import MANY, Fault, Kind, reads

OTHERS: tuple[Kind, ...] = (
    Kind(
        "clamp",
        ("value", "low", "high"),
        (
            "returns `value` limited to the range from `low` to `high`",
            "clamps a value between a lower and an upper limit",
        ),
        reads(r"\bclamp\w*|\blimited to the range\b()"),
        (
            "return {outer}(low, {inner}(value, high))",
            "if value < low:\n    return low\nif value > high:\n    return {top}\nreturn value",
        ),
        {"outer": "max", "inner": "min", "top": "high"},
        (
            Fault({"outer": "min", "inner": "max"}, "The two limits are exchanged."),
            Fault({"top": "high - 1"}, "What is above `high` becomes one less than `high`."),
        ),
        lambda _: ((5, 1, 10), (0, 1, 10), (15, 1, 10)),
        lambda value, low, high, _: max(low, min(value, high)),
    ),
    Kind(
        "unique",
        ("items",),
        (
            "returns the list without duplicates, keeping the first occurrence of each element",
            "removes repeated elements of `items` and keeps the order of first occurrence",
        ),
        reads(r"\b(?:without duplicates|(?:remov|dedup)\w*[^.]{0,20}\b(?:duplicate|repeated)\w*)()"),
        (
            "OUT = []\nfor ITEM in {source}:\n    if ITEM not in OUT:\n        OUT.append(ITEM)\nreturn {out}",
            "return {whole}(dict.fromkeys({source}))",
        ),
        {"source": "items", "out": "OUT", "whole": "list"},
        (
            Fault({"out": "sorted(OUT)", "whole": "sorted"}, "The result is sorted."),
            Fault({"source": "reversed(items)"}, "It goes through the list from the end."),
        ),
        lambda _: (([3, 1, 3, 2, 1],), ([],), ([5, 5],)),
        lambda items, _: list(dict.fromkeys(items)),
    ),
    Kind(
        "repeat_each",
        ("items",),
        (
            "returns a list in which every element appears {k} times in a row",
            "repeats each element of `items` {k} times, keeping the order",
        ),
        reads(rf"\b(?:every|each) element\b{MANY}(\d+) times"),
        (
            "return [ITEM for ITEM in items for INDEX in range({k}{off})]",
            "OUT = []\nfor ITEM in items:\n    OUT.extend([ITEM] * ({k}{off}))\nreturn OUT",
        ),
        {"off": ""},
        (
            Fault({"off": " - 1"}, "Each appears once less than that."),
            Fault({"off": " + 1"}, "Each appears once more than that."),
        ),
        lambda _: (([1, 2],), ([],), (["x"],)),
        lambda items, k: [entry for entry in items for _ in range(k)],
    ),
    Kind(
        "every_nth",
        ("items",),
        (
            "returns a list of every {k}th element, starting with the {k}th",
            "picks each {k}th element of `items`, the first of them being the {k}th",
        ),
        reads(r"\b(?:every|each) (\d+)th element"),
        (
            "return items[{first}::{k}]",
            "OUT = []\nfor INDEX in range({first}, len(items), {k}):\n    OUT.append(items[INDEX])\nreturn OUT",
        ),
        {"first": "{k} - 1"},
        (
            Fault({"first": "0"}, "It starts with the very first element."),
            Fault({"first": "{k}"}, "It starts one element later than that."),
        ),
        lambda _: ((list(range(10, 30)),), ([],), ([1, 2],)),
        lambda items, k: items[k - 1 :: k],
    ),
    Kind(
        "count_vowels",
        ("text",),
        (
            "returns how many vowels (a, e, i, o, u, in either case) the text contains",
            "counts the vowels of a text, upper and lower case alike",
        ),
        reads(r"\b(?:how many|counts?|number of)\b[^.]{0,20}\bvowels\b()"),
        (
            'return sum(ITEM in "{vowels}" for ITEM in text{lower})',
            'ACC = 0\nfor ITEM in text{lower}:\n    if ITEM in "{vowels}":\n        ACC += 1\nreturn ACC',
        ),
        {"vowels": "aeiou", "lower": ".lower()"},
        (
            Fault({"lower": ""}, "Only small letters count."),
            Fault({"vowels": "aeio"}, "The letter u does not count."),
        ),
        lambda _: (("Queue",), ("AEIOU",), ("rhythm",), ("",)),
        lambda text, _: sum(entry in "aeiou" for entry in text.lower()),
    ),
    Kind(
        "reverse_words",
        ("text",),
        (
            "returns the words of the text in reverse order, separated by single spaces",
            "reverses the order of the words in a text and joins them with single spaces",
        ),
        reads(r"\bwords\b[^.]{0,30}\breverse order\b|\brevers\w+ the order of the words\b()"),
        ('return "{gap}".join({one})', 'return "{gap}".join({other})'),
        {"gap": " ", "one": "reversed(text.split())", "other": "text.split()[::-1]"},
        (
            Fault(
                {
                    "one": "ITEM[::-1] for ITEM in text.split()",
                    "other": "[ITEM[::-1] for ITEM in text.split()]",
                },
                "What is reversed is each single word, not their order.",
            ),
            Fault({"gap": ""}, "No space is put between them."),
        ),
        lambda _: (("one two three",), ("hello",), ("",)),
        lambda text, _: " ".join(reversed(text.split())),
    ),
    Kind(
        "initials",
        ("text",),
        (
            "returns the first letters of all words of the text as one string in upper case",
            "joins the initials of the words in a text, as capitals",
        ),
        reads(r"\binitials\b|\bfirst letters?\b[^.]{0,20}\bwords\b()"),
        (
            'return "".join(ITEM[{at}]{case} for ITEM in text.split())',
            'OUT = ""\nfor ITEM in text.split():\n    OUT += ITEM[{at}]{case}\nreturn OUT',
        ),
        {"at": "0", "case": ".upper()"},
        (
            Fault({"case": ""}, "Each letter keeps its case."),
            Fault({"at": "-1"}, "It takes the last letter of each word."),
        ),
        lambda _: (("ada lovelace",), ("Grace Brewster hopper",), ("",)),
        lambda text, _: "".join(entry[0].upper() for entry in text.split()),
    ),
    Kind(
        "is_palindrome",
        ("text",),
        (
            "returns whether the text reads the same backwards, ignoring case",
            "tells whether a text is a palindrome; upper and lower case are the same",
        ),
        reads(r"\bpalindrome\b|\bsame backwards\b()"),
        (
            "ACC = text{lower}\nreturn ACC == ACC[::-1]",
            "ACC = text{lower}\nfor INDEX in range({start}len(ACC) // 2):\n    if ACC[INDEX] != ACC[-1 - INDEX]:\n"
            "        return False\nreturn True",
        ),
        {"lower": ".lower()", "start": ""},
        (
            Fault({"lower": ""}, "Capitals and small letters differ."),
            Fault({"start": "1, "}, "The first and the last letter are not compared."),
        ),
        lambda _: (("Level",), ("xbbz",), ("",)),
        lambda text, _: text.lower() == text.lower()[::-1],
    ),
)
