"""Numbered layers: a loop is the model that a person would write out by hand."""

import pytest

from derive.errors import DeriveError
from derive.model import Model

LOOP = '''"""Three layers"""
m[0]: size = 4
m[1]: size = 5
m[2]: size = 3
m[3]: size = 2
x: input[m[0]]
y: target[m[3]]
a[0] = x
for l in range(1, 4):
    W[l]: parameter[m[l], m[l - 1]]
    b[l]: parameter[m[l]]
    z[l] = W[l] @ a[l - 1] + b[l]
    a[l] = tanh(z[l])
L: loss = sum((a[3] - y)**2)/2
'''
BY_HAND = '''"""Three layers"""
m0: size = 4
m1: size = 5
m2: size = 3
m3: size = 2
x: input[m0]
y: target[m3]
W1: parameter[m1, m0]
b1: parameter[m1]
W2: parameter[m2, m1]
b2: parameter[m2]
W3: parameter[m3, m2]
b3: parameter[m3]
a0 = x
z1 = W1 @ a0 + b1
a1 = tanh(z1)
z2 = W2 @ a1 + b2
a2 = tanh(z2)
z3 = W3 @ a2 + b3
a3 = tanh(z3)
L: loss = sum((a3 - y)**2)/2
'''


def equations(text: str) -> dict[str, str]:
    return {e.name: str(e.body) for e in Model.parse(text).equations}


def test_a_loop_is_the_model_written_by_hand():
    assert Model.parse(LOOP).derive().to_dict() == Model.parse(BY_HAND).derive().to_dict()


def test_a_loop_generates_the_code_of_the_model_written_by_hand():
    loop, hand = (Model.parse(text).derive().generate().replace(text.strip(), "") for text in (LOOP, BY_HAND))
    body = "def forward"
    assert loop.partition(body)[2] == hand.partition(body)[2]


def test_after_the_loop_a_layer_has_two_names():
    text = "x: input\nw: parameter\na[0] = x\nfor l in range(1, 5):\n    a[l] = w*a[l - 1]\nL: loss = "
    assert equations(text + "a[4]**2") == equations(text + "a4**2")


def test_the_index_of_a_loop_is_a_number():
    text = "w: parameter\nfor l in range(3):\n    z[l] = w**l/(l + 1)\nL: loss = z[0] + z[1] + z[2]"
    assert equations(text) == {"z0": "w**0/(0 + 1)", "z1": "w**1/(1 + 1)", "z2": "w**2/(2 + 1)", "L": "z0 + z1 + z2"}


def test_layers_have_indices_of_their_own():
    text = "A: parameter[2, 3]\nfor l in range(1, 3):\n    z[l, i] = sum(A[i, j]*l, j)\nL: loss = sum(z[1]) + z[2, 0]"
    model = Model.parse(text)
    assert model.by_name["z2"].indices == ("i",)
    assert str(model.by_name["L"].written) == "sum(z1) + z2[0]"


def test_loops_stand_in_each_other():
    text = """x: input
for l in range(1, 3):
    for h in range(l, 3):
        w[l, h]: parameter
        z[l, h] = w[l, h]*x
L: loss = z[1, 1] + z[1, 2] + z[2, 2]
"""
    model = Model.parse(text)
    assert model.parameters == ("w1_1", "w1_2", "w2_2")
    assert str(model.by_name["z1_2"].body) == "w1_2*x"


def test_a_family_that_ends_in_a_digit_keeps_its_number_apart():
    model = Model.parse("x: input\nfor l in range(12, 13):\n    w1[l]: parameter\nL: loss = w1[12]*x")
    assert model.parameters == ("w1_12",)


def test_assumptions_and_functions_know_layers():
    model = Model.parse(
        "def f(u): return w[2]*u\nfor l in range(1, 3):\n    w[l]: parameter\n    assume(w[l] > 0)\nL: loss = f(w[1])"
    )
    assert [str(a) for a in model.assumptions] == ["w1 > 0", "w2 > 0"]
    assert str(model.by_name["L"].body) == "w2*w1"


def test_places_point_to_the_line_of_the_loop():
    with pytest.raises(DeriveError) as caught:
        Model.parse(LOOP.replace("b[l]\n", "c[l]\n"))
    error = caught.value
    assert (error.line, error.column) == (12, 30)
    assert "'c'" in error.message
    model = Model.parse(LOOP)
    assert {e.place.line for e in model.equations if e.name[0] in "za" and e.name != "a0"} == {12, 13}


def test_many_layers_are_read_quickly():
    text = (
        "x: input\na[0] = x\nfor l in range(1, 1001):\n    w[l]: parameter\n    a[l] = w[l]*a[l - 1]\nL: loss = a[1000]"
    )
    assert len(Model.parse(text).equations) == 1002
