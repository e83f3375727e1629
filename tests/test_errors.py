"""Bad models: each message as a golden file, with its line, caret and hint; and nothing but a DeriveError, in time.

``errors/models/CASE.txt`` holds the model and what the user reads.  DERIVE_UPDATE=1 rewrites them.
"""

import os
import sys
import tracemalloc
from pathlib import Path

import pytest
from time_limit import time_limit

from derive.errors import DeriveError
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.parse.files import decode, load_model
from derive.train.limits import check_options

FOLDER = Path(__file__).parent / "errors" / "models"
SECONDS = 2

GOOD = "x: input\ny: target\nw: parameter\nb: parameter\nz = w*x + b\nL: loss = (z - y)**2\n"

SHAPES = "d: size\nh: size\nx: input[d]\ny: target[h]\nW: parameter[h, d]\nS: parameter[h, h]\n"

BAD = {
    "unknown-name": GOOD.replace("w*x + b", "w*x + bias"),
    "unknown-name-did-you-mean": "x: input\nweight: parameter\nL: loss = (wieght*x)**2\n",
    "unknown-function": "x: input\nw: parameter\na = sigmod(w*x)\nL: loss = a**2\n",
    "unknown-function-far-from-any": "x: input\nw: parameter\nL: loss = frobnicate(w*x)\n",
    "function-without-arguments": "w: parameter\nL: loss = w*exp\n",
    "own-function-without-arguments": "w: parameter\ndef f(u): return u**2\nL: loss = w*f\n",
    "no-arguments": "w: parameter\nL: loss = exp() + w\n",
    "too-many-arguments": "w: parameter\nL: loss = exp(w, 2)\n",
    "too-few-arguments": "w: parameter\nL: loss = clip(w, 2)\n",
    "own-function-arguments": "w: parameter\ndef f(u, v): return u*v\nL: loss = f(w)\n",
    "unknown-keyword": "w: parameter\nL: loss = elu(w, alfa=2)\n",
    "keyword-for-none": "w: parameter\nL: loss = exp(w, axis=0)\n",
    "max-of-two": "w: parameter\nb: parameter\nL: loss = max(w, b)\n",
    "state-as-the-loss": "w: parameter\nm: state\nm: loss = w**2 + m\n",
    "state-of-another-shape": "w: parameter[3]\nm: state[2]\nm = 0.9*m[0] + w\nL: loss = sum(w**2)\n",
    "state-with-an-entry": "w: parameter\nm: state[2]\nm[0] = w\nL: loss = w**2\n",
    "state-twice": "w: parameter\nm: state\nm = m + w\nm = 2*m\nL: loss = w**2\n",
    "state-of-an-unknown-start": "w: parameter\nm: state = symmetric\nm = m + w\nL: loss = w**2\n",
    "declared-twice": "w: parameter\nw: parameter\nL: loss = w\n",
    "defined-twice": "w: parameter\nz = w\nz = 2*w\nL: loss = z\n",
    "declared-and-defined": "w: parameter\nw = 3\nL: loss = w\n",
    "function-defined-twice": "w: parameter\ndef f(u): return u\ndef f(u): return 2*u\nL: loss = f(w)\n",
    "cycle-of-one": "w: parameter\nz = z*w\nL: loss = z\n",
    "cycle-of-three": "w: parameter\na = c*w\nb = a + 1\nc = b**2\nL: loss = c\n",
    "cycle-through-a-function": "w: parameter\ndef f(u): return u*z\nz = f(w)\nL: loss = z\n",
    "function-calls-itself": "w: parameter\ndef f(u): return f(u) + 1\nL: loss = f(w)\n",
    "functions-call-each-other": "w: parameter\ndef f(u): return g(u)\ndef g(u): return f(u)\nL: loss = f(w)\n",
    "shapes-of-a-sum": "x: input[3]\nw: parameter[4]\nL: loss = sum(w + x)\n",
    "shapes-of-a-product": "x: input[3]\nW: parameter[2, 4]\nz = W @ x\nL: loss = sum(z)\n",
    "shapes-of-symbolic-sizes": "d: size\nh: size\nx: input[d]\nw: parameter[h]\nL: loss = sum(w*x)\n",
    "shapes-of-a-row-and-a-column": SHAPES + "L: loss = sum(W - y)\n",
    "shapes-of-outer": SHAPES + "L: loss = sum(outer(W, x))\n",
    "shapes-of-solve": SHAPES + "L: loss = sum(solve(S, x))\n",
    "shapes-of-dot": SHAPES + "L: loss = dot(x, y)\n",
    "shapes-of-concatenate": SHAPES + "L: loss = sum(concatenate([W, S]))\n",
    "shapes-of-trace": SHAPES + "L: loss = trace(W)\n",
    "shapes-of-where": SHAPES + "L: loss = sum(where(x > 0, x, y))\n",
    "shapes-of-kron": SHAPES + "L: loss = sum(kron(W, x))\n",
    "ranges-of-a-bound-index": SHAPES + "L: loss = sum(W[i, j]*y[j], i, j)\n",
    "ranges-of-a-reused-index": SHAPES + "L: loss = sum(x[j], j)*sum(x[j]*y[j], j)\n",
    "range-of-an-index-renamed": SHAPES + "L: loss = sum(sum(x[j], j)*softmax(y[i]**2, j), i)\n",
    "silent-outer": "x: input[3, 1]\nw: parameter[1, 4]\nL: loss = sum(w*x)\n",
    "matmul-with-a-scalar": "x: input\nw: parameter\nL: loss = w @ x\n",
    "vector-loss": "x: input[3]\nw: parameter[3]\nL: loss = w*x\n",
    "matrix-loss": "W: parameter[2, 3]\nL: loss = W**2\n",
    "no-loss": "w: parameter\nz = w**2\n",
    "two-losses": "w: parameter\nL: loss = w\nM: loss = w**2\n",
    "only-declarations": "w: parameter\nx: input\n",
    "reserved-word": "lambda: parameter\nL: loss = lambda\n",
    "reserved-word-in-an-equation": "w: parameter\nfor = w**2\nL: loss = w\n",
    "reserved-word-class": "w: parameter\nclass: constant = 2\nL: loss = w\n",
    "the-name-D": "D: input\nw: parameter\nL: loss = w*D\n",
    "the-name-inf": "inf: parameter\nL: loss = inf\n",
    "caret": "w: parameter\nL: loss = (w - 3)^2\n",
    "caret-in-a-chain": "w: parameter\nL: loss = 2*w^2 + 1\n",
    "floor-division": "w: parameter\nL: loss = w//2\n",
    "modulo": "w: parameter\nL: loss = w % 2\n",
    "and-outside-of-where": "w: parameter\nL: loss = w and 2\n",
    "or": "w: parameter\nL: loss = where(w > 0 or w < -1, w, 0)\n",
    "comparison-alone": "w: parameter\nw == 2\nL: loss = w\n",
    "expression-alone": "w: parameter\nw + 2\nL: loss = w\n",
    "where-without-comparison": "w: parameter\nL: loss = where(w, 1, 2)\n",
    "conditional-expression": "w: parameter\nL: loss = w if w > 0 else 0\n",
    "augmented": "w: parameter\nw += 2\nL: loss = w\n",
    "two-names-on-the-left": "w: parameter\na = b = w\nL: loss = a\n",
    "pair-on-the-left": "w: parameter\na, b = w, w\nL: loss = a\n",
    "number-on-the-left": "w: parameter\n3 = w\nL: loss = w\n",
    "empty": "",
    "blank": "  \n\n \t\n",
    "comments-alone": "# nothing\n# here\n",
    "title-alone": '"""A title"""\n',
    "unknown-role": "w: paramter\nL: loss = w\n",
    "role-not-a-word": "w: 3\nL: loss = w\n",
    "shape-on-the-name": "w[3]: parameter\nL: loss = sum(w)\n",
    "shape-of-nothing": "w: parameter[k]\nL: loss = sum(w)\n",
    "shape-zero": "w: parameter[0]\nL: loss = sum(w)\n",
    "shape-negative": "w: parameter[-3]\nL: loss = sum(w)\n",
    "shape-fraction": "w: parameter[2.5]\nL: loss = sum(w)\n",
    "shape-huge": "w: parameter[10**100]\nL: loss = sum(w)\n",
    "too-many-axes": "w: parameter[2, 2, 2, 2, 2, 2, 2, 2, 2]\nL: loss = sum(w)\n",
    "constant-not-a-number": "w: parameter\nc: constant = w\nL: loss = c*w\n",
    "start-not-a-number": "x: input\nw: parameter = x\nL: loss = w\n",
    "unknown-start": "w: parameter = gaussian(1)\nL: loss = w\n",
    "size-not-whole": "d: size = 2.5\nw: parameter[d]\nL: loss = sum(w)\n",
    "negative-index": "w: parameter[3]\nL: loss = w[-1]\n",
    "index-beyond": "w: parameter[3]\nL: loss = w[3]\n",
    "slice-beyond": "w: parameter[3]\nL: loss = sum(w[1:5])\n",
    "empty-slice": "w: parameter[3]\nL: loss = sum(w[2:2])\n",
    "too-many-subscripts": "w: parameter[3]\nL: loss = w[0, 1]\n",
    "subscript-on-a-scalar": "w: parameter\nL: loss = w[0]\n",
    "index-without-range": "w: parameter[3]\nL: loss = sum(w[0], i)\n",
    "index-is-a-name": "w: parameter[3]\ni: input\nL: loss = sum(w[i], i)\n",
    "free-index-without-range": "w: parameter\nz[i] = w\nL: loss = sum(z)\n",
    "axis-beyond": "w: parameter[3]\nL: loss = sum(w, axis=1)\n",
    "unclosed-parenthesis": "w: parameter\nL: loss = (w + 2\n",
    "extra-parenthesis": "w: parameter\nL: loss = w + 2)\n",
    "implicit-product": "w: parameter\nL: loss = 2w\n",
    "indented": "w: parameter\n  L: loss = w\n",
    "dotted-function": "w: parameter\nL: loss = np.exp(w)\n",
    "attribute": "w: parameter\nL: loss = w.real\n",
    "dunder-attribute": "w: parameter\nL: loss = w.__class__.__mro__\n",
    "text": "w: parameter\nL: loss = w + 'one'\n",
    "f-string": "w: parameter\nL: loss = f'{w}'\n",
    "lambda": "w: parameter\nL: loss = (lambda u: u)(w)\n",
    "comprehension": "w: parameter[3]\nL: loss = sum([u for u in w])\n",
    "generator": "w: parameter[3]\nL: loss = sum(u for u in w)\n",
    "walrus": "w: parameter\nL: loss = (u := w)**2\n",
    "star-argument": "w: parameter[3]\nL: loss = sum(*w)\n",
    "import": "import os\nw: parameter\nL: loss = w\n",
    "import-call": "w: parameter\nL: loss = __import__('os').system('touch /tmp/derive-was-here')\n",
    "eval-call": "w: parameter\nL: loss = eval('w')\n",
    "open-call": "w: parameter\nL: loss = open('/etc/passwd')\n",
    "exec-statement": "w: parameter\nexec('w = 1')\nL: loss = w\n",
    "decorator": "w: parameter\n@print\ndef f(u): return u\nL: loss = f(w)\n",
    "default-argument": "w: parameter\ndef f(u, v=2): return u*v\nL: loss = f(w)\n",
    "function-without-return": "w: parameter\ndef f(u): u\nL: loss = f(w)\n",
    "function-with-a-loop": "w: parameter\ndef f(u):\n    for k in u: k\n    return u\nL: loss = f(w)\n",
    "while": "w: parameter\nwhile w: w\nL: loss = w\n",
    "if": "w: parameter\nif w > 0:\n    z = w\nL: loss = w\n",
    "underscore-name": "_w: parameter\nL: loss = _w\n",
    "dunder-name": "__class__: parameter\nL: loss = __class__\n",
    "underscore-in-a-function": "w: parameter\ndef f(_u): return _u\nL: loss = f(w)\n",
    "greek-letter": "σ: parameter\nL: loss = σ**2\n",
    "letter-that-looks-like-another": "w: parameter\nа: parameter\nL: loss = w*а\n",  # the second name is a Cyrillic letter
    "long-name": f"{'w' * 61}: parameter\nL: loss = {'w' * 61}\n",
    "null-byte": "w: parameter\nL: loss = w\0\n",
    "bidi": "w: parameter\nL: loss = w\u202e*2\n",
    "zero-width": "w: parameter\nL: loss = w\u200b*2\n",
    "escape-character": "w: parameter\nL: loss = w \x1b[31m*2\n",
    "form-feed": "w: parameter\n\fL: loss = w\n",
    "lone-surrogate": "w: parameter\nL: loss = w + '\ud800'\n",
    "power-tower": "w: parameter\nL: loss = w*9**9**9**9\n",
    "huge-power": "w: parameter\nL: loss = w**(10**400)\n",
    "huge-exponent": "w: parameter\nL: loss = w*1e999999\n",
    "huge-integer": "w: parameter\nL: loss = w*" + "9" * 5000 + "\n",
    "complex-number": "w: parameter\nL: loss = w*2j\n",
    "hexadecimal": "w: parameter\nL: loss = w*0xff\n",
    "truth-value": "w: parameter\nL: loss = w*True\n",
    "ellipsis": "w: parameter\nL: loss = w*...\n",
    "derivative-in-a-model": "w: parameter\nL: loss = grad(w**2, w)\n",
    "declared-name-called": "exp: parameter\nw: parameter\nL: loss = exp(w)\n",
    "assume-without-comparison": "y: target[2]\nw: parameter\nassume(sum(y))\nL: loss = w\n",
    "assume-an-unknown-name": "w: parameter\nassume(q > 0)\nL: loss = w\n",
    "crlf": "x: input\r\nw: parameter\r\nL: loss = (w*q)**2\r\n",
    "tab-before-the-place": "w: parameter\nL: loss =\tw +\tq\n",
    "wide-characters-before-the-place": '"""σκ 漢字"""\nw: parameter\nL: loss = w + q  # 漢字\n',
    "loop-without-range": "for l in [1, 2]:\n    w[l]: parameter\nL: loss = w1\n",
    "loop-over-a-size": "T: size\nfor l in range(1, T):\n    w[l]: parameter\nL: loss = w1\n",
    "loop-over-a-fraction": "for l in range(1, 2.5):\n    w[l]: parameter\nL: loss = w1\n",
    "loop-that-is-empty": "for l in range(4, 4):\n    w[l]: parameter\nL: loss = w1\n",
    "loop-below-zero": "for l in range(-1, 4):\n    w[l]: parameter\nL: loss = w1\n",
    "loop-with-a-step": "for l in range(1, 9, 2):\n    w[l]: parameter\nL: loss = w1\n",
    "loop-over-a-pair": "for l, k in range(1, 4):\n    w[l]: parameter\nL: loss = w1\n",
    "loop-too-long": "for l in range(10_000_000):\n    w[l]: parameter\nL: loss = w1\n",
    "loops-too-long": "for i in range(999):\n  for j in range(999):\n    w[i, j]: parameter\nL: loss = w1_1\n",
    "loop-index-outside": "for l in range(1, 4):\n    w[l]: parameter\nL: loss = w[l]\n",
    "loop-index-outside-as-a-number": "for l in range(1, 4):\n    w[l]: parameter\nL: loss = w[1]*l\n",
    "loop-index-is-a-name": "w: parameter\nfor w in range(1, 4):\n    v[w]: parameter\nL: loss = v1\n",
    "loop-index-bound": "w: parameter[3]\nfor l in range(1, 4):\n    z[l] = sum(w[l], l)\nL: loss = z1\n",
    "loop-index-twice": "for l in range(2):\n    for l in range(3):\n        w[l]: parameter\nL: loss = w1\n",
    "loop-index-last": "w: parameter[3]\nfor l in range(2):\n    z[i, l] = w[i]*l\nL: loss = sum(z1)\n",
    "loop-with-else": "for l in range(2):\n    w[l]: parameter\nelse:\n    q = 3\nL: loss = w1\n",
    "loop-around-a-function": "w: parameter\nfor l in range(2):\n    def f(u): return u\nL: loss = w\n",
    "loop-that-defines-twice": "w: parameter\nfor l in range(2):\n    z = w*l\nL: loss = z\n",
    "layer-missing": "for l in range(1, 4):\n    w[l]: parameter\n    a[l] = w[l]*a[l - 1]\nL: loss = a[3]\n",
    "layer-beyond": "for l in range(1, 4):\n    w[l]: parameter\nL: loss = w[4]\n",
    "layer-below-zero": "for l in range(1, 4):\n    w[l]: parameter\n    a[l] = w[l]*a[l - 2]\nL: loss = a[3]\n",
    "layer-without-a-number": "for l in range(1, 4):\n    w[l]: parameter\nL: loss = w\n",
    "layers-and-an-array": "w: parameter\nfor l in range(1, 4):\n    w[l]: parameter\nL: loss = w1\n",
    "layers-of-two-depths": "for l in range(2):\n    w[l]: parameter\n    w[l, 1]: parameter\nL: loss = w[1]\n",
    "shapes-in-a-loop": "x: input[3]\na[0] = x\nfor l in range(1, 4):\n    W[l]: parameter[l, 3]\n"
    "    a[l] = W[l] @ a[l - 1]\nL: loss = sum(a[3])\n",
    "recurrence": "w: parameter[3]\nh[t] = tanh(w[t] + h[t - 1])\nL: loss = sum(h)\n",
    "recurrence-without-its-length": "w: parameter\nh[0] = 1\nh[t] = tanh(w*h[t - 1])\nL: loss = h[2]\n",
    "recurrence-in-both-directions": "w: parameter[3]\nh[0] = 0\nh[t] = w[t]*h[t - 1] + h[t + 1]\nL: loss = h[2]\n",
    "recurrence-of-itself": "w: parameter[3]\nh[0] = 0\nh[t] = w[t]*h[t]\nL: loss = h[2]\n",
    "recurrence-before-its-entries": "w: parameter[9]\nh[0] = 0\nh[t] = w[t]*h[t - 2]\nL: loss = h[2]\n",
    "recurrence-with-a-gap": "w: parameter[9]\nh[0] = 0\nh[2] = 1\nh[t] = w[t]*h[t - 1]\nL: loss = h[4]\n",
    "recurrence-of-another-shape": "w: parameter[9, 2]\nh[0] = zeros(3)\nh[t] = w[t]*h[t - 1]\nL: loss = sum(h)\n",
    "recurrence-over-two-lengths": "m: size\nn: size\nw: parameter[m]\nv: parameter[n]\n"
    "h[0] = 0\nh[t] = w[t]*h[t - 1] + v[t]\nL: loss = sum(h)\n",
    "recurrence-without-a-rule": "w: parameter\nh[0] = w\nL: loss = h[0]\n",
    "recurrence-whose-entry-is-the-loss": "w: parameter[3]\nh[0]: loss = 0\nh[t] = w[t]*h[t - 1]\n",
    "recurrence-as-a-whole-inside": "w: parameter[3]\nh[0] = 0\nh[t] = w[t]*sum(h)\nL: loss = h[2]\n",
    "recurrence-without-a-first-entry": "w: parameter[3]\nz[t] = w[t - 1]\nL: loss = sum(z)\n",
    "index-without-a-range": "t: index\nw: parameter[3]\nL: loss = sum(w[t], t)\n",
    "index-beyond-what-there-is": "t: index = range(1, 5)\nw: parameter[3]\nL: loss = sum(w[t], t)\n",
    "index-of-a-real-number": "r: input\nt: index = range(1, r)\nw: parameter[3]\nL: loss = sum(w[t], t)\n",
    "subscript-of-two-indices-on-the-left": "w: parameter[3]\nh[i + j] = w[i]*w[j]\nL: loss = sum(h)\n",
    "structure-of-an-oblong-matrix": "S: parameter[3, 4] = symmetric\nL: loss = sum(S)\n",
    "structure-of-a-vector": "S: parameter[3] = diagonal\nL: loss = sum(S)\n",
    "structure-of-unequal-sizes": "n: size\nm: size\nS: parameter[n, m] = lower\nL: loss = sum(S)\n",
    "structure-of-an-input": "S: input[3, 3] = lower\nL: loss = sum(S)\n",
    "examples-with-a-shape": "n: examples[3]\nx: input[n]\nw: parameter\nL: loss = w*sum(x)\n",
    "examples-with-a-value": "n: examples = 3\nx: input[n]\nw: parameter\nL: loss = w*sum(x)\n",
    "examples-twice": "n: examples\nm: examples\nx: input[n]\nw: parameter\nL: loss = w*sum(x)\n",
    "examples-not-first": "n: examples\nx: input[3, n]\nw: parameter\nL: loss = w*sum(x)\n",
    "examples-left-out": "n: examples\nx: input[n]\ny: target\nw: parameter\nL: loss = w*sum(x)*y\n",
    "examples-of-a-parameter": "n: examples\nx: input[n]\nw: parameter[n]\nL: loss = sum(w*x)\n",
    "examples-squared": "n: examples\nx: input[n, n]\nw: parameter\nL: loss = w*sum(x)\n",
    "array-too-large": "w: parameter[100000, 100000]\nL: loss = sum(w)\n",
    "input-too-large": "x: input[100000, 100000]\nw: parameter\nL: loss = w*sum(x)\n",
    "outer-product-too-large": "x: parameter[100000]\nL: loss = sum(outer(x, x))\n",
    "size-too-large": "n: size = 10000000000\nx: parameter[n]\nL: loss = sum(x)\n",
    "subscript-real": "x: input\nw: parameter[3]\nL: loss = w[x]\n",
    "subscript-of-a-parameter": "v: parameter\nw: parameter[3]\nL: loss = w[2*v]\n",
    "subscript-of-more-integers": "x: input = integer(5)\nw: parameter[3]\nL: loss = w[x]\n",
    "subscript-shifted": "x: input = integer(3)\nw: parameter[3]\nL: loss = w[x + 1]\n",
    "subscript-of-another-size": "V: size\nd: size\nx: input = integer(V)\nw: parameter[d]\nL: loss = w[x]\n",
    "subscript-that-may-be-negative": "x: input = integer(3)\nw: parameter[3]\nL: loss = w[x - 1]\n",
    "integer-of-none": "x: input = integer(0)\nw: parameter[3]\nL: loss = w[x]\n",
    "integer-of-a-parameter": "w: parameter[3]\nx: input = integer(w)\nL: loss = w[0]*x\n",
    "index-before-the-first": "x: parameter[3]\nz[i] = x[i - 1]\nL: loss = sum(z)\n",
    "index-with-an-empty-range": "x: parameter[3]\ny: parameter[5]\nL: loss = sum(x[j + 7]*y[j], j)\n",
    "silent-outer-of-a-column": "x: input[3, 1]\ny: input[3]\nw: parameter\nL: loss = w*sum(x - y)\n",
    "division-by-zero": "w: parameter\nL: loss = w/0\n",
    "division-by-zero-in-other-words": "w: parameter\nL: loss = w/(1 - 1)\n",
    "constant-divided-by-zero": "c: constant = 1/0\nw: parameter\nL: loss = w*c\n",
    "constant-infinite": "c: constant = inf\nw: parameter\nL: loss = w*c\n",
    "polygamma-order": "k: parameter\nL: loss = polygamma(k, 2)\n",
}


