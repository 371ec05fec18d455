"""Settings of lesson 10's runs, by name; `benchmarks/text_rl.py` measured them.

`PAID` and `PAID_WITHOUT_KL` are the policies that lesson 10 opens with, trained on the shipped proxy reward with and
without a price on distance. Rebuilt by

    python benchmarks/text_rl.py proxy proxy-no-kl --seeds 0 --gold --ship

The two PARTS recipes are shorter: with them each part of PPO was left out in turn.
"""

from dataclasses import replace

from course_lib.lm.text_training import TextTrainingConfig
from course_lib.lm.token_ppo import TokenPPOConfig

PAID, PAID_WITHOUT_KL = "gpt_ppo.pt", "gpt_ppo_no_kl.pt"        # in assets/checkpoints

VADER_RECIPE = TokenPPOConfig(updates=30, completions=256, minibatch=128, beta=0.055, kl_target=5.0, kl_speed=0.2,
                              learning_rate=2.5e-4, value_learning_rate=1e-3)
RLOO_RECIPE = TextTrainingConfig(updates=42, completions=256, samples=4, minibatch=128, beta=0.055, kl_target=5.0,
                                 kl_speed=0.2, learning_rate=2.5e-4)
PARTS_RECIPE = replace(VADER_RECIPE, updates=24, completions=128, minibatch=64, kl_target=None)
PARTS_RLOO_RECIPE = replace(RLOO_RECIPE, updates=24, completions=128, minibatch=64, kl_target=None)
PROXY_RECIPE = TokenPPOConfig(updates=60, completions=128, minibatch=64, beta=0.12, learning_rate=4e-4,
                              value_learning_rate=1e-3)
