"""The steps as an expert tunes them in numpy alone: no loss, arrays made once, blocks that stay in the cache, the examples
last, the mean taken with the learning rate, one vector of parameters; for few examples scalars and their data as one product,
for many of them term by term, which is quicker there."""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 32_768


def _cut(data: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The data block by block."""
    n = len(data["y"])
    return [tuple(data[name][k : k + BLOCK] for name in ("x_1", "x_2", "y")) for k in range(0, n, BLOCK)]


def logistic(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta = np.array([params["w_1"], params["w_2"], params["b"]])
    gradient, total = np.empty(3), np.empty(3)
    w_1, w_2, b = (theta[k, ...] for k in range(3))
    d_1, d_2, d_b = (gradient[k, ...] for k in range(3))
    rate, one = np.array(lr / len(data["y"])), np.array(1.0)
    dot, exp, add, negative, divide, subtract, multiply = (
        np.dot, np.exp, np.add, np.negative, np.divide, np.subtract, np.multiply
    )  # fmt: skip
    buffers = {n: (np.empty(n), np.empty(n), np.ones(n)) for n in {len(y) for _, _, y in _cut(data)}}
    blocks = [(*block, *buffers[len(block[2])]) for block in _cut(data)]

    def step() -> None:
        total.fill(0)
        for x_1, x_2, y, z, t, ones in blocks:
            multiply(x_1, w_1, z)
            multiply(x_2, w_2, t)
            add(z, t, z)
            add(z, b, z)
            negative(z, z)
            exp(z, z)
            add(z, one, z)
            divide(one, z, z)
            subtract(z, y, z)
            dot(z, x_1, d_1)
            dot(z, x_2, d_2)
            dot(z, ones, d_b)
            add(total, gradient, total)
        multiply(total, rate, total)
        subtract(theta, total, theta)

    return step, lambda: dict(zip(("w_1", "w_2", "b"), theta, strict=True))


def two_layer(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    return (_two_layer_small if len(data["y"]) <= 1024 else _two_layer_large)(params, data, lr)


NAMES = ("w1_1", "w1_2", "b1", "w2", "b2")


def _two_layer_large(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta = np.array([params[name] for name in NAMES])
    gradient, total = np.empty(5), np.empty(5)
    w1_1, w1_2, b1, w2, b2 = (theta[k, ...] for k in range(5))
    d1_1, d1_2, d_b1, d_w2, d_b2 = (gradient[k, ...] for k in range(5))
    rate, one = np.array(lr / len(data["y"])), np.array(1.0)
    dot, exp, add, negative, divide, subtract, multiply, tanh = (
        np.dot, np.exp, np.add, np.negative, np.divide, np.subtract, np.multiply, np.tanh
    )  # fmt: skip
    buffers = {n: (np.empty(n), np.empty(n), np.empty(n), np.ones(n)) for n in {len(y) for _, _, y in _cut(data)}}
    blocks = [(*block, *buffers[len(block[2])]) for block in _cut(data)]

    def step() -> None:
        total.fill(0)
        for x_1, x_2, y, a, z, t, ones in blocks:
            multiply(x_1, w1_1, a)
            multiply(x_2, w1_2, t)
            add(a, t, a)
            add(a, b1, a)
            tanh(a, a)
            multiply(a, w2, z)
            add(z, b2, z)
            negative(z, z)
            exp(z, z)
            add(z, one, z)
            divide(one, z, z)
            subtract(z, y, z)
            dot(z, a, d_w2)
            dot(z, ones, d_b2)
            multiply(a, a, t)
            subtract(one, t, t)
            multiply(t, z, t)
            multiply(t, w2, t)
            dot(t, x_1, d1_1)
            dot(t, x_2, d1_2)
            dot(t, ones, d_b1)
            add(total, gradient, total)
        multiply(total, rate, total)
        subtract(theta, total, theta)

    return step, lambda: dict(zip(NAMES, theta, strict=True))


def _two_layer_small(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta = np.array([params[name] for name in NAMES])
    gradient = np.empty(5)
    first, second, w2 = theta[:3], theta[3:], theta[3, ...]
    d_first, d_second = gradient[:3], gradient[3:]
    n, y = len(data["y"]), data["y"]
    rate, one = np.array(lr / n), np.array(1.0)
    x, hidden = np.stack([data["x_1"], data["x_2"], np.ones(n)]), np.ones((2, n))
    a1, z, d = hidden[0], np.empty(n), np.empty(n)
    dot, exp, add, negative, divide, subtract, multiply, tanh = (
        np.dot, np.exp, np.add, np.negative, np.divide, np.subtract, np.multiply, np.tanh
    )  # fmt: skip

    def step() -> None:
        dot(first, x, a1)
        tanh(a1, a1)
        dot(second, hidden, z)
        negative(z, z)
        exp(z, z)
        add(z, one, z)
        divide(one, z, z)
        subtract(z, y, z)
        dot(hidden, z, d_second)
        multiply(a1, a1, d)
        subtract(one, d, d)
        multiply(d, z, d)
        multiply(d, w2, d)
        dot(x, d, d_first)
        multiply(gradient, rate, gradient)
        subtract(theta, gradient, theta)

    return step, lambda: dict(zip(NAMES, theta, strict=True))


def _flat(params: dict[str, Any]) -> Any:
    """Parameters and gradients, each in one vector, and their parts under their names."""
    theta = np.concatenate([values.ravel() for values in params.values()])
    gradient = np.empty_like(theta)
    edges = np.cumsum([0, *(values.size for values in params.values())])
    p, g = (
        {
            name: flat[a:b].reshape(values.shape)
            for (name, values), a, b in zip(params.items(), edges, edges[1:], strict=False)
        }
        for flat in (theta, gradient)
    )
    return theta, gradient, p, g


def mlp(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta, gradient, p, g = _flat(params)
    x, y_last = data["x"], np.ascontiguousarray(data["y"].T)
    n, dtype = len(x), theta.dtype
    rate, one, ones, ones_k = (np.array(v, dtype=dtype) for v in (lr / n, 1, np.ones(n), np.ones(len(p["b3"]))))
    a1, a2, a3, d2, d1, s2, s1 = (
        np.empty((len(p[name]), n), dtype=dtype) for name in ("b1", "b2", "b3", "b2", "b1", "b2", "b1")
    )
    top = np.empty(n, dtype=dtype)
    b1, b2, b3 = (p[name][:, None] for name in ("b1", "b2", "b3"))
    dot, add, tanh, exp, multiply, subtract, divide = (
        np.dot,
        np.add,
        np.tanh,
        np.exp,
        np.multiply,
        np.subtract,
        np.divide,
    )

    def step() -> None:
        dot(p["W1"], x.T, a1)
        add(a1, b1, a1)
        tanh(a1, a1)
        dot(p["W2"], a1, a2)
        add(a2, b2, a2)
        tanh(a2, a2)
        dot(p["W3"], a2, a3)
        add(a3, b3, a3)
        np.maximum.reduce(a3, 0, None, top)
        subtract(a3, top, a3)
        exp(a3, a3)
        dot(ones_k, a3, top)
        divide(a3, top, a3)
        subtract(a3, y_last, a3)
        dot(a3, a2.T, g["W3"])
        dot(a3, ones, g["b3"])
        dot(p["W3"].T, a3, d2)
        multiply(a2, a2, s2)
        subtract(one, s2, s2)
        multiply(d2, s2, d2)
        dot(d2, a1.T, g["W2"])
        dot(d2, ones, g["b2"])
        dot(p["W2"].T, d2, d1)
        multiply(a1, a1, s1)
        subtract(one, s1, s1)
        multiply(d1, s1, d1)
        dot(d1, x, g["W1"])
        dot(d1, ones, g["b1"])
        update()

    def descend() -> None:
        multiply(gradient, rate, gradient)
        subtract(theta, gradient, theta)

    def adam() -> None:
        """On the vector of all; the two corrections of the mean and the variance in one factor each."""
        state["t"] += 1
        t = state["t"]
        multiply(gradient, 0.1 / n, u)
        multiply(m, 0.9, m)
        add(m, u, m)
        multiply(gradient, gradient, gradient)
        multiply(gradient, 0.001 / n**2, gradient)
        multiply(v, 0.999, v)
        add(v, gradient, v)
        multiply(v, 1 / (1 - 0.999**t), u)
        np.sqrt(u, u)
        add(u, 1e-8, u)
        divide(m, u, u)
        multiply(u, lr / (1 - 0.9**t), u)
        subtract(theta, u, theta)

    state = {"t": 0}
    m, v, u = (np.zeros_like(theta) for _ in range(3))
    update = adam if optimizer == "adam" else descend
    return step, lambda: p


def lstm(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    """The steps first in memory; what does not recur as one product before the loop, the weights' gradients as one
    behind it.  Products on stacked gates were slower: their gates are no longer one piece of memory."""
    theta, gradient, p, g = _flat(params)
    x, y = data["x"], data["y"]
    (n, T, d), m, dtype = x.shape, len(p["v"]), theta.dtype
    x_first = np.empty((T, n, d), dtype=dtype)
    x_flat = x_first.reshape(T * n, d)
    gates = {gate: np.empty((T, n, m), dtype=dtype) for gate in "ifog"}
    adjoints = {gate: np.empty((T, n, m), dtype=dtype) for gate in "ifog"}
    h, c, tanh_c = (
        np.zeros((T + 1, n, m), dtype=dtype),
        np.zeros((T + 1, n, m), dtype=dtype),
        np.empty((T, n, m), dtype),
    )
    u, w, dh, dc = (np.empty((n, m), dtype=dtype) for _ in range(4))
    error, rate, one, ones = np.empty(n, dtype), np.array(lr / n, dtype), np.array(1, dtype), np.ones(T * n, dtype)
    h_flat = h[:T].reshape(T * n, m)
    dot, add, tanh, exp, multiply, subtract, divide, negative = (
        np.dot, np.add, np.tanh, np.exp, np.multiply, np.subtract, np.divide, np.negative
    )  # fmt: skip
    i, f, o, k = (list(gates[gate]) for gate in "ifog")
    steps = list(zip(i, f, o, k, list(h[:T]), list(h[1:]), list(c[:T]), list(c[1:]), list(tanh_c), strict=True))
    back = [(*forth, *(a[t] for a in adjoints.values())) for t, forth in enumerate(steps)][::-1]
    (U_i, U_f, U_o, U_g), v, b = (p["U_" + gate] for gate in "ifog"), p["v"], p["b"]
    hidden = [(gates[gate].reshape(T * n, m), p["W_" + gate].T, gates[gate], p["b_" + gate]) for gate in "ifog"]
    results = [(adjoints[gate].reshape(T * n, m), *(g[k + gate] for k in ("W_", "U_", "b_"))) for gate in "ifog"]

    def gate_of(z: Any, h_0: Any, U: Any) -> None:
        dot(h_0, U.T, u)
        add(z, u, z)
        negative(z, z)
        exp(z, z)
        add(z, one, z)
        divide(one, z, z)

    def step() -> None:
        np.copyto(x_first, x.transpose(1, 0, 2))
        for flat, W, gate, bias in hidden:
            dot(x_flat, W, flat)
            add(gate, bias, gate)
        for i, f, o, k, h_0, h_1, c_0, c_1, s in steps:
            gate_of(i, h_0, U_i)
            gate_of(f, h_0, U_f)
            gate_of(o, h_0, U_o)
            dot(h_0, U_g.T, u)
            add(k, u, k)
            tanh(k, k)
            multiply(f, c_0, c_1)
            multiply(i, k, u)
            add(c_1, u, c_1)
            tanh(c_1, s)
            multiply(o, s, h_1)
        dot(h[T], v, error)
        add(error, b, error)
        subtract(error, y, error)
        np.outer(error, v, dh)
        dc.fill(0)
        for i, f, o, k, _, _, c_0, _, s, d_i, d_f, d_o, d_k in back:
            multiply(dh, o, u)
            multiply(s, s, w)
            subtract(one, w, w)
            multiply(u, w, w)
            add(dc, w, dc)
            subtract(one, o, w)
            multiply(u, w, u)
            multiply(u, s, d_o)
            multiply(dc, i, w)
            multiply(k, k, u)
            subtract(one, u, u)
            multiply(w, u, d_k)
            subtract(one, i, u)
            multiply(w, u, w)
            multiply(w, k, d_i)
            multiply(dc, f, dc)
            subtract(one, f, u)
            multiply(dc, u, u)
            multiply(u, c_0, d_f)
            dot(d_i, U_i, dh)
            for d_z, U in ((d_f, U_f), (d_o, U_o), (d_k, U_g)):
                dot(d_z, U, u)
                add(dh, u, dh)
        for d_z, d_W, d_U, d_b in results:
            dot(d_z.T, x_flat, d_W)
            dot(d_z.T, h_flat, d_U)
            dot(ones, d_z, d_b)
        dot(error, h[T], g["v"])
        np.sum(error, out=g["b"])
        multiply(gradient, rate, gradient)
        subtract(theta, gradient, theta)

    return step, lambda: p


def transformer_block(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    """Sums along rows as products with ones; softmax without its maximum's help is no gain, its quotient is put off to
    the rows of the result; the second norm's affine part goes into what follows it."""
    theta, gradient, p, g = _flat(params)
    X, Y = data["X"], data["Y"]
    (n, t, m), f, dtype = X.shape, len(p["b1"]), theta.dtype
    shape, rows = (n, t, m), n * t
    Q, K, V, heads, U, N, u1, O, R, w, dU, dK = (np.empty(shape, dtype) for _ in range(12))
    A, dA = (np.empty((n, t, t), dtype) for _ in range(2))
    z, dz = (np.empty((rows, f), dtype) for _ in range(2))
    mask = np.empty((rows, f), dtype=bool)
    s1, s2, mean, top = (np.empty((n, t, 1), dtype) for _ in range(4))
    ones_m, ones_t, ones = np.full((m, 1), 1 / m, dtype), np.ones((t, 1), dtype), np.ones(rows, dtype)
    rate, scale, epsilon, zero = (np.array(v, dtype) for v in (lr / n, m**-0.5, 1e-5, 0))
    dot, add, multiply, subtract, divide, matmul = (
        np.dot, np.add, np.multiply, np.subtract, np.divide, np.matmul
    )  # fmt: skip

    def flat(a: Any) -> Any:
        return a.reshape(rows, -1)

    def normalise(a: Any, out: Any, s: Any) -> None:
        dot(flat(a), ones_m, flat(mean))
        subtract(a, mean, out)
        multiply(out, out, w)
        dot(flat(w), ones_m, flat(s))
        add(s, epsilon, s)
        np.sqrt(s, s)
        divide(1, s, s)
        multiply(out, s, out)

    def back_through_norm(du: Any, u: Any, s: Any) -> None:
        """Into `du`."""
        multiply(du, u, w)
        dot(flat(w), ones_m, flat(mean))
        multiply(u, mean, w)
        dot(flat(du), ones_m, flat(mean))
        subtract(du, mean, du)
        subtract(du, w, du)
        multiply(du, s, du)

    Xf, Kt, Vt, At, dAt = (
        flat(X),
        K.transpose(0, 2, 1),
        V.transpose(0, 2, 1),
        A.transpose(0, 2, 1),
        dA.transpose(0, 2, 1),
    )

    def step() -> None:
        dot(Xf, p["W_Q"], flat(Q))
        multiply(Q, scale, Q)
        dot(Xf, p["W_K"], flat(K))
        dot(Xf, p["W_V"], flat(V))
        matmul(Q, Kt, A)
        np.maximum.reduce(A, 2, None, top, True)
        subtract(A, top, A)
        np.exp(A, A)
        dot(A.reshape(rows, t), ones_t, flat(top))
        divide(A, top, A)
        matmul(A, V, heads)
        dot(flat(heads), p["W_O"], flat(U))
        add(U, X, U)
        normalise(U, u1, s1)
        multiply(u1, p["g1"], N)
        add(N, p["c1"], N)
        dot(flat(N), p["W1"], z)
        add(z, p["b1"], z)
        np.maximum(z, zero, out=z)
        dot(z, p["W2"], flat(R))
        add(R, N, R)
        add(R, p["b2"], R)
        normalise(R, R, s2)  # R is the normalised array from here on
        multiply(R, p["g2"], O)
        add(O, p["c2"], O)
        subtract(O, Y, O)
        dot(ones, flat(O), g["c2"])
        multiply(O, R, w)
        dot(ones, flat(w), g["g2"])
        multiply(O, p["g2"], O)
        back_through_norm(O, R, s2)
        dot(z.T, flat(O), g["W2"])
        dot(ones, flat(O), g["b2"])
        np.greater(z, zero, mask)
        dot(flat(O), p["W2"].T, dz)
        multiply(dz, mask, dz)
        dot(flat(N).T, dz, g["W1"])
        dot(ones, dz, g["b1"])
        dot(dz, p["W1"].T, flat(dU))
        add(dU, O, dU)
        dot(ones, flat(dU), g["c1"])
        multiply(dU, u1, w)
        dot(ones, flat(w), g["g1"])
        multiply(dU, p["g1"], dU)
        back_through_norm(dU, u1, s1)
        dot(flat(heads).T, flat(dU), g["W_O"])
        dot(flat(dU), p["W_O"].T, flat(heads))  # from here on the adjoint of the heads
        matmul(heads, Vt, dA)
        matmul(At, heads, V)  # the adjoint of V
        dot(Xf.T, flat(V), g["W_V"])
        multiply(dA, A, At_buffer)
        dot(At_buffer.reshape(rows, t), ones_t, flat(top))
        subtract(dA, top, dA)
        multiply(dA, A, dA)
        matmul(dA, K, dU)
        multiply(dU, scale, dU)
        matmul(dAt, Q, dK)  # Q has the scale already
        dot(Xf.T, flat(dU), g["W_Q"])
        dot(Xf.T, flat(dK), g["W_K"])
        multiply(gradient, rate, gradient)
        subtract(theta, gradient, theta)

    At_buffer = np.empty((n, t, t), dtype)
    return step, lambda: p


STEPS = {
    "logistic": logistic,
    "two-layer": two_layer,
    "mlp": mlp,
    "lstm-regression": lstm,
    "transformer-block": transformer_block,
}