def read(text: str) -> DeriveError:
    """The error of parsing, or of deriving where parsing takes it."""
    try:
        with time_limit(SECONDS):
            Model.parse(text, "bad.model").derive()
    except DeriveError as error:
        return error
    except (
        RecursionError,
        MemoryError,
        TimeoutError,
        ValueError,
    ) as error:  # not with its traceback, which may be huge
        pytest.fail(f"{type(error).__name__} came out: {error}", pytrace=False)
    pytest.fail("nothing was said against it", pytrace=False)


@pytest.mark.parametrize("case", BAD)
def test_the_message_is_as_agreed(case):
    text = BAD[case]
    error = read(text)
    shown = text if len(text) < 400 else text[:60] + f" … ({len(text)} characters)\n"
    said = f"{ascii(shown) if not shown.isprintable() and not shown.replace(chr(10), '').isprintable() else shown}---\n{error}\n"
    golden = FOLDER / f"{case}.txt"
    if os.environ.get("DERIVE_UPDATE"):
        golden.write_text(said, encoding="utf-8")
    assert golden.is_file(), f"no golden text {golden}: run pytest with DERIVE_UPDATE=1"
    assert said == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over():
    assert {p.stem for p in FOLDER.glob("*.txt")} == set(BAD)


PLACELESS = {"empty", "blank", "comments-alone", "title-alone", "no-loss", "only-declarations"}


