"""Where GAE's lambda points the policy gradient, on CartPole agents that are still learning: lesson 02, section 2.5.

    python benchmarks/rl_lambda.py             # 20 agents of seeds 1000 to 1019
    python benchmarks/rl_lambda.py --ship      # seeds 0 to 4 become assets/checkpoints/cartpole_learning.pt

Each agent has had 20,000 steps of PPO and plays 80 batches of 8 episodes. The mean gradient of one half at lambda 1 is
the true direction, up to its noise; the other half is weighed with each lambda: the cosine of its mean with the true
direction, the noise of a batch, and the cosine of a single batch. Results: benchmarks/results/rl_lambda.json.
"""

import argparse

import torch
from record import Results, circumstances

from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.networks import ActorCritic
from course_lib.rl.objectives import gae, policy_gradient_loss
from course_lib.rl.reinforce import Episodes, play_episodes
from course_lib.rl.settings import CARTPOLE, save_learning_agents

LAMS = (0.0, 0.5, 0.8, 0.95, 0.98, 1.0)
STEPS = 20_000
BATCHES = 80


def learning_agent(seed: int) -> ActorCritic:
    """A CartPole agent in the middle of learning."""
    ppo = CARTPOLE.start(seed=seed)
    for _ in ppo.train(until=STEPS):
        pass
    return ppo.network.eval()


def gradients(agent: ActorCritic, batches: list[Episodes], lam: float) -> torch.Tensor:
    """The policy gradient of each batch with advantages of this lambda: (batches, parameters)."""
    found = []
    for batch in batches:
        with torch.no_grad():
            values = agent.critic(batch.obs).squeeze(-1) / CARTPOLE.config.reward_scale         # (T, N)
        ended = batch.mask & ~torch.cat([batch.mask[1:], torch.zeros_like(batch.mask[:1])])
        advantages = gae(batch.rewards, values, ended, torch.zeros(ended.shape[1]), 0.99, lam)
        logprobs = agent.distribution(batch.obs).log_prob(batch.actions)
        loss = policy_gradient_loss(logprobs, advantages, batch.mask)
        found.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, agent.policy.parameters())]))
    return torch.stack(found)


def measure(seed: int) -> dict:
    """One agent: its directions and noise at each lambda."""
    agent = learning_agent(seed)
    batches = [play_episodes(VectorCartPole(8), agent, torch.Generator().manual_seed(seed), seed=seed)
               for seed in range(BATCHES)]
    true = gradients(agent, batches[BATCHES // 2:], 1.0).mean(0)
    facts = {"seed": seed, "lambdas": LAMS, "mean_cosine": [], "noise": [], "batch_cosine": []}
    for lam in LAMS:
        some = gradients(agent, batches[:BATCHES // 2], lam)
        noise = (some - some.mean(0)).norm(dim=1).square().mean().sqrt()
        facts["mean_cosine"].append(round(torch.cosine_similarity(some.mean(0), true, dim=0).item(), 3))
        facts["noise"].append(round(noise.item(), 3))
        facts["batch_cosine"].append(round(torch.cosine_similarity(some, true[None]).mean().item(), 3))
    return facts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ship", action="store_true", help="train agents of seeds 0 to 4 and write their checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.ship:
        save_learning_agents([learning_agent(seed) for seed in range(5)],
                             {"trained_on": CARTPOLE.task, "agent_steps": STEPS, **circumstances()})
    else:
        results = Results("rl_lambda",
                          "direction and noise of the policy gradient against lambda, CartPole at 20,000 steps")
        for seed in range(1000, 1020):
            results.once(f"CartPole, seed {seed}", lambda s=seed: measure(s))
