r"""La cota variacional: KL exactas, un modelo exacto que la iguala a la entropía y el decodificador."""

import math

import mpmath as mp
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import nn

from course_lib.diffusion import DDPM, Denoiser
from course_lib.diffusion.vlb import bits_per_dim, discrete_log_prob, gaussian_kl, prior_term, term
from course_lib.probability import Gaussian

MEAN, VAR = 0.1, 0.01  # datos N(0.1, 0.1²): caben en [-1, 1] con nueve desviaciones


def one(value):
    return torch.tensor([[value]], dtype=torch.float64)


def quadrature(n=20):
    """(x_0, ε) y sus pesos: integra sobre datos y ruido sin Monte Carlo."""
    nodes, weights = (torch.from_numpy(v) for v in hermegauss(n))
    weights = weights / weights.sum()
    x0 = (MEAN + VAR**0.5 * nodes).repeat_interleave(n)[:, None]
    return x0, nodes.repeat(n)[:, None], (weights[:, None] * weights).flatten()


class ExactReverse(nn.Module):
    """E[x_0|x_k] y la mezcla v con que la varianza del modelo es la exacta de q(x_{k−1}|x_k)."""

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def forward(self, x, t):
        s, k = self.schedule, torch.round(t * self.schedule.T).long()
        alpha, sigma = s.alpha(t)[:, None], s.sigma(t)[:, None]
        total = alpha**2 * VAR + sigma**2
        x0 = MEAN + alpha * VAR / total * (x - alpha * MEAN)
        on_x0 = s.posterior(torch.ones_like(x), torch.zeros_like(x), k)[0]
        exact = s.posterior_variance[k - 1][:, None] + on_x0**2 * VAR * sigma**2 / total
        beta, tilde = s.betas[k - 1][:, None], s.posterior_variance[(k - 1).clamp(min=1)][:, None]
        v = (exact.log() - tilde.log()) / (beta.log() - tilde.log())
        return torch.cat([x0, torch.atanh(2 * v - 1)], 1)


def expected_term(denoiser, k, variance):
    x0, eps, weights = quadrature()
    t = torch.full((len(x0),), k / denoiser.schedule.T, dtype=torch.float64)
    return (weights * term(denoiser, x0, t, eps, variance)).sum().item()


# β_2 < Var(x_0): así la varianza exacta de k = 1 cae entre β̃_2 y β_1 y una v la alcanza.
SHORT = DDPM(torch.logspace(math.log10(0.004), math.log10(0.35), 25, dtype=torch.float64))


def test_la_kl_entre_gaussianas():
    """`gaussian_kl` es la KL de torch, en nats y en ese sentido."""
    m, v, n, w = (
        torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    )
    p, q = (torch.distributions.Normal(a, b.sqrt()) for a, b in ((m, v), (n, w)))
    torch.testing.assert_close(gaussian_kl(m, v, n, w), torch.distributions.kl_divergence(p, q))


@pytest.mark.parametrize("k", [2, 3, 10, 25])
@pytest.mark.parametrize("variance", ["small", "large"])
def test_cada_kl_con_el_denoiser_exacto_tiene_forma_cerrada(k, variance):
    """E[L_{k−1}] = ½(log(v/β̃) + (β̃ + c²Var(x_0|x_k))/v − 1), con c el coeficiente de x_0."""
    denoiser = Gaussian(one(MEAN)[0], one(VAR)).denoiser(SHORT)
    before, now, beta = SHORT.alphas_bar[k - 1], SHORT.alphas_bar[k], SHORT.betas[k - 1]
    c = before.sqrt() * beta / (1 - now)
    leftover = VAR * (1 - now) / (now * VAR + 1 - now)
    tilde = beta * (1 - before) / (1 - now)
    v = tilde if variance == "small" else beta
    exact = ((v / tilde).log() + (tilde + c**2 * leftover) / v - 1) / 2
    assert expected_term(denoiser, k, variance) == pytest.approx(exact.item(), rel=1e-9)