@pytest.mark.parametrize("case", BAD)
def test_the_caret_stands_under_the_place(case):
    error = read(BAD[case])
    said = str(error).split("\n")
    if case in PLACELESS:
        assert error.line is None
        return
    assert error.line is not None and error.column is not None
    assert said[0].startswith(f"bad.model:{error.line}: ")
    source = BAD[case].split("\n")[error.line - 1].rstrip("\r")
    assert 1 <= error.column <= len(source) + 1
    carets = said[2]
    assert set(carets.strip()) == {"^"}
    marked = said[1][carets.index("^") : carets.rindex("^") + 1]
    begin = error.column - 1
    assert marked.strip() == "" or marked == "".join(
        c if c.isprintable() else " " for c in source[begin : begin + len(marked)]
    )


PLACES = {
    "unknown-name": "bias",
    "unknown-function": "sigmod(w*x)",
    "declared-twice": "w",
    "shapes-of-a-product": "W @ x",
    "cycle-of-three": "a",
    "underscore-name": "_w",
    "wide-characters-before-the-place": "q",
    "tab-before-the-place": "q",
    "attribute": "w.real",
    "vector-loss": "L",
    "two-losses": "M",
    "crlf": "q",
}


@pytest.mark.parametrize("case", PLACES)
def test_the_place_is_the_right_stretch_of_text(case):
    error = read(BAD[case])
    line = BAD[case].split("\n")[error.line - 1]
    marked = line[error.column - 1 : error.column - 1 + error.place.width]
    assert marked in (PLACES[case], PLACES[case].split("(")[0])


