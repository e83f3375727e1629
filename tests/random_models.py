"""Random models of the language: whole arrays, index notation, reductions, matrices, where(), shared subexpressions.

`random_model(seed)` gives the text of a model that should be well-defined: sizes are small and unequal, divisors and
arguments of logarithms and roots are kept from 0, matrices that are inverted have the form ``A @ A.T + eye(n)``.
Variables are declared where an expression needs one of a certain shape and none is there, or by chance.
"""

from __future__ import annotations

import random

from derive.model import Model

Shape = tuple[str, ...]  # sizes as the model writes them: "2", "m", "m - 1"

FUNCTIONS = ("tanh", "sigmoid", "sin", "cos", "arctan", "softplus", "relu", "abs", "silu", "erf", "softsign", "square")
OF_POSITIVE = ("sqrt", "log", "reciprocal", "log1p")
REDUCTIONS = ("sum", "sum", "mean", "max", "min", "logsumexp", "norm", "prod")
OVER_INDICES = ("sum", "sum", "sum", "max", "min", "prod", "logsumexp")
ALONG = ("softmax", "softmax", "log_softmax", "cumsum")
OWN = ("def gate(u): return u*sigmoid(u)", "def pair(u, v): return u*v + tanh(u - v)")
LETTERS = "ijkl"


