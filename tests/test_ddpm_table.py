"""La tabla de DDPM: sus β, la cadena paso a paso, la regla de Bayes y el paso al continuo."""

import math

import mpmath as mp
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import TABULATED

from course_lib.diffusion import DDPM, VP, Cosine
from course_lib.diffusion.samplers import bridge
from course_lib.probability import Gaussian

SMALL = {"linear": DDPM.linear(40), "cosine": DDPM.cosine(40), "sigmoid": DDPM.sigmoid(40)}


def logistic(u):
    return 1 / (1 + math.exp(-u))


def squared_cosine(u, s=0.008):
    return math.cos(math.pi / 2 * (u + s) / (1 + s)) ** 2


def capped_betas(alpha_bar, T):
    return [min(0.999, 1 - alpha_bar((k + 1) / T) / alpha_bar(k / T)) for k in range(T)]


# --- las tres tablas ----------------------------------------------------------------------------


def test_tabla_lineal_de_ho():
    """Con T = 1000, β va de 10⁻⁴ a 0.02 en línea recta; con otro T, se escala por 1000/T."""
    for T in (21, 100, 1000):
        exact = [0.1 / T + k * (20 - 0.1) / T / (T - 1) for k in range(T)]
        torch.testing.assert_close(
            DDPM.linear(T).betas, torch.tensor(exact, dtype=torch.float64), rtol=1e-12, atol=0
        )
    assert DDPM.linear(1000).betas[[0, -1]].tolist() == pytest.approx([1e-4, 0.02], rel=1e-12)
    assert DDPM.linear(7, beta_1=0.1, beta_T=0.7).betas.tolist() == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    )


@pytest.mark.parametrize("T", [1, 10, 300, 1000])
def test_tabla_coseno(T):
    """β_k = min(0.999, 1 − ᾱ_k/ᾱ_{k−1}) con el coseno de Nichol y Dhariwal."""
    betas = DDPM.cosine(T).betas
    exact = torch.tensor(capped_betas(squared_cosine, T), dtype=torch.float64)
    torch.testing.assert_close(betas, exact, rtol=1e-9, atol=1e-12)
    assert betas[-1] == 0.999


