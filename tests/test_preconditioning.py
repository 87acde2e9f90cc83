"""El preacondicionamiento de EDM: varianzas 1, c_out mínima, límites y la v-predicción."""

import math

import pytest
import torch
from bad_input import Same, X, cases, fails, vp
from oracles import SCHEDULES
from torch import nn

from course_lib.diffusion import DDPM, EDM, VE, VP, Cosine, Denoiser, Flow, Preconditioned, sample
from course_lib.diffusion.losses import Objective, edm, simple
from course_lib.diffusion.times import LogNormal
from course_lib.networks import MLP
from course_lib.probability import Gaussian
from course_lib.training import Trainer

F64 = torch.float64
T = torch.tensor([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99], dtype=F64)


class Spy(nn.Module):
    """Devuelve `out` y anota lo que le llega."""

    def __init__(self, out=None):
        super().__init__()
        self.out, self.seen = out, []

    def forward(self, x, t, **cond):
        self.seen.append((x, t, cond))
        return torch.zeros_like(x) if self.out is None else self.out


def target(model, x0, x_t, t):
    """Lo que F debería decir para acertar x_0, despejado de las cuatro constantes."""
    c_skip, c_out, _, _ = (c[:, None] for c in model.coefficients(t))
    return (x0 - c_skip * x_t / model.schedule.alpha(t)[:, None]) / c_out


