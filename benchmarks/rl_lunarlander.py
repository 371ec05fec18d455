"""LunarLander-v3 by PPO: at least 200 on 20 fresh episodes in at most 5 CPU-minutes, 3 of 3 seeds.

    python benchmarks/rl_lunarlander.py

Results: benchmarks/results/rl_lunarlander.json.
"""

from record import Results
from rl_solve import solve

from course_lib.rl.settings import LUNAR_LANDER

if __name__ == "__main__":
    results = Results("rl_lunarlander", "mean of 20 fresh episodes after training; CPU-seconds of training alone")
    solve(results, LUNAR_LANDER, range(5), cpu_seconds=300)