def test_what_the_messages_must_name():
    assert "bias" in read(BAD["unknown-name"]).message
    assert "weight" in read(BAD["unknown-name-did-you-mean"]).hint
    assert "sigmoid" in read(BAD["unknown-function"]).hint
    for name in ("(3,)", "(4,)"):
        assert name in read(BAD["shapes-of-a-sum"]).message
    for name in ("(2, 4)", "(3,)"):
        assert name in read(BAD["shapes-of-a-product"]).message
    path = read(BAD["cycle-of-three"]).message
    assert path.count("→") == 3 and all(name in path for name in "abc")
    assert "**" in read(BAD["caret"]).hint
    assert "twice" in read(BAD["defined-twice"]).message and "line 2" in read(BAD["defined-twice"]).hint
    assert "(3,)" in read(BAD["vector-loss"]).message


# Texts that are large, deep or explosive.


def _nested_functions() -> str:
    lines = ["w: parameter", "def f0(u): return u*u + u"]
    lines += [f"def f{k}(u): return f{k - 1}(u)*f{k - 1}(u) + f{k - 1}(u)" for k in range(1, 40)]
    return "\n".join([*lines, "L: loss = f39(w)"])


def _nested_lines() -> str:
    """Local lines that double: their text is small, what they stand for is not."""
    inner = "".join(f"    a{k} = a{k - 1}*a{k - 1} + a{k - 1}\n" for k in range(1, 60))
    return f"w: parameter\ndef f(u):\n    a0 = u\n{inner}    return a59\nL: loss = f(w)\n"


