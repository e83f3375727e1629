"""All rules by name: what `replay` looks up, and what the tests mutate row by row."""

from __future__ import annotations

from derive.rules.arithmetic import ARITHMETIC
from derive.rules.calculus import DEFINITION_RULES, FUNCTION_RULES, INVERSE_RULES
from derive.rules.calculus import RULES as CALCULUS
from derive.rules.chain import ADJOINTS, CHAIN_RULE, LOCAL_RESULTS, NOT_REACHED
from derive.rules.fractions import (
    CANCEL,
    COMMON_DENOMINATOR,
    EXPAND,
    FACTOR,
    LOWEST_TERMS,
    MERGE_FRACTIONS,
    ORDER_TERMS,
    SIGNS,
)
from derive.rules.guards import CONDITIONS, GUARDED_SUM, GUARDS_OUT, NO_WEIGHT, ONE_TERM, TAKING_PART
from derive.rules.identities import IDENTITIES
from derive.rules.known_sums import KNOWN_SUM, NAME_QUOTIENT
from derive.rules.matrices import MATRIX_RULES
from derive.rules.naming import NAME_FUNCTION
from derive.rules.notation import ARRAY_NOTATION
from derive.rules.output import NAME_OUTPUT, THROUGH_HELPER, THROUGH_OUTPUT
from derive.rules.rule import Rule
from derive.rules.structures import FREE_ENTRIES, STRUCTURED_VARIABLES, SYMMETRY
from derive.rules.sums import (
    ASSUME,
    CASES,
    CONTRACT,
    DISTRIBUTE,
    EQUAL_INDEX,
    MERGE_SUMS,
    ONE_VALUE,
    PULL_OUT,
    SPLIT,
    SPLIT_DELTA,
)

ALL_RULES: tuple[Rule, ...] = (
    *CALCULUS,
    *FUNCTION_RULES,
    *DEFINITION_RULES.values(),
    *INVERSE_RULES.values(),
    *MATRIX_RULES,
    *STRUCTURED_VARIABLES,
    FREE_ENTRIES,
    SYMMETRY,
    CHAIN_RULE,
    LOCAL_RESULTS,
    ADJOINTS,
    NOT_REACHED,
    ARITHMETIC,
    CANCEL,
    MERGE_FRACTIONS,
    COMMON_DENOMINATOR,
    EXPAND,
    FACTOR,
    LOWEST_TERMS,
    ORDER_TERMS,
    SIGNS,
    *IDENTITIES,
    THROUGH_OUTPUT,
    THROUGH_HELPER,
    NAME_OUTPUT,
    ASSUME,
    CASES,
    EQUAL_INDEX,
    CONTRACT,
    ONE_VALUE,
    GUARDED_SUM,
    GUARDS_OUT,
    NO_WEIGHT,
    TAKING_PART,
    CONDITIONS,
    ONE_TERM,
    SPLIT_DELTA,
    DISTRIBUTE,
    MERGE_SUMS,
    PULL_OUT,
    SPLIT,
    KNOWN_SUM,
    NAME_QUOTIENT,
    ARRAY_NOTATION,
    NAME_FUNCTION,
)

RULES: dict[str, Rule] = {rule.name: rule for rule in ALL_RULES}
