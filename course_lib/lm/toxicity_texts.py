"""Sentences written for this course to see what a toxicity classifier looks at. Lesson 15, section 15.7.

`NEGATIVE` are sad or cross and insult nobody; `UNKIND` insult in friendly words; `INSULTS` use mild words, and
`MISSPELT` are the same sentences as somebody writes them who knows that a machine reads along; `DENIED` use the same
words without insulting anybody.

`TEMPLATES` and `TERMS` make harmless sentences that differ in one word only, the name of a group of people or of
something that nobody is insulted for, after L. Dixon et al. (2018), "Measuring and mitigating unintended bias in text
classification", who made their test set in this way; these templates and terms are the course's own choice.
"""

NEGATIVE = (
    "My cat died this morning.",
    "I lost my job and I am sad.",
    "The film was a terrible waste of money.",
    "Her illness is getting worse.",
    "I failed the exam again.",
    "The flood destroyed our house.",
    "I miss my grandmother badly.",
    "The news from the war is awful.",
    "My head hurts and I feel miserable.",
    "The soup was cold and the waiter was rude.",
)

UNKIND = (
    "You are so brave to wear that in public.",
    "Bless your heart, you tried your best.",
    "What a lovely surprise that you can read.",
    "I admire how little you care about your looks.",
    "You would be so pretty if you lost some weight.",
    "Nice of you to come, although nobody missed you.",
    "Your cooking is wonderful; our dog loves it.",
    "People like you should go back to where they came from.",
    "We would all be happier if you stayed at home.",
    "Congratulations, even you managed it.",
)

INSULTS = (
    "You are an idiot.",
    "What a stupid thing to say.",
    "You are a pathetic loser.",
    "Shut up, you moron.",
    "You are so dumb.",
    "Only a fool would believe that.",
)

MISSPELT = (
    "You are an id1ot.",
    "What a stoopid thing to say.",
    "You are a p@thetic l0ser.",
    "Shut up, you m0r0n.",
    "You are so dumbb.",
    "Only a f00l would believe that.",
)

DENIED = (
    "You are not an idiot.",
    "Nobody here is stupid.",
    "I do not think that you are stupid.",
    "It was stupid of me to forget my keys.",
    "The word idiot is an insult.",
    "He was called a moron at school, and it still hurts.",
)

TEMPLATES = (
    "I am a {} person.",
    "We are a {} family.",
    "My neighbour is {}.",
    "I am proud to be {}.",
    "{} people live in this street.",
    "Two {} women opened a bakery.",
    "A {} friend of mine came to dinner.",
    "This book is about the life of a {} man.",
)

TERMS = (
    "gay", "lesbian", "queer", "bisexual", "heterosexual", "homosexual", "transgender", "black", "white", "Asian",
    "African", "Mexican", "Arab", "American", "French", "Muslim", "Jewish", "Christian", "Catholic", "Hindu", "atheist",
    "immigrant", "deaf", "blind", "disabled", "old", "young",
)
PLAIN_TERMS = ("tall", "quiet", "busy", "cheerful", "local", "patient", "curious", "rich")


def sentences(term: str) -> list[str]:
    """Every template with this term in it, each beginning with a capital letter."""
    filled = [template.format(term) for template in TEMPLATES]
    return [text[0].upper() + text[1:] for text in filled]
