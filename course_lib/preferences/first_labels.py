"""Ten pairs of replies, written for this course, from which lesson 00 learns what its reader likes.

Each reply is told by three features that a program can see: its length, whether it speaks to you ("you", "your"), and
whether it gives an example. A Bradley–Terry model with one weight a feature is fitted to the reader's clicks.
Taught in lesson 00, section 0.5; the model is explained in lesson 03.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.preferences.bradley_terry import bradley_terry_loss, preference_probability

FEATURES = ("long", "speaks to you", "gives an example")


@dataclass(frozen=True)
class ReplyPair:
    """Two replies to one request."""

    prompt: str
    first: str
    second: str


PAIRS = (
    ReplyPair("Why is the sky blue?",
              "Air scatters blue light more than red light, so blue reaches us from everywhere.",
              "Sunlight holds all colours. Air scatters the blue part more than the red part, so wherever you "
              "look, some blue is sent your way. In the evening the light crosses more air, and you see what is "
              "left: red."),
    ReplyPair("How do I learn to cook?",
              "Start with one dish a week. For example, make the same omelette every Sunday until it works, then "
              "change one thing.",
              "Start with one dish a week and repeat it until it works."),
    ReplyPair("What is a good habit for the morning?",
              "Drinking a glass of water after getting up.",
              "You could drink a glass of water as soon as you get up. Your head will thank you."),
    ReplyPair("What is inflation?",
              "Inflation is a general rise in prices over time, which lowers what a unit of money can buy.",
              "Prices rise and money buys less. For example, bread that cost 2.00 last year costs 2.10 now: 5% "
              "inflation."),
    ReplyPair("Should I take the train or the bus?",
              "The train is faster, the bus is cheaper. Which of the two matters more to you today?",
              "The train is faster. The bus is cheaper."),
    ReplyPair("How does a vaccine work?",
              "A vaccine shows the immune system a harmless piece of a germ, so that it is ready when the germ "
              "comes.",
              "Your body learns from a harmless piece of the germ. For example, a flu shot carries pieces of the "
              "flu virus; when you meet the real virus, your defences already know it."),
    ReplyPair("Give me a tip for writing emails.",
              "Put the request in the first sentence and keep the message under five lines.",
              "Put your request in the first sentence. For example: \"Could you send me the report by Friday?\" "
              "Everything that the reader needs can follow below; most of it, you will find, is not needed."),
    ReplyPair("What makes bread rise?",
              "Yeast eats sugar in the dough and gives off gas. The gas forms bubbles, the dough holds them, and "
              "the heat of the oven makes them grow before the crumb sets around them.",
              "Yeast gives off gas, and the dough holds the bubbles."),
    ReplyPair("How can I sleep better?",
              "Keep the same hours every day, also on weekends.",
              "Keep the same hours every day. For example: in bed at eleven, up at seven, also on Sundays."),
    ReplyPair("Why do cats purr?",
              "You hear it mostly when your cat is content, but cats also purr when they are hurt, perhaps to "
              "calm themselves.",
              "Cats purr when content, and also when hurt."),
)


def reply_features(text: str) -> Tensor:
    """Three numbers about a reply, (3,): its length in units of 20 words, then 0 or 1 for each other feature."""
    words = text.lower().replace(":", " ").replace(".", " ").replace(",", " ").replace("?", " ").split()
    speaks = any(word in ("you", "your") for word in words)
    return torch.tensor([len(words) / 20, float(speaks), float("for example" in text.lower())])


@dataclass(frozen=True)
class ReplyReward:
    """A reward model of replies: linear in their features, fitted to a few clicks."""

    weights: Tensor                 # (3,), in the order of FEATURES; positive: liked

    def probability(self, first: str, second: str) -> float:
        """How likely this person is to prefer the first of two replies."""
        gap = reply_features(first) @ self.weights, reply_features(second) @ self.weights
        return preference_probability(*gap).item()


def fit_reply_reward(preferences: Sequence[tuple[str, str, float]], pull: float = 0.1) -> ReplyReward:
    """Fit the three weights to preferences (first reply, second reply, mu); `pull` holds the weights near zero.

    Raises ValueError without a single preference.
    """
    if not preferences:
        raise ValueError("there are no preferences to learn from: label a few pairs first")
    first = torch.stack([reply_features(one) for one, _, _ in preferences])         # (pairs, 3)
    second = torch.stack([reply_features(two) for _, two, _ in preferences])        # (pairs, 3)
    mu = torch.tensor([float(mu) for _, _, mu in preferences])                      # (pairs,)
    weights = torch.zeros(len(FEATURES), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = bradley_terry_loss(first @ weights, second @ weights, mu) + pull * weights.square().sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    return ReplyReward(weights.detach())
