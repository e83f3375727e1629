"""The losses of the gallery's models, written by hand over a whole batch from the papers' formulas, for HIPS autograd.

Nothing here knows derive.  Parameters come as a dictionary, data and constants without a value as keyword arguments.
Examples lie along axis 0.  The constants have the models' defaults.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import autograd.numpy as np
from autograd import grad
from autograd.scipy.special import gammaln, i0, logsumexp
from autograd.scipy.stats import norm

P = dict[str, Any]


def sigmoid(u: Any) -> Any:
    return 1 / (1 + np.exp(-u))


def relu(u: Any) -> Any:
    return np.where(u > 0, u, 0 * u)


def log_softmax(z: Any) -> Any:
    return z - logsumexp(z, axis=-1, keepdims=True)


def binary(z: Any, y: Any) -> Any:
    """The cross-entropy of the logits z."""
    return np.logaddexp(0, z) - y * z


def mean_entropy(z: Any, y: Any) -> Any:
    return -np.mean(np.sum(y * log_softmax(z), axis=-1))


def linear(p: P, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def half_squares(error: Any) -> Any:
    """Summed over all axes but that of the examples."""
    return np.sum(error**2) / (2 * error.shape[0])


def normalized(u: Any, axis: int, epsilon: float = 1e-5) -> Any:
    centred = u - np.mean(u, axis=axis, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + epsilon)


# --- regression


def huber_regression(p: P, x: Any, y: Any, delta: float = 1.35) -> Any:
    r = np.abs(y - linear(p, x))
    return np.mean(np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)))


def quantile_regression(p: P, x: Any, y: Any, tau: float = 0.9) -> Any:
    r = y - linear(p, x)
    return np.mean(np.where(r > 0, tau * r, (tau - 1) * r))


def elastic_net(p: P, x: Any, y: Any) -> Any:
    return half_squares(linear(p, x) - y) + np.sum(np.abs(p["w"])) + 0.025 * np.sum(p["w"] ** 2)


def gamma_regression(p: P, x: Any, y: Any) -> Any:
    """Density y**(a - 1) exp(-y/theta)/(Gamma(a) theta**a), theta = mu/a."""
    a = np.exp(p["s"])
    theta = np.exp(linear(p, x)) / a
    return -np.mean((a - 1) * np.log(y) - y / theta - gammaln(a) - a * np.log(theta))


def negative_binomial_regression(p: P, x: Any, y: Any) -> Any:
    r, mu = np.exp(p["s"]), np.exp(linear(p, x))
    share = mu / (r + mu)
    return -np.mean(gammaln(y + r) - gammaln(r) - gammaln(y + 1) + r * np.log(1 - share) + y * np.log(share))


def beta_regression(p: P, x: Any, y: Any) -> Any:
    mu, phi = sigmoid(linear(p, x)), np.exp(p["s"])
    a, b = mu * phi, phi - mu * phi
    return -np.mean(gammaln(a + b) - gammaln(a) - gammaln(b) + (a - 1) * np.log(y) + (b - 1) * np.log(1 - y))


def tobit(p: P, x: Any, y: Any) -> Any:
    mu, sigma = linear(p, x), np.exp(p["s"])
    return -np.mean(np.where(y > 0, norm.logpdf(y, mu, sigma), norm.logcdf(0.0, mu, sigma)))


def von_mises_regression(p: P, x: Any, y: Any) -> Any:
    kappa = np.exp(p["s"])
    mu = p["b"] + 2 * np.arctan(x @ p["w"])
    return -np.mean(kappa * np.cos(y - mu) - np.log(2 * math.pi * i0(kappa)))


def student_t_regression(p: P, x: Any, y: Any, nu: float = 4) -> Any:
    sigma = np.exp(p["s"])
    return np.mean(np.log(sigma) + (nu + 1) / 2 * np.log(1 + ((y - linear(p, x)) / sigma) ** 2 / nu))


def cox(p: P, x: Any, t: Any, event: Any) -> Any:
    eta = x @ p["w"]
    at_risk = (t[None, :] >= t[:, None]) * 1.0
    return -np.mean(event * (eta - np.log(at_risk @ np.exp(eta))))


def squared_distances(x: Any, y: Any) -> Any:
    return np.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=2)


def kernel_ridge(p: P, X: Any, y: Any, gamma: float = 0.5, lam: float = 0.1) -> Any:
    K = np.exp(-gamma * squared_distances(X, X))
    return np.sum((K @ p["alpha"] - y) ** 2) / 2 + lam / 2 * p["alpha"] @ (K @ p["alpha"])


def gaussian_process(p: P, x: Any, y: Any) -> Any:
    scale, amplitude, noise = np.exp(p["log_l"]), np.exp(p["log_s"]), np.exp(p["log_sigma"])
    K = amplitude**2 * np.exp(-squared_distances(x, x) / scale**2 / 2) + noise**2 * np.eye(len(y))
    return (y @ np.linalg.inv(K) @ y + np.linalg.slogdet(K)[1] + len(y) * math.log(2 * math.pi)) / 2


# --- classification


def probit_regression(p: P, x: Any, y: Any) -> Any:
    z = linear(p, x)
    return -np.mean(y * norm.logcdf(z) + (1 - y) * norm.logcdf(-z))


def ordinal_regression(p: P, x: Any, y: Any) -> Any:
    steps = np.concatenate([np.zeros(1), np.exp(p["u"])])
    below = sigmoid((p["b"] + np.cumsum(steps))[None, :] - (x @ p["w"])[:, None])
    one = np.ones((len(x), 1))
    share = np.diff(np.concatenate([0 * one, below, one], axis=1), axis=1)
    return -np.mean(np.sum(y * np.log(share), axis=1))


def focal_loss(p: P, x: Any, y: Any, gamma: float = 2) -> Any:
    a = sigmoid(linear(p, x))
    return -np.mean(y * (1 - a) ** gamma * np.log(a) + (1 - y) * a**gamma * np.log(1 - a))


def distillation(p: P, x: Any, v: Any, y: Any, T: float = 2, alpha: float = 0.5) -> Any:
    z = relu(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"]
    return (1 - alpha) * mean_entropy(z, y) + alpha * T**2 * mean_entropy(z / T, np.exp(log_softmax(v / T)))


def bradley_terry(p: P, i: Any, j: Any, y: Any, lam: float = 0.01) -> Any:
    return np.mean(binary(p["s"][i] - p["s"][j], y)) + lam / 2 * np.sum(p["s"] ** 2)


def item_response(p: P, u: Any, i: Any, y: Any) -> Any:
    return np.mean(binary(p["a"][i] * (p["theta"][u] - p["b"][i]), y))


# --- networks


def rbf_network(p: P, x: Any, y: Any) -> Any:
    phi = np.exp(-np.exp(p["rho"]) * squared_distances(x, p["C"]))
    return half_squares(linear(p, phi) - y)


def mixture_density_network(p: P, x: Any, y: Any) -> Any:
    a = np.tanh(x @ p["W"].T + p["c"])
    share, mu, s = (a @ p[f"W_{name}"].T + p[f"b_{name}"] for name in ("alpha", "mu", "sigma"))
    return -np.mean(logsumexp(log_softmax(share) + norm.logpdf(y[:, None], mu, np.exp(s)), axis=1))


def residual_mlp(p: P, x: Any, y: Any) -> Any:
    a = x @ p["W0"].T + p["b0"]
    for layer in range(1, 5):
        a = a + relu(a @ p[f"U{layer}"].T + p[f"c{layer}"]) @ p[f"V{layer}"].T
    return mean_entropy(a @ p["W"].T + p["b"], y)


def maxout(p: P, x: Any, y: Any) -> Any:
    a = np.max(np.einsum("hmd,nd->nhm", p["W"], x) + p["b"], axis=2)
    return mean_entropy(a @ p["V"].T + p["c"], y)


def batch_norm_net(p: P, x: Any, y: Any) -> Any:
    a = relu(p["gamma"] * normalized(x @ p["W1"].T, axis=0) + p["beta"])
    return np.mean(binary(a @ p["w2"] + p["b2"], y))


def dropout(p: P, x: Any, y: Any, r: Any, q: float = 0.8) -> Any:
    a = relu(x @ p["W1"].T + p["b1"])
    return np.mean(binary((r * a / q) @ p["w2"] + p["b2"], y))


def group_norm(p: P, x: Any, y: Any) -> Any:
    groups, members = p["gamma"].shape
    kernels = p["K"].reshape(groups * members, 1, *p["K"].shape[2:])
    z = convolved(x[:, None], kernels, np.zeros(groups * members), 0)
    examples, _, high, wide = z.shape
    flat = normalized(z.reshape(examples, groups, members * high * wide), axis=2)
    u = flat.reshape(examples, groups, members, high, wide)
    a = relu(p["gamma"][:, :, None, None] * u + p["beta"][:, :, None, None])
    return half_squares(np.sum(p["w"] * np.mean(a, axis=(3, 4)), axis=(1, 2)) + p["b"] - y)


def layer_norm_net(p: P, x: Any, y: Any) -> Any:
    a = relu(p["gamma"] * normalized(x @ p["W1"].T, axis=1) + p["beta"])
    return mean_entropy(a @ p["W2"].T + p["b2"], y)


def rms_norm_swiglu(p: P, x: Any, y: Any) -> Any:
    u = p["g"] * x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-5)
    gate = u @ p["W"].T
    return half_squares(x + (gate * sigmoid(gate) * (u @ p["V"].T)) @ p["W2"].T - y)


def graph_convolution(p: P, A: Any, X: Any, Y: Any) -> Any:
    return -np.sum(Y * log_softmax(A @ relu(A @ X @ p["W0"]) @ p["W1"]))


def deep_sets(p: P, x: Any, y: Any) -> Any:
    s = np.sum(np.tanh(x @ p["W1"].T + p["b1"]), axis=1)
    return half_squares(linear(p, np.tanh(s @ p["W2"].T + p["b2"])) - y)


def cnn_1d(p: P, x: Any, y: Any) -> Any:
    places = x.shape[1] - p["W"].shape[1] + 1
    windows = np.stack([x[:, t : t + p["W"].shape[1]] for t in range(places)], axis=1)
    s = np.max(relu(np.einsum("oqc,ntqc->nto", p["W"], windows) + p["b"]), axis=1)
    return mean_entropy(s @ p["V"].T + p["b2"], y)


def cnn_2d(p: P, x: Any, y: Any) -> Any:
    high, wide = x.shape[1] - 1, x.shape[2] - 1
    z = sum(
        p["K"][:, i, j][None, :, None, None] * x[:, None, i : i + high, j : j + wide]
        for i in range(2)
        for j in range(2)
    )
    return mean_entropy(np.mean(relu(z + p["b"][:, None, None]), axis=(2, 3)) @ p["V"].T + p["c"], y)


def convolved(x: Any, kernel: Any, bias: Any, margin: int) -> Any:
    """Of images (examples, channels, rows, columns), by shifted images, `margin` zeros around them."""
    size = kernel.shape[-1]
    high, wide = (length + 2 * margin - size + 1 for length in x.shape[2:])
    around = np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="constant")
    shifted = [
        np.einsum("oc,nchw->nohw", kernel[:, :, i, j], around[:, :, i : i + high, j : j + wide])
        for i in range(size)
        for j in range(size)
    ]
    return sum(shifted) + bias[:, None, None]


def pooled(x: Any) -> Any:
    """The greatest of two by two; no two are equal here."""
    four = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return np.max(np.stack(four), axis=0)


def lenet(p: P, x: Any, y: Any) -> Any:
    first = pooled(relu(convolved(x[:, None], p["K1"][:, None], p["c1"], 2)))
    second = pooled(relu(convolved(first, p["K2"], p["c2"], 2)))
    third = relu(np.reshape(second, (len(x), -1)) @ np.reshape(p["W1"], (len(p["b1"]), -1)).T + p["b1"])
    return mean_entropy(relu(third @ p["W2"].T + p["b2"]) @ p["W3"].T + p["b3"], y)


def resnet_block(p: P, x: Any, y: Any) -> Any:
    stem = relu(convolved(x[:, None], p["K0"][:, None], p["b0"], 1))
    inner = relu(convolved(stem, p["K1"], p["b1"], 1))
    out = relu(convolved(inner, p["K2"], p["b2"], 1) + stem)
    return mean_entropy(np.mean(out, axis=(2, 3)) @ p["V"].T + p["c"], y)


def heads(p: P, X: Any) -> Any:
    """Attention of every example, written with einsum."""
    Q, K, V = (np.einsum("ntm,md->ntd", X, p[name]) for name in ("W_Q", "W_K", "W_V"))
    scores = np.einsum("nid,njd->nij", Q, K) / np.sqrt(Q.shape[2])
    return np.einsum("nij,njd->nid", np.exp(log_softmax(scores)), V)


def attention(p: P, X: Any, Y: Any) -> Any:
    return half_squares(heads(p, X) - Y)


def turned(u: Any) -> Any:
    """Each pair (u[j], u[j + r]) as a complex number, times exp(i t 10000^(-j/r))."""
    length, r = u.shape[1], u.shape[2] // 2
    angle = np.arange(length)[:, None] * 10000.0 ** (-np.arange(r) / r)
    cosine, sine = np.cos(angle), np.sin(angle)
    first, second = u[:, :, :r], u[:, :, r:]
    return np.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=2)


def rotary_attention(p: P, X: Any, Y: Any) -> Any:
    Q, K = turned(X @ p["W_Q"]), turned(X @ p["W_K"])
    S = np.einsum("ntk,nsk->nts", Q, K) / math.sqrt(Q.shape[2])
    weights = np.exp(S - np.max(S, axis=2, keepdims=True)) * np.tril(np.ones(S.shape[1:]))
    return half_squares(weights / np.sum(weights, axis=2, keepdims=True) @ (X @ p["W_V"]) - Y)


def cross_attention(p: P, X: Any, Z: Any, M: Any, Y: Any) -> Any:
    Q = np.einsum("ntm,hmk->nhtk", X, p["W_Q"])
    K, V = (np.einsum("nsm,hmk->nhsk", Z, p[name]) for name in ("W_K", "W_V"))
    S = np.einsum("nhtk,nhsk->nhts", Q, K) / math.sqrt(Q.shape[3])
    weights = np.exp(S - np.max(S, axis=3, keepdims=True)) * (M > 0)[:, None, None, :]
    O = np.einsum("nhts,nhsk->nhtk", weights / np.sum(weights, axis=3, keepdims=True), V)
    return half_squares(np.einsum("nhtk,hkm->ntm", O, p["W_O"]) - Y)


def transformer_block(p: P, X: Any, Y: Any) -> Any:
    first = p["g1"] * normalized(X + heads(p, X) @ p["W_O"], axis=2) + p["c1"]
    fed = relu(first @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return half_squares(p["g2"] * normalized(first + fed, axis=2) + p["c2"] - Y)


def gpt(p: P, x: Any, y: Any) -> Any:
    X = p["E"][x] + p["P"]
    examples, length = x.shape
    past = np.tril(np.ones((length, length)))
    for layer in (1, 2):
        N = p[f"g1_{layer}"] * normalized(X, axis=2) + p[f"c1_{layer}"]
        Q, K, U = (np.einsum("ntm,hmk->nhtk", N, p[f"W_{name}{layer}"]) for name in "QKV")
        S = np.einsum("nhtk,nhsk->nhts", Q, K) / math.sqrt(K.shape[-1])
        weights = np.exp(S - np.max(S, axis=-1, keepdims=True)) * past
        O = np.einsum("nhts,nhsk->nhtk", weights / np.sum(weights, axis=-1, keepdims=True), U)
        R = X + np.einsum("nhtk,hkm->ntm", O, p[f"W_O{layer}"])
        z = (p[f"g2_{layer}"] * normalized(R, axis=2) + p[f"c2_{layer}"]) @ p[f"W1_{layer}"] + p[f"b1_{layer}"]
        X = R + (z * norm.cdf(z)) @ p[f"W2_{layer}"] + p[f"b2_{layer}"]
    told = log_softmax(X @ p["E"].T)
    return -np.mean(told[np.arange(examples)[:, None], np.arange(length), y])


# --- autoencoders


def denoising_autoencoder(p: P, x: Any, m: Any) -> Any:
    return np.mean(np.sum(binary(sigmoid((m * x) @ p["W"].T + p["b"]) @ p["W"] + p["c"], x), axis=1))


def sparse_autoencoder(p: P, x: Any, lam: float = 0.01) -> Any:
    a = relu((x - p["c"]) @ p["W"].T + p["b"])
    return half_squares(a @ p["V"].T + p["c"] - x) + lam * np.mean(np.sum(a, axis=1))


def contractive_autoencoder(p: P, x: Any, lam: float = 0.1) -> Any:
    a = sigmoid(x @ p["W"].T + p["b"])
    slope = (a * (1 - a)) ** 2 @ np.sum(p["W"] ** 2, axis=1)
    return half_squares(sigmoid(a @ p["W"] + p["c"]) - x) + lam * np.mean(slope)


def vae(p: P, x: Any, eps: Any) -> Any:
    a = np.tanh(x @ p["W1"].T + p["b1"])
    mu, s = a @ p["W_mu"].T + p["b_mu"], a @ p["W_s"].T + p["b_s"]
    logits = np.tanh((mu + np.exp(s / 2) * eps) @ p["W2"].T + p["b2"]) @ p["W3"].T + p["b3"]
    divergence = np.sum(mu**2 + np.exp(s) - s - 1, axis=1) / 2
    return np.mean(divergence + np.sum(binary(logits, x), axis=1))


# --- embeddings


def factorization_machine(p: P, x: Any, y: Any) -> Any:
    """By all pairs, as equation 1 of the paper has them."""
    d = x.shape[1]
    pairs = sum(x[:, i] * x[:, j] * (p["V"][i] @ p["V"][j]) for i in range(d) for j in range(i + 1, d))
    return half_squares(p["w0"] + x @ p["w"] + pairs - y)


def word2vec(p: P, c: Any, o: Any, neg: Any) -> Any:
    center = p["V"][c]
    near = np.log(sigmoid(np.sum(p["U"][o] * center, axis=1)))
    far = np.log(sigmoid(-np.sum(p["U"][neg] * center[:, None, :], axis=2)))
    return -np.mean(near + np.sum(far, axis=1))


def glove(p: P, i: Any, j: Any, X: Any) -> Any:
    weight = np.where(X < 100, (X / 100) ** 0.75, 1.0)
    return np.mean(weight * (np.sum(p["w"][i] * p["u"][j], axis=1) + p["b"][i] + p["c"][j] - np.log(X)) ** 2)


def bpr(p: P, u: Any, i: Any, j: Any, lam: float = 0.01) -> Any:
    user, liked, other = p["P"][u], p["Q"][i], p["Q"][j]
    ranked = np.log(sigmoid(np.sum(user * liked, axis=1) - np.sum(user * other, axis=1)))
    return np.mean(-ranked + lam / 2 * np.sum(user**2 + liked**2 + other**2, axis=1))


def neural_language_model(p: P, w: Any, y: Any) -> Any:
    a = np.tanh(p["d"] + np.einsum("thm,ntm->nh", p["H"], p["C"][w]))
    return -np.mean(log_softmax(a @ p["U"].T + p["b"])[np.arange(len(y)), y])


# --- metric learning


def unit(u: Any) -> Any:
    return u / np.sqrt(np.sum(u**2, axis=1, keepdims=True))


def triplet(p: P, x_a: Any, x_p: Any, x_n: Any, alpha: float = 0.2) -> Any:
    a, near, far = (unit(x @ p["W"].T) for x in (x_a, x_p, x_n))
    return np.mean(relu(2 * np.sum(a * far, axis=1) - 2 * np.sum(a * near, axis=1) + alpha))


def siamese(p: P, x_1: Any, x_2: Any, y: Any, m: float = 1) -> Any:
    apart = np.sqrt(np.sum((np.tanh(x_1 @ p["W"].T + p["b"]) - np.tanh(x_2 @ p["W"].T + p["b"])) ** 2, axis=1))
    return np.mean((1 - y) * apart**2 + y * np.where(apart < m, m - apart, 0 * apart) ** 2) / 2


def infonce(p: P, x: Any, y: Any, tau: float = 0.1) -> Any:
    return -np.mean(np.diag(log_softmax(unit(x @ p["W"].T) @ unit(y @ p["W"].T).T / tau)))


def nca(p: P, x: Any, c: Any) -> Any:
    z = x @ p["A"].T
    near = np.exp(-squared_distances(z, z)) * (1 - np.eye(len(x)))
    same = c[:, None] == c[None, :]
    return -np.mean(np.sum(near * same, axis=1) / np.sum(near, axis=1))


# --- reinforcement learning


def log_policy(p: P, s: Any) -> Any:
    return log_softmax(np.tanh(s @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"])


def policy_gradient(p: P, s: Any, a: Any, A: Any) -> Any:
    return -np.mean(A * np.sum(a * log_policy(p, s), axis=1))


def ppo(p: P, s: Any, a: Any, p_old: Any, A: Any, epsilon: float = 0.2, beta: float = 0.01) -> Any:
    log_p = log_policy(p, s)
    ratio = np.exp(log_p[np.arange(len(a)), a]) / p_old
    clipped = np.where(ratio < 1 - epsilon, 1 - epsilon, np.where(ratio > 1 + epsilon, 1 + epsilon, ratio))
    gain = np.where(ratio * A < clipped * A, ratio * A, clipped * A)
    return -np.mean(gain - beta * np.sum(np.exp(log_p) * log_p, axis=1))


# --- derivatives inside of the model


def physics_informed(p: P, x: Any) -> Any:
    def u(t: Any) -> Any:
        return np.dot(p["w2"], np.tanh(p["W1"] * t + p["b1"]))

    curved = grad(grad(u))
    return np.mean(np.array([(curved(t) + u(t)) ** 2 for t in x])) + (u(0.0) - 1) ** 2


def score_matching(p: P, x: Any, eps: Any, sigma: float = 0.5) -> Any:
    def energy(y: Any) -> Any:
        return np.dot(p["c"], np.logaddexp(0, np.dot(p["W"], y) + p["b"]))

    score = np.array([grad(energy)(row) for row in x + sigma * eps])
    return half_squares(score + eps / sigma)


def meta_learning(p: P, x: Any, y: Any, t: Any, r: Any, alpha: float = 0.1) -> Any:
    def after(x: Any, y: Any, t: Any) -> Any:
        step = grad(lambda w: (np.tanh(np.dot(w, x)) - y) ** 2 / 2)(p["w"])
        return np.tanh(np.dot(p["w"] - alpha * step, t))

    return np.mean((np.array([after(*row) for row in zip(x, y, t, strict=True)]) - r) ** 2) / 2


# --- sequences: the unrolled formulas, a list of states over time


def sequence_of(x: Any) -> list[Any]:
    """What is given of a batch at each step."""
    return [x[:, t] for t in range(x.shape[1])]


def rnn(p: P, x: Any, y: Any) -> Any:
    h, error = np.zeros((len(x), len(p["b"]))), 0.0
    for now, wanted in zip(sequence_of(x), sequence_of(y), strict=True):
        h = np.tanh(now @ p["W"].T + h @ p["U"].T + p["b"])
        error = error + (h @ p["v"] + p["c"] - wanted) ** 2
    return np.mean(error) / 2


def masked_rnn(p: P, x: Any, mask: Any, y: Any) -> Any:
    h = np.zeros((len(x), len(p["b"])))
    for now, keep in zip(sequence_of(x), sequence_of(mask), strict=True):
        g = np.tanh(now @ p["W"].T + h @ p["U"].T + p["b"])
        h = keep[:, None] * g + (1 - keep[:, None]) * h
    return np.mean(binary(h @ p["v"] + p["c"], y))


def lstm_states(p: P, inputs: list[Any]) -> list[Any]:
    h = c = np.zeros((len(inputs[0]), len(p["b_i"])))
    found = []
    for now in inputs:
        z = {k: now @ p[f"W_{k}"].T + h @ p[f"U_{k}"].T + p[f"b_{k}"] for k in "ifog"}
        c = sigmoid(z["f"]) * c + sigmoid(z["i"]) * np.tanh(z["g"])
        h = sigmoid(z["o"]) * np.tanh(c)
        found.append(h)
    return found


def lstm_regression(p: P, x: Any, y: Any) -> Any:
    return half_squares(lstm_states(p, sequence_of(x))[-1] @ p["v"] + p["b"] - y)


def lstm(p: P, x: Any, y: Any) -> Any:
    states = lstm_states(p, [p["E"][now] for now in sequence_of(x)])
    log_p = [log_softmax(h @ p["V"].T + p["b"]) for h in states]
    rows = np.arange(len(x))
    return -sum(np.mean(q[rows, now]) for q, now in zip(log_p, sequence_of(y), strict=True)) / len(states)


def gru(p: P, x: Any, y: Any) -> Any:
    h = np.zeros((len(x), len(p["b_u"])))
    for now in sequence_of(x):
        u = sigmoid(now @ p["W_u"].T + h @ p["U_u"].T + p["b_u"])
        r = sigmoid(now @ p["W_r"].T + h @ p["U_r"].T + p["b_r"])
        h = u * h + (1 - u) * np.tanh(now @ p["W_g"].T + (r * h) @ p["U_g"].T + p["b_g"])
    return half_squares(h @ p["v"] + p["b"] - y)


def bidirectional_rnn(p: P, x: Any, y: Any) -> Any:
    def states(side: str, inputs: list[Any]) -> list[Any]:
        found = [np.zeros((len(x), len(p["b_f"])))]
        for now in inputs:
            found.append(np.tanh(now @ p[f"W_{side}"].T + found[-1] @ p[f"U_{side}"].T + p[f"b_{side}"]))
        return found[1:]

    before, after = states("f", sequence_of(x)), states("b", sequence_of(x)[::-1])[::-1]
    predicted = [f @ p["v_f"] + g @ p["v_b"] + p["c"] for f, g in zip(before, after, strict=True)]
    return half_squares(np.stack(predicted, axis=1) - y)


def hmm(p: P, x: Any) -> Any:
    """The products of probabilities themselves: the sequences are short."""
    start, move, emit = (np.exp(log_softmax(p[name])) for name in "uVW")
    total = 0.0
    for sequence in x:
        alpha = start * emit[:, sequence[0]]
        for seen in sequence[1:]:
            alpha = alpha @ move * emit[:, seen]
        total = total - np.log(np.sum(alpha))
    return total / len(x)


def linear_chain_crf(p: P, x: Any, y: Any) -> Any:
    """All labellings, one by one."""

    def score(s: Any, labels: Any) -> Any:
        moves = sum(p["A"][i, j] for i, j in itertools.pairwise(labels))
        return sum(s[t, k] for t, k in enumerate(labels)) + moves

    total = 0.0
    for features, labels in zip(x, y, strict=True):
        s = features @ p["W"].T
        every = [score(s, other) for other in itertools.product(range(len(p["A"])), repeat=len(labels))]
        total = total + logsumexp(np.array(every)) - score(s, labels)
    return total / len(x)


def neural_ode(p: P, x: Any, y: Any, K: int = 10) -> Any:
    for _ in range(K):
        x = x + (np.tanh(x @ p["W"].T + p["b"]) @ p["V"].T + p["c"]) / K
    return half_squares(x - y)


def garch(p: P, r: Any) -> Any:
    def of_one(r: Any) -> Any:
        v, total = np.mean(r**2), 0.0
        for now in r:
            total = total + np.log(v) + now**2 / v
            v = p["omega"] + p["alpha"] * now**2 + p["beta"] * v
        return total / 2

    return sum(map(of_one, r)) / len(r)


def arma(p: P, y: Any) -> Any:
    error, total = np.zeros(len(y)), 0.0
    for before, now in itertools.pairwise(sequence_of(y)):
        error = now - p["c"] - p["phi"] * before - p["theta"] * error
        total = total + error**2
    return np.mean(total) / 2


def kalman_filter(p: P, y: Any) -> Any:
    """The density of all observations at once: normal, with the covariances of a random walk."""
    steps = np.arange(1, y.shape[1] + 1)
    K = 10 + np.exp(p["q"]) * np.minimum(steps[:, None], steps) + np.exp(p["r"]) * np.eye(y.shape[1])
    return (np.linalg.slogdet(K)[1] + np.mean(np.sum(y * np.linalg.solve(K, y.T).T, axis=1))) / 2


GALLERY = {
    name.replace("_", "-"): loss
    for name, loss in {
        f.__name__: f
        for f in (
            huber_regression, quantile_regression, elastic_net, gamma_regression, negative_binomial_regression,
            beta_regression, tobit, von_mises_regression, student_t_regression, cox, kernel_ridge, gaussian_process,
            probit_regression, ordinal_regression, focal_loss, distillation, bradley_terry, item_response, rbf_network,
            mixture_density_network, residual_mlp, maxout, batch_norm_net, dropout, layer_norm_net, group_norm, rms_norm_swiglu,
            graph_convolution, deep_sets, cnn_1d, cnn_2d, lenet, resnet_block, attention, cross_attention, rotary_attention,
            transformer_block, gpt,
            denoising_autoencoder, sparse_autoencoder, contractive_autoencoder, vae, factorization_machine, word2vec, glove, bpr,
            neural_language_model, triplet, siamese, infonce, nca, policy_gradient, ppo, physics_informed,
            score_matching, meta_learning, rnn, masked_rnn, lstm_regression, lstm, gru, bidirectional_rnn, hmm, linear_chain_crf,
            neural_ode, garch, arma, kalman_filter,
        )
    }.items()
}  # fmt: skip