@pytest.mark.parametrize(("start", "end", "tau"), [(-3, 3, 1.0), (0, 3, 0.7), (-2, 2, 1.1)])
def test_tabla_sigmoide(start, end, tau):
    """β_k del alg. 1 de Chen (2023): resta de logísticas, con sus tres parámetros."""

    def alpha_bar(u):
        return logistic(end / tau) - logistic((start + u * (end - start)) / tau)

    exact = torch.tensor(capped_betas(alpha_bar, 50), dtype=torch.float64)
    torch.testing.assert_close(
        DDPM.sigmoid(50, start, end, tau).betas, exact, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("T", [21, 100, 300, 1000, 4000])
def test_el_final_no_depende_de_cuantos_pasos(T):
    """Escalada por 1000/T, la tabla lineal termina siempre en ruido: ᾱ_T ≈ e^(−10.05) o menos."""
    assert 0 < DDPM.linear(T).alphas_bar[-1] < math.exp(-10)
    unscaled = DDPM.linear(100, beta_1=1e-4, beta_T=0.02).alphas_bar[-1]
    assert unscaled.item() == pytest.approx(0.36, abs=0.01)  # sin escalar, queda media imagen


@pytest.mark.parametrize("name", TABULATED)
def test_alfa_barra_es_el_producto_exacto(name):
    """ᾱ_k = Π(1 − β_j) con 60 cifras; ᾱ_0 = 1; α(k/T)² = ᾱ_k y σ² = 1 − ᾱ_k, todo en float64."""
    mp.mp.dps = 60
    schedule, product = TABULATED[name], mp.mpf(1)
    exact, complement = [1.0], [0.0]
    for beta in schedule.betas.tolist():
        product *= 1 - mp.mpf(beta)
        exact.append(float(product)), complement.append(float(1 - product))
    exact, complement = (torch.tensor(v, dtype=torch.float64) for v in (exact, complement))
    assert schedule.alphas_bar.dtype == torch.float64 and schedule.alphas_bar[0] == 1
    torch.testing.assert_close(schedule.alphas_bar, exact, rtol=1e-12, atol=0)
    nodes = torch.arange(schedule.T + 1, dtype=torch.float64) / schedule.T
    torch.testing.assert_close(schedule.alpha(nodes) ** 2, exact, rtol=1e-12, atol=0)
    torch.testing.assert_close(schedule.sigma(nodes) ** 2, complement, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_un_instante_en_float32_cae_en_su_nodo(dtype):
    """k/T redondeado a float32 sigue leyendo la fila k, no un punto entre dos."""
    schedule = TABULATED["cosine"]
    t = (torch.arange(1, schedule.T + 1, dtype=torch.float64) / schedule.T).to(dtype)
    torch.testing.assert_close(schedule.alpha(t) ** 2, schedule.alphas_bar[1:], rtol=3e-3, atol=0)
    f, g2 = schedule.drift_diffusion(t)
    exact = -schedule.T * torch.log1p(-schedule.betas)
    torch.testing.assert_close(g2, exact, rtol=2e-5, atol=0)
    torch.testing.assert_close(f, -exact / 2, rtol=2e-5, atol=0)


@pytest.mark.parametrize("T", [4000, 10_000])
def test_un_instante_en_float32_cae_en_su_nodo_en_tablas_largas(T):
    """También con miles de pasos: g² y f en float32 son los del nodo, no los del tramo siguiente."""
    schedule = DDPM.cosine(T)
    t = (torch.arange(1, T + 1, dtype=torch.float64) / T).float()
    f, g2 = schedule.drift_diffusion(t)
    exact = -T * torch.log1p(-schedule.betas)
    torch.testing.assert_close(g2, exact, rtol=5e-4, atol=0)
    torch.testing.assert_close(f, -exact / 2, rtol=5e-4, atol=0)


# --- la cadena ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABULATED)
def test_la_cadena_es_el_nucleo_cerrado(name):
    """Componer los T núcleos q(x_k|x_{k−1}) da, en cada k, la media α x_0 y la varianza σ²."""
    schedule = TABULATED[name]
    mean, var = 1.0, 0.0
    for k, beta in enumerate(schedule.betas.tolist(), start=1):
        mean, var = math.sqrt(1 - beta) * mean, (1 - beta) * var + beta
        assert schedule.alpha(k / schedule.T).item() == pytest.approx(mean, rel=1e-10)
        assert schedule.sigma(k / schedule.T).item() ** 2 == pytest.approx(var, rel=1e-10)


@pytest.mark.parametrize("name", SMALL)
def test_la_cadena_simulada(name, generator):
    """La cadena paso a paso, sorteada, y `perturb` de un golpe: la misma media y varianza."""
    schedule, n, x0 = SMALL[name], 20_000, 0.7
    x = torch.full((n,), x0, dtype=torch.float64)
    for k, beta in enumerate(schedule.betas.tolist(), start=1):
        noise = torch.randn(n, generator=generator, dtype=torch.float64)
        x = math.sqrt(1 - beta) * x + math.sqrt(beta) * noise
        if k in (1, 10, 25, schedule.T):
            alpha, sigma = (f(k / schedule.T).item() for f in (schedule.alpha, schedule.sigma))
            assert x.mean().item() == pytest.approx(alpha * x0, abs=4.5 * sigma / math.sqrt(n))
            assert x.std().item() == pytest.approx(sigma, rel=4.5 / math.sqrt(2 * n))


# --- la regla de Bayes --------------------------------------------------------------------------


@given(k=st.integers(2, 40), x0=st.floats(-1, 1), x_k=st.floats(-3, 3))
@pytest.mark.parametrize("name", SMALL)
def test_el_posterior_es_la_regla_de_bayes(name, k, x0, x_k):
    """q(x_{k−1}|x_k, x_0) es la conjunta de (x_{k−1}, x_k) dado x_0, condicionada a x_k."""
    schedule = SMALL[name]
    beta, before = schedule.betas[k - 1].item(), schedule.alphas_bar[k - 1].item()
    step = math.sqrt(1 - beta)
    prior = Gaussian(
        torch.tensor([math.sqrt(before) * x0], dtype=torch.float64),
        torch.tensor([[1 - before]], dtype=torch.float64),
    )
    v = prior.cov.item()
    joint = Gaussian(
        torch.cat([prior.mean, step * prior.mean]),
        torch.tensor([[v, step * v], [step * v, step**2 * v + beta]], dtype=torch.float64),
    )
    exact = joint.condition([1], [x_k])
    mean, var = schedule.posterior(*torch.tensor([[x0], [x_k]], dtype=torch.float64), k)
    assert mean.item() == pytest.approx(exact.mean.item(), rel=1e-8, abs=1e-8)
    assert var.item() == pytest.approx(exact.cov.item(), rel=1e-8)
    assert schedule.posterior_variance[k - 1].item() == pytest.approx(var.item(), rel=1e-12)


@pytest.mark.parametrize("name", TABULATED)
def test_el_primer_paso_hacia_atras_es_x0(name):
    """En k = 1 el posterior se concentra en x_0: media x_0 y varianza 0; después, 0 < β̃ ≤ β."""
    schedule = TABULATED[name]
    x0, x_1 = torch.tensor([[0.3], [1.9]], dtype=torch.float64)
    mean, var = schedule.posterior(x0, x_1, 1)
    assert mean.item() == pytest.approx(0.3, rel=1e-12) and var.item() == 0
    tilde = schedule.posterior_variance
    assert tilde[0] == 0 and (tilde[1:] > 0).all() and (tilde <= schedule.betas).all()


@pytest.mark.parametrize("name", SMALL)
def test_posterior_por_lotes_y_puente(name, generator):
    """Con k de forma (B,), cada ejemplo usa su k (también si B = W), y coincide con `bridge`."""
    schedule = SMALL[name]
    x0, x_k = torch.randn(2, 4, 1, 4, 4, generator=generator, dtype=torch.float64)
    k = torch.tensor([1, 2, 20, 40])
    mean, var = schedule.posterior(x0, x_k, k)
    b = bridge(schedule, k.double() / schedule.T, (k - 1).double() / schedule.T, x_k)
    torch.testing.assert_close(b.on_xt * x_k + b.on_x0 * x0, mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(b.beta_tilde, var, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(b.beta.flatten(), schedule.betas[k - 1], rtol=1e-9, atol=1e-12)
    for i in range(4):
        alone = schedule.posterior(x0[i : i + 1], x_k[i : i + 1], int(k[i]))
        torch.testing.assert_close(mean[i : i + 1], alone[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(var[i : i + 1].flatten(), alone[1].flatten())


# --- el paso al continuo ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "limit", "stop"), [(DDPM.linear, VP(), 1.0), (DDPM.cosine, Cosine(), 0.99)]
)
def test_la_tabla_tiende_a_su_limite_continuo(table, limit, stop):
    """Al crecer T, α y σ de la tabla tienden a los de VP y coseno, con error de orden 1/T."""
    t = torch.linspace(0.05, stop, 50, dtype=torch.float64)
    errors = [
        max(
            (table(T).alpha(t) - limit.alpha(t)).abs().max(),
            (table(T).sigma(t) - limit.sigma(t)).abs().max(),
        )
        for T in (500, 2000)
    ]
    assert errors[0] < 5 / 500
    assert errors[1] < errors[0] / 3


@given(u=st.floats(0, 1, exclude_max=True), T=st.integers(1, 1000))
def test_snap_reparte_por_igual(u, T):
    """Cada k en 1..T recibe el tramo [(k−1)/T, k/T) de los sorteos: todos pesan lo mismo."""
    schedule = DDPM.cosine(T)
    k = schedule.snap(torch.tensor(u, dtype=torch.float64)) * T
    expected = min(math.floor(u * T) + 1, T)
    assert k.item() == pytest.approx(expected, abs=1e-9)
