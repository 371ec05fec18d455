# %% [markdown]
# # Lesson 00 exercises: how exercises work
#
# **Goals.** Meet the three kinds of exercise: *implement*, *predict, then run*, and *find the silent bug*.
#
# **Time.** {{time}}
# **Builds on** nothing but Python.
#
# Run a cell with Shift+Enter. Miss on purpose at first, to see what a check says: it shows what was called, what was expected and
# what it got. After two misses it offers a hint; `hint("00.1")` asks for one at once. Hints cost no points. If nothing helps, the
# [solutions](../solutions/00_start_here.ipynb) are there, with the reasons.

# %%
from course_lib import check, hint

# %% [markdown]
# {{exercise 00.1}}
#
# Somebody compared two things several times. Their answers are `"left"`, `"right"`, `"equal"` (both as good) and `"skip"` (could not
# tell). A skip is not a label. What share of the *labels* prefers the left? An "equal" counts half for each side.
#
# Run the check before you write anything, then write, then run both cells again.

# %% tags=["exercise:00.1"]
def preferred_share(answers):
    """Share of the labels for the left side, a number from 0 to 1. answers: a list of words."""
    # BEGIN SOLUTION
    votes = {"left": 1.0, "right": 0.0, "equal": 0.5}
    labels = [votes[answer] for answer in answers if answer != "skip"]
    return sum(labels) / len(labels)
    # END SOLUTION

# %% tags=["check:00.1"]
check("00.1", preferred_share)

# %% [markdown] tags=["solution-only"]
# **Why.** A tie says something (both are as good), a skip says nothing. Lesson 03 builds its loss on this difference.

# %% [markdown]
# {{exercise 00.2}}
#
# A cleaning robot gets a reward of 1 for every gram of dirt that it picks up. It can drive, pick up dirt, drop dirt from its bag,
# and push dirt under the carpet. Nothing is penalized. It learns whatever brings the most reward. What will it do in the long run?
#
# - `"a"`: clean the room once, then stop
# - `"b"`: stand still
# - `"c"`: drop dirt and pick it up again, for ever
# - `"d"`: push all dirt under the carpet
#
# Decide before you run the check.

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
# Now run it. Each policy for 100 moves, in a room with 10 grams of dirt:

# %%
def total_reward(policy, moves=100, floor=10):
    bag = total = 0
    for _ in range(moves):
        action = policy(floor, bag)
        if action == "pick up" and floor:
            floor, bag, total = floor - 1, bag + 1, total + 1
        elif action == "drop" and bag:
            floor, bag = floor + 1, bag - 1
        elif action == "hide" and floor:
            floor -= 1
    return total

print("a: clean once        ", total_reward(lambda floor, bag: "pick up" if floor else "stop"))
print("b: stand still       ", total_reward(lambda floor, bag: "stop"))
print("c: drop and pick up  ", total_reward(lambda floor, bag: "pick up" if floor else "drop"))
print("d: under the carpet  ", total_reward(lambda floor, bag: "hide"))

# %% [markdown]
# The maker wanted a clean room and rewarded something else. This is **reward hacking**; the example is an old one (Russell and
# Norvig, *Artificial Intelligence: A Modern Approach*). You will see it happen in lessons 01, 09 and 11.
#
# {{exercise 00.3}}
#
# This function runs and returns a number. The number is wrong. Find the line and fix it.

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
# What a check says; how to ask for a hint; that a tie is a label and a skip is not; that an agent does what is rewarded, not what is
# meant.
#
# **What failed here, on purpose:** a reward that a robot can get for ever without cleaning, and a mean that no error message
# complains about. Exercises of the third kind train a most useful habit: call a function with a case whose answer you know.
#
# **Further reading.** S. Russell and P. Norvig, *Artificial Intelligence: A Modern Approach*, chapter 2, for the vacuum world.
# Back to [lesson 00](../notebooks/00_start_here.ipynb).
