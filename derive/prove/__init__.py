"""The prover: it sees two lines, the assumptions and the nodes' equations, never the rule or the engine's
derivative."""
