"""Assembling Multimodal RewardBench from the data sets that it is made of."""
