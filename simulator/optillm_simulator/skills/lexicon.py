"""The words of stories: verbs that give, take, share or cost, and the small words around them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from optillm_simulator.vocabulary import vocabulary

Act = Literal["hold", "gain", "lose", "share", "pack", "scale", "cost", "stay"]


class Verb(NamedTuple):
    """What a verb does to an amount, and its plain form."""

    act: Act
    lemma: str


# The forms of one verb stand together, the plain form first; verbs are separated by commas.
_FORMS: dict[Act, str] = {
    "hold": """have has had having, own owns owned, hold holds held, contain contains contained, start starts
        started, begin begins began, be is are was were""",
    "gain": """buy buys bought buying, get gets got getting, receive receives received receiving, find finds
        found finding, pick picks picked picking, earn earns earned earning, collect collects collected
        collecting, gain gains gained gaining, add adds added adding, bake bakes baked baking, make makes made
        making, win wins won winning, gather gathers gathered gathering, grow grows grew, harvest harvests
        harvested harvesting, catch catches caught catching, arrive arrives arrived arriving, come comes came,
        join joins joined joining, land lands landed, enter enters entered, board boards boarded, hatch hatches
        hatched, plant plants planted planting, save saves saved saving, order orders ordered ordering, read
        reads reading, write writes wrote writing, walk walks walked walking, run runs ran running, drive drives
        drove driving, cycle cycles cycled cycling, travel travels traveled travelled, score scores scored
        scoring, produce produces produced producing, print prints printed printing, borrow borrows borrowed
        borrowing, bring brings brought bringing, deliver delivers delivered, lay lays laid, paint paints
        painted, fill fills filled, type types typed, solve solves solved, swim swims swam, hike hikes hiked""",
    "lose": """give gives gave given giving, lose loses lost losing, eat eats ate eaten eating, sell sells sold
        selling, use uses used using, spend spends spent spending, break breaks broke broken breaking, donate
        donates donated donating, throw throws threw thrown throwing, drop drops dropped dropping, remove
        removes removed removing, take takes took taken taking, leave leaves left leaving, fly flies flew, exit
        exits exited, burn burns burned burnt, spill spills spilled, pay pays paid paying, drink drinks drank
        drunk drinking, return returns returned returning, lend lends lent lending, hand hands handed, waste
        wastes wasted, discard discards discarded, melt melts melted, die dies died, pop pops popped, go
        goes went, wilt wilts wilted, misplace misplaces misplaced, consume consumes consumed""",
    "share": """share shares shared sharing, divide divides divided dividing, split splits splitting, distribute
        distributes distributed distributing""",
    "pack": """pack packs packed packing, put puts putting, place places placed placing, arrange arranges
        arranged arranging, sort sorts sorted, bundle bundles bundled, group groups grouped""",
    "scale": """double doubles doubled doubling, triple triples tripled tripling, quadruple quadruples
        quadrupled, halve halves halved halving""",
    "cost": "cost costs costing, charge charges charged",
    "stay": "remain remains remained, work works worked, need needs needed, want wants wanted",
}

VERBS: dict[str, Verb] = {
    form: Verb(act, forms.split()[0])
    for act, group in _FORMS.items()
    for forms in group.split(",")
    for form in forms.split()
}

FACTORS = {"double": 2, "triple": 3, "quadruple": 4}
AUXILIARIES = vocabulary(
    "is are was were be been being has have had will would can could did does do to wants decides plans needs"
)
ADVERBS = vocabulary("also then not already still now later first originally initially")
# Words that are nouns as often as verbs: after a number or a determiner they are nouns.
NOUNISH = vocabulary(
    "plants drinks packs cost share shares lands runs walks drops places groups catch cycle works orders score"
    " scores paint prints order types bundles returns print plant type land hands"
)
DETERMINERS = vocabulary("a an the his her their its my our your each every of some these those this")
PRONOUNS = vocabulary("he she they it we i you him her them us me")
PREPOSITIONS = vocabulary(
    "to from for at in on of with by into among amongst between during after before over under onto inside than"
    " as per containing holding through until since around about"
)
# Where the name of a counted thing ends.
ENDS = PREPOSITIONS | vocabulary(
    "each every apiece a an more away left today yesterday tomorrow then now equally evenly together altogether"
    " back out off home too also again later remaining total are is was were has have had so the his her their"
    " its all who which that up down off here there do does did can could will would must should if when and or but"
)
MORE = vocabulary("more additional extra other another further new")
TIMES = vocabulary("second minute hour day night morning evening week weekend month year trip shift")
PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10,
}  # fmt: skip
EVERYONE = vocabulary("together altogether combined all both they them")
