"""Identities of the Matrix Cookbook (Petersen and Pedersen, sections 2.1 to 2.8), and losses of the field made of them.

A row: the names, one letter a size in each shape; the scalar; for each parameter the gradient as it prints.  Nothing
else is known of a row: the numbers that a test compares come from the model's equations by the complex step, and from
autograd on `numpy_loss`, the scalar's text read by Python.
"""

from __future__ import annotations

import re

SIZES = {"m": 3, "n": 2, "k": 4, "p": 5, "q": 2}

ROWS: dict[str, tuple[str, str, dict[str, str]]] = {
    "det": (
        "X: parameter[n,n]",
        "det(X)",
        {"X": "det(X)*inv(X).T"},
    ),
    "det AXB": (
        "A: constant[n,n]; B: constant[n,n]; X: parameter[n,n]",
        "det(A @ X @ B)",
        {"X": "det(A @ X @ B)*(A.T @ inv(A @ X @ B).T @ B.T)"},
    ),
    "det XtX": (
        "X: parameter[m,n]",
        "det(X.T @ X)",
        {"X": "2*det(X.T @ X)*(X @ inv(X.T @ X))"},
    ),
    "logdet": (
        "X: parameter[n,n]",
        "logdet(X)",
        {"X": "inv(X).T"},
    ),
    "logdet XtX": (
        "X: parameter[m,n]",
        "logdet(X.T @ X)",
        {"X": "2*(X @ inv(X.T @ X))"},
    ),
    "log det(X)^2": (
        "X: parameter[n,n]",
        "log(det(X)**2)",
        {"X": "2*inv(X).T"},
    ),
    "det XtAX sym": (
        "A: constant[m,m]; assume(A == A.T); X: parameter[m,n]",
        "det(X.T @ A @ X)",
        {"X": "2*(det(X.T @ A @ X)*(A @ X @ inv(X.T @ A @ X)))"},
    ),
    "det^k": (
        "X: parameter[n,n]",
        "det(X)**3",
        {"X": "3*det(X)**3*inv(X).T"},
    ),
    "logdet I+XXt": (
        "X: parameter[n,m]",
        "logdet(eye(n) + X @ X.T)",
        {"X": "2*(inv(eye(n) + X @ X.T) @ X)"},
    ),
    "aXinvb": (
        "a: constant[n]; b: constant[n]; X: parameter[n,n]",
        "a @ inv(X) @ b",
        {"X": "-outer(inv(X).T @ a, inv(X) @ b)"},
    ),
    "det inv": (
        "X: parameter[n,n]",
        "det(inv(X))",
        {"X": "-det(inv(X))*(inv(X).T @ inv(inv(X)).T @ inv(X).T)"},
    ),
    "tr AXinvB": (
        "A: constant[m,n]; B: constant[n,m]; X: parameter[n,n]",
        "trace(A @ inv(X) @ B)",
        {"X": "-inv(X).T @ A.T @ B.T @ inv(X).T"},
    ),
    "tr inv(X+A)": (
        "A: constant[n,n]; X: parameter[n,n]",
        "trace(inv(X + A))",
        {"X": "-inv(X + A).T @ inv(X + A).T"},
    ),
    "tr inv": (
        "X: parameter[n,n]",
        "trace(inv(X))",
        {"X": "-inv(X).T @ inv(X).T"},
    ),
    "xa": (
        "a: constant[n]; x: parameter[n]",
        "x @ a",
        {"x": "a"},
    ),
    "aXb": (
        "a: constant[m]; b: constant[n]; X: parameter[m,n]",
        "a @ X @ b",
        {"X": "outer(a, b)"},
    ),
    "aXtb": (
        "a: constant[n]; b: constant[m]; X: parameter[m,n]",
        "a @ X.T @ b",
        {"X": "outer(b, a)"},
    ),
    "aXa": (
        "a: constant[n]; X: parameter[n,n]",
        "a @ X @ a",
        {"X": "outer(a, a)"},
    ),
    "sum X": (
        "X: parameter[m,n]",
        "sum(X)",
        {"X": "ones(m, n)"},
    ),
    "sum sq XtX": (
        "X: parameter[m,n]",
        "sum(X.T @ X)",
        {"X": "2*outer(sum(X, axis=1), ones(n))"},
    ),
    "bXtXc": (
        "b: constant[n]; c: constant[n]; X: parameter[m,n]",
        "b @ X.T @ X @ c",
        {"X": "outer(X @ c, b) + outer(X @ b, c)"},
    ),
    "(Bx+b)C(Dx+d)": (
        "B: constant[m,n]; b: constant[m]; C: constant[m,k]; D2: constant[k,n]; d: constant[k]; x: parameter[n]",
        "(B @ x + b) @ C @ (D2 @ x + d)",
        {"x": "B.T @ C @ (D2 @ x + d) + D2.T @ (C.T @ (B @ x + b))"},
    ),
    "tr XtBX": (
        "B: constant[m,m]; X: parameter[m,n]",
        "trace(X.T @ B @ X)",
        {"X": "(B + B.T) @ X"},
    ),
    "bXtDXc": (
        "D2: constant[m,m]; b: constant[n]; c: constant[n]; X: parameter[m,n]",
        "b @ X.T @ D2 @ X @ c",
        {"X": "outer(D2 @ X @ c, b) + outer(D2.T @ (X @ b), c)"},
    ),
    "(Xb+c)D(Xb+c)": (
        "D2: constant[m,m]; b: constant[n]; c: constant[m]; X: parameter[m,n]",
        "(X @ b + c) @ D2 @ (X @ b + c)",
        {"X": "outer((D2 + D2.T) @ (X @ b + c), b)"},
    ),
    "xBx": (
        "B: constant[n,n]; x: parameter[n]",
        "x @ B @ x",
        {"x": "(B + B.T) @ x"},
    ),
    "xBx sym": (
        "B: constant[n,n]; assume(B == B.T); x: parameter[n]",
        "x @ B @ x",
        {"x": "2*(B @ x)"},
    ),
    "(x-As)W(x-As) s": (
        "W: constant[m,m]; assume(W == W.T); A: constant[m,n]; x: constant[m]; s: parameter[n]",
        "(x - A @ s) @ W @ (x - A @ s)",
        {"s": "-2*(A.T @ W @ (x - A @ s))"},
    ),
    "(x-s)W(x-s)": (
        "W: constant[m,m]; assume(W == W.T); s: constant[m]; x: parameter[m]",
        "(x - s) @ W @ (x - s)",
        {"x": "2*(W @ (x - s))"},
    ),
    "(x-As)W(x-As) A": (
        "W: constant[m,m]; assume(W == W.T); A: parameter[m,n]; x: constant[m]; s: constant[n]",
        "(x - A @ s) @ W @ (x - A @ s)",
        {"A": "-2*outer(W @ (x - A @ s), s)"},
    ),
    "aXnb": (
        "a: constant[n]; b: constant[n]; X: parameter[n,n]",
        "a @ matrix_power(X, 3) @ b",
        {"X": "outer(a, X @ (X @ b)) + outer(X.T @ a, X @ b) + outer(X.T @ X.T @ a, b)"},
    ),
    "tr X": (
        "X: parameter[n,n]",
        "trace(X)",
        {"X": "eye(n)"},
    ),
    "tr XA": (
        "A: constant[n,m]; X: parameter[m,n]",
        "trace(X @ A)",
        {"X": "A.T"},
    ),
    "tr AXB": (
        "A: constant[k,m]; B: constant[n,k]; X: parameter[m,n]",
        "trace(A @ X @ B)",
        {"X": "A.T @ B.T"},
    ),
    "tr AXtB": (
        "A: constant[k,n]; B: constant[m,k]; X: parameter[m,n]",
        "trace(A @ X.T @ B)",
        {"X": "B @ A"},
    ),
    "tr XtA": (
        "A: constant[m,n]; X: parameter[m,n]",
        "trace(X.T @ A)",
        {"X": "A"},
    ),
    "tr AXt": (
        "A: constant[m,n]; X: parameter[m,n]",
        "trace(A @ X.T)",
        {"X": "A"},
    ),
    "tr A kron X": (
        "A: constant[n,n]; X: parameter[m,m]",
        "trace(kron(A, X))",
        {"X": "trace(A)*eye(m)"},
    ),
    "tr X2": (
        "X: parameter[n,n]",
        "trace(X @ X)",
        {"X": "2*X.T"},
    ),
    "tr X2B": (
        "B: constant[n,n]; X: parameter[n,n]",
        "trace(X @ X @ B)",
        {"X": "B.T @ X.T + X.T @ B.T"},
    ),
    "tr XBXt": (
        "B: constant[n,n]; X: parameter[m,n]",
        "trace(X @ B @ X.T)",
        {"X": "X @ (B.T + B)"},
    ),
    "tr BXXt": (
        "B: constant[m,m]; X: parameter[m,n]",
        "trace(B @ X @ X.T)",
        {"X": "(B.T + B) @ X"},
    ),
    "tr AXBX": (
        "A: constant[n,m]; B: constant[n,m]; X: parameter[m,n]",
        "trace(A @ X @ B @ X)",
        {"X": "A.T @ X.T @ B.T + B.T @ X.T @ A.T"},
    ),
    "tr XtX": (
        "X: parameter[m,n]",
        "trace(X.T @ X)",
        {"X": "2*X"},
    ),
    "tr BXtCXB": (
        "B: constant[n,k]; C: constant[m,m]; X: parameter[m,n]",
        "trace(B.T @ X.T @ C @ X @ B)",
        {"X": "(C @ X + C.T @ X) @ B @ B.T"},
    ),
    "tr XtBXC": (
        "B: constant[m,m]; C: constant[n,n]; X: parameter[m,n]",
        "trace(X.T @ B @ X @ C)",
        {"X": "B @ X @ C + B.T @ X @ C.T"},
    ),
    "tr AXBXtC": (
        "A: constant[k,m]; B: constant[n,n]; C: constant[m,k]; X: parameter[m,n]",
        "trace(A @ X @ B @ X.T @ C)",
        {"X": "A.T @ C.T @ X @ B.T + C @ A @ X @ B"},
    ),
    "tr X kron X": (
        "X: parameter[n,n]",
        "trace(kron(X, X))",
        {"X": "2*trace(X)*eye(n)"},
    ),
    "tr Xk": (
        "X: parameter[n,n]",
        "trace(matrix_power(X, 4))",
        {"X": "4*(X.T @ X.T @ X.T)"},
    ),
    "tr AXk": (
        "A: constant[n,n]; X: parameter[n,n]",
        "trace(A @ matrix_power(X, 3))",
        {"X": "(A.T @ X.T + X.T @ A.T) @ X.T + X.T @ X.T @ A.T"},
    ),
    "tr AXinvB n": (
        "A: constant[n,n]; B: constant[n,n]; X: parameter[n,n]",
        "trace(A @ inv(X) @ B)",
        {"X": "-inv(X).T @ A.T @ B.T @ inv(X).T"},
    ),
    "tr inv(XtCX)A sym": (
        "A: constant[n,n]; assume(A == A.T); C: constant[m,m]; assume(C == C.T); X: parameter[m,n]",
        "trace(inv(X.T @ C @ X) @ A)",
        {"X": "-2*(C @ X @ inv(X.T @ C @ X) @ A @ inv(X.T @ C @ X))"},
    ),
    "tr sin": (
        "X: parameter[m,n]",
        "sum(sin(X))",
        {"X": "cos(X)"},
    ),
    "norm x-a": (
        "a: constant[n]; x: parameter[n]",
        "norm(x - a)",
        {"x": "(x - a)/norm(x - a)"},
    ),
    "norm2 x": (
        "x: parameter[n]",
        "norm(x)**2",
        {"x": "2*x"},
    ),
    "norm F2": (
        "X: parameter[m,n]",
        "norm(X)**2",
        {"X": "2*X"},
    ),
    "norm F": (
        "X: parameter[m,n]",
        "norm(X)",
        {"X": "X/norm(X)"},
    ),
    "tr AX sym": (
        "A: constant[n,n]; X: parameter[n,n] = symmetric",
        "trace(A @ X)",
        {"X": "A.T + A - diag(diag(A.T))"},
    ),
    "det sym": (
        "X: parameter[n,n] = symmetric",
        "det(X)",
        {"X": "2*det(X)*inv(X) - diag(diag(det(X)*inv(X)))"},
    ),
    "logdet sym": (
        "X: parameter[n,n] = symmetric",
        "logdet(X)",
        {"X": "2*inv(X) - diag(diag(inv(X)))"},
    ),
    "tr AX diag": (
        "A: constant[n,n]; X: parameter[n,n] = diagonal",
        "trace(A @ X)",
        {"X": "diag(diag(A.T))"},
    ),
    "gauss mu": (
        "S: constant[n,n]; assume(S == S.T); x: constant[n]; mu: parameter[n]",
        "(x - mu) @ inv(S) @ (x - mu)/2",
        {"mu": "-inv(S) @ (x - mu)"},
    ),
    "mahalanobis L": (
        "L: parameter[k,n]; x: constant[n]; z: constant[n]",
        "norm(L @ (x - z))**2",
        {"L": "2*outer(L @ (x - z), x - z)"},
    ),
    "mahalanobis dist": (
        "S: constant[n,n]; assume(S == S.T); x: parameter[n]; z: constant[n]",
        "sqrt((x - z) @ inv(S) @ (x - z))",
        {"x": "inv(S) @ (x - z)/sqrt((x - z) @ inv(S) @ (x - z))"},
    ),
    "ridge": (
        "A: constant[m,n]; b: constant[m]; lam: constant; x: parameter[n]",
        "norm(A @ x - b)**2 + lam*norm(x)**2",
        {"x": "2*(A.T @ (A @ x - b) + lam*x)"},
    ),
    "lstsq": (
        "A: constant[m,n]; b: constant[m]; x: parameter[n]",
        "norm(A @ x - b)",
        {"x": "A.T @ (A @ x - b)/norm(A @ x - b)"},
    ),
    "lstsq A": (
        "A: parameter[m,n]; b: constant[m]; x: constant[n]",
        "norm(A @ x - b)",
        {"A": "outer(A @ x - b, x)/norm(A @ x - b)"},
    ),
    "pca": (
        "W: parameter[n,k]; X: constant[m,n]",
        "norm(X - X @ W @ W.T)**2",
        {"W": "-2*((X.T @ (X - X @ W @ W.T) + (X - X @ W @ W.T).T @ X) @ W)"},
    ),
    "mf": (
        "U: parameter[m,k]; V: parameter[n,k]; R: constant[m,n]; M: constant[m,n]",
        "sum(M*(R - U @ V.T)**2)",
        {"U": "-2*(M*(R - U @ V.T) @ V)", "V": "-2*((M*(R - U @ V.T)).T @ U)"},
    ),
    "rayleigh": (
        "A: constant[n,n]; assume(A == A.T); x: parameter[n]",
        "(x @ A @ x)/(x @ x)",
        {"x": "2*((A @ x)*sum(x**2) - (x @ A @ x)*x)/sum(x**2)**2"},
    ),
    "bilinear": (
        "x: parameter[m]; y: parameter[n]; W: parameter[m,n]",
        "sigmoid(x @ W @ y)",
        {"x": "sigmoid(x @ W @ y)*(1 - sigmoid(x @ W @ y))*(W @ y)", "y": "sigmoid(x @ W @ y)*(1 - sigmoid(x @ W @ y))*(W.T @ x)", "W": "outer(sigmoid(x @ W @ y)*(1 - sigmoid(x @ W @ y))*x, y)"},
    ),
    "gram": (
        "X: parameter[m,n]; K: constant[n,n]",
        "sum((X.T @ X - K)**2)",
        {"X": "2*(X @ (2*(X.T @ X) - K.T - K))"},
    ),
    "gram logdet": (
        "X: parameter[m,n]",
        "trace(inv(X.T @ X))",
        {"X": "-2*(X @ inv(X.T @ X) @ inv(X.T @ X))"},
    ),
    "hadamard power": (
        "A: constant[m,n]; X: parameter[m,n]",
        "sum(A*X**3)",
        {"X": "3*A*X**2"},
    ),
    "hadamard": (
        "A: constant[m,n]; B: constant[k,n]; X: parameter[m,k]",
        "sum(A*(X @ B))",
        {"X": "A @ B.T"},
    ),
    "kl gauss": (
        "S: parameter[n,n]; T: constant[n,n]; mu: parameter[n]",
        "(trace(inv(T) @ S) + mu @ inv(T) @ mu - logdet(S))/2",
        {"S": "(inv(T) - inv(S)).T/2", "mu": "(inv(T) + inv(T).T) @ mu/2"},
    ),
    "det(I+uv)": (
        "u: parameter[n]; v: parameter[n]",
        "det(eye(n) + outer(u, v))",
        {"u": "det(eye(n) + outer(u, v))*(inv(eye(n) + outer(u, v)).T @ v)", "v": "det(eye(n) + outer(u, v))*(inv(eye(n) + outer(u, v)) @ u)"},
    ),
    "wahba": (
        "X: parameter[n,n]",
        "norm(X.T @ X - eye(n))**2",
        {"X": "4*(X @ X.T @ X - X)"},
    ),
    "logsumexp": (
        "A: constant[m,n]; x: parameter[n]",
        "logsumexp(A @ x)",
        {"x": "A.T @ exp(A @ x)/sum(exp(A @ x))"},
    ),
    "diag": (
        "A: constant[n,m]; B: constant[m,n]; x: parameter[m]",
        "trace(A @ diag(x) @ B)",
        {"x": "sum(A.T*B, axis=1)"},
    ),
    "diag2": (
        "X: parameter[n,n]; a: constant[n]",
        "diag(X) @ a",
        {"X": "diag(a)"},
    ),
    "weighted ls": (
        "W: constant[m,m]; assume(W == W.T); X: constant[m,n]; y: constant[m]; w: parameter[n]",
        "(y - X @ w) @ W @ (y - X @ w)",
        {"w": "-2*(X.T @ W @ (y - X @ w))"},
    ),
    "procrustes": (
        "A: constant[k,m]; B: constant[k,n]; R: parameter[m,n]",
        "norm(A @ R - B)**2",
        {"R": "2*(A.T @ (A @ R - B))"},
    ),
    "centred": (
        "X: parameter[m,n]",
        "norm(X - mean(X, axis=0))**2",
        {"X": "2*(X*m - sum(X, axis=0) - sum(X - sum(X, axis=0)/m, axis=0))/m"},
    ),
    "trace X4": (
        "X: parameter[n,n]",
        "trace(matrix_power(X, 4))",
        {"X": "4*(X.T @ X.T @ X.T)"},
    ),
    "logdet AXAt": (
        "A: constant[m,n]; X: parameter[n,n]",
        "logdet(A @ X @ A.T + eye(m))",
        {"X": "A.T @ inv(A @ X @ A.T + eye(m)).T @ A"},
    ),
    "logdet XtX s": (
        "X: parameter[m,n]; s: parameter",
        "logdet(X.T @ X + s*eye(n))",
        {"X": "2*(X @ inv(X.T @ X + s*eye(n)))", "s": "trace(inv(X.T @ X + s*eye(n)))"},
    ),
    "logdet AdA": (
        "s: parameter[m]; A: constant[n,m]",
        "logdet(A @ diag(s) @ A.T + eye(n))",
        {"s": "sum(A*(inv(A @ diag(s) @ A.T + eye(n)) @ A), axis=0)"},
    ),
    "norm invXb": (
        "X: parameter[n,n]; b: constant[n]",
        "norm(inv(X) @ b)",
        {"X": "-outer(inv(X).T @ (inv(X) @ b), inv(X) @ b)/norm(inv(X) @ b)"},
    ),
    "norm inv": (
        "X: parameter[n,n]",
        "norm(inv(X))**2",
        {"X": "-2*(inv(X).T @ inv(X) @ inv(X).T)"},
    ),
    "kron trace": (
        "A: constant[n,n]; X: parameter[m,m]",
        "trace(kron(A, X))",
        {"X": "trace(A)*eye(m)"},
    ),
    "rank one": (
        "u: parameter[m]; v: parameter[n]; A: constant[m,n]",
        "norm(A - outer(u, v))**2",
        {"u": "-2*((A - outer(u, v)) @ v)", "v": "-2*((A - outer(u, v)).T @ u)"},
    ),
    "masked": (
        "X: parameter[m,n]; A: constant[m,n]; B: constant[n,k]",
        "norm((X*A) @ B)**2",
        {"X": "2*A*(X*A @ B @ B.T)"},
    ),
    "fourth powers": (
        "X: parameter[m,n]; A: constant[k,m]; B: constant[n,p]",
        "norm((A @ X @ B)**2)**2",
        {"X": "4*(A.T @ (A @ X @ B)**3 @ B.T)"},
    ),
    "trace squared": (
        "X: parameter[m,n]; A: constant[m,n]",
        "trace(X.T @ A)**2",
        {"X": "2*sum(X*A)*A"},
    ),
    "projection": (
        "X: parameter[m,n]",
        "norm(X @ inv(X.T @ X + eye(n)) @ X.T)**2",
        {"X": "4*((X @ inv(X.T @ X + eye(n)) @ X.T - X @ inv(X.T @ X + eye(n)) @ X.T @ X @ inv(X.T @ X + eye(n)) @ X.T) @ X @ inv(X.T @ X + eye(n)))"},
    ),
    "similar": (
        "X: parameter[n,n]; A: constant[n,n]",
        "norm(X @ A @ inv(X))**2",
        {"X": "2*(X @ A @ inv(X) @ inv(X).T @ A.T - inv(X).T @ A.T @ X.T @ X @ A @ inv(X) @ inv(X).T)"},
    ),
    "commutator": (
        "X: parameter[n,n]; A: constant[n,n]",
        "norm(A @ X - X @ A)**2",
        {"X": "2*(A.T @ (A @ X - X @ A) - (A @ X - X @ A) @ A.T)"},
    ),
    "symmetric part": (
        "X: parameter[n,n]; A: constant[n,n]",
        "trace((X + X.T) @ A @ (X - X.T))",
        {"X": "(X.T - X) @ A.T + A @ (X - X.T) + A.T @ (X.T + X) - (X + X.T) @ A"},
    ),
    "inverse I - X": (
        "X: parameter[n,n]; a: constant[n]",
        "a @ inv(eye(n) - X) @ a",
        {"X": "outer(inv(eye(n) - X).T @ a, inv(eye(n) - X) @ a)"},
    ),
    "solve twice": (
        "X: parameter[n,n]; B: constant[n,m]",
        "norm(solve(X, B))**2",
        {"X": "-2*(inv(X).T @ inv(X) @ B @ B.T @ inv(X).T)"},
    ),
    "quotient of forms": (
        "x: parameter[n]; A: constant[n,n]; B: constant[n,n]",
        "(x @ A @ x)/(x @ B @ x)",
        {"x": "(((A + A.T) @ x)*(x @ B @ x) - (x @ A @ x)*((B + B.T) @ x))/(x @ B @ x)**2"},
    ),
    "diag scaled": (
        "x: parameter[n]; A: constant[n,n]; B: constant[n,n]",
        "trace(A @ diag(x) @ B @ diag(x))",
        {"x": "(A.T*B + A*B.T) @ x"},
    ),
    "one row": (
        "A: parameter[q,n]; b: constant[n]",
        "sum(exp(A @ b))",
        {"A": "outer(exp(A @ b), b)"},
    ),
    "weighted low rank": (
        "U: parameter[m,k]; V: parameter[n,k]; M: constant[m,n]; W: constant[m,n]",
        "norm(W*(M - U @ V.T))**2",
        {"U": "-2*(W**2*(M - U @ V.T) @ V)", "V": "-2*((W**2*(M - U @ V.T)).T @ U)"},
    ),
    "gram distance": (
        "X: parameter[m,n]; A: constant[m,n]",
        "norm(X @ X.T - A @ A.T)**2",
        {"X": "4*((X @ X.T - A @ A.T) @ X)"},
    ),
    "hidden layer": (
        "W: parameter[m,n]; V: parameter[k,m]; x: constant[n]; y: constant[k]",
        "norm(V @ sin(W @ x) - y)**2",
        {"W": "2*outer(cos(W @ x)*(V.T @ (V @ sin(W @ x) - y)), x)", "V": "2*outer(V @ sin(W @ x) - y, sin(W @ x))"},
    ),
}


def model_text(name: str) -> str:
    """The row as a model, its sizes unequal."""
    names, scalar, _ = ROWS[name]
    sizes = dict.fromkeys(s for shape in re.findall(r"\[([^\]]*)\]", names) for s in re.findall(r"[a-z]", shape))
    return "\n".join([*(f"{s}: size = {SIZES[s]}" for s in sizes), *names.split("; "), f"J: loss = {scalar}"])
