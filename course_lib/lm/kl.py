"""How far a policy has moved from the model it started as, and what it is charged for that. Lesson 10, section 10.5.

Sources: J. Schulman (2020), "Approximating KL divergence", for the estimators; D. Ziegler et al. (2019), "Fine-tuning
language models from human preferences", equation 2 and section 2.2, for the penalty and the controller.
"""

from torch import Tensor

from course_lib.lm.generate import pay_at_the_end


def k1(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """log(policy / reference) of tokens that the *policy* sampled, nats: right on average, and often negative."""
    return logprobs - reference_logprobs


def k2(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Half the square of k1: never negative, little noise, and wrong on average when the two are far apart."""
    return (logprobs - reference_logprobs) ** 2 / 2


def k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """k1 plus (reference / policy - 1), whose mean is zero: right on average and never negative."""
    log_ratio = reference_logprobs - logprobs
    return log_ratio.exp() - 1 - log_ratio


def exact_kl(logits: Tensor, reference_logits: Tensor) -> Tensor:
    """KL of policy from reference at each position, summed over the whole vocabulary: (..., V) twice -> (...), nats.

    What the estimators estimate. It needs both models' whole distributions, which is nothing for a thousand tokens and
    much for fifty thousand.
    """
    logprobs, reference = logits.float().log_softmax(-1), reference_logits.float().log_softmax(-1)    # (..., V)
    return (logprobs.exp() * (logprobs - reference)).sum(dim=-1)


def token_rewards(rewards: Tensor, logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """What each choice earns, (B, L - 1): at the last one the text's reward, at every one less beta times its k1.

    rewards: (B,) of whole texts. logprobs, reference_logprobs, mask: (B, L - 1), see generate.py. beta: price of a
    nat. Columns outside `mask` earn 0; a row's sum is its reward less beta times its log-ratio.
    Source: Ziegler et al. (2019), equation 2; Stiennon et al. (2020), section 3.4. Exercise 10.1.
    """
    return (pay_at_the_end(rewards, mask) - beta * k1(logprobs, reference_logprobs)) * mask


class AdaptiveBeta:
    """The price of a nat, raised while the policy is farther from the reference than wanted, lowered while nearer.

    Ziegler et al. (2019), section 2.2: beta is multiplied by 1 + speed * error after every update, where the error is
    (kl - target) / target, at most 0.2 either way.
    """

    def __init__(self, beta: float, target: float, speed: float = 0.1):
        if beta <= 0 or target <= 0:
            raise ValueError(f"beta and target are above zero, not {beta} and {target}: a price of zero cannot grow")
        self.beta, self.target, self.speed = beta, target, speed

    def update(self, kl: float) -> float:
        """Move the price after a batch whose completions were `kl` nats from the reference on average; returns it."""
        error = min(0.2, max(-0.2, kl / self.target - 1))
        self.beta *= 1 + self.speed * error
        return self.beta
