"""What is not needed is not computed: the loss only when it is asked for, dead code never."""

from __future__ import annotations

from dataclasses import replace

from derive.expression.walk import names
from derive.lower.program import Program, Statement, needed_for


def loss_set_apart(program: Program) -> Program:
    """The statements that the loss alone needs become those that are carried out when it is asked for."""
    for_gradients = needed_for(program.forward, _read(program.backward, program.gradients))
    for_loss = needed_for(program.forward, frozenset({program.model.loss}))
    kept = {s.name for s in for_gradients}
    return replace(program, forward=for_gradients, reported=tuple(s for s in for_loss if s.name not in kept))


def dead_code(program: Program) -> Program:
    """Statements that neither the gradients nor the loss depend on leave."""
    backward = needed_for(program.backward, _read(program.gradients))
    reported = needed_for(program.reported, frozenset({program.model.loss}))
    wanted = _read(backward, program.gradients, reported) | {program.model.loss}
    return replace(program, forward=needed_for(program.forward, wanted), reported=reported, backward=backward)


def _read(*sections: tuple[Statement, ...]) -> frozenset[str]:
    return frozenset(name for statements in sections for s in statements for name in names(s.value))
