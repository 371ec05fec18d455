"""Eight short texts to summarize and a summary of each, written for this course, so that they may be kept and shown.

Lesson 13. Four are news in the manner of the rated articles; four are of other kinds (a letter, a recipe, minutes, a
story), far from anything that the annotators rated. Persons, places and events are invented. The reference summaries
have 24 to 48 tokens and use words of their own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextToSummarize:
    """A text, and how a person who read it would sum it up."""

    kind: str                       # "news", or what else it is
    text: str
    reference: str


TEXTS: tuple[TextToSummarize, ...] = (
    TextToSummarize("news", (
        "The town council of Harlow Bay voted on Tuesday to close the old harbour road to cars from May. The "
        "decision follows three winters in which storms washed parts of the road into the sea. Repairs had cost 2.4 "
        "million over that time, the treasurer said, and none had lasted longer than a year. Shopkeepers along the "
        "road objected. \"People do not walk a mile for a loaf of bread,\" said Ida Marsh, who has run the bakery "
        "there since 1998. The council promised a small electric bus that will run every ten minutes, free of "
        "charge for the first two years. A plan to rebuild the road further inland was rejected as too expensive. "
        "The mayor called the vote a sad but honest answer to a rising sea."),
        "Harlow Bay will close its storm-damaged harbour road to cars in May, because repairs never last. "
        "Shopkeepers fear for their trade; a free electric bus is to bring people instead."),
    TextToSummarize("news", (
        "A school in the north of the country has replaced homework with an hour of reading in the afternoon, and "
        "teachers say that marks have not suffered. At Linden School, 240 pupils between eight and eleven stay "
        "until four o'clock and read whatever they like. The experiment began two years ago, after a survey found "
        "that half of the children did their homework late at night or not at all. Since then the school has bought "
        "3,000 books, most of them second hand. In last summer's tests the pupils did as well in mathematics as "
        "before and slightly better in reading. Some parents are not convinced. \"They will have to learn to work "
        "alone some day,\" one father said. The ministry will send inspectors in autumn before other schools may "
        "follow."),
        "Linden School swapped homework for an hour of free reading, and after two years its pupils' results are as "
        "good as before. Some parents doubt it, and inspectors will visit in autumn."),
    TextToSummarize("news", (
        "Engineers have found the cause of the power cut that left 60,000 homes dark on Sunday night: a family of "
        "martens had moved into a substation near Orvel. One of the animals touched two contacts at once, the grid "
        "company said on Monday. The protection switched off the line within a tenth of a second, as it should, but "
        "a second line was being painted and could not take over. Power returned in most districts after forty "
        "minutes and everywhere by two in the morning. Hospitals ran on their own generators. The company "
        "apologised and said that it would close the gaps in its fences within a month. The animals that survived "
        "have been moved to a forest. It was the third such case this year, and the regulator has asked for a "
        "report."),
        "A marten in a substation near Orvel cut the power of 60,000 homes on Sunday because the spare line was "
        "being painted. The company will mend its fences, and the regulator wants a report."),
    TextToSummarize("news", (
        "After 41 years the Bellmont choir has a new conductor, and she is nineteen. Tove Lind won the post on "
        "Saturday against eleven others, most of them twice her age. The singers, who voted in secret, heard each "
        "candidate rehearse the same eight bars for a quarter of an hour. \"She was the only one who asked us why "
        "we sing it that way,\" said one of the basses. Lind grew up in the village, played the organ at twelve and "
        "is still a student. Her predecessor, Anton Brek, retires after a long illness and was in the audience. She "
        "plans fewer concerts and one new piece a year, written for the choir. The first, with texts by local "
        "children, will be heard in December. Tickets for it were sold out within a day."),
        "Tove Lind, a nineteen-year-old student, was elected conductor of the Bellmont choir over eleven older "
        "rivals. She plans fewer concerts and a newly written piece each year."),
    TextToSummarize("a letter", (
        "Dear Nora, thank you for the parcel, which arrived the day before the snow did. The jam survived; one of "
        "the cups did not, but I have glued it and it holds pencils now. You asked how I am getting on. The truth "
        "is that I was miserable until November. The house was cold, I knew nobody, and the bus comes twice a day. "
        "Then the neighbour's goat got into my kitchen and ate the calendar, and her owner came to apologise with a "
        "bottle of cider. Since then I am invited everywhere. On Thursdays we play cards, badly. I have decided to "
        "stay for the summer after all and to let the flat in town. Could you send me my garden shoes and the blue "
        "lamp? And come yourself, in June, when the road is dry. Your brother, Emil."),
        "Emil was lonely in his new home until a neighbour's goat brought him friends. He will stay for the summer, "
        "and asks Nora to send his shoes and a lamp, and to visit in June."),
    TextToSummarize("a recipe", (
        "For this soup you need a kilo of carrots, two onions, a thumb of ginger, a tin of coconut milk and a litre "
        "of stock. Peel the carrots and cut them into coins; the thinner they are, the sooner you eat. Fry the "
        "onions in a little oil on low heat until they are soft, which takes ten minutes and cannot be hurried. Add "
        "the ginger, then the carrots, and stir for two minutes. Pour in the stock and let everything simmer for "
        "twenty minutes. When a fork goes through a carrot without effort, take the pot off the heat, add the "
        "coconut milk and blend it smooth. Taste before you add salt, because stock is salty already. A little lime "
        "juice at the end wakes it up. It keeps for three days in the fridge and is better on the second."),
        "A carrot soup: fry onions slowly, add ginger, carrots and stock, simmer for twenty minutes, then blend "
        "with coconut milk and finish with lime. It tastes better on the second day."),
    TextToSummarize("minutes", (
        "Minutes of the allotment society, 3 March. Present: fourteen members. Apologies: Mr Okafor. The chair "
        "opened the meeting at seven. Item one, water: the pump has failed again. Ms Pell offered to repair it for "
        "the price of the parts, about 80. Agreed, with thanks. Item two, plot nine has not been tended since last "
        "summer. The secretary has written twice without an answer. It was decided by eleven votes to three to "
        "offer it to the first family on the waiting list from April. Item three, bees: Mr Rossi wishes to keep two "
        "hives. Two members are allergic. Put off until Mr Rossi has spoken to both of them. Item four, the summer "
        "party will be on 12 July. Any other business: somebody's cockerel must go. The meeting closed at twenty "
        "past eight."),
        "The society will have its pump repaired, give the neglected plot nine to a waiting family in April and "
        "hold its party on 12 July. The question of beehives was put off."),
    TextToSummarize("a story", (
        "The lighthouse keeper had a rule: never answer the sea. On quiet nights it called him by his name, "
        "politely, as a neighbour does over a fence. For thirty years he polished the lamp and said nothing. Then "
        "the ships stopped coming, for there was a new harbour further south, and a letter told him that the light "
        "would be put out in spring. That evening he sat on the rocks with his supper. \"Well,\" said the sea, "
        "\"and what will you do now?\" He thought about it for a while. \"I have never learned to swim,\" he said "
        "at last. The tide came up to his boots and stopped there. \"Then we begin with the feet,\" said the sea. "
        "When the inspectors came in spring they found the lamp shining, the table laid for two, and wet footprints "
        "that led out of the door."),
        "A lighthouse keeper who never answered the sea speaks to it when his light is to be shut down, and it "
        "offers to teach him to swim. In spring the inspectors find only wet footprints."),
)
