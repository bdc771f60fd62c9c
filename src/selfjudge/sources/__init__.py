"""Where prompts come from. Every source yields `RawPrompt`s in the same order each time; nothing is judged here."""