EXPLOSIVE = {
    "parentheses": "w: parameter\nL: loss = " + "(" * 100_000 + "w" + ")" * 100_000,
    "brackets": "w: parameter\nL: loss = " + "[" * 50_000 + "w" + "]" * 50_000,
    "minus": "w: parameter\nL: loss = " + "-" * 100_000 + "w",
    "minus-of-200": "w: parameter\nL: loss = " + "-" * 200 + "w",
    "calls": "w: parameter\nL: loss = " + "exp(" * 5_000 + "w" + ")" * 5_000,
    "calls-of-200": "w: parameter\nL: loss = " + "tanh(" * 200 + "w" + ")" * 200,
    "towers": "w: parameter\nL: loss = " + "**".join(["w"] * 3_000),
    "transposes": "W: parameter[2, 2]\nL: loss = sum(W" + ".T" * 20_000 + ")",
    "subscripts": "w: parameter\nL: loss = w" + "[0]" * 20_000,
    "comparisons": "w: parameter\nL: loss = where(" + " < ".join(["w"] * 60_000) + ", 1, 2)",
    "wheres": "w: parameter\nL: loss = " + "where(w > 0, w, " * 3_000 + "w" + ")" * 3_000,
    "a-million-characters": "w: parameter\nL: loss = " + "w + " * 260_000 + "w",
    "more-than-a-million": "w: parameter\n" + "#" * 1_000_001 + "\nL: loss = w",
    "a-long-sum": "w: parameter\nL: loss = " + " + ".join(["w"] * 100_000),
    "a-long-product": "w: parameter\nL: loss = " + "*".join(["w"] * 100_000),
    "a-huge-integer": "w: parameter\nL: loss = w*" + "7" * 500_000,
    "a-huge-decimal": "w: parameter\nL: loss = w*0." + "7" * 500_000,
    "a-huge-exponent": "w: parameter\nL: loss = w*1e-999999999999",
    "a-huge-power-of-numbers": "w: parameter\nL: loss = w*(((10**100)**100)**100)**100",
    "a-huge-power-in-a-constant": "c: constant = ((10**64)**64)**64\nw: parameter\nL: loss = w*c",
    "a-huge-power-in-a-shape": "w: parameter[((10**64)**64)**64]\nL: loss = sum(w)",
    "a-huge-power-in-a-size": "n: size = ((9**64)**64)**64\nw: parameter[n]\nL: loss = sum(w)",
    "a-huge-power-in-a-subscript": "w: parameter[3]\nL: loss = w[((9**64)**64)**64]",
    "a-huge-power-of-a-size": "n: size\nm: size\nw: parameter[(((n + m)**8)**8)**8]\nL: loss = sum(w)",
    "functions-that-double": _nested_functions(),
    "lines-that-double": _nested_lines(),
    "many-parameters": "\n".join(f"p{k}: parameter" for k in range(30_000)) + "\nL: loss = q",
    "long-name": "w" * 500_000 + ": parameter\nL: loss = w",
    "open-quote": "w: parameter\nL: loss = '" + "a" * 500_000,
    "nested-defs": "".join("    " * k + f"def f{k}(u):\n" for k in range(90))
    + "    " * 90
    + "return u\nL: loss = 1",
    "wide-stack": "w: parameter\nL: loss = sum([" + ", ".join(["w"] * 50_000) + "])",
    "fifty-indices": "w: parameter[2]\nL: loss = sum("
    + "*".join(f"w[i{k}]" for k in range(50))
    + ", "
    + ", ".join(f"i{k}" for k in range(50))
    + ", 3)",
}