def test_con_el_modelo_exacto_la_cota_es_la_entropia():
    """L_T + ΣL_{k−1} + L_0 = entropía de los datos en casillas de 2/255 + KL(q(x_T)‖N(0, I)).

    La igualdad exige que todos los términos estén bien a la vez: con la cadena inversa exacta la
    cota no tiene holgura. Se integra con Gauss–Hermite; el error es el ancho de las casillas.
    """
    denoiser = Denoiser(ExactReverse(SHORT), SHORT, "x0", learned_variance=True)
    x0, _, weights = quadrature()
    chain = sum(expected_term(denoiser, k, "learned") for k in range(1, SHORT.T + 1))
    bound = chain + (weights * prior_term(SHORT, x0)).sum().item()
    data = Gaussian(one(MEAN)[0], one(VAR))
    at_T = data.diffuse(SHORT.alphas_bar[-1].sqrt(), (1 - SHORT.alphas_bar[-1]).sqrt())
    exact = data.entropy() - math.log(2 / 255) + at_T.kl(Gaussian(one(0.0)[0], one(1.0)))
    assert bound == pytest.approx(exact, abs=1e-3)
    for variance in ("small", "large"):  # con otra varianza la cota solo puede crecer
        looser = sum(expected_term(denoiser, k, variance) for k in range(1, SHORT.T + 1))
        assert looser > chain + 0.01


def test_la_prior_es_la_kl_del_ultimo_nodo():
    """L_T = KL(N(√ᾱ_T x_0, 1 − ᾱ_T)‖N(0, 1)), sumada sobre los píxeles."""
    x0 = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(2, 1, 2, 3)
    last = SHORT.alphas_bar[-1]
    q = torch.distributions.Normal(last.sqrt() * x0, (1 - last).sqrt().expand_as(x0))
    p = torch.distributions.Normal(torch.zeros_like(x0), torch.ones_like(x0))
    exact = torch.distributions.kl_divergence(q, p).sum((1, 2, 3))
    torch.testing.assert_close(prior_term(SHORT, x0), exact, rtol=1e-12, atol=1e-14)


# --- bits por dimensión -------------------------------------------------------------------------


class Constant(nn.Module):
    """Una red que dice siempre x̂_0 = c: así cada término no depende del ruido."""

    def forward(self, x, t):
        return torch.full_like(x, 0.2)


def levels(*values):
    return 2 * torch.tensor(values, dtype=torch.float64) / 255 - 1


def test_bits_por_dimension_suma_los_terminos():
    """Cada KL es c²(x_0 − ĉ)²/(2β̃), exacta; la suma se divide por píxeles y por log 2."""
    denoiser = Denoiser(Constant(), SHORT, "x0")
    x0 = levels([0, 100, 200, 255], [7, 7, 127, 128]).reshape(2, 1, 2, 2)
    got = bits_per_dim(denoiser, x0, generator=0)
    k = torch.arange(2, SHORT.T + 1)
    before, now, beta = SHORT.alphas_bar[k - 1], SHORT.alphas_bar[k], SHORT.betas[k - 1]
    factor = (before * beta**2 / (1 - now) ** 2 / (2 * SHORT.posterior_variance[k - 1])).sum()
    exact = factor * (x0 - 0.2).square().mean((1, 2, 3)) / math.log(2)
    torch.testing.assert_close(got.diffusion, exact, rtol=1e-10, atol=0)
    torch.testing.assert_close(got.prior, prior_term(SHORT, x0) / 4 / math.log(2))
    torch.testing.assert_close(got.total, got.prior + got.diffusion + got.decoder)
    assert list(got.per_step) == list(range(2, SHORT.T + 1))
    assert sum(got.per_step.values()) == pytest.approx(got.diffusion.mean().item(), rel=1e-12)


@pytest.mark.parametrize("steps", [1, 5, 23])
def test_con_menos_pasos_el_estimador_no_se_sesga(steps):
    """Con `steps` < T − 1 la media sobre muchas imágenes iguales es la suma completa."""
    denoiser, n = Denoiser(Constant(), SHORT, "x0"), 4000
    x0 = levels(90).reshape(1, 1, 1, 1)
    full = bits_per_dim(denoiser, x0, generator=0).diffusion.item()
    many = x0.expand(n, 1, 1, 1)
    got = bits_per_dim(denoiser, many, steps, generator=torch.Generator().manual_seed(0)).diffusion
    assert got.std() > 0
    assert got.mean().item() == pytest.approx(full, abs=4.5 * got.std().item() / n**0.5)


