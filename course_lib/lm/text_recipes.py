"""Settings of lesson 10's runs, by name; `benchmarks/text_rl.py` measured them.

`PAID` and `PAID_WITHOUT_KL` are the policies that lesson 10 opens with, trained on the shipped proxy reward with and
without a price on distance. Rebuilt by

    python benchmarks/text_rl.py proxy proxy-no-kl --seeds 0 --gold --ship
"""

from course_lib.lm.text_training import TextTrainingConfig
from course_lib.lm.token_ppo import TokenPPOConfig

PAID, PAID_WITHOUT_KL = "gpt_ppo.pt", "gpt_ppo_no_kl.pt"        # in assets/checkpoints

VADER_RECIPE = TokenPPOConfig()
RLOO_RECIPE = TextTrainingConfig(samples=4)
PROXY_RECIPE = TokenPPOConfig()
