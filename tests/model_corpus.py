"""Models of every kind that the engine takes, for the tests of gradients, rules, steps and proofs; and numbers to put in.

Text with lines separated by semicolons.  What a model needs positive (under a logarithm or a root) is named in POSITIVE.
"""

import re

import numpy as np

from derive.model import Model

_IO = "x: input; y: target; w: parameter; b: parameter; "
_VEC = "x: input[3]; y: target; w: parameter[3]; b: parameter; "
_LAYER = "x: input[3]; y: target[2]; W: parameter[2, 3]; b: parameter[2]; "

SCALAR = {
    "straight-line": _IO + "z = w*x + b; L: loss = (z - y)**2",
    "sigmoid-log-loss": _IO + "z = w*x + b; a: output = sigmoid(z); L: loss = -y*log(a) - (1 - y)*log(1 - a)",
    "sigmoid-squared-error": _IO + "z = w*x + b; a: output = sigmoid(z); L: loss = (a - y)**2/2",
    "tanh-log-loss": _IO
    + "z = w*x + b; a: output = tanh(z); L: loss = -y*log((1 + a)/2) - (1 - y)*log((1 - a)/2)",
    "tanh-squared-error": _IO + "a: output = tanh(w*x + b); L: loss = (y - a)**2",
    "shared": "x: input; w: parameter; u = x*w; y = u**2; L: loss = u*y + y",
    "used-twice": "x: input; w: parameter; u = tanh(w*x); v = sigmoid(w*u); L: loss = v**2",
    "skip": _IO + "u = w*x + b; v = tanh(u) + u; z = v*w + x; L: loss = (z - y)**2",
    "skip-over-two": "x: input; w: parameter; v: parameter; a = tanh(w*x); c = tanh(v*a) + a; L: loss = (c + x - a)**2",
    "regularised": _IO + "lam: constant = 0.01; z = w*x + b; L: loss = (z - y)**2 + lam*w**2",
    "weight-decay-abs": _IO + "lam: constant = 0.1; L: loss = (w*x + b - y)**2 + lam*abs(w) + lam*abs(b)",
    "swish-of-the-author": _IO + "def swish2(u): return u*sigmoid(u); L: loss = (swish2(w*x + b) - y)**2",
    "beta-swish-of-the-author": _IO
    + "beta: parameter; def act(u): return u*sigmoid(beta*u); L: loss = (act(w*x) - y)**2 + b",
    "function-calls-function": _IO
    + "def half(u): return u/2; def f(u): return half(u)**2 + half(u); L: loss = f(w*x + b) + y",
    "function-shadowing": "x: input; w: parameter; def f(x): return x**3; L: loss = f(w) + x*w",
    "own-sigmoid": _IO
    + "def s(u): return 1/(1 + exp(-u)); z = w*x + b; a = s(z); L: loss = -y*log(a) - (1 - y)*log(1 - a)",
    "double-sigmoid": _IO + "z = w*x + b; a = sigmoid(2*z); L: loss = -y*log(a) - (1 - y)*log(1 - a)",
    "piecewise": _IO + "z = w*x + b; a = where(z > 0, z**2, -z/2); L: loss = (a - y)**2",
    "piecewise-nested": _IO
    + "z = w*x + b; a = where(z > 1, z, where(z > -1, z**3, 2*z)); L: loss = a*y + a**2",
    "piecewise-two-tests": _IO + "z = w*x + b; a = where(-1 < z < 1, z**2, 1); L: loss = a*w + y",
    "softplus": _IO + "z = w*x + b; a = softplus(z); L: loss = (a - y)**2",
    "silu": _IO + "z = w*x + b; a = silu(z); L: loss = (a - y)**2",
    "swish-beta": "x: input; w: parameter; beta: parameter; z = w*x; a = swish(z, beta); L: loss = a**2",
    "mish": _IO + "z = w*x + b; a = mish(z); L: loss = (a - y)**2",
    "gelu": _IO + "z = w*x + b; a = gelu(z); L: loss = (a - y)**2",
    "gelu-tanh": _IO + "z = w*x + b; a = gelu_tanh(z); L: loss = (a - y)**2",
    "softsign": _IO + "z = w*x + b; a = softsign(z); L: loss = (a - y)**2",
    "relu": _IO + "z = w*x + b; a = relu(z); L: loss = (a - y)**2",
    "leaky": _IO + "z = w*x + b; a = leaky_relu(z, 0.2); L: loss = (a - y)**2",
    "elu": _IO + "z = w*x + b; a = elu(z, 1.5); L: loss = (a - y)**2",
    "keyword": _IO + "z = w*x + b; a = elu(z, alpha=2); L: loss = (a - y)**2",
    "default-slope": _IO + "z = w*x + b; a = leaky_relu(z); L: loss = (a - y)**2",
    "default-inside": _IO + "L: loss = (elu(w*x) + celu(w*b) + swish(b*x) - y)**2",
    "huber": _IO + "e = w*x + b - y; L: loss = huber(e, 1)",
    "huber-default": _IO + "e = w*x + b - y; L: loss = huber(e)",
    "hinge": _IO + "z = w*x + b; L: loss = hinge(y*z) + w**2/2",
    "log-cosh": _IO + "z = w*x + b; L: loss = log_cosh(z - y)",
    "clipped": _IO + "z = w*x + b; a = clip(z, -1, 1); L: loss = (a - y)**2",
    "larger-of-two": _IO + "a = maximum(w*x, b); c = minimum(w, x*b); L: loss = a*c + y",
    "quotient": "x: input; u: parameter; v: parameter; a = u*x/v; L: loss = a**2 + v/u",
    "reciprocal": "x: input; w: parameter; a = 1/w; L: loss = a*x + 3/w**2",
    "powers": "x: input; w: parameter; p: parameter; a = w**p; L: loss = a*x + p**x + 2**p + w**3",
    "general-power": "x: input; w: parameter; a = w**w; L: loss = a*x",
    "negative-power": "x: input; w: parameter; a = w**(-2); L: loss = a*x + w**(-0.5)",
    "roots": "x: input; w: parameter; a = sqrt(w); L: loss = a*x + cbrt(w) + sqrt(w**2 + 1)",
    "logs": "x: input; w: parameter; a = log(w); L: loss = a*x + log1p(w) + log2(w) + log10(w) + expm1(w) + exp2(w)",
    "circular": "x: input; w: parameter; a = tan(w); c = sin(w)*cos(a); L: loss = c*x + sec(w) + cot(w) + csc(w)",
    "inverse-circular": "x: input; w: parameter; a = arctan(w); L: loss = a*x + arcsin(w/4) + arccos(w/5) + arctan2(w, x)",
    "hyperbolic": "x: input; w: parameter; a = sinh(w); c = cosh(w); L: loss = a*c*x + sech(w) + arcsinh(w) + arctanh(w/4) + arccosh(1 + w)",
    "each-inverse": "x: input; w: parameter; s = arcsin(w/4); c = arccos(x*w/9); t = arctan(w); h = arcsinh(w); k = arccosh(w + 1); "
    "m = arctanh(w/5); r = cbrt(w); q = sqrt(w); l = log(w); L: loss = s + c + t + h + k + m + r + q + l",
    "each-direct": "w: parameter; s = arcsin(w); c = arccos(w); t = arctan(w); h = arcsinh(w); m = arctanh(w); r = cbrt(w); "
    "q = sqrt(w); l = log(w); g = tan(w); L: loss = s*c*t*h + m*r + q*l + g",
    "gammas": "x: input; w: parameter; a = lgamma(w); c = digamma(w); L: loss = a + c*x + gamma(w) + trigamma(w) + polygamma(2, w)",
    "normal": "x: input; w: parameter; a = erf(w*x); L: loss = a + erfc(w) + normal_cdf(w)",
    "constants": "x: input; w: parameter; L: loss = pi*w**2*x + 0.50*w + 1e-3*w**2",
    "log-of-odds": "x: input; w: parameter; p = sigmoid(w*x); L: loss = logit(p)**2",
    "poisson": _IO + "z = w*x + b; m = exp(z); L: loss = m - y*z",
    "gaussian": "x: input; mu: parameter; sigma: parameter; L: loss = log(sigma) + (x - mu)**2/(2*sigma**2)",
    "gamma-as-a-name": "x: input; gamma: parameter; beta: parameter; L: loss = (gamma*x + beta)**2",
    "index-letters": "i: input; j: parameter; k: parameter; l = i*j + k; L: loss = l**2*j",
    "letters-as-names": "n: parameter; p: parameter; D1: input; q = n*p; L: loss = q*D1 + exp(q)",
    "deep": "x: input; w: parameter; "
    + "; ".join(
        f"h{k} = {f}(w*{'x' if k == 1 else f'h{k - 1}'})"
        for k, f in enumerate(("tanh", "sigmoid", "softplus", "sin", "arctan", "elu", "silu", "relu"), 1)
    )
    + "; L: loss = h8**2 + h4",
    "diamond": "x: input; w: parameter; u = w*x; a = sin(u); c = cos(u); L: loss = a*c + a/(2 + c)",
    "cancelling": _IO + "a = sigmoid(w*x + b); c = 1 - a; L: loss = -y*log(a) - (1 - y)*log(c)",
    "abs-and-sign": "x: input; w: parameter; u = w*x; a = abs(u); L: loss = a**2 + a*sign(u) + sign(w)*w",
    "square-functions": "x: input; w: parameter; L: loss = square(w*x) + reciprocal(1 + w**2) + hypot(w, x) + logaddexp(w, x) + xlogy(x, w)",
    "others": "x: input; w: parameter; L: loss = tanhshrink(w*x) + log_sigmoid(w) + sinc(w) + hardswish(w) + hardsigmoid(w) + hardtanh(w/2)",
    "shrinks": "x: input; w: parameter; L: loss = softshrink(w, 0.3)*x + hardshrink(w, 0.3) + relu6(4*w) + selu(w*x) + celu(w, 2)",
    "pooling": "x: parameter[6]; P[i] = max(x[2*i + p], p, p < 2); L: loss = sum(P**2)",
    "place-of-the-greatest": "x: parameter[3]; L: loss = argmax(x[i], i)*sum(x)",
    "unused": "x: input; w: parameter; v: parameter; L: loss = w*x",
    "loss-used-by-nothing-else": "x: input; w: parameter; side = exp(w); L: loss = w*x",
    "nothing-to-do": "w: parameter; L: loss = w",
    "absolute-of-absolute": "x: input; w: parameter; L: loss = abs(abs(w)) + abs(w*abs(x)) + abs(abs(w) - 1)",
    "double-root-at-the-edge": "w: parameter; L: loss = arccosh(1 + w**2)",
    "no-pole-at-zero": "w: parameter; L: loss = w/(1 - exp(-w)) + w/(exp(w) - 1)",
    "like-terms": "x: input; w: parameter; u = x + w + w; L: loss = u**2 + w*u - w**2 + w",
}