def test_la_cota_no_baja_de_la_verdadera_verosimilitud(generator):
    """Datos gaussianos cuantizados: la cota media ≥ su entropía discreta, y no muy por encima."""
    grid = levels(*range(256))
    data = torch.distributions.Normal(MEAN, VAR**0.5)
    probability = data.cdf(grid + 1 / 255) - data.cdf(grid - 1 / 255)
    probability[0], probability[-1] = data.cdf(grid[0] + 1 / 255), 1 - data.cdf(grid[-1] - 1 / 255)
    entropy = torch.distributions.Categorical(probability).entropy().item() / math.log(2)
    n = 1500
    x0 = grid[torch.multinomial(probability, n, replacement=True, generator=generator)]
    cross = -torch.log2(data.cdf(x0 + 1 / 255) - data.cdf(x0 - 1 / 255))
    denoiser = Denoiser(ExactReverse(SHORT), SHORT, "x0", learned_variance=True)
    total = bits_per_dim(denoiser, x0[:, None], variance="learned", generator=generator).total
    gap = total - cross  # la misma muestra a los dos lados: casi sin varianza
    error = gap.std().item() / n**0.5
    last = Gaussian(one(MEAN)[0], one(VAR)).diffuse(
        SHORT.alphas_bar[-1].sqrt(), (1 - SHORT.alphas_bar[-1]).sqrt()
    )
    floor = last.kl(Gaussian(one(0.0)[0], one(1.0))) / math.log(2)
    assert gap.mean().item() > floor - 4 * error
    assert gap.mean().item() < floor + 4 * error + 0.02
    assert total.mean().item() > entropy - 0.2


# --- el decodificador ---------------------------------------------------------------------------


def exact_bin(x0, mean, std):
    """log de la masa de N(mean, std²) en la casilla de x0, con 80 cifras."""
    with mp.workdps(80):
        x0, mean, std, half = mp.mpf(x0), mp.mpf(mean), mp.mpf(std), mp.mpf(1) / 255

        def upper(z):  # P(Z > z), sin cancelación
            return mp.erfc(z / mp.sqrt(2)) / 2

        low = mp.inf if x0 < -1 + half else (x0 - half - mean) / std
        high = (x0 + half - mean) / std
        if x0 < -1 + half:
            return float(mp.log(upper(-high)))
        if x0 > 1 - half:
            return float(mp.log(upper(low)))
        mass = upper(low) - upper(high) if low > 0 else upper(-high) - upper(-low)
        return float(mp.log(mass))


@pytest.mark.parametrize("std", [2e-3, 0.02, 0.3, 2.0])
@pytest.mark.parametrize("mean", [-2.5, -1.0, -0.301, 0.0, 0.7, 1.4])
def test_el_decodificador_contra_80_cifras(mean, std):
    """log[Φ(b) − Φ(a)] también a mil desviaciones, donde la resta directa da log 0."""
    x0 = levels(0, 1, 60, 127, 128, 200, 254, 255)
    law = torch.tensor([mean, std], dtype=torch.float64)
    got = discrete_log_prob(x0, *law)
    exact = torch.tensor([exact_bin(x, mean, std) for x in x0.tolist()], dtype=torch.float64)
    torch.testing.assert_close(got, exact, rtol=1e-8, atol=1e-10)
    single = discrete_log_prob(x0.float(), *law.float())
    torch.testing.assert_close(single.double(), exact, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("std", [1e-3, 0.05, 1.0, 10.0])
@pytest.mark.parametrize("mean", [-3.0, 0.123, 1.0])
def test_las_256_casillas_suman_uno(mean, std):
    """Es una distribución sobre los 256 niveles: la de −1 y la de 1 recogen las colas."""
    law = torch.tensor([mean, std], dtype=torch.float64)
    log_prob = discrete_log_prob(levels(*range(256)), *law)
    assert log_prob.logsumexp(0).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_el_gradiente_del_decodificador_es_finito_y_correcto(dtype):
    """Ni las casillas de los extremos ni las colas lejanas dan NaN al entrenar la varianza."""
    x0 = levels(0, 3, 128, 250, 255).repeat(4)
    mean = torch.tensor([-1.0, 0.0, 0.9, 3.0], dtype=torch.float64).repeat_interleave(5)
    log_std = torch.full((20,), math.log(0.08), dtype=torch.float64)
    inputs = [v.to(dtype).requires_grad_() for v in (mean, log_std)]
    out = discrete_log_prob(x0.to(dtype), inputs[0], inputs[1].exp())
    gradients = torch.autograd.grad(out.sum(), inputs)
    h = 1e-6
    for i, gradient in enumerate(gradients):
        shifted = []
        for sign in (-1, 1):
            values = [mean, log_std]
            values[i] = values[i] + sign * h
            shifted.append(discrete_log_prob(x0, values[0], values[1].exp()))
        numeric = (shifted[1] - shifted[0]) / (2 * h)
        tolerance = 1e-4 if dtype == torch.float64 else 5e-2
        torch.testing.assert_close(gradient.double(), numeric, rtol=tolerance, atol=tolerance)
