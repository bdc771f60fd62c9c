"""The embedded world: drawn scenes, questions about them, a benchmark, and a tiny VLM that can see, read and write.

`scenes`, `drawing`, `questions` and `prompts` serve the loop and know no answers. `truth` knows them all; only `lessons`,
`skills` and `benchmark` may import it.
"""