@pytest.mark.parametrize("case", EXPLOSIVE)
def test_an_explosive_text_is_refused_in_time_and_in_memory(case):
    read(EXPLOSIVE[case])


def test_the_memory_of_an_explosive_text_is_bounded():
    tracemalloc.start()
    try:
        read(_nested_lines())
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "case", [c for c in EXPLOSIVE if c not in ("functions-that-double", "lines-that-double")]
)
def test_an_explosive_expression_is_refused(case):
    """The same texts through the command line's ``diff``, which reads one expression."""
    text = EXPLOSIVE[case].rpartition("L: loss = ")[2]
    with time_limit(SECONDS * 2):
        try:
            parse_expression(text)
        except DeriveError as error:
            assert len(str(error)) < 2_000


def test_depth_that_a_reader_can_follow_is_taken():
    model = Model.parse("w: parameter\nL: loss = " + "(" * 40 + "w" + " + 1)" * 40)
    assert len(model.equations) == 1


# Bytes and files.


def test_unreadable_bytes(tmp_path):
    file = tmp_path / "bad.model"
    file.write_bytes(b"w: parameter\nL: loss = w*\xff\xfe2\n")
    with pytest.raises(DeriveError, match="not text in UTF-8: line 2"):
        load_model(file)
    with pytest.raises(DeriveError, match="UTF-8"):
        decode("w: parameter".encode("utf-16"), "x")


