"""The prover sees two lines, the assumptions and the nodes' equations, never the rule nor the engine's derivative."""
