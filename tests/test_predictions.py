"""Los cinco idiomas de una predicción: se traducen entre sí y dicen lo que prometen."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import CONTINUOUS, SCHEDULES

from course_lib.diffusion import KINDS, Cosine, Flow, Prediction
from course_lib.probability import GaussianMixture

MIXTURE = GaussianMixture(
    torch.tensor([0.3, 0.7], dtype=torch.float64),
    torch.tensor([[-1.0, 0.5], [1.0, 0.0]], dtype=torch.float64),
    torch.tensor([[[0.2, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.4]]], dtype=torch.float64),
)


def pair(seed, batch=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, batch, 1, 3, 3, generator=generator, dtype=torch.float64)


@given(t=st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3), seed=st.integers(0, 10**6))
@pytest.mark.parametrize("name", SCHEDULES)
def test_los_cinco_idiomas_son_uno(name, t, seed):
    """De (x_0, ε) a cada idioma, de vuelta, y a los otros cuatro: siempre lo mismo."""
    schedule, (x0, eps) = SCHEDULES[name], pair(seed)
    t = torch.tensor(t, dtype=torch.float64)
    exact = Prediction(x0, eps, t, schedule)
    x_t = schedule.perturb(x0, t, eps)
    for spoken in KINDS:
        back = Prediction.from_output(spoken, getattr(exact, spoken), x_t, t, schedule)
        for asked in KINDS:
            value, true = getattr(back, asked), getattr(exact, asked)
            error = (value - true).abs().amax() / true.abs().amax()
            assert error < 1e-7, f"{spoken} → {asked}: {error:.1e}"


@pytest.mark.parametrize("name", CONTINUOUS)
def test_lo_que_cada_idioma_significa(name):
    """Cada idioma según su definición, sin las fórmulas de la biblioteca.

    La velocidad es dx_t/dt a x_0 y ε fijos; el score, el gradiente de log q(x_t|x_0); v, la
    derivada respecto del ángulo φ del camino cos φ·x_0 + sen φ·ε (aquí, α ε − σ x_0).
    """
    schedule, (x0, eps), t, h = CONTINUOUS[name], pair(1, 1), 0.37, 1e-5
    prediction = Prediction(x0, eps, t, schedule)
    path = [schedule.perturb(x0, t + d, eps) for d in (-h, h)]
    slope = (path[1] - path[0]) / (2 * h)
    torch.testing.assert_close(prediction.velocity, slope, rtol=1e-7, atol=1e-7)

    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    x_t = (alpha * x0 + sigma * eps).requires_grad_()
    log_q = torch.distributions.Normal(alpha * x0, sigma).log_prob(x_t).sum()
    gradient = torch.autograd.grad(log_q, x_t)[0]
    torch.testing.assert_close(prediction.score, gradient, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(prediction.v, alpha * eps - sigma * x0, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("t", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", SCHEDULES)
def test_tweedie(name, t, generator):
    """El denoiser exacto de una mezcla da, por −ε̂/σ, el score exacto de la mezcla difundida."""
    schedule = SCHEDULES[name]
    alpha, sigma = schedule.alpha(t).item(), schedule.sigma(t).item()
    law = MIXTURE.diffuse(alpha, sigma)
    x_t = law.sample(20, generator)
    score = MIXTURE.denoiser(schedule)(x_t, t).score
    torch.testing.assert_close(score, law.score(x_t), rtol=1e-8, atol=1e-8)


@given(t=st.floats(0.02, 0.98), seed=st.integers(0, 10**6))
@pytest.mark.parametrize("name", SCHEDULES)
def test_la_velocidad_es_la_ode_de_la_sde(name, t, seed):
    """α̇ x̂_0 + σ̇ ε̂ = f x_t − ½ g² ∇log p: dos caminos al mismo campo."""
    schedule, (x0, eps) = SCHEDULES[name], pair(seed)
    prediction = Prediction(x0, eps, t, schedule)
    f, g2 = schedule.drift_diffusion(t)
    field = f * schedule.perturb(x0, t, eps) - g2 / 2 * prediction.score
    error = (prediction.velocity - field).abs().amax() / field.abs().amax()
    assert error < 1e-9


@given(t=st.floats(0.02, 0.98), seed=st.integers(0, 10**6))
@pytest.mark.parametrize("name", SCHEDULES)
def test_cambiar_una_mitad_conserva_x_t(name, t, seed):
    """`with_x0` y `with_eps` cambian la pareja sin mover x_t ni perder la varianza aprendida."""
    schedule, (x0, eps), (other, _) = SCHEDULES[name], pair(seed), pair(seed + 1)
    prediction = Prediction(x0, eps, t, schedule, var_mix=eps.sigmoid())
    x_t = schedule.perturb(x0, t, eps)
    for changed in (prediction.with_x0(other), prediction.with_eps(other)):
        again = schedule.perturb(changed.x0, t, changed.eps)
        torch.testing.assert_close(again, x_t, rtol=1e-9, atol=1e-9)
        assert changed.var_mix is prediction.var_mix and changed.t == prediction.t
    assert prediction.with_x0(other).x0 is other and prediction.with_eps(other).eps is other


@pytest.mark.parametrize("schedule", [Cosine(), Flow()])
@pytest.mark.parametrize("kind", ["x0", "v", "velocity"])
def test_con_snr_nula_tres_idiomas_siguen_hablando(schedule, kind):
    """Donde α = 0, x_0, v y velocidad aún dicen x_0 (por eso se entrenan así)."""
    x0, eps = pair(3)
    exact = Prediction(x0, eps, 1.0, schedule)
    x_t = schedule.perturb(x0, 1.0, eps)
    back = Prediction.from_output(kind, getattr(exact, kind), x_t, 1.0, schedule)
    torch.testing.assert_close(back.x0, x0, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(back.eps, eps, rtol=1e-12, atol=1e-12)