def test_a_byte_order_mark_is_no_character():
    assert decode("\ufeffw: parameter\nL: loss = w".encode(), "x") == "w: parameter\nL: loss = w"


@pytest.mark.parametrize("path", ["missing.model", "", ".", "a\0b.model", "x" * 5000])
def test_files_that_are_none(tmp_path, path):
    with pytest.raises(DeriveError):
        load_model(tmp_path / path if path else tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    file = tmp_path / "large.model"
    with file.open("wb") as out:
        out.truncate(10**9)
    with time_limit(SECONDS), pytest.raises(DeriveError, match="too large"):
        load_model(file)


def test_more_epochs_than_any_run_has_are_refused():
    with pytest.raises(DeriveError, match="at most"):
        check_options(99_999_999_999_999_999_999, None, None, 0.0)


def test_nothing_was_executed():
    read(BAD["import-call"])
    assert not Path("/tmp/derive-was-here").exists()


@pytest.mark.parametrize("text", ["ｗ: parameter\nL: loss = ｗ**2", "w: parameter\nL: loss = 𝐰**2"])
def test_names_are_normalised_as_python_does(text):
    """A full-width or bold w is w, after NFKC: it is taken as that or refused, never as a third name."""
    try:
        model = Model.parse(text)
    except DeriveError:
        return
    assert list(model.variables) == ["w"]


def test_names_that_meet_after_normalisation_are_one():
    with pytest.raises(DeriveError, match="twice"):
        Model.parse("w: parameter\nｗ: parameter\nL: loss = w")


def test_the_recursion_limit_is_not_touched():
    before = sys.getrecursionlimit()
    read(BAD["unknown-name"])
    assert sys.getrecursionlimit() == before


def test_the_good_model_of_these_tests_is_good():
    assert Model.parse(GOOD).loss == "L"


def test_an_unused_parameter_is_a_warning_that_names_its_line():
    (warning,) = Model.parse(GOOD + "v: parameter\n").warnings
    assert "line 7" in warning and "'v'" in warning and "gradient" in warning
