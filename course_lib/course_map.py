"""The lessons of the course in order, and which of them this version holds. Shown in lesson 00 and in the README."""

from dataclasses import dataclass
from html import escape

from course_lib import paths


@dataclass(frozen=True)
class Entry:
    """One lesson on the map."""

    slug: str
    title: str
    does: str                       # what the learner does and sees
    essential: int = 0              # minutes of the essential path, essential exercises included; 0 in preparation
    whole: int = 0                  # minutes with every exercise
    shows: str = ""                 # what its small picture shows (tools/thumbnails.py)

    @property
    def number(self) -> str:
        """Two digits."""
        return self.slug[:2]

    @property
    def here(self) -> bool:
        """Whether this version of the course holds the lesson."""
        return (paths.root() / "notebooks" / f"{self.slug}.ipynb").is_file()

    @property
    def picture(self) -> str:
        """Its small picture as HTML, with a path from the course's folder."""
        return f'<img src="assets/pictures/lessons/{self.number}.webp" width="150" alt="{escape(self.shows)}">'


MAP = (
    Entry("00_start_here", "Start here",
          "look round, label ten pairs, meet a reward model of your own preferences", 45, 60,
          "A loop of policy, clips, your labels, reward model and reinforcement learning."),
    Entry("01_rl_basics", "What is a reward?",
          "balance a pole by hand and by REINFORCE; watch a hand-written reward go wrong", 80, 130,
          "Three carts with poles, steered at random, by the angle alone, and by hand."),
    Entry("02_ppo", "PPO",
          "actor-critic, GAE, clipping; solve CartPole and LunarLander; see what each part buys", 90, 150,
          "Two moon landers, before and after training."),
    Entry("03_bradley_terry", "From “A beat B” to a number",
          "fit a reward model to comparisons by real people", 70, 115,
          "Accuracy of a reward model rising with the number of human comparisons."),
    Entry("04_cartpole_from_preferences", "CartPole from your clicks",
          "label clips in a cell; an agent that sees no reward learns to balance", 90, 150,
          "Four carts with poles: before, and after each of three rounds of labels."),
    Entry("05_backflip", "A backflip from your clicks",
          "a hopper learns what nobody can write a reward for; then what you like", 80, 135,
          "A one-legged robot in the middle of a backflip."),
    Entry("06_atari_ppo", "Pong from its score",
          "PPO on pixels, to a clear win, on a laptop", 80, 140,
          "Two games of Pong, untrained and trained."),
    Entry("07_atari_from_preferences", "Pong from preferences",
          "the same from clips you compare; Donkey Kong; where it fails", 90, 160,
          "Two games of Donkey Kong, from the score and from preferences."),
    Entry("08_tiny_gpt", "A tiny GPT",
          "attention, training, sampling, the KV cache", 90, 150,
          "Two maps of attention: one head looks one character back, the other two."),
    Entry("09_sft_and_sentiment", "HappyGPT",
          "fine-tune, reward a language model for sentiment, watch it cheat", 80, 140,
          "The reward of a language model rising over 80 updates."),
    Entry("10_reward_model", "Reward models for text",
          "human ratings, your own labels, rankings, annotators who disagree", 80, 140,
          "Accuracy against labels: features of a pretrained model are far ahead."),
    Entry("11_ppo_for_language_models", "PPO for language models",
          "tokens as actions, the KL penalty, over-optimisation", 90, 160,
          "With few labels the reward model's score rises on while a better one's falls."),
    Entry("12_your_taste", "Your taste, a real language model",
          "choose between a pretrained model's answers, and train it on your choices", 90, 150,
          "Win rates with intervals of three stated preferences."),
    Entry("13_learning_to_summarize", "Learning to summarize",
          "human ratings of summaries, a reward model against length alone, best-of-n, your own ratings", 90, 155,
          "The reward of the best of n summaries, rising with n."),
    Entry("14_beyond_ppo", "Beyond PPO",
          "best-of-n, rejection sampling, DPO and relatives, RLOO and GRPO, verifiable rewards", 90, 145,
          "Reward against KL for six ways to learn from preferences."),
    Entry("15_evaluate_and_scale", "Evaluate and scale",
          "helpful, honest, harmless; win rates; judges and biases; length, ensembles, toxicity; several processes",
          105, 175,
          "People's rating of the best of n, for one reward model and for five."),
)


def hours(minutes: int) -> str:
    """Minutes as hours: 885 -> "14.8 h"; nothing for 0."""
    return f"{minutes / 60:.1f} h" if minutes else ""


def show_map() -> None:
    """Display the map: lessons of this version with links, the others marked as not here yet."""
    from IPython.display import HTML, display

    display(HTML(html_map()))


def html_map() -> str:
    """The map as an HTML table, the essential hours of the lessons at hand summed in its last row."""
    rows = []
    for entry in MAP:
        name = escape(f"{entry.number} {entry.title}")
        title = f'<a href="{entry.slug}.ipynb">{name}</a>' if entry.here else f"{name} <i>(in preparation)</i>"
        rows.append(f"<tr><td>{title}</td><td>{escape(entry.does)}</td><td>{hours(entry.essential)}</td>"
                    f"<td>{hours(entry.whole)}</td></tr>")
    total = [hours(sum(getattr(entry, field) for entry in MAP)) for field in ("essential", "whole")]
    style = "<style>.course-map td,.course-map th{text-align:left !important;white-space:normal}</style>"
    return (f'{style}<table class="course-map"><thead><tr><th>lesson</th><th>what you do</th><th>essential</th>'
            f'<th>with every exercise</th></tr></thead><tbody>{"".join(rows)}<tr><td><b>together</b></td><td></td>'
            f"<td><b>{total[0]}</b></td><td><b>{total[1]}</b></td></tr></tbody></table>")


def markdown_map() -> str:
    """The map as the README's table; a test holds the README to it."""
    rows = ["| shows | lesson | what you do | essential | with every exercise |", "|---|---|---|---|---|"]
    for entry in MAP:
        title = f"[{entry.number} {entry.title}](notebooks/{entry.slug}.ipynb)" if entry.here else \
            f"{entry.number} {entry.title} *(in preparation)*"
        rows.append(f"| {entry.picture} | {title} | {entry.does} | {hours(entry.essential)} | {hours(entry.whole)} |")
    return "\n".join(rows)