@pytest.mark.parametrize("sigma_data", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", SCHEDULES)
def test_las_constantes_son_las_de_la_tabla_1(name, sigma_data):
    """c_skip, c_out, c_in y c_noise, escritas con σ̄ = σ/α."""
    schedule = SCHEDULES[name]
    s, d2 = schedule.sigma(T) / schedule.alpha(T), sigma_data**2
    exact = (d2 / (s**2 + d2), s * sigma_data / (s**2 + d2).sqrt(), 1 / (s**2 + d2).sqrt())
    got = Preconditioned(Spy(), schedule, sigma_data).coefficients(T)
    for mine, other in zip(got, (*exact, s.log() / 4), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["VP", "VE", "Flow", "EDM", "linear"])
def test_la_entrada_y_el_blanco_tienen_varianza_1(name, generator):
    """Con datos de varianza σ_d², lo que F recibe y lo que debe decir miden 1 en todo t."""
    schedule, sigma_data, n = SCHEDULES[name], 0.7, 40_000
    x0, eps = torch.randn(2, n, 1, generator=generator, dtype=F64)
    x0 = sigma_data * x0
    for t in T.tolist():
        spy, times = Spy(), torch.full((n,), t, dtype=F64)
        model = Preconditioned(spy, schedule, sigma_data)
        x_t = schedule.perturb(x0, times, eps)
        model(x_t, times)
        error = 4 * (2 / n) ** 0.5  # la varianza de una varianza muestral normal es 2/n
        assert spy.seen[0][0].var().item() == pytest.approx(1, abs=error)
        assert target(model, x0, x_t, times).var().item() == pytest.approx(1, abs=error)
        inside = spy.seen[0][0]
        wanted = model.coefficients(t)[2] * x_t / schedule.alpha(times)[:, None]
        torch.testing.assert_close(inside, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("schedule", [VP(), EDM(), Flow()], ids=lambda s: type(s).__name__)
def test_c_out_es_la_menor_posible(schedule):
    """De todos los c_skip, el elegido hace mínima c_out² = (1 − c)²σ_d² + c²σ̄² (y la alcanza)."""
    model = Preconditioned(Spy(), schedule, 0.6)
    c_skip, c_out, _, _ = model.coefficients(T)
    s2 = (schedule.sigma(T) / schedule.alpha(T)) ** 2

    def needed(c):  # la c_out² que deja en 1 la varianza del blanco
        return (1 - c) ** 2 * 0.36 + c**2 * s2

    torch.testing.assert_close(c_out**2, needed(c_skip), rtol=1e-10, atol=0)
    for move in (-0.1, -1e-3, 1e-3, 0.1):
        assert (needed(c_skip + move) > c_out**2).all()


def test_los_limites_de_poco_y_de_mucho_ruido():
    """σ → 0: se copia la entrada. σ → ∞: x̂_0 = σ_d F. Finito también con σ = 0 y con α = 0."""
    model = Preconditioned(Spy(), VE(1e-6, 1e6), 0.5)
    for t, limits in ((0.0, (1, 0, 2)), (1.0, (0, 0.5, 0))):
        got = [c.item() for c in model.coefficients(t)[:3]]
        assert got == pytest.approx(limits, abs=3e-6)
    x = torch.tensor([[0.3, -2.0]], dtype=F64)
    out = torch.tensor([[5.0, 7.0]], dtype=F64)
    for schedule in (VP(), Flow(), Cosine(), DDPM.linear(100)):
        spy = Spy(out)
        clean = Preconditioned(spy, schedule)(x, 0.0)
        torch.testing.assert_close(clean, x, rtol=0, atol=0)
        assert spy.seen[0][1].isfinite().all()
    for schedule in (Flow(), Cosine()):
        spy = Spy(out)
        noise = Preconditioned(spy, schedule)(x, 1.0)
        torch.testing.assert_close(noise, 0.5 * out, rtol=1e-12, atol=0)
        torch.testing.assert_close(spy.seen[0][0], x / schedule.sigma(1.0))
        assert spy.seen[0][1].isfinite().all()
        below = Preconditioned(spy, schedule).coefficients(0.9989)[3]
        last = Preconditioned(spy, schedule).coefficients(1.0)[3]
        assert below < last < 1.1 * below  # c_noise se detiene, sin saltos


@pytest.mark.parametrize("schedule", [VP(), Cosine(), DDPM.linear(1000)], ids=repr)
def test_con_sigma_data_1_en_vp_es_la_v_prediccion(schedule, generator):
    """Si σ_d = 1 y α² + σ² = 1, F = −v: la misma x̂_0, la misma entrada y la misma pérdida."""
    out, x0, eps = torch.randn(3, len(T), 1, 2, 2, generator=generator, dtype=F64)
    spy = Spy(out)
    mine = Denoiser(Preconditioned(spy, schedule, 1.0), schedule, "x0")
    v = Denoiser(Spy(-out), schedule, "v")
    x_t = schedule.perturb(x0, T, eps)
    torch.testing.assert_close(mine(x_t, T).x0, v(x_t, T).x0, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(spy.seen[0][0], x_t, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(edm(mine, x0, T, eps), simple(v, x0, T, eps, "v"), rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_la_perdida_edm_es_el_error_de_F_con_peso_1(name, generator):
    """‖x̂_0 − x_0‖²/c_out² = ‖F − blanco‖², media sobre los píxeles; y es w(t)‖Δx_0‖² de Karras."""
    schedule = SCHEDULES[name]
    out, x0, eps = torch.randn(3, len(T), 3, generator=generator, dtype=F64)
    model = Preconditioned(Spy(out), schedule, 0.8)
    denoiser = Denoiser(model, schedule, "x0")
    x_t = schedule.perturb(x0, T, eps)
    loss = edm(denoiser, x0, T, eps)
    on_f = (out - target(model, x0, x_t, T)).square().mean(1)
    torch.testing.assert_close(loss, on_f, rtol=1e-7, atol=0)
    s2 = (schedule.sigma(T) / schedule.alpha(T)) ** 2
    weight = (s2 + 0.64) / (s2 * 0.64)
    karras = weight * (denoiser(x_t, T).x0 - x0).square().mean(1)
    torch.testing.assert_close(loss, karras, rtol=1e-9, atol=0)


def test_con_F_nula_es_el_mejor_eliminador_lineal(generator):
    """En datos N(0, σ_d²), F = 0 ya es exacta: x̂_0 es la esperanza de x_0 dado x_t."""
    law = Gaussian(torch.zeros(2, dtype=F64), 0.25 * torch.eye(2, dtype=F64))
    for schedule in (VP(), EDM(), Flow()):
        x = law.sample(len(T), generator)
        mine = Denoiser(Preconditioned(Spy(), schedule, 0.5), schedule, "x0")
        torch.testing.assert_close(mine(x, T).x0, law.denoiser(schedule)(x, T).x0)
    grid = EDM().grid(100, "rho")
    start = 80 * torch.randn(4, 2, generator=generator, dtype=F64)
    denoiser = Denoiser(Preconditioned(Spy(), EDM(), 0.5), EDM(), "x0")
    end = sample(denoiser, start, steps=grid, method="heun")
    flow = start * ((0.25 + 0.002**2) / (0.25 + 80**2)) ** 0.5  # el mapa exacto de la ODE
    torch.testing.assert_close(end, flow, rtol=1e-2, atol=0)


def test_la_red_recibe_c_noise_y_la_clase():
    """c_noise llega con forma (B,) y el tipo de siempre; `y` y `num_classes` pasan sin cambios."""
    spy, y = Spy(), torch.tensor([1, 2, 3])
    denoiser = Denoiser(Preconditioned(spy, EDM()), EDM(), "x0")
    denoiser(torch.zeros(3, 2), 0.5, y=y)
    x, c_noise, cond = spy.seen[0]
    assert c_noise.shape == (3,) and c_noise.dtype == torch.float32 and cond == {"y": y}
    wanted = EDM().sigma(0.5).log().item() / 4
    assert c_noise.tolist() == pytest.approx([wanted] * 3, rel=1e-6)
    assert Preconditioned(MLP(2, num_classes=10), VP()).num_classes == 10
    assert not hasattr(Preconditioned(Spy(), VP()), "num_classes")


def test_el_trainer_entrena_edm():
    """Con LogNormal y `edm`, y la red envuelta por `compile`, la pérdida baja de la de F = 0 hacia su mínimo."""
    torch.manual_seed(0)
    law = Gaussian(torch.zeros(2, dtype=F64), torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=F64))
    data, schedule = law.sample(2000, torch.Generator().manual_seed(0)).float(), EDM()
    model = Denoiser(Preconditioned(MLP(2, 32, 2), schedule, 1.0), schedule, "x0")
    objective = Objective(edm, LogNormal())

    def level(denoiser):
        with torch.no_grad():
            return objective(denoiser, data, torch.Generator().manual_seed(9)).item()

    oracle = law.denoiser(schedule)

    class Exact(nn.Module):  # la F que reproduce el eliminador exacto
        def forward(self, x, c_noise):
            s = torch.exp(4 * c_noise.double())[:, None]
            t = schedule.inverse_log_snr(-2 * s.log())[:, 0]
            x_bar = x * (s**2 + 1).sqrt()
            x0 = oracle(x_bar, t.clamp(0, 1)).x0
            return (x0 - x_bar / (s**2 + 1)) * (s**2 + 1).sqrt() / s

    options = {"batch_size": 200, "lr": 5e-3, "ema": None, "cpu": True, "progress": False}
    trainer = Trainer(model, objective, data, steps=250, compile="eager", **options)
    trainer.fit()
    best = level(Denoiser(Preconditioned(Exact(), schedule, 1.0), schedule, "x0"))
    zero = level(Denoiser(Preconditioned(Spy(), schedule, 1.0), schedule, "x0"))
    assert best < level(model) < best + 0.2 * (zero - best)


def test_sin_cortes_de_grafo_al_compilar():
    denoiser = Denoiser(Preconditioned(MLP(2, 4, 1), Flow()), Flow(), "x0")
    x = torch.ones(2, 2)
    torch._dynamo.reset()
    compiled = torch.compile(denoiser, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, 0.5).x0, denoiser(x, 0.5).x0)


# --- entradas equivocadas -----------------------------------------------------------------------

ZERO = torch.zeros(4, dtype=F64)
good = Denoiser(Preconditioned(Same(), VP()), VP(), "x0")


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        *[
            (f"sigma_data {bad!r}", ValueError, lambda bad=bad: Preconditioned(Same(), VP(), bad))
            + ("sigma_data", repr(bad), "x0.std()")
            for bad in (0, -0.5, math.inf, math.nan, "0.5", None)
        ],
        ("esquema", TypeError, lambda: Preconditioned(Same(), "VP"), "schedule", "str"),
        ("sin preacondicionar", ValueError, lambda: edm(vp, X, ZERO + 0.5, X), "Same", "'eps'"),
        (
            "otro kind",
            ValueError,
            lambda: edm(Denoiser(good.net, VP(), "v"), X, ZERO + 0.5, X),
            "Preconditioned",
            "'v'",
            'kind="x0"',
        ),
        ("σ = 0", ValueError, lambda: edm(good, X, ZERO, X), "edm", "t=0", "σ = 0"),
        ("t fuera", ValueError, lambda: edm(good, X, ZERO + 2, X), "[0, 1]", "2"),
        ("σ en lugar de t", ValueError, lambda: good.net.coefficients(80.0), "[0, 1]", "80"),
        ("t fuera en la red", ValueError, lambda: good.net(X, -1.0), "[0, 1]", "-1"),
        (
            "dos esquemas",
            ValueError,
            lambda: edm(Denoiser(good.net, EDM(), "x0"), X, ZERO + 0.5, X),
            "Preconditioned",
            "VP(",
            "EDM(",
        ),
        (
            "otra forma",
            ValueError,
            lambda: Preconditioned(Spy(torch.zeros(4, 4)), VP())(X, 0.5),
            "Preconditioned",
            "(4, 4)",
            "(4, 2)",
        ),
    ),
)
def test_entradas_equivocadas(error, call, words):
    fails(error, call, *words)
