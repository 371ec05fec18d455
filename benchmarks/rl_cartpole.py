"""CartPole by PPO: at least 475 on 20 fresh episodes in at most 20 CPU-seconds, 5 of 5 seeds.

    python benchmarks/rl_cartpole.py

Also CleanRL's settings in the same code, for comparison. Results: benchmarks/results/rl_cartpole.json.
"""

from record import Results
from rl_solve import solve

from course_lib.rl.settings import CARTPOLE, CARTPOLE_CLEANRL

if __name__ == "__main__":
    results = Results("rl_cartpole", "mean return of 20 fresh episodes after training; CPU-seconds of training alone")
    solve(results, CARTPOLE, range(5), cpu_seconds=20)
    solve(results, CARTPOLE_CLEANRL, range(3), cpu_seconds=60)
