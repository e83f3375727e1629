"""A small GPT: causal attention with several heads, tied embedding, next-token loss

Equations:
    X0 = E[x] + P
    mu1_1 = mean(X0[t])
    v1_1 = mean((X0[t] - mu1_1[t])**2)
    u1_1 = (X0[t] - mu1_1[t])/sqrt(v1_1[t] + epsilon)
    N1_1 = g1_1*u1_1 + c1_1
    Q1 = N1_1 @ W_Q1[h]
    K1 = N1_1 @ W_K1[h]
    U1 = N1_1 @ W_V1[h]
    S1 = dot(Q1[h, t], K1[h, s])/sqrt(k)
    A1 = softmax(S1[h, t, s], s, s <= t)
    O1 = A1[h] @ U1[h]
    R1 = X0 + sum(O1[h] @ W_O1[h], h)
    mu2_1 = mean(R1[t])
    v2_1 = mean((R1[t] - mu2_1[t])**2)
    u2_1 = (R1[t] - mu2_1[t])/sqrt(v2_1[t] + epsilon)
    N2_1 = g2_1*u2_1 + c2_1
    z1 = N2_1 @ W1_1 + b1_1
    F1 = gelu(z1)
    X1 = R1 + F1 @ W2_1 + b2_1
    mu1_2 = mean(X1[t])
    v1_2 = mean((X1[t] - mu1_2[t])**2)
    u1_2 = (X1[t] - mu1_2[t])/sqrt(v1_2[t] + epsilon)
    N1_2 = g1_2*u1_2 + c1_2
    Q2 = N1_2 @ W_Q2[h]
    K2 = N1_2 @ W_K2[h]
    U2 = N1_2 @ W_V2[h]
    S2 = dot(Q2[h, t], K2[h, s])/sqrt(k)
    A2 = softmax(S2[h, t, s], s, s <= t)
    O2 = A2[h] @ U2[h]
    R2 = X1 + sum(O2[h] @ W_O2[h], h)
    mu2_2 = mean(R2[t])
    v2_2 = mean((R2[t] - mu2_2[t])**2)
    u2_2 = (R2[t] - mu2_2[t])/sqrt(v2_2[t] + epsilon)
    N2_2 = g2_2*u2_2 + c2_2
    z2 = N2_2 @ W1_2 + b1_2
    F2 = gelu(z2)
    X2 = R2 + F2 @ W2_2 + b2_2
    logits = X2 @ E.T
    p = softmax(logits, axis=1)
    L = mean(-log(p[t, y[t]]), t)

Gradients:
    dL/dE = mean of sum(dL/dX0[k_0, j]*delta(x[k_0], i), k_0) + sum(dL/dlogits[k_0, i]*X2[k_0, j], k_0)
    dL/dP = mean of dL/dX0
    dL/dg1_1 = mean of sum(dL/dN1_1*u1_1, axis=0)
    dL/dc1_1 = mean of sum(dL/dN1_1, axis=0)
    dL/dW_Q1 = mean of sum(dL/dQ1[i, k_0, l]*N1_1[k_0, j], k_0)
    dL/dW_K1 = mean of sum(dL/dK1[i, k_0, l]*N1_1[k_0, j], k_0)
    dL/dW_V1 = mean of sum(dL/dU1[i, k_0, l]*N1_1[k_0, j], k_0)
    dL/dW_O1 = mean of sum(dL/dR1[k_0, l]*O1[i, k_0, j], k_0)
    dL/dg2_1 = mean of sum(dL/dN2_1*u2_1, axis=0)
    dL/dc2_1 = mean of sum(dL/dN2_1, axis=0)
    dL/dW1_1 = mean of N2_1.T @ dL/dz1
    dL/db1_1 = mean of sum(dL/dz1, axis=0)
    dL/dW2_1 = mean of F1.T @ dL/dX1
    dL/db2_1 = mean of sum(dL/dX1, axis=0)
    dL/dg1_2 = mean of sum(dL/dN1_2*u1_2, axis=0)
    dL/dc1_2 = mean of sum(dL/dN1_2, axis=0)
    dL/dW_Q2 = mean of sum(dL/dQ2[i, k_0, l]*N1_2[k_0, j], k_0)
    dL/dW_K2 = mean of sum(dL/dK2[i, k_0, l]*N1_2[k_0, j], k_0)
    dL/dW_V2 = mean of sum(dL/dU2[i, k_0, l]*N1_2[k_0, j], k_0)
    dL/dW_O2 = mean of sum(dL/dR2[k_0, l]*O2[i, k_0, j], k_0)
    dL/dg2_2 = mean of sum(dL/dN2_2*u2_2, axis=0)
    dL/dc2_2 = mean of sum(dL/dN2_2, axis=0)
    dL/dW1_2 = mean of N2_2.T @ dL/dz2
    dL/db1_2 = mean of sum(dL/dz2, axis=0)
    dL/dW2_2 = mean of F2.T @ dL/dX2
    dL/db2_2 = mean of sum(dL/dX2, axis=0)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import math
import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _logsumexp(u, axis=None):
    """log(sum(exp(u))) along an axis, the maximum taken off first."""
    top = np.max(u, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(u - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)


def _scatter_add(rows, values, size):
    """An array of so many rows: each of the values added to the row that is given for it."""
    total = np.zeros((size, *np.shape(values)[np.ndim(rows) :]), dtype=np.result_type(values, np.float32))
    np.add.at(total, rows, values)
    return total


_erfc = np.vectorize(math.erfc, otypes=[float])  # the C library's: within a few units in the last place


def _normal_cdf(u):
    """The standard normal distribution function, (1 + erf(u/sqrt(2)))/2, from erfc so that small values keep their digits."""
    return _erfc(-np.asarray(u) / math.sqrt(2)) / 2


def init(seed=0, *, T=32, V=128, m=64, H=4, k=16, f=128):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "E": rng.normal(0, 0.05, (V, m)),
        "P": rng.normal(0, 0.05, (T, m)),
        "g1_1": np.ones(m),
        "c1_1": np.zeros(m),
        "W_Q1": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_K1": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_V1": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_O1": rng.normal(0, np.sqrt(2 / (k + m)), (H, k, m)),
        "g2_1": np.ones(m),
        "c2_1": np.zeros(m),
        "W1_1": rng.normal(0, np.sqrt(2 / (m + f)), (m, f)),
        "b1_1": np.zeros(f),
        "W2_1": rng.normal(0, np.sqrt(2 / (f + m)), (f, m)),
        "b2_1": np.zeros(m),
        "g1_2": np.ones(m),
        "c1_2": np.zeros(m),
        "W_Q2": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_K2": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_V2": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_O2": rng.normal(0, np.sqrt(2 / (k + m)), (H, k, m)),
        "g2_2": np.ones(m),
        "c2_2": np.zeros(m),
        "W1_2": rng.normal(0, np.sqrt(2 / (m + f)), (m, f)),
        "b1_2": np.zeros(f),
        "W2_2": rng.normal(0, np.sqrt(2 / (f + m)), (f, m)),
        "b2_2": np.zeros(m),
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, x, y, epsilon=1e-05):
    """The mean of the loss over the examples."""
    E = params["E"]
    P = params["P"]
    g1_1 = params["g1_1"]
    c1_1 = params["c1_1"]
    W_Q1 = params["W_Q1"]
    W_K1 = params["W_K1"]
    W_V1 = params["W_V1"]
    W_O1 = params["W_O1"]
    g2_1 = params["g2_1"]
    c2_1 = params["c2_1"]
    W1_1 = params["W1_1"]
    b1_1 = params["b1_1"]
    W2_1 = params["W2_1"]
    b2_1 = params["b2_1"]
    g1_2 = params["g1_2"]
    c1_2 = params["c1_2"]
    W_Q2 = params["W_Q2"]
    W_K2 = params["W_K2"]
    W_V2 = params["W_V2"]
    W_O2 = params["W_O2"]
    g2_2 = params["g2_2"]
    c2_2 = params["c2_2"]
    W1_2 = params["W1_2"]
    b1_2 = params["b1_2"]
    W2_2 = params["W2_2"]
    b2_2 = params["b2_2"]
    x = np.asarray(x, dtype=int)
    y = np.asarray(y, dtype=int)
    n = len(x)
    m = E.shape[1]
    T = P.shape[0]
    k = W_Q1.shape[2]
    X0 = E[x] + P
    mu1_1 = np.sum(X0, axis=2) / m
    v1_1 = np.sum((X0 - mu1_1[:, :, None]) ** 2, axis=2) / m
    u1_1 = (X0 - mu1_1[:, :, None]) / np.sqrt(v1_1 + epsilon)[:, :, None]
    N1_1 = g1_1 * u1_1 + c1_1
    Q1 = np.tensordot(N1_1, W_Q1, axes=(2, 1)).transpose(0, 2, 1, 3)
    K1 = np.tensordot(N1_1, W_K1, axes=(2, 1)).transpose(0, 2, 1, 3)
    U1 = np.tensordot(N1_1, W_V1, axes=(2, 1)).transpose(0, 2, 1, 3)
    # A1 = softmax(S1[h, t, s], s, s <= t), in a stable form
    A1 = np.where(np.arange(T) <= np.arange(T)[:, None], np.exp(Q1 @ K1.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where(np.arange(T) <= np.arange(T)[:, None], Q1 @ K1.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O1 = A1 @ U1
    R1 = X0 + np.tensordot(O1, W_O1, axes=((1, 3), (0, 1)))
    mu2_1 = np.sum(R1, axis=2) / m
    v2_1 = np.sum((R1 - mu2_1[:, :, None]) ** 2, axis=2) / m
    u2_1 = (R1 - mu2_1[:, :, None]) / np.sqrt(v2_1 + epsilon)[:, :, None]
    N2_1 = g2_1 * u2_1 + c2_1
    z1 = N2_1 @ W1_1 + b1_1
    F1 = z1*_normal_cdf(z1)
    X1 = R1 + F1 @ W2_1 + b2_1
    mu1_2 = np.sum(X1, axis=2) / m
    v1_2 = np.sum((X1 - mu1_2[:, :, None]) ** 2, axis=2) / m
    u1_2 = (X1 - mu1_2[:, :, None]) / np.sqrt(v1_2 + epsilon)[:, :, None]
    N1_2 = g1_2 * u1_2 + c1_2
    Q2 = np.tensordot(N1_2, W_Q2, axes=(2, 1)).transpose(0, 2, 1, 3)
    K2 = np.tensordot(N1_2, W_K2, axes=(2, 1)).transpose(0, 2, 1, 3)
    U2 = np.tensordot(N1_2, W_V2, axes=(2, 1)).transpose(0, 2, 1, 3)
    # A2 = softmax(S2[h, t, s], s, s <= t), in a stable form
    A2 = np.where(np.arange(T) <= np.arange(T)[:, None], np.exp(Q2 @ K2.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where(np.arange(T) <= np.arange(T)[:, None], Q2 @ K2.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O2 = A2 @ U2
    R2 = X1 + np.tensordot(O2, W_O2, axes=((1, 3), (0, 1)))
    mu2_2 = np.sum(R2, axis=2) / m
    v2_2 = np.sum((R2 - mu2_2[:, :, None]) ** 2, axis=2) / m
    u2_2 = (R2 - mu2_2[:, :, None]) / np.sqrt(v2_2 + epsilon)[:, :, None]
    N2_2 = g2_2 * u2_2 + c2_2
    z2 = N2_2 @ W1_2 + b1_2
    F2 = z2*_normal_cdf(z2)
    X2 = R2 + F2 @ W2_2 + b2_2
    logits = X2 @ E.T
    # L = mean(-log(p[t, y[t]]), t), in a stable form
    L = -np.sum(logits[np.arange(n)[:, None], np.arange(T), y] - _logsumexp(logits, axis=2), axis=1) / T
    return float(np.mean(L))


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, x, y, epsilon=1e-05):
    """The loss, and its gradient with respect to each parameter."""
    E = params["E"]
    P = params["P"]
    g1_1 = params["g1_1"]
    c1_1 = params["c1_1"]
    W_Q1 = params["W_Q1"]
    W_K1 = params["W_K1"]
    W_V1 = params["W_V1"]
    W_O1 = params["W_O1"]
    g2_1 = params["g2_1"]
    c2_1 = params["c2_1"]
    W1_1 = params["W1_1"]
    b1_1 = params["b1_1"]
    W2_1 = params["W2_1"]
    b2_1 = params["b2_1"]
    g1_2 = params["g1_2"]
    c1_2 = params["c1_2"]
    W_Q2 = params["W_Q2"]
    W_K2 = params["W_K2"]
    W_V2 = params["W_V2"]
    W_O2 = params["W_O2"]
    g2_2 = params["g2_2"]
    c2_2 = params["c2_2"]
    W1_2 = params["W1_2"]
    b1_2 = params["b1_2"]
    W2_2 = params["W2_2"]
    b2_2 = params["b2_2"]
    x = np.asarray(x, dtype=int)
    y = np.asarray(y, dtype=int)
    n = len(x)
    V = E.shape[0]
    m = E.shape[1]
    T = P.shape[0]
    k = W_Q1.shape[2]

    # Forward pass
    X0 = E[x] + P
    mu1_1 = np.sum(X0, axis=2) / m
    v1_1 = np.sum((X0 - mu1_1[:, :, None]) ** 2, axis=2) / m
    u1_1 = (X0 - mu1_1[:, :, None]) / np.sqrt(v1_1 + epsilon)[:, :, None]
    N1_1 = g1_1 * u1_1 + c1_1
    Q1 = np.tensordot(N1_1, W_Q1, axes=(2, 1)).transpose(0, 2, 1, 3)
    K1 = np.tensordot(N1_1, W_K1, axes=(2, 1)).transpose(0, 2, 1, 3)
    U1 = np.tensordot(N1_1, W_V1, axes=(2, 1)).transpose(0, 2, 1, 3)
    # A1 = softmax(S1[h, t, s], s, s <= t), in a stable form
    A1 = np.where(np.arange(T) <= np.arange(T)[:, None], np.exp(Q1 @ K1.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where(np.arange(T) <= np.arange(T)[:, None], Q1 @ K1.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O1 = A1 @ U1
    R1 = X0 + np.tensordot(O1, W_O1, axes=((1, 3), (0, 1)))
    mu2_1 = np.sum(R1, axis=2) / m
    v2_1 = np.sum((R1 - mu2_1[:, :, None]) ** 2, axis=2) / m
    u2_1 = (R1 - mu2_1[:, :, None]) / np.sqrt(v2_1 + epsilon)[:, :, None]
    N2_1 = g2_1 * u2_1 + c2_1
    z1 = N2_1 @ W1_1 + b1_1
    F1 = z1*_normal_cdf(z1)
    X1 = R1 + F1 @ W2_1 + b2_1
    mu1_2 = np.sum(X1, axis=2) / m
    v1_2 = np.sum((X1 - mu1_2[:, :, None]) ** 2, axis=2) / m
    u1_2 = (X1 - mu1_2[:, :, None]) / np.sqrt(v1_2 + epsilon)[:, :, None]
    N1_2 = g1_2 * u1_2 + c1_2
    Q2 = np.tensordot(N1_2, W_Q2, axes=(2, 1)).transpose(0, 2, 1, 3)
    K2 = np.tensordot(N1_2, W_K2, axes=(2, 1)).transpose(0, 2, 1, 3)
    U2 = np.tensordot(N1_2, W_V2, axes=(2, 1)).transpose(0, 2, 1, 3)
    # A2 = softmax(S2[h, t, s], s, s <= t), in a stable form
    A2 = np.where(np.arange(T) <= np.arange(T)[:, None], np.exp(Q2 @ K2.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where(np.arange(T) <= np.arange(T)[:, None], Q2 @ K2.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O2 = A2 @ U2
    R2 = X1 + np.tensordot(O2, W_O2, axes=((1, 3), (0, 1)))
    mu2_2 = np.sum(R2, axis=2) / m
    v2_2 = np.sum((R2 - mu2_2[:, :, None]) ** 2, axis=2) / m
    u2_2 = (R2 - mu2_2[:, :, None]) / np.sqrt(v2_2 + epsilon)[:, :, None]
    N2_2 = g2_2 * u2_2 + c2_2
    z2 = N2_2 @ W1_2 + b1_2
    F2 = z2*_normal_cdf(z2)
    X2 = R2 + F2 @ W2_2 + b2_2
    logits = X2 @ E.T
    p = _softmax(logits, axis=-1)
    # L = mean(-log(p[t, y[t]]), t), in a stable form
    L = -np.sum(logits[np.arange(n)[:, None], np.arange(T), y] - _logsumexp(logits, axis=2), axis=1) / T

    # Backward pass
    # dL/dlogits = p[i, j]*(p[i, y[i]] - delta(y[i], j))/(p[i, y[i]]*T)
    d_logits = p * (p[np.arange(n)[:, None], np.arange(T), y][:, :, None] - np.where(y[:, :, None] == np.arange(V), 1, 0)) / (p[np.arange(n)[:, None], np.arange(T), y] * T)[:, :, None]
    # dL/dX2 = (sum(p[i, l]*E[l, j], l) - E[y[i], j])/T
    d_X2 = (p @ E - E[y]) / T
    # dL/dF2 = dL/dX2 @ W2_2.T
    d_F2 = d_X2 @ W2_2.T
    # dL/dz2 = dL/dF2*(normal_cdf(z2) + z2*exp(-z2**2/2)/(sqrt(pi)*sqrt(2)))
    d_z2 = d_F2 * (_normal_cdf(z2) + z2 * np.exp(-z2**2 / 2) / (np.sqrt(np.pi) * np.sqrt(2)))
    # dL/dN2_2 = dL/dz2 @ W1_2.T
    d_N2_2 = d_z2 @ W1_2.T
    # dL/du2_2 = dL/dN2_2*g2_2
    d_u2_2 = d_N2_2 * g2_2
    # dL/dv2_2 = -sum(dL/du2_2*u2_2, axis=1)/(2*(v2_2 + epsilon))
    d_v2_2 = -np.sum(d_u2_2 * u2_2, axis=2) / (2 * (v2_2 + epsilon))
    # dL/dmu2_2 = -sum(dL/du2_2, axis=1)/sqrt(v2_2 + epsilon)
    d_mu2_2 = -np.sum(d_u2_2, axis=2) / np.sqrt(v2_2 + epsilon)
    # dL/dR2 = dL/dmu2_2[i]/m + 2*dL/dv2_2[i]*(R2[i, j] - mu2_2[i])/m + dL/du2_2[i, j]/sqrt(v2_2[i] + epsilon) + dL/dX2[i, j]
    d_R2 = (
        (d_mu2_2 / m)[:, :, None]
        + 2 * d_v2_2[:, :, None] * (R2 - mu2_2[:, :, None]) / m
        + d_u2_2 / np.sqrt(v2_2 + epsilon)[:, :, None]
        + d_X2
    )
    # dL/dO2 = sum(dL/dR2[j, p_0]*W_O2[i, l, p_0], p_0)
    d_O2 = np.tensordot(d_R2, W_O2, axes=(2, 2)).transpose(0, 2, 1, 3)
    # dL/dA2 = sum(dL/dO2[i, j, m_0]*U2[i, l, m_0], m_0)
    d_A2 = d_O2 @ U2.transpose(0, 1, 3, 2)
    # dL/dS2 = A2[i, j, l]*(dL/dA2[i, j, l] - sum(dL/dA2[i, j, s]*A2[i, j, s], s))
    d_S2 = A2 * (d_A2 - np.sum(d_A2 * A2, axis=3)[:, :, :, None])
    # dL/dU2 = sum(dL/dO2[i, k_0, l]*A2[i, k_0, j], k_0)
    d_U2 = A2.transpose(0, 1, 3, 2) @ d_O2
    # dL/dK2 = sum(dL/dS2[i, t, j]*Q2[i, t, l], t)/sqrt(k)
    d_K2 = d_S2.transpose(0, 1, 3, 2) @ Q2 / np.sqrt(k)
    # dL/dQ2 = sum(dL/dS2[i, j, s]*K2[i, s, l], s)/sqrt(k)
    d_Q2 = d_S2 @ K2 / np.sqrt(k)
    # dL/dN1_2 = sum(dL/dQ2[h, i, l]*W_Q2[h, j, l], h, l) + sum(dL/dK2[h, i, l]*W_K2[h, j, l], h, l) + sum(dL/dU2[h, i, l]*W_V2[h, j, l], h, l)
    d_N1_2 = (
        np.tensordot(d_Q2, W_Q2, axes=((1, 3), (0, 2)))
        + np.tensordot(d_K2, W_K2, axes=((1, 3), (0, 2)))
        + np.tensordot(d_U2, W_V2, axes=((1, 3), (0, 2)))
    )
    # dL/du1_2 = dL/dN1_2*g1_2
    d_u1_2 = d_N1_2 * g1_2
    # dL/dv1_2 = -sum(dL/du1_2*u1_2, axis=1)/(2*(v1_2 + epsilon))
    d_v1_2 = -np.sum(d_u1_2 * u1_2, axis=2) / (2 * (v1_2 + epsilon))
    # dL/dmu1_2 = -sum(dL/du1_2, axis=1)/sqrt(v1_2 + epsilon)
    d_mu1_2 = -np.sum(d_u1_2, axis=2) / np.sqrt(v1_2 + epsilon)
    # dL/dX1 = dL/dmu1_2[i]/m + 2*dL/dv1_2[i]*(X1[i, j] - mu1_2[i])/m + dL/du1_2[i, j]/sqrt(v1_2[i] + epsilon) + dL/dR2[i, j]
    d_X1 = (
        (d_mu1_2 / m)[:, :, None]
        + 2 * d_v1_2[:, :, None] * (X1 - mu1_2[:, :, None]) / m
        + d_u1_2 / np.sqrt(v1_2 + epsilon)[:, :, None]
        + d_R2
    )
    # dL/dF1 = dL/dX1 @ W2_1.T
    d_F1 = d_X1 @ W2_1.T
    # dL/dz1 = dL/dF1*(normal_cdf(z1) + z1*exp(-z1**2/2)/(sqrt(pi)*sqrt(2)))
    d_z1 = d_F1 * (_normal_cdf(z1) + z1 * np.exp(-z1**2 / 2) / (np.sqrt(np.pi) * np.sqrt(2)))
    # dL/dN2_1 = dL/dz1 @ W1_1.T
    d_N2_1 = d_z1 @ W1_1.T
    # dL/du2_1 = dL/dN2_1*g2_1
    d_u2_1 = d_N2_1 * g2_1
    # dL/dv2_1 = -sum(dL/du2_1*u2_1, axis=1)/(2*(v2_1 + epsilon))
    d_v2_1 = -np.sum(d_u2_1 * u2_1, axis=2) / (2 * (v2_1 + epsilon))
    # dL/dmu2_1 = -sum(dL/du2_1, axis=1)/sqrt(v2_1 + epsilon)
    d_mu2_1 = -np.sum(d_u2_1, axis=2) / np.sqrt(v2_1 + epsilon)
    # dL/dR1 = dL/dmu2_1[i]/m + 2*dL/dv2_1[i]*(R1[i, j] - mu2_1[i])/m + dL/du2_1[i, j]/sqrt(v2_1[i] + epsilon) + dL/dX1[i, j]
    d_R1 = (
        (d_mu2_1 / m)[:, :, None]
        + 2 * d_v2_1[:, :, None] * (R1 - mu2_1[:, :, None]) / m
        + d_u2_1 / np.sqrt(v2_1 + epsilon)[:, :, None]
        + d_X1
    )
    # dL/dO1 = sum(dL/dR1[j, p_0]*W_O1[i, l, p_0], p_0)
    d_O1 = np.tensordot(d_R1, W_O1, axes=(2, 2)).transpose(0, 2, 1, 3)
    # dL/dA1 = sum(dL/dO1[i, j, m_0]*U1[i, l, m_0], m_0)
    d_A1 = d_O1 @ U1.transpose(0, 1, 3, 2)
    # dL/dS1 = A1[i, j, l]*(dL/dA1[i, j, l] - sum(dL/dA1[i, j, s]*A1[i, j, s], s))
    d_S1 = A1 * (d_A1 - np.sum(d_A1 * A1, axis=3)[:, :, :, None])
    # dL/dU1 = sum(dL/dO1[i, k_0, l]*A1[i, k_0, j], k_0)
    d_U1 = A1.transpose(0, 1, 3, 2) @ d_O1
    # dL/dK1 = sum(dL/dS1[i, t, j]*Q1[i, t, l], t)/sqrt(k)
    d_K1 = d_S1.transpose(0, 1, 3, 2) @ Q1 / np.sqrt(k)
    # dL/dQ1 = sum(dL/dS1[i, j, s]*K1[i, s, l], s)/sqrt(k)
    d_Q1 = d_S1 @ K1 / np.sqrt(k)
    # dL/dN1_1 = sum(dL/dQ1[h, i, l]*W_Q1[h, j, l], h, l) + sum(dL/dK1[h, i, l]*W_K1[h, j, l], h, l) + sum(dL/dU1[h, i, l]*W_V1[h, j, l], h, l)
    d_N1_1 = (
        np.tensordot(d_Q1, W_Q1, axes=((1, 3), (0, 2)))
        + np.tensordot(d_K1, W_K1, axes=((1, 3), (0, 2)))
        + np.tensordot(d_U1, W_V1, axes=((1, 3), (0, 2)))
    )
    # dL/du1_1 = dL/dN1_1*g1_1
    d_u1_1 = d_N1_1 * g1_1
    # dL/dv1_1 = -sum(dL/du1_1*u1_1, axis=1)/(2*(v1_1 + epsilon))
    d_v1_1 = -np.sum(d_u1_1 * u1_1, axis=2) / (2 * (v1_1 + epsilon))
    # dL/dmu1_1 = -sum(dL/du1_1, axis=1)/sqrt(v1_1 + epsilon)
    d_mu1_1 = -np.sum(d_u1_1, axis=2) / np.sqrt(v1_1 + epsilon)
    # dL/dX0 = dL/dmu1_1[i]/m + 2*dL/dv1_1[i]*(X0[i, j] - mu1_1[i])/m + dL/du1_1[i, j]/sqrt(v1_1[i] + epsilon) + dL/dR1[i, j]
    d_X0 = (
        (d_mu1_1 / m)[:, :, None]
        + 2 * d_v1_1[:, :, None] * (X0 - mu1_1[:, :, None]) / m
        + d_u1_1 / np.sqrt(v1_1 + epsilon)[:, :, None]
        + d_R1
    )
    grads = {
        # dL/dE = mean of sum(dL/dX0[k_0, j]*delta(x[k_0], i), k_0) + sum(dL/dlogits[k_0, i]*X2[k_0, j], k_0)
        "E": _scatter_add(x, d_X0, V) / n + np.tensordot(d_logits, X2, axes=((0, 1), (0, 1))) / n,
        # dL/dP = mean of dL/dX0
        "P": np.sum(d_X0, axis=0) / n,
        # dL/dg1_1 = mean of sum(dL/dN1_1*u1_1, axis=0)
        "g1_1": np.sum(d_N1_1 * u1_1, axis=(0, 1)) / n,
        # dL/dc1_1 = mean of sum(dL/dN1_1, axis=0)
        "c1_1": np.sum(d_N1_1, axis=(0, 1)) / n,
        # dL/dW_Q1 = mean of sum(dL/dQ1[i, k_0, l]*N1_1[k_0, j], k_0)
        "W_Q1": np.tensordot(d_Q1, N1_1, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_K1 = mean of sum(dL/dK1[i, k_0, l]*N1_1[k_0, j], k_0)
        "W_K1": np.tensordot(d_K1, N1_1, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_V1 = mean of sum(dL/dU1[i, k_0, l]*N1_1[k_0, j], k_0)
        "W_V1": np.tensordot(d_U1, N1_1, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_O1 = mean of sum(dL/dR1[k_0, l]*O1[i, k_0, j], k_0)
        "W_O1": np.tensordot(O1, d_R1, axes=((0, 2), (0, 1))) / n,
        # dL/dg2_1 = mean of sum(dL/dN2_1*u2_1, axis=0)
        "g2_1": np.sum(d_N2_1 * u2_1, axis=(0, 1)) / n,
        # dL/dc2_1 = mean of sum(dL/dN2_1, axis=0)
        "c2_1": np.sum(d_N2_1, axis=(0, 1)) / n,
        # dL/dW1_1 = mean of N2_1.T @ dL/dz1
        "W1_1": np.tensordot(N2_1, d_z1, axes=((0, 1), (0, 1))) / n,
        # dL/db1_1 = mean of sum(dL/dz1, axis=0)
        "b1_1": np.sum(d_z1, axis=(0, 1)) / n,
        # dL/dW2_1 = mean of F1.T @ dL/dX1
        "W2_1": np.tensordot(F1, d_X1, axes=((0, 1), (0, 1))) / n,
        # dL/db2_1 = mean of sum(dL/dX1, axis=0)
        "b2_1": np.sum(d_X1, axis=(0, 1)) / n,
        # dL/dg1_2 = mean of sum(dL/dN1_2*u1_2, axis=0)
        "g1_2": np.sum(d_N1_2 * u1_2, axis=(0, 1)) / n,
        # dL/dc1_2 = mean of sum(dL/dN1_2, axis=0)
        "c1_2": np.sum(d_N1_2, axis=(0, 1)) / n,
        # dL/dW_Q2 = mean of sum(dL/dQ2[i, k_0, l]*N1_2[k_0, j], k_0)
        "W_Q2": np.tensordot(d_Q2, N1_2, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_K2 = mean of sum(dL/dK2[i, k_0, l]*N1_2[k_0, j], k_0)
        "W_K2": np.tensordot(d_K2, N1_2, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_V2 = mean of sum(dL/dU2[i, k_0, l]*N1_2[k_0, j], k_0)
        "W_V2": np.tensordot(d_U2, N1_2, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_O2 = mean of sum(dL/dR2[k_0, l]*O2[i, k_0, j], k_0)
        "W_O2": np.tensordot(O2, d_R2, axes=((0, 2), (0, 1))) / n,
        # dL/dg2_2 = mean of sum(dL/dN2_2*u2_2, axis=0)
        "g2_2": np.sum(d_N2_2 * u2_2, axis=(0, 1)) / n,
        # dL/dc2_2 = mean of sum(dL/dN2_2, axis=0)
        "c2_2": np.sum(d_N2_2, axis=(0, 1)) / n,
        # dL/dW1_2 = mean of N2_2.T @ dL/dz2
        "W1_2": np.tensordot(N2_2, d_z2, axes=((0, 1), (0, 1))) / n,
        # dL/db1_2 = mean of sum(dL/dz2, axis=0)
        "b1_2": np.sum(d_z2, axis=(0, 1)) / n,
        # dL/dW2_2 = mean of F2.T @ dL/dX2
        "W2_2": np.tensordot(F2, d_X2, axes=((0, 1), (0, 1))) / n,
        # dL/db2_2 = mean of sum(dL/dX2, axis=0)
        "b2_2": np.sum(d_X2, axis=(0, 1)) / n,
    }
    return float(np.mean(L)), grads


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def predict(params, *, x, epsilon=1e-05):
    """The output p of the model."""
    E = params["E"]
    P = params["P"]
    g1_1 = params["g1_1"]
    c1_1 = params["c1_1"]
    W_Q1 = params["W_Q1"]
    W_K1 = params["W_K1"]
    W_V1 = params["W_V1"]
    W_O1 = params["W_O1"]
    g2_1 = params["g2_1"]
    c2_1 = params["c2_1"]
    W1_1 = params["W1_1"]
    b1_1 = params["b1_1"]
    W2_1 = params["W2_1"]
    b2_1 = params["b2_1"]
    g1_2 = params["g1_2"]
    c1_2 = params["c1_2"]
    W_Q2 = params["W_Q2"]
    W_K2 = params["W_K2"]
    W_V2 = params["W_V2"]
    W_O2 = params["W_O2"]
    g2_2 = params["g2_2"]
    c2_2 = params["c2_2"]
    W1_2 = params["W1_2"]
    b1_2 = params["b1_2"]
    W2_2 = params["W2_2"]
    b2_2 = params["b2_2"]
    x = np.asarray(x, dtype=int)
    m = E.shape[1]
    T = P.shape[0]
    k = W_Q1.shape[2]
    X0 = E[x] + P
    mu1_1 = np.sum(X0, axis=2) / m
    v1_1 = np.sum((X0 - mu1_1[:, :, None]) ** 2, axis=2) / m
    u1_1 = (X0 - mu1_1[:, :, None]) / np.sqrt(v1_1 + epsilon)[:, :, None]
    N1_1 = g1_1 * u1_1 + c1_1
    Q1 = np.tensordot(N1_1, W_Q1, axes=(2, 1)).transpose(0, 2, 1, 3)
    K1 = np.tensordot(N1_1, W_K1, axes=(2, 1)).transpose(0, 2, 1, 3)
    U1 = np.tensordot(N1_1, W_V1, axes=(2, 1)).transpose(0, 2, 1, 3)
    A1 = np.where(np.arange(T) <= np.arange(T)[:, None], np.exp(Q1 @ K1.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where(np.arange(T) <= np.arange(T)[:, None], Q1 @ K1.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O1 = A1 @ U1
    R1 = X0 + np.tensordot(O1, W_O1, axes=((1, 3), (0, 1)))
    mu2_1 = np.sum(R1, axis=2) / m
    v2_1 = np.sum((R1 - mu2_1[:, :, None]) ** 2, axis=2) / m
    u2_1 = (R1 - mu2_1[:, :, None]) / np.sqrt(v2_1 + epsilon)[:, :, None]
    N2_1 = g2_1 * u2_1 + c2_1
    z1 = N2_1 @ W1_1 + b1_1
    F1 = z1*_normal_cdf(z1)
    X1 = R1 + F1 @ W2_1 + b2_1
    mu1_2 = np.sum(X1, axis=2) / m
    v1_2 = np.sum((X1 - mu1_2[:, :, None]) ** 2, axis=2) / m
    u1_2 = (X1 - mu1_2[:, :, None]) / np.sqrt(v1_2 + epsilon)[:, :, None]
    N1_2 = g1_2 * u1_2 + c1_2
    Q2 = np.tensordot(N1_2, W_Q2, axes=(2, 1)).transpose(0, 2, 1, 3)
    K2 = np.tensordot(N1_2, W_K2, axes=(2, 1)).transpose(0, 2, 1, 3)
    U2 = np.tensordot(N1_2, W_V2, axes=(2, 1)).transpose(0, 2, 1, 3)
    A2 = np.where(np.arange(T) <= np.arange(T)[:, None], np.exp(Q2 @ K2.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where(np.arange(T) <= np.arange(T)[:, None], Q2 @ K2.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O2 = A2 @ U2
    R2 = X1 + np.tensordot(O2, W_O2, axes=((1, 3), (0, 1)))
    mu2_2 = np.sum(R2, axis=2) / m
    v2_2 = np.sum((R2 - mu2_2[:, :, None]) ** 2, axis=2) / m
    u2_2 = (R2 - mu2_2[:, :, None]) / np.sqrt(v2_2 + epsilon)[:, :, None]
    N2_2 = g2_2 * u2_2 + c2_2
    z2 = N2_2 @ W1_2 + b1_2
    F2 = z2*_normal_cdf(z2)
    X2 = R2 + F2 @ W2_2 + b2_2
    logits = X2 @ E.T
    p = _softmax(logits, axis=-1)
    return p


def update(params, grads, state, lr=0.003, beta_1=0.9, beta_2=0.999, epsilon=1e-08):
    """One step of Adam, in place.

    Kingma and Ba 2015, algorithm 1.  `state`, an empty dictionary at first, is kept from step to step.
    Every gradient was computed before any parameter changes.  In the formulas theta is params[name] and eta is lr.
    """
    if not state:
        state["t"] = 0
        state["m"] = {name: np.zeros_like(value) for name, value in params.items()}
        state["v"] = {name: np.zeros_like(value) for name, value in params.items()}
    t = state["t"] = state["t"] + 1
    m, v = state["m"], state["v"]
    for name, g in grads.items():
        # m[t] = beta_1*m[t - 1] + (1 - beta_1)*g[t]
        m[name] = beta_1 * m[name] + (1 - beta_1) * g
        # v[t] = beta_2*v[t - 1] + (1 - beta_2)*g[t]**2
        v[name] = beta_2 * v[name] + (1 - beta_2) * g**2
        # m_hat[t] = m[t]/(1 - beta_1**t)
        m_hat = m[name] / (1 - beta_1**t)
        # v_hat[t] = v[t]/(1 - beta_2**t)
        v_hat = v[name] / (1 - beta_2**t)
        # theta[t] = theta[t - 1] - eta*m_hat[t]/(sqrt(v_hat[t]) + epsilon)
        params[name] = params[name] - lr * m_hat / (np.sqrt(v_hat) + epsilon)


def train(
    data,
    epochs=20,
    lr=0.003,
    batch_size=32,
    seed=0,
    tolerance=0.0,
    params=None,
    callback=None,
    beta_1=0.9,
    beta_2=0.999,
    epsilon_=1e-08,
    **options,
):
    """Adam over the examples in `data`, a dictionary of arrays.

    `batch_size` None takes all examples in every step, shuffled by `seed` otherwise.
    Stops after `epochs`, when the loss changes by less than `tolerance` (if that is above 0), or when
    ``callback(epoch, loss, params)`` is true; `loss` is the one before the epoch's last update.
    What stands behind `callback` is handed on to `update`.
    `options` are the constants and sizes of the model.
    Returns the parameters and the history, a list of dictionaries.
    """
    for name in options:
        if name not in ("epsilon",) + ("T", "V", "m", "H", "k", "f"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("epsilon",) if name in options}
    sizes = {"T": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("T", "V", "m", "H", "k", "f") if name in options}
    count = len(data["x"])
    params = init(seed, **sizes) if params is None else dict(params)
    state = {}
    history = []
    rule = dict(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon_)
    rng = np.random.default_rng(seed)
    rows = [np.arange(count)]
    for epoch in range(1, epochs + 1):
        if batch_size is not None and batch_size < count:
            order = rng.permutation(count)
            rows = [order[start : start + batch_size] for start in range(0, count, batch_size)]
        total = 0.0
        for batch in rows:
            part = data if len(rows) == 1 else {name: np.asarray(values)[batch] for name, values in data.items()}
            value, grads = loss_and_gradients(params, **part, **constants)
            update(params, grads, state, lr, **rule)
            total += value * len(batch) / count
        history.append({"epoch": epoch, "loss": total})
        if callback is not None and callback(epoch, total, params):
            break
        if tolerance > 0 and epoch > 1 and abs(history[-2]["loss"] - total) < tolerance:
            break
    return params, history


def read_csv(path):
    """The columns of a CSV file as the data of `train`; a vector takes its numbered columns, or the rest."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        header, *lines = [line for line in csv.reader(file) if line]
    table = dict(zip(header, np.array(lines, dtype=float).T))
    data = {name: table.pop(name) for name in () if name in table}
    missing = [name for name in ("x", "y") if name not in data]
    for name in missing:
        columns = [column for column in table if column.rsplit("_", 1)[0] == name]
        if not columns and len(missing) == 1:
            columns = list(table)
        if not columns:
            raise SystemExit(f"{path}: no column for {name}; there are {', '.join(header)}")
        data[name] = np.stack([table[column] for column in columns], axis=1)
    return data


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python {sys.argv[0]} DATA.csv")
    trained, history = train(read_csv(sys.argv[1]))
    print(f"loss {history[0]['loss']:.6g} → {history[-1]['loss']:.6g} after {len(history)} epochs")
    for name, value in trained.items():
        print(f"{name} = {value}")