VECTOR = {
    "node-called-k": "x: input[3]; y: target; W: parameter[3, 3]; v: parameter[3]; h = tanh(W @ x); g = tanh(W @ h); "
                     "k = tanh(W.T @ g); L: loss = (v @ k - y)**2",
    "broadcast-under-sum": "x: input[3]; A: parameter[2, 3]; b: parameter[3]; c: parameter; L: loss = sum((A + b)*x + c)**2",
    "log-softmax-by-label": "x: input[3]; y: input = integer(3); W: parameter[3, 3]; p = log_softmax(W @ x); L: loss = -p[y]",
    "linear": _VEC + "z = w @ x + b; L: loss = (z - y)**2",
    "logistic": _VEC + "z = w @ x + b; a: output = sigmoid(z); L: loss = -y*log(a) - (1 - y)*log(1 - a)",
    "dot": _VEC + "z = dot(w, x) + b; L: loss = (z - y)**2 + sum(w**2)/2",
    "ridge": _VEC + "lam: constant = 0.1; L: loss = (w @ x + b - y)**2 + lam*sum(w**2) + lam*sum(abs(w))",
    "elementwise": "x: input[3]; w: parameter[3]; a = tanh(w*x); L: loss = sum(a**2)",
    "broadcast-scalar": "x: input[3]; w: parameter[3]; b: parameter; a = sigmoid(w*x + b); L: loss = sum(a)",
    "layer": _LAYER + "z = W @ x + b; a = tanh(z); L: loss = sum((a - y)**2)",
    "layer-mean": _LAYER + "a = sigmoid(W @ x + b); L: loss = mean((a - y)**2)",
    "two-layers": "x: input[3]; y: target; W1: parameter[2, 3]; b1: parameter[2]; w2: parameter[2]; b2: parameter; z1 = W1 @ x + b1; "
    "a1 = tanh(z1); z2 = w2 @ a1 + b2; a2: output = sigmoid(z2); L: loss = -y*log(a2) - (1 - y)*log(1 - a2)",
    "three-layers": "x: input[3]; y: target[2]; W1: parameter[4, 3]; W2: parameter[3, 4]; W3: parameter[2, 3]; a1 = relu(W1 @ x); "
    "a2 = softplus(W2 @ a1) + x; a3 = W3 @ a2; L: loss = sum((a3 - y)**2)/2",
    "residual": "x: input[3]; W: parameter[3, 3]; a = x + tanh(W @ x); c = a + tanh(W @ a); L: loss = sum(c**2)",
    "softmax": _LAYER + "z = W @ x + b; a: output = softmax(z); L: loss = -sum(y*log(a))",
    "softmax-assumed": _LAYER
    + "z = W @ x + b; a: output = softmax(z); L: loss = -sum(y*log(a)); assume(sum(y) == 1)",
    "log-softmax": _LAYER + "z = W @ x + b; a = log_softmax(z); L: loss = -sum(y*a)",
    "softmax-squared": _LAYER + "a = softmax(W @ x + b); L: loss = sum((a - y)**2)",
    "logsumexp": _LAYER + "z = W @ x + b; L: loss = logsumexp(z) - sum(y*z)",
    "norm": "x: input[3]; w: parameter[3]; u = w*x; n = norm(u); L: loss = n + n**2",
    "normalised": "x: input[3]; w: parameter[3]; u = w/norm(w); L: loss = sum(u*x**2)",
    "mean-and-variance": "x: input[3]; w: parameter[3]; u = w*x; m = mean(u); v = mean((u - m)**2); L: loss = v/(1 + m**2)",
    "layer-norm": "x: input[4]; g: parameter[4]; c: parameter[4]; W: parameter[4, 4]; u = W @ x; m = mean(u); "
    "v = mean((u - m)**2); h = g*(u - m)/sqrt(v + 0.1) + c; L: loss = sum(h**2)",
    "diagonal-entries": "x: input[3]; P: parameter[2, 3, 3]; u[i] = sum(P[q, i, p]*x[p]*q, p, q, p == i) + x[i]; "
    "L: loss = sum(u**2)",
    "power-of-a-norm": "x: input[3]; w: parameter[3]; L: loss = norm(w*x - 1)**4 + sum(w)",
    "max": "x: input[3]; w: parameter[3]; u = w*x; m = max(u); L: loss = m**2",
    "min": "x: input[3]; w: parameter[3]; u = w*x; m = min(u); L: loss = m**2 + max(u)",
    "prod": "x: input[3]; w: parameter[3]; p = prod(w*x); L: loss = p**2",
    "cumsum": "x: input[3]; w: parameter[3]; c = cumsum(w*x); L: loss = sum(c**2)",
    "quadratic-form": "x: input[3]; A: parameter[3, 3]; L: loss = x @ A @ x",
    "gram": "x: input[3]; A: parameter[2, 3]; G = A.T @ A; L: loss = x @ G @ x",
    "transposed": "x: input[2]; A: parameter[2, 3]; z = A.T @ x; L: loss = sum(z**3)",
    "outer": "x: input[3]; w: parameter[2]; M = outer(w, x); L: loss = sum(M**2) + sum(M)",
    "trace": "A: parameter[3, 3]; B: input[3, 3]; L: loss = trace(A @ B) + trace(A)",
    "frobenius": "A: parameter[2, 3]; B: input[2, 3]; L: loss = sum((A - B)**2)",
    "axis-sum": "A: parameter[2, 3]; x: input[3]; s = sum(A*x, axis=1); t = sum(A, axis=0); L: loss = sum(s**2) + sum(t*x)",
    "axis-mean": "A: parameter[2, 3]; m = mean(A, axis=0); L: loss = sum((A - m)**2)",
    "axis-softmax": "A: parameter[2, 3]; x: input[3]; S = softmax(A, axis=1); z = S @ x; L: loss = sum(z**2)",
    "axis-max": "A: parameter[2, 3]; m = max(A, axis=1); L: loss = sum(m**2)",
    "diag": "x: input[3]; w: parameter[3]; M = diag(w); L: loss = x @ M @ x + sum(diag(M)**2)",
    "eye": "x: input[3]; A: parameter[3, 3]; M = A + 2*eye(3); L: loss = x @ M @ x",
    "index-matmul": "x: input[3]; W: parameter[2, 3]; z[i] = sum(W[i, j]*x[j], j); L: loss = sum(z[i]**2, i)",
    "index-outer": "x: input[3]; w: parameter[2]; M[i, j] = w[i]*x[j] + w[i]**2; L: loss = sum(M[i, j]**2, i, j)",
    "index-swapped": "A: parameter[2, 3]; B[i, j] = A[j, i]; x: input[2]; z = B @ x; L: loss = sum(z**2)",
    "condition": "x: input[4]; w: parameter[4]; L: loss = sum(w[i]*x[j], i, j, i < j)",
    "two-conditions": "x: input[4]; w: parameter[4]; L: loss = sum(w[i]*w[j]*x[j], i, j, i < j, j > 1)",
    "softmax-index": "x: input[3]; W: parameter[3, 3]; e[t, s] = W[t, s]*x[s]; a[t, s] = softmax(e[t, s], s); L: loss = sum(a[t, s]*x[s]*x[t]**2, t, s)",
    "softmax-masked": "x: input[3]; W: parameter[3, 3]; a[t, s] = softmax(W[t, s]*x[s], s, s <= t); L: loss = sum(a[t, s]*x[s], t, s, s <= t)",
    "attention": "X: input[3, 2]; Wq: parameter[2, 2]; Wk: parameter[2, 2]; Q = X @ Wq; K = X @ Wk; S = Q @ K.T/sqrt(2); "
    "A = softmax(S, axis=1); C = A @ X; L: loss = sum(C**2)",
    "inverse": "x: input[2]; A: parameter[2, 2]; b: parameter[2]; L: loss = x @ inv(A) @ b + trace(inv(A @ A.T + eye(2)))",
    "solve": "x: input[3]; A: parameter[3, 3]; v = solve(A, x); L: loss = sum(v**2)",
    "determinant": "x: input[3]; A: parameter[3, 3]; L: loss = det(A)*x[0] + det(A @ A.T + eye(3))",
    "log-determinant": "m: size = 4; n: size = 3; A: parameter[m, n]; x: input[n]; L: loss = logdet(A.T @ A + eye(n)) + sum(A @ x)",
    "matrix-power": "A: parameter[2, 2]; x: input[2]; L: loss = x @ matrix_power(A, 3) @ x + trace(matrix_power(A, -2))",
    "gaussian": "d: size = 2; x: input[d]; m: parameter[d]; S: parameter[d, d]; r = x - m; "
    "L: loss = r @ inv(S @ S.T + eye(d)) @ r/2 + logdet(S @ S.T + eye(d))/2",
    "centred": "d: size = 4; x: input[d]; g: parameter[d]; w: parameter[d]; h = w*x; m = mean(h); v = mean((h - m)**2); "
    "s = sqrt(v + 0.01); u = (h - m)/s; L: loss = sum(tanh(g*u))",
    "entropy": "k: size = 3; z: parameter[k]; c: input; a = softmax(z); H: loss = -c*sum(a*log(a))",
    "norm-of-residual": "x: input[3]; y: target[2]; W: parameter[2, 3]; L: loss = norm(W @ x - y)",
    "norm-of-weights": "w: parameter[3]; L: loss = norm(w) + logsumexp(w)",
    "chain-of-matrices": "A: parameter[2, 3]; B: parameter[3, 4]; C: parameter[4, 2]; x: input; L: loss = x*trace(A @ B @ C)",
    "shifted": "x: input[4]; w: parameter[4]; d[i] = w[i + 1] - w[i]; L: loss = sum(d**2) + sum(w*x)",
    "guarded": "x: input[5]; w: parameter[5]; d[i] = where(i > 0, w[i]*x[i] - w[i-1], 0); L: loss = sum(d**2)",
    "guarded-sum": "w: parameter[5]; L: loss = sum(where(i > 0, w[i] - w[i-1], 0)**2, i) + sum(w[i]*w[i-2], i, i >= 2)",
    "guarded-twice": "w: parameter[5]; A: parameter[4, 2]; d[i, j] = where(i > 1, A[i-2, j], where(j != 0, A[i, j-1], w[i])); "
    "L: loss = sum(d**3)",
    "min-over-two": "C: input[2, 4]; X: input[4, 4, 3]; P: parameter[2, 3, 4]; "
    "L: loss = sum(min(X[q, r, s]*P[p, s, r], r, s)*C[p, q], p, q, p < q)",
    "prod-over-two": "x: input[3, 2]; P: parameter[2, 3]; L: loss = prod(P) + prod(P[i, j]*x[j, i], i, j, i < j)",
    "softmax-under-sum": "x: input[3]; w: parameter[3]; u[p] = w[p]*sum(softmax(w[p]**2, p)*x[p], p, p < 2); L: loss = sum(u)",
    "part-of-a-vector": "x: input[5]; w: parameter[4]; v: parameter[6]; L: loss = sin(w) @ x[0:4] + sin(w) @ v[0:4]",
    "kronecker": "x: input; A: parameter[2, 2]; X: parameter[3, 3]; K = kron(A, X); L: loss = trace(K)*x",
    "array": "x: input; A: parameter[2, 3]; L: loss = logdet(array(sum(A[p, j]*A[q, j], j) + delta(p, q), p, q))*x",
    "letters-nested": "C: input[3, 3]; P: parameter[3, 3]; L: loss = sum(max(C[p, q]*sum(P[r, q], r, r > p), q)*C[p, p], p)",
    "trace-of-inverse": "B: input[2, 3]; A: parameter[2, 3]; L: loss = trace(inv(A @ A.T + B @ B.T + eye(2)))",
    "convolution": "x: input[5]; K: parameter[2]; z[i] = sum(K[p]*x[i + p], p); L: loss = sum(z**2)",
    "slice": "x: input[4]; w: parameter[4]; L: loss = sum(w[1:3]*x[0:2])",
    "slice-of-one": "x: input[5]; w: parameter; L: loss = w*sum(x[0:2])",
    "slice-mean": "x: input; w: parameter[5]; L: loss = mean(w[0:2])*x + mean(w)",
    "slice-equation": "x: input[5]; w: parameter[5]; u = w[1:4]*x[:3]; L: loss = sum(u**2)",
    "slice-of-node": "x: input[5]; w: parameter[5]; z = w*x; L: loss = sum(z[1:]**2) + sum(z[:2])",
    "slice-difference": "w: parameter[5]; x: input[5]; L: loss = sum((w[1:] - w[:4])**2) + w @ x",
    "slice-max": "x: input[5]; w: parameter[5]; L: loss = max(w[1:3])*x[0]",
    "slice-dot": "x: input[5]; w: parameter[5]; L: loss = x[0:2] @ w[3:5]",
    "shorter-vector": "x: input[3]; w: parameter[5]; L: loss = sum(w[j]*x[j], j)",
    "shorter-by-shift": "x: input[5]; w: parameter[5]; L: loss = sum(w[j]*x[j + 1], j)",
    "entries": "x: input[3]; w: parameter[3]; L: loss = w[0]*x[1] + w[2]**2*x[0]",
    "rows": "x: input[3]; W: parameter[2, 3]; L: loss = sum(W[0]*x) + sum(W[1]**2)",
    "stack": "x: input[2]; w: parameter[2]; b: parameter; v = [w, b, x]; L: loss = sum(v**3)",
    "stack-entries": "w: parameter; v: parameter; p = [w*v, w, v**2]; L: loss = p[0]*p[1] + p[2]",
    "stack-inside": "x: input[2]; w: parameter; L: loss = w*sum([x, w])",
    "stack-squared": "x: input[3]; w: parameter[2]; L: loss = sum([x, w]**2)",
    "ones": "w: parameter[3]; x: input; L: loss = sum((w - ones(3))**2)*x + sum(ones(3))",
    "symbolic-sizes": "d: size = 3; h: size = 2; x: input[d]; W: parameter[h, d]; c: parameter[h]; z = W @ x + c; a = tanh(z); "
    "L: loss = sum(a**2)/h",
    "embedding": "t: input = integer(4); E: parameter[4, 3]; w: parameter[3]; e = E[t]; L: loss = (w @ e)**2",
    "mixture": "x: input; y: target; m: parameter[3]; p: parameter[3]; s: parameter[3]; q = softmax(p); "
    "d[k] = exp(-(x - m[k])**2/(2*s[k]**2))/s[k]; L: loss = -log(q @ d) + y",
    "own-function-on-vectors": "x: input[3]; w: parameter[3]; def energy(u): return sum(u**2)/2; L: loss = energy(w*x) + energy(w)",
    "own-function-with-lines": "x: input[3]; w: parameter[3]; def f(u):\n    m = mean(u)\n    return (u - m)**2\nc = f(w*x); L: loss = sum(c)",
    "relu-vector": _LAYER + "a = relu(W @ x + b); L: loss = sum((a - y)**2)",
    "where-vector": "x: input[3]; w: parameter[3]; a = where(w > x, w**2, x*w); L: loss = sum(a)",
    "maximum-vector": "x: input[3]; w: parameter[3]; L: loss = sum(maximum(w, x)*x)",
    "loss-norm": "x: input[2]; W: parameter[2, 2]; L: loss = norm(W @ x)",
    "loss-max": "x: input[3]; w: parameter[3]; L: loss = max(w*x)",
    "loss-logsumexp": "x: input[3]; w: parameter[3]; L: loss = logsumexp(w*x)",
    "one-by-one": "x: input[4, 4]; P: parameter[1, 1]; L: loss = sum(kron(P, x)) + sum(P)",
    "size-one": "x: input[3]; w: parameter[1]; L: loss = sum((w*x)**2)",
    "symmetric": "x: input[2]; b: parameter[2]; S: parameter[2, 2] = symmetric; L: loss = x @ S @ x + b @ inv(S) @ b",
    "symmetric-quadratic": "x: input[3]; w: parameter[3]; S: parameter[3, 3] = symmetric; L: loss = w @ S @ w + x @ w",
    "diagonal": "x: input[3]; S: parameter[3, 3] = diagonal; z = S @ x; L: loss = sum(z**3)",
    "lower-triangular": "x: input[2]; C: parameter[2, 2] = lower; K = C @ C.T; L: loss = sum(K**2) + sum(C @ x)",
    "bilinear": "x: input[2]; y: target[3]; A: parameter[2, 3]; u = x @ A; L: loss = u @ y + (x @ A @ y)**2",
    "tensor": "x: input[2]; T: parameter[2, 3, 2]; z[i, j] = sum(T[k, i, j]*x[k], k); L: loss = sum(z**2)",
}

