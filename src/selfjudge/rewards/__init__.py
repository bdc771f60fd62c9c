"""A judge as a reward: for TRL's trainers, for verl, and to choose the best of several samples."""

from .reward import JudgeReward, best_of, compute_score

__all__ = ["JudgeReward", "best_of", "compute_score"]
