# %% [markdown]
# # Lesson 00 exercises: how exercises work
#
# **Goals.** Meet the three kinds of exercise: *implement*, *predict, then run*, and *find the silent bug*.
#
# **Time.** {{time}}
# **Builds on** nothing but Python.
#
# Run a cell with Shift+Enter. Miss on purpose at first, to see what a check says: it shows what was called, what was expected and
# what came. After two misses it offers a hint; `hint("00.1")` asks for one at once. Hints cost nothing. If all fails, the
# [solutions](../solutions/00_start_here.ipynb) are there, with the reasons.

# %%
from course_lib import check, hint

# %% [markdown]
# {{exercise 00.1}}
#
# Somebody compared two things several times. Their answers are `"left"`, `"right"`, `"equal"` (both as good) and `"skip"` (could not
# tell). What share of their *verdicts* went to the left? An "equal" counts half for each side.
#
# Run the check before you write anything, then write, then run both cells again.

# %% tags=["exercise:00.1"]
def preferred_share(answers):
    """Share of the verdicts for the left side, a number from 0 to 1. answers: a list of words."""
    # BEGIN SOLUTION
    votes = {"left": 1.0, "right": 0.0, "equal": 0.5}
    verdicts = [votes[answer] for answer in answers if answer != "skip"]
    return sum(verdicts) / len(verdicts)
    # END SOLUTION

# %% tags=["check:00.1"]
check("00.1", preferred_share)

# %% [markdown] tags=["solution-only"]
# **Why.** A tie says something (both are as good), a skip says nothing. Lesson 03 builds its loss on this difference.

# %% [markdown]
# {{exercise 00.2}}
#
# A cleaning robot is paid one point for every gram of dirt that it picks up. It can drive, pick up dirt, drop dirt from its bag,
# and push dirt under the carpet. Nothing costs anything. It learns whatever earns the most. What will it do in the long run?
#
# - `"a"`: clean the room once, then stop
# - `"b"`: stand still
# - `"c"`: drop dirt and pick it up again, for ever
# - `"d"`: push all dirt under the carpet
#
# Commit yourself before you run the check.

# %% tags=["exercise:00.2"]
def prediction():
    """One of "a", "b", "c", "d"."""
    # BEGIN SOLUTION
    return "c"
    # INSTEAD
    # return "?"
    # END SOLUTION

# %% tags=["check:00.2"]
check("00.2", prediction)

# %% [markdown]
# Now run it. Each way of life for 100 moves, in a room with 10 grams of dirt:

# %%
def points(way_of_life, moves=100, floor=10):
    bag = earned = 0
    for _ in range(moves):
        action = way_of_life(floor, bag)
        if action == "pick up" and floor:
            floor, bag, earned = floor - 1, bag + 1, earned + 1
        elif action == "drop" and bag:
            floor, bag = floor + 1, bag - 1
        elif action == "hide" and floor:
            floor -= 1
    return earned

print("a: clean once        ", points(lambda floor, bag: "pick up" if floor else "stop"))
print("b: stand still       ", points(lambda floor, bag: "stop"))
print("c: drop and pick up  ", points(lambda floor, bag: "pick up" if floor else "drop"))
print("d: under the carpet  ", points(lambda floor, bag: "hide"))

# %% [markdown]
# The maker wanted a clean room and wrote down something else. This is called *reward hacking*; the example is an old one (Russell and
# Norvig, *Artificial Intelligence: A Modern Approach*). You will catch it in the act in lessons 01, 09 and 11.
#
# {{exercise 00.3}}
#
# This function runs and gives a number. The number is wrong. Find the line and mend it.

# %% tags=["exercise:00.3"]
def mean_reward(rewards):
    """Mean of a list of rewards."""
    total = 0.0
    # BEGIN SOLUTION
    for i in range(len(rewards)):
    # INSTEAD
    # for i in range(1, len(rewards)):
    # END SOLUTION
        total += rewards[i]
    return total / len(rewards)

# %%
mean_reward([2.0, 2.0, 2.0])

# %% tags=["check:00.3"]
check("00.3", mean_reward)

# %% [markdown]
# ## What you learned
#
# How a check talks; how to ask for a hint; that a tie is a verdict and a skip is not; that an agent does what is paid, not what is meant.
#
# **What failed here, on purpose:** a reward that a robot can earn for ever without cleaning, and a mean that no error message
# complains about. Exercises of the third kind train the most useful habit of all: call it with a case whose answer you know.
#
# **Further reading.** S. Russell and P. Norvig, *Artificial Intelligence: A Modern Approach*, chapter 2, for the vacuum world.
# Back to [lesson 00](../notebooks/00_start_here.ipynb).