def random_model(seed: int) -> str:
    return _Writer(random.Random(seed)).model()


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.shapes: dict[str, Shape] = {}
        self.declarations: list[str] = []
        self.equations: list[str] = []
        self.integers: dict[str, list[str]] = {}  # the whole-number inputs below a size
        self.rows: dict[str, tuple[str, ...]] = {}  # their shapes
        self.fixed = ["2", "3", "4"]
        self.symbols = rng.sample(["m", "n"], rng.choice([0, 0, 1, 2]))
        self.functions = list(OWN) if rng.random() < 0.25 else []
        self.used = {"I"}

    # The model.

    def model(self) -> str:
        for shape in (self.shape(), self.shape()):
            self.declared(shape, "parameter")
        for k in range(self.rng.randint(0, 4)):
            self.equation(f"e{k}")
        terms = [self.scalar(2) for _ in range(self.rng.randint(1, 2))]
        terms += [f"sum({self.leaf(s)}**2)/3" if s else self.leaf(()) for s in self.unused()]
        self.equations.append(f"Loss: loss = {self.joined(terms)}")
        return self.text()

    def text(self) -> str:
        sizes = [f"{s}: size = {3 + k}" for k, s in enumerate(self.symbols)]
        return "\n".join([*sizes, *self.declarations, *self.functions, *self.equations])

    def unused(self) -> list[Shape]:
        """Shapes of nodes that no other equation may have taken up, so that most equations reach the loss."""
        return [self.shapes[e.split("[")[0].split(" =")[0]] for e in self.equations if self.rng.random() < 0.5]

    def joined(self, terms: list[str]) -> str:
        return "".join((self.rng.choice([" + ", " - "]) if k else "") + f"({t})" for k, t in enumerate(terms))

    def equation(self, name: str) -> None:
        if self.rng.random() < 0.45:
            self.indexed(name)
            return
        shape = self.shape()
        self.equations.append(f"{name} = {self.array(shape, 2)}")
        self.shapes[name] = shape

    def indexed(self, name: str) -> None:
        """An equation with indices on the left; its shape is the one that the model gives it."""
        indices = dict(zip(LETTERS, self.shape(1, 3), strict=False))
        body = f"{self.element(indices, 2)} + {self.plain_entry(indices)}"
        line = f"{name}[{', '.join(indices)}] = {body}"
        text = "\n".join([self.text(), line, "Loss: loss = 0*sum(" + name + ")"])
        shape = Model.parse(text).by_name[name].shape
        self.equations.append(line)
        self.shapes[name] = tuple(str(size) for size in shape)

    # Sizes, names.

    def size(self) -> str:
        return self.rng.choice([*self.fixed, *self.symbols, *self.symbols])

    def shape(self, least: int = 0, most: int = 3) -> Shape:
        rank = min(max(self.rng.choice([0, 1, 1, 2, 2, 3]), least), most)
        return tuple(self.size() for _ in range(rank))

    def declared(self, shape: Shape, role: str | None = None) -> str:
        role = role or self.rng.choice(["parameter", "parameter", "input", "target", "constant"])
        name = f"{role[0]}{len(self.declarations)}"
        value = f" = 0.{self.rng.randint(1, 9)}" if role == "constant" and not shape else ""
        self.declarations.append(f"{name}: {role}{self.brackets(shape)}{value}")
        self.shapes[name] = shape
        return name

    @staticmethod
    def brackets(parts: tuple[str, ...] | list[str]) -> str:
        return f"[{', '.join(parts)}]" if parts else ""

    def leaf(self, shape: Shape) -> str:
        """A name of this shape."""
        found = [name for name, s in self.shapes.items() if s == shape]
        turned = [name for name, s in self.shapes.items() if len(s) == 2 and s[::-1] == shape]
        if turned and self.rng.random() < 0.3:
            return f"{self.rng.choice(turned)}.T"
        if found and self.rng.random() < 0.85:
            return self.rng.choice(found)
        return self.declared(shape)

    def whole_number(self, below: str, shape: Shape) -> str:
        """An input of whole numbers."""
        for name in self.integers.get(below, []):
            if self.rows[name] == shape:
                return name
        name = f"t{len(self.declarations)}"
        self.declarations.append(f"{name}: input{self.brackets(shape)} = integer({below})")
        self.integers.setdefault(below, []).append(name)
        self.rows[name] = shape
        return name

    # Whole arrays.

    def array(self, shape: Shape, depth: int) -> str:
        if depth == 0 or self.rng.random() < 0.12:
            return self.leaf(shape)
        if not shape:
            return self.scalar(depth)
        ways = [self.unary, self.unary, self.binary, self.binary, self.binary, self.cases, self.reduced]
        ways += [self.along, self.sliced, self.picked, self.looked_up, self.powered]
        ways += [self.centred, self.kronecker]
        if len(shape) <= 2:
            ways += [self.product, self.product, self.product]
        if len(shape) == 2:
            ways += [self.outer, self.transposed]
        if len(shape) == 2 and shape[0] == shape[1]:
            ways += [self.square, self.square]
        if len(shape) == 1:
            ways += [self.vector]
        return self.rng.choice(ways)(shape, depth - 1)

    def unary(self, shape: Shape, depth: int) -> str:
        u = self.array(shape, depth)
        if self.rng.random() < 0.2:
            return f"{self.rng.choice(OF_POSITIVE)}(1.5 + ({u})**2)"
        if self.functions and self.rng.random() < 0.5:
            return self.rng.choice([f"gate({u})", f"pair({u}, {self.broadcast(shape, depth)})"])
        return f"{self.rng.choice(FUNCTIONS)}({u})" if self.rng.random() < 0.8 else f"-({u})"

    def powered(self, shape: Shape, depth: int) -> str:
        return f"({self.array(shape, depth)})**{self.rng.choice([2, 2, 3])}"

    def broadcast(self, shape: Shape, depth: int) -> str:
        """Something that numpy broadcasts to the shape."""
        if self.rng.random() < 0.5:
            return self.array(shape, depth)
        shape = shape[self.rng.randint(0, len(shape)) :]
        if shape and self.rng.random() < 0.2:
            k = self.rng.randrange(len(shape))
            shape = (*shape[:k], "1", *shape[k + 1 :])
        return self.array(shape, depth)

    def binary(self, shape: Shape, depth: int) -> str:
        u, v = self.array(shape, depth), self.broadcast(shape, depth)
        if self.rng.random() < 0.5:
            u, v = v, u
        form = self.rng.choice(
            ["({}) + ({})", "({}) - ({})", "({})*({})", "({})*({})", "({})/(2 + ({})**2)", "maximum({}, {})",
             "minimum({}, {})", "0.5*({}) - ({})", "logaddexp({}, {})", "hypot({}, 1 + ({})**2)"]
        )  # fmt: skip
        return form.format(u, v)

    def cases(self, shape: Shape, depth: int) -> str:
        test = self.rng.choice(["<", ">", "<=", ">="])
        left, right = self.array(shape, 0), self.rng.choice(["0.1", "0", self.broadcast(shape, 0)])
        return f"where({left} {test} {right}, {self.broadcast(shape, depth)}, {self.array(shape, depth)})"

    def reduced(self, shape: Shape, depth: int) -> str:
        if len(shape) == 3:
            return self.unary(shape, depth)
        axis = self.rng.randint(0, len(shape))
        whole = (*shape[:axis], self.size(), *shape[axis:])
        return f"{self.rng.choice(REDUCTIONS)}({self.array(whole, depth)}, axis={axis})"

    def along(self, shape: Shape, depth: int) -> str:
        return f"{self.rng.choice(ALONG)}({self.array(shape, depth)}, axis={self.rng.randrange(len(shape))})"

    def sliced(self, shape: Shape, depth: int) -> str:
        """A part of a longer array."""
        axis = self.rng.randrange(len(shape))
        if not shape[axis].isdigit():
            return self.unary(shape, depth)
        first, more = self.rng.randint(0, 2), self.rng.randint(0, 1)
        longer = str(int(shape[axis]) + first + more)
        part = self.rng.choice([f"{first}:{first + int(shape[axis])}"] if more else [f"{first}:"])
        whole = self.leaf((*shape[:axis], longer, *shape[axis + 1 :]))
        whole = whole if "." not in whole else f"({whole})"
        return f"{whole}[{', '.join([*[':'] * axis, part])}]"

    def picked(self, shape: Shape, depth: int) -> str:
        """A row of an array of one axis more."""
        if len(shape) == 3:
            return self.unary(shape, depth)
        whole = self.leaf((self.rng.choice(self.fixed), *shape))
        whole = whole if "." not in whole else f"({whole})"
        return f"{whole}[{self.rng.randint(0, 1)}]"

    def looked_up(self, shape: Shape, depth: int) -> str:
        """Rows of a table by whole numbers from the data."""
        if len(shape) == 3 or self.rng.random() < 0.5:
            return self.unary(shape, depth)
        below = self.rng.choice(self.fixed)
        tables = [name for name, s in self.shapes.items() if s == (below, *shape)]
        table = self.rng.choice(tables) if tables else self.declared((below, *shape))
        return f"{table}[{self.whole_number(below, ())}]"

    def centred(self, shape: Shape, depth: int) -> str:
        """An array less, or over, what it is reduced to along an axis that stays."""
        u, axis = self.array(shape, depth), self.rng.randrange(-len(shape), len(shape))
        form = self.rng.choice(
            ["({}) - mean({}, axis={}, keepdims=True)", "({})/(1 + sum(({})**2, axis={}, keepdims=True))",
             "({})*max({}, axis={}, keepdims=True)"]
        )  # fmt: skip
        return form.format(u, u, axis)

    def kronecker(self, shape: Shape, depth: int) -> str:
        if len(shape) > 2 or not all(n.isdigit() for n in shape):
            return self.unary(shape, depth)
        pairs = [self.rng.choice([(k, int(n) // k) for k in range(1, int(n) + 1) if int(n) % k == 0]) for n in shape]
        left, right = (tuple(str(pair[side]) for pair in pairs) for side in (0, 1))
        return f"kron({self.array(left, depth)}, {self.array(right, depth)})"

    def product(self, shape: Shape, depth: int) -> str:
        inner = self.size()
        if len(shape) == 2:
            left, right = self.array((shape[0], inner), depth), self.array((inner, shape[1]), depth)
        elif self.rng.random() < 0.5:
            left, right = self.array((*shape, inner), depth), self.array((inner,), depth)
        else:
            left, right = self.array((inner,), depth), self.array((inner, *shape), depth)
        return f"({left}) @ ({right})"

    def outer(self, shape: Shape, depth: int) -> str:
        return f"outer({self.array(shape[:1], depth)}, {self.array(shape[1:], depth)})"

    def transposed(self, shape: Shape, depth: int) -> str:
        return f"({self.array(shape[::-1], depth)}).T"

    def definite(self, n: str, depth: int) -> str:
        """A positive definite matrix."""
        a = self.array((n, self.size()), max(depth - 1, 0))
        return f"({a}) @ ({a}).T + {self.rng.choice(['', '2*'])}eye({n})"

    def square(self, shape: Shape, depth: int) -> str:
        n = shape[0]
        form = self.rng.choice(["eye", "diag", "inv", "inverse", "power"])
        if form == "eye":
            return f"({self.array(shape, depth)}) + {self.rng.choice([2, 3])}*eye({n})"
        if form == "diag":
            return f"diag({self.array((n,), depth)})"
        if form == "power":
            return f"matrix_power({self.array(shape, depth)}, {self.rng.choice([2, 3])})"
        return f"inv({self.definite(n, depth)})"

    def vector(self, shape: Shape, depth: int) -> str:
        (n,) = shape
        if n.isdigit() and int(n) > 1 and self.rng.random() < 0.5:
            first = self.rng.randint(1, int(n) - 1)
            u, v = self.array((str(first),), depth), self.array((str(int(n) - first),), depth)
            if self.rng.random() < 0.4:
                return f"[{', '.join(self.scalar(depth) for _ in range(int(n)))}]"
            return self.rng.choice([f"concatenate([{u}, {v}])", f"[{u}, {v}]"])
        if self.rng.random() < 0.4:
            return f"diag({self.array((n, n), depth)})"
        return f"solve({self.definite(n, depth)}, {self.array(shape, depth)})"

    def scalar(self, depth: int) -> str:
        depth -= 1
        if depth < 0:
            return self.leaf(())
        form = self.rng.choice(["reduced"] * 4 + ["function", "combined", "dot", "matrix", "quadratic", "indices"] * 2)
        if form == "reduced":
            shape = self.shape(1)
            axes = "" if len(shape) == 1 or self.rng.random() < 0.7 else ", axis=" + str(tuple(range(len(shape)))[::-1])
            return f"{self.rng.choice(REDUCTIONS)}({self.array(shape, depth)}{axes})"
        if form == "function":
            return f"{self.rng.choice(FUNCTIONS)}({self.scalar(depth)})"
        if form == "combined":
            form = self.rng.choice(["({}) + ({})", "({})*({})", "({}) - ({})", "({})/(3 + ({})**2)"])
            return form.format(self.scalar(depth), self.scalar(depth))
        if form == "dot":
            n = self.size()
            u, v = self.array((n,), depth), self.array((n,), depth)
            return self.rng.choice([f"dot({u}, {v})", f"({u}) @ ({v})"])
        if form == "matrix":
            n = self.size()
            return self.rng.choice(
                [f"trace({self.array((n, n), depth)})", f"logdet({self.definite(n, depth)})",
                 f"det({self.definite(n, depth)})", f"trace(inv({self.definite(n, depth)}))"]
            )  # fmt: skip
        if form == "quadratic":
            n, m = self.size(), self.size()
            return f"({self.array((n,), depth)}) @ ({self.array((n, m), depth)}) @ ({self.array((m,), depth)})"
        return self.over_indices({}, depth + 1)

    # Elements, in index notation.

    def element(self, indices: dict[str, str], depth: int) -> str:
        """An expression over elements."""
        if depth == 0 or self.rng.random() < 0.12:
            return self.entry(indices)
        depth -= 1
        form = self.rng.choice(
            ["unary", "binary", "binary", "binary", "where", "over", "over", "whole", "along", "delta"]
        )
        if form == "unary":
            return f"{self.rng.choice(FUNCTIONS)}({self.element(indices, depth)})"
        if form == "binary":
            form = self.rng.choice(
                ["({}) + ({})", "({})*({})", "({})*({})", "({}) - ({})", "({})/(2 + ({})**2)", "maximum({}, {})"]
            )
            return form.format(self.element(indices, depth), self.element(indices, depth))
        if form == "where":
            return f"where({self.test(indices)}, {self.element(indices, depth)}, {self.element(indices, depth)})"
        if form == "over":
            return self.over_indices(indices, depth + 1)
        if form == "along" and indices:
            return self.along_index(indices, depth)
        if form == "delta" and len(indices) > 1:
            i, j = self.rng.sample(list(indices), 2)
            if indices[i] == indices[j]:
                return f"delta({i}, {j})*({self.element(indices, depth)})"
        return self.whole_inside(indices, depth)

    def test(self, indices: dict[str, str]) -> str:
        if len(indices) > 1 and self.rng.random() < 0.4:
            i, j = self.rng.sample(list(indices), 2)
            return f"{i} {self.rng.choice(['<', '<=', '>', '!=', '=='])} {j}"
        if indices and self.rng.random() < 0.4:
            return f"{self.rng.choice(list(indices))} > {self.rng.randint(0, 1)}"
        return f"{self.entry(indices)} {self.rng.choice(['<', '>'])} {self.rng.choice(['0', self.entry(indices)])}"

    def over_indices(self, indices: dict[str, str], depth: int) -> str:
        """A reduction over one or two more indices, perhaps with a condition."""
        fresh = [letter for letter in "pqrsuvab" if letter not in indices and letter not in self.used]
        bound = dict(zip(fresh, [self.size() for _ in range(self.rng.choice([1, 1, 2]))], strict=False))
        inner = indices | bound
        self.used |= set(bound)
        body = f"({self.element(inner, depth - 1)})*{self.plain_entry(inner, list(bound))}"
        self.used -= set(bound)
        condition = f", {self.test(inner)}" if self.rng.random() < 0.25 and len(inner) > 1 else ""
        op = "sum" if condition else self.rng.choice(OVER_INDICES)
        return f"{op}({body}, {', '.join(bound)}{condition})"

    def along_index(self, indices: dict[str, str], depth: int) -> str:
        index = self.rng.choice(list(indices))
        body = f"({self.element(indices, depth)})*{self.plain_entry(indices)}"
        return f"{self.rng.choice(['softmax', 'log_softmax'])}({body}, {index})"

    def whole_inside(self, indices: dict[str, str], depth: int) -> str:
        """Whole arrays between elements: ``W[i] @ x``, ``sum(X[i])``."""
        if not indices:
            return self.scalar(depth)
        index = self.rng.choice(list(indices))
        n = self.size()
        row = f"{self.leaf_name((indices[index], n))}[{index}]"
        return self.rng.choice([f"{row} @ {self.leaf_name((n,))}", f"sum({row}**2)", f"max({row})", f"norm({row})"])

    def leaf_name(self, shape: Shape) -> str:
        found = [name for name, s in self.shapes.items() if s == shape]
        return self.rng.choice(found) if found and self.rng.random() < 0.85 else self.declared(shape)

    def entry(self, indices: dict[str, str]) -> str:
        """An element of some name, perhaps of a part of it."""
        return self.shifted(indices) if self.rng.random() < 0.15 else self.plain_entry(indices)

    def plain_entry(self, indices: dict[str, str], first: list[str] | None = None) -> str:
        """An element of some name, every index (up to three) in it."""
        wanted = list(indices)
        self.rng.shuffle(wanted)
        wanted = [*(first or []), *(i for i in wanted if i not in (first or []))][:3]
        found = [n for n, s in self.shapes.items() if sorted(s) == sorted(indices[i] for i in wanted)]
        if not found or self.rng.random() < 0.15:
            name = self.declared(tuple(indices[i] for i in wanted))
        else:
            name = self.rng.choice(found)
        places: list[str] = []
        for size in self.shapes[name]:
            places.append(next(i for i in wanted if indices[i] == size and i not in places))
        return f"{name}{self.brackets(places)}"

    def shifted(self, indices: dict[str, str]) -> str:
        """``x[i + 1]``, ``x[2*i + p]``, ``x[0]``, ``M[i, i]``: less than the whole name."""
        if not indices:
            name = self.leaf_name((self.rng.choice(self.fixed),))
            return f"{name}[{self.rng.randint(0, 1)}]"
        i = self.rng.choice(list(indices))
        form = self.rng.choice(["next", "twice", "diagonal", "sum", "table", "row"])
        size = indices[i]
        if form == "next" and size.isdigit():
            return f"{self.leaf_name((str(int(size) + 1),))}[{i} + 1]"
        if form == "twice" and size.isdigit():
            return f"{self.leaf_name((str(2 * int(size)),))}[2*{i}]"
        if form == "diagonal":
            return f"{self.leaf_name((size, size))}[{i}, {i}]"
        if form == "sum" and len(indices) > 1:
            j = self.rng.choice([other for other in indices if other != i])
            if size.isdigit() and indices[j].isdigit():
                return f"{self.leaf_name((str(int(size) + int(indices[j]) - 1),))}[{i} + {j}]"
        if form == "table":
            below = self.rng.choice(self.fixed)
            return f"{self.leaf_name((below,))}[{self.whole_number(below, (size,))}[{i}]]"
        below = self.rng.choice(self.fixed)
        return f"{self.leaf_name((below, size))}[{self.rng.randint(0, 1)}, {i}]"