MODELS = SCALAR | VECTOR

POSITIVE = {
    "powers": ("w", "p"),
    "general-power": ("w",),
    "negative-power": ("w",),
    "roots": ("w",),
    "logs": ("w",),
    "each-inverse": ("w",),
    "each-direct": ("w",),
    "gammas": ("w",),
    "gaussian": ("sigma",),
    "square-functions": ("w",),
    "hyperbolic": ("w",),
    "mixture": ("s",),
}


def text_of(name: str) -> str:
    return lines(MODELS[name])


def lines(text: str) -> str:
    """Semicolons to line ends; a function's body keeps its indentation."""
    return "\n".join(
        part if part.startswith("    ") else part.lstrip() for part in re.split(r";\s?|\n", text)
    )


def parsed(name: str) -> Model:
    return Model.parse(text_of(name), name)


def numbers(model: Model, seed: int = 0, positive: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Values for one example: both signs, targets in (0, 1), what is named in `positive` in (0.2, 0.9)."""
    generator = np.random.default_rng(seed)
    sizes = {v.name: int(v.value.value) for v in model.of_role("size") if v.value is not None}
    values: dict[str, np.ndarray] = {}
    for v in model.variables.values():
        if v.role == "size" or (v.role == "constant" and v.value is not None):
            continue
        shape = tuple(int(s.value) if hasattr(s, "value") else sizes[s.name] for s in v.shape)
        if v.kind == "integer":
            values[v.name] = generator.integers(0, int(v.kind_argument.value), shape)
        elif v.name in positive or v.role == "target":
            values[v.name] = generator.uniform(0.2, 0.9, shape)
            if any(str(a) == f"sum({v.name}[j], j) == 1" for a in model.assumptions):
                values[v.name] /= values[v.name].sum()
        else:
            values[v.name] = generator.uniform(0.15, 1.3, shape) * generator.choice([-1, 1], shape)
        values[v.name] = structured(values[v.name], v.structure)
    return values


def structured(value: np.ndarray, structure: str | None) -> np.ndarray:
    """The matrix with the entries that its structure leaves free, and those that they determine."""
    if structure == "symmetric":
        return np.tril(value) + np.tril(value, -1).T
    if structure == "diagonal":
        return value * np.eye(len(value))
    return np.tril(value) if structure == "lower" else value
