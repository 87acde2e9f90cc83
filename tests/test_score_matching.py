"""ESM, ISM, DSM y SSM: iguales salvo una constante, el mismo gradiente y el mismo mínimo."""

import math
from itertools import product

import pytest
import torch
from bad_input import Same, X, cases, fails, vp
from oracles import DATA, SCHEDULES, gauss_pairs
from torch import nn

from course_lib.diffusion import (
    DDPM,
    EDM,
    OU,
    VE,
    VP,
    Cosine,
    Denoiser,
    Flow,
    Prediction,
    SubVP,
    losses,
)
from course_lib.diffusion.losses import Objective, dsm, esm, ism, simple, sliced
from course_lib.diffusion.score_matching import LAMBDAS, lambda_weight
from course_lib.networks import MLP
from course_lib.noise import BatchNoise, standard_normal
from course_lib.probability import GaussianMixture
from course_lib.training import Trainer

F64 = torch.float64
MIXTURE = GaussianMixture(
    [0.6, 0.4],
    torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=F64),
    torch.tensor([[[0.2, 0.1], [0.1, 0.3]], [[0.4, 0.0], [0.0, 0.1]]], dtype=F64),
)
THETA = [0.3, -0.2, 0.4, 0.25, -0.35]


class Tilted(nn.Module):
    """El score exacto de una mezcla más θ·(campos): en θ = 0 es exacto. Dicho en el idioma `kind`."""

    def __init__(self, law, schedule, theta, kind="score"):
        super().__init__()
        self.oracle, self.schedule, self.kind = law.denoiser(schedule), schedule, kind
        self.theta = nn.Parameter(torch.as_tensor(theta, dtype=F64))

    def fields(self, x):
        """Constante, radial, giro, y dos no lineales, el último con jacobiana no simétrica."""
        turned = torch.stack([-x[:, 1], x[:, 0]], 1)
        sheared = torch.stack([torch.sin(x[:, 0] + 2 * x[:, 1]), x[:, 0] * torch.tanh(x[:, 1])], 1)
        return torch.stack([torch.ones_like(x), x, turned, torch.tanh(x), sheared])

    def forward(self, x, t):
        sigma = self.schedule.at(t, x)[1]
        tilt = torch.einsum("f,fbd->bd", self.theta.to(x), self.fields(x)) / sigma
        score = self.oracle(x, t).score + tilt
        eps = -sigma * score
        as_eps = Prediction.from_output("eps", eps, x, t, self.schedule)
        return score if self.kind == "score" else getattr(as_eps, self.kind)


def tilted(schedule, theta=THETA, kind="score", law=MIXTURE):
    return Denoiser(Tilted(law, schedule, theta, kind), schedule, kind)


def batch(schedule, n, t, seed=0, law=MIXTURE):
    generator = torch.Generator().manual_seed(seed)
    x0 = law.sample(n, generator)
    return x0, torch.full((n,), t, dtype=F64), torch.randn(x0.shape, generator=generator, dtype=F64)


def estimators(schedule, law=MIXTURE):
    """Las cinco pérdidas con los mismos datos; `sliced`, con los mismos cortes."""

    def seeded(**options):
        return lambda *args: sliced(*args, generator=torch.Generator().manual_seed(5), **options)

    return {
        "esm": lambda *args: esm(*args, exact=law.denoiser(schedule)),
        "ism": ism,
        "dsm": dsm,
        "ssm": seeded(),
        "ssm sin reducir": seeded(reduced=False, probes=2),
    }


# --- iguales salvo una constante ----------------------------------------------------------------


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("schedule", [VP(), VE(), Flow()], ids=lambda s: type(s).__name__)
def test_las_cuatro_son_esm_mas_una_constante(schedule, t):
    """E[L] − E[ESM] no cambia al cambiar θ: la diferencia pareada es 0 dentro de 4 errores."""
    x0, times, eps = batch(schedule, 20_000, t)
    values = {
        name: [loss(tilted(schedule, theta), x0, times, eps) for theta in (THETA, [0.0] * 5)]
        for name, loss in estimators(schedule).items()
    }
    gap = values["esm"][0].detach() - values["esm"][1].detach()  # lo que cambia la propia ESM
    for name, (bent, exact) in values.items():
        change = (bent - exact).detach() - gap
        error = change.std().item() / len(change) ** 0.5
        assert abs(change.mean().item()) <= 4 * error, name
        assert gap.mean() > 4 * error, f"{name}: la barra es tan ancha que no comprueba nada"


@pytest.mark.parametrize("t", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", SCHEDULES)
def test_en_una_gaussiana_los_valores_son_los_de_la_forma_cerrada(name, t):
    """Datos N(m, v) y s_θ = −a(x − b): las tres esperanzas, a mano, contra cuadratura exacta."""
    schedule, m, v, a, b = SCHEDULES[name], 0.4, 0.6, 0.7, -0.3
    x0, eps, weights = gauss_pairs(m, v)
    times = torch.full((len(x0),), t, dtype=F64)
    alpha, sigma = schedule.alpha(t).item(), schedule.sigma(t).item()
    V, shift = alpha**2 * v + sigma**2, a * (alpha * m - b)
    closed = {
        "esm": ((1 / V - a) ** 2 * V + shift**2) / 2,
        "ism": (a**2 * V + shift**2) / 2 - a,
        "dsm": (a**2 * alpha**2 * v + (1 / sigma - a * sigma) ** 2 + shift**2) / 2,
    }

    class Line(nn.Module):
        def forward(self, x, t):
            return -a * (x - b)

    denoiser, options = Denoiser(Line(), schedule, "score"), {"weight": "uniform"}
    exact = GaussianMixture([1.0], [[m]], [[[v]]]).denoiser(schedule)
    values = {
        "esm": esm(denoiser, x0, times, eps, exact, **options),
        "ism": ism(denoiser, x0, times, eps, **options),
        "dsm": dsm(denoiser, x0, times, eps, **options),
        "ssm": sliced(denoiser, x0, times, eps, **options),  # en 1-D, v² = 1: es ISM sin azar
    }
    for loss, value in values.items():
        expected = closed["ism" if loss == "ssm" else loss]
        assert (weights * value).sum().item() == pytest.approx(expected, rel=1e-9, abs=1e-9), loss
    # y las dos constantes, que no llevan a ni b: −½/V y ½(1/σ² − 1/V)
    assert closed["ism"] - closed["esm"] == pytest.approx(-1 / (2 * V), rel=1e-9)
    assert closed["dsm"] - closed["esm"] == pytest.approx((1 / sigma**2 - 1 / V) / 2, rel=1e-6)


@pytest.mark.parametrize("kind", ["score", "eps", "v"])
@pytest.mark.parametrize("t", [0.1, 0.6])
def test_los_gradientes_coinciden(t, kind):
    """El gradiente en θ es el de ESM dentro de 4 errores, medidos con grupos pareados."""
    schedule, groups = VP(), 40
    gradients = {name: [] for name in estimators(schedule)}
    for group in range(groups):
        x0, times, eps = batch(schedule, 400, t, seed=100 + group)
        for name, loss in estimators(schedule).items():
            model = tilted(schedule, kind=kind)
            loss(model, x0, times, eps).mean().backward()
            gradients[name].append(model.net.theta.grad)
    stacked = {name: torch.stack(rows) for name, rows in gradients.items()}
    explicit = stacked["esm"]
    for name in ("ism", "dsm", "ssm", "ssm sin reducir"):
        change = stacked[name] - explicit
        error = change.std(0) / groups**0.5
        assert (change.mean(0).abs() < 4 * error + 1e-12).all(), name
        assert (explicit.mean(0).abs() > 4 * error).sum() >= 3, f"{name}: barra demasiado ancha"


@pytest.mark.parametrize("name", ["esm", "ism", "dsm", "ssm"])
def test_el_score_exacto_minimiza_cada_perdida(name):
    """Al apartarse del score exacto en direcciones al azar, la media sube más de 3 errores."""
    schedule, generator = VP(), torch.Generator().manual_seed(11)
    x0, times, eps = batch(schedule, 20_000, 0.3)
    loss = estimators(schedule)[name]
    best = loss(tilted(schedule, [0.0] * 5), x0, times, eps).detach()
    for _ in range(6):
        direction = torch.randn(5, generator=generator, dtype=F64)
        theta = 0.4 * direction / direction.norm()
        rise = loss(tilted(schedule, theta), x0, times, eps).detach() - best
        assert rise.mean() > 3 * rise.std() / len(rise) ** 0.5


# --- sliced -------------------------------------------------------------------------------------


class AllSigns(BatchNoise):
    """Una «fuente de azar» que recorre los 2^D vectores de signos."""

    def __init__(self, dim):
        super().__init__(None)
        self.signs = iter(product([-1.0, 1.0], repeat=dim))

    def __call__(self, like):
        return torch.tensor(next(self.signs)).to(like).view(like.shape[1:]).expand_as(like)


class Mix(nn.Module):
    """Un campo sobre imágenes de 4 píxeles con jacobiana llena."""

    def forward(self, x, t):
        matrix = torch.linspace(-1, 1, 16, dtype=x.dtype).reshape(4, 4).sin()
        return torch.tanh(x.flatten(1) @ matrix + 0.2).view_as(x) - x**3 / 5


@pytest.mark.parametrize("reduced", [True, False])
def test_la_media_de_los_2D_signos_es_ism(reduced, generator):
    """Σ_v vᵀJv / 2^D = tr J y Σ_v (vᵀs)² / 2^D = ‖s‖²: exacto, sin azar."""
    denoiser = Denoiser(Mix(), VP())
    x0, eps = torch.randn(2, 3, 1, 2, 2, generator=generator, dtype=F64)
    t = torch.tensor([0.1, 0.5, 0.9], dtype=F64)
    options = {"probes": 16, "reduced": reduced, "generator": AllSigns(4)}
    exact = ism(denoiser, x0, t, eps)
    torch.testing.assert_close(sliced(denoiser, x0, t, eps, **options), exact)
    once = sliced(denoiser, x0, t, eps, **options | {"probes": 1, "generator": AllSigns(4)})
    assert (once - exact).abs().max() > 1e-3  # un solo corte no basta


def test_sliced_es_insesgada_y_la_reducida_varia_menos(generator):
    """Con cortes al azar, la media es ISM dentro de 4 errores; la reducida tiene menor varianza."""
    denoiser, n = Denoiser(Mix(), VP()), 20_000
    x0, eps = torch.randn(2, 1, 1, 2, 2, generator=generator, dtype=F64).expand(2, n, 1, 2, 2)
    t = torch.full((n,), 0.4, dtype=F64)
    exact, spread = ism(denoiser, x0[:1], t[:1], eps[:1]).item(), {}
    for reduced in (True, False):
        each = sliced(denoiser, x0, t, eps, reduced=reduced, generator=generator)
        spread[reduced] = each.std().item()
        assert abs(each.mean().item() - exact) < 4 * spread[reduced] / n**0.5
    assert 0 < 1.2 * spread[True] < spread[False]


class Bent(nn.Module):
    """(x_0 x_1²/2, 0): con los cortes v = sign(x), vᵀJv se pasa siempre en |x_0 x_1|."""

    def forward(self, x, t):
        return torch.stack([x[:, 0] * x[:, 1] ** 2 / 2, torch.zeros_like(x[:, 1])], 1)


def test_los_cortes_de_una_semilla_no_son_el_ruido_de_la_misma():
    """Con la semilla con que se sorteó ε, los cortes son otro azar: si fuesen sign(ε), habría sesgo."""
    n, denoiser = 4_000, Denoiser(Bent(), VP(), "score")
    x0, times = torch.zeros(n, 2, dtype=F64), torch.full((n,), 0.8, dtype=F64)
    eps = standard_normal(x0, 3)
    gap = sliced(denoiser, x0, times, eps, generator=3) - ism(denoiser, x0, times, eps)
    assert abs(gap.mean().item()) < 4 * gap.std().item() / n**0.5


@pytest.mark.parametrize("loss", [dsm, ism, sliced])
def test_un_lote_vacio_da_una_perdida_vacia(loss):
    x, t = torch.zeros(0, 2), torch.zeros(0)
    assert loss(vp, x, t, x).shape == (0,)


# --- pesos --------------------------------------------------------------------------------------

G2 = [  # g²(t), escrita a mano
    (VP(), lambda t: 0.1 + 19.9 * t),
    (SubVP(), lambda t: (0.1 + 19.9 * t) * (1 - math.exp(-2 * (0.1 * t + 9.95 * t**2)))),
    (VE(), lambda t: 2 * 1e-4 * 5000 ** (2 * t) * math.log(5000)),
    (OU(), lambda t: 10.0),
    (Flow(), lambda t: 2 * t / (1 - t)),
    (
        DDPM.linear(1000),
        lambda t: -1000 * math.log1p(-(1e-4 + (0.02 - 1e-4) * (1000 * t - 1) / 999)),
    ),
]


@pytest.mark.parametrize(("schedule", "g2"), G2, ids=lambda v: type(v).__name__)
def test_los_pesos_son_exactos(schedule, g2):
    """λ = σ², g² o 1, y cada pérdida lleva ese factor delante y nada más."""
    x0, _, eps = batch(schedule, 3, 0.5)
    t = torch.tensor([0.1, 0.5, 0.9], dtype=F64)
    lambdas = {
        "sigma2": schedule.sigma(t) ** 2,
        "g2": torch.tensor([g2(u) for u in t.tolist()], dtype=F64),
    }
    lambdas["uniform"] = torch.ones(3)
    model, exact = tilted(schedule), MIXTURE.denoiser(schedule)
    for loss, options in (
        (esm, {"exact": exact}),
        (ism, {}),
        (dsm, {}),
        (sliced, {"generator": 3}),
    ):
        bare = loss(model, x0, t, eps, weight="uniform", **options)
        for weight, factor in lambdas.items():
            weighted = loss(model, x0, t, eps, weight=weight, **options)
            torch.testing.assert_close(weighted, factor.to(bare) * bare, rtol=1e-8, atol=0)
    assert set(lambdas) == set(LAMBDAS)


# --- entrenar -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["eps", "x0", "velocity"])
@pytest.mark.parametrize("loss", [ism, sliced])
def test_el_gradiente_es_la_derivada_de_la_perdida(loss, kind, generator):
    """Derivar la divergencia respecto de los parámetros, contra diferencias centradas."""
    torch.manual_seed(0)
    schedule, net = VP(), MLP(2, hidden=6, depth=2).double()
    x0, eps = torch.randn(2, 5, 2, generator=generator, dtype=F64)
    t = torch.linspace(0.2, 0.9, 5, dtype=F64)
    options = {"generator": 4} if loss is sliced else {}

    def total():
        return loss(Denoiser(net, schedule, kind), x0, t, eps, **options).sum()

    total().backward()
    h = 1e-5
    for parameter in list(net.parameters())[:-1]:  # la última, un sesgo, no toca la divergencia
        place = parameter.data.view(-1)
        place[0] += h
        above = total().item()
        place[0] -= 2 * h
        below = total().item()
        place[0] += h
        slope = (above - below) / (2 * h)
        assert parameter.grad.view(-1)[0].item() == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("loss", [ism, sliced])
def test_el_trainer_entrena_sin_conocer_el_score(loss):
    """Con ISM o SSM, una MLP de ε aprende el score: la ESM cae a menos de la cuarta parte."""
    torch.manual_seed(0)
    schedule = VP()
    model = Denoiser(MLP(2, hidden=32, depth=2), schedule, "eps")
    data = DATA.sample(2000, torch.Generator().manual_seed(0)).float()
    x0, _, eps = batch(schedule, 1000, 0.5, law=DATA)
    t = torch.linspace(0.05, 0.95, 1000, dtype=F64)

    def distance():
        exact = DATA.denoiser(schedule)
        with torch.no_grad():
            return esm(model, x0.float(), t, eps.float(), exact).mean().item()

    before = distance()
    options = {"batch_size": 200, "lr": 5e-3, "ema": None, "cpu": True, "progress": False}
    Trainer(model, Objective(loss), data, steps=300, **options).fit()
    assert distance() < before / 4


def test_sin_gradiente_da_el_mismo_valor_y_ningun_grafo(generator):
    """Al evaluar, `ism` y `sliced` no guardan grafo ni cambian de valor."""
    x0, t, eps = batch(VP(), 6, 0.4)
    for loss, options in ((ism, {}), (sliced, {"generator": 1})):
        model = tilted(VP())
        kept = loss(model, x0, t, eps, **options)
        for off in (torch.no_grad, torch.inference_mode):
            with off():
                bare = loss(model, x0, t, eps, **options)
            assert kept.requires_grad and not bare.requires_grad
            torch.testing.assert_close(bare, kept.detach())


def test_el_azar_de_sliced_sale_del_generador_del_objetivo():
    """El mismo generador da la misma pérdida, sea cual sea el azar global; otro da otra."""
    x0, _, _ = batch(VP(), 8, 0.5)
    values = []
    for world, seed in ((0, 7), (1, 7), (1, 8)):
        torch.manual_seed(world)
        values.append(Objective(sliced)(tilted(VP()), x0, torch.Generator().manual_seed(seed)))
    assert values[0] == values[1] != values[2]
    fixed = Objective(sliced, generator=3)  # lo que se da al crear el objetivo manda
    with_seed = [fixed(tilted(VP()), x0, torch.Generator().manual_seed(7)) for _ in range(2)]
    assert with_seed[0] == with_seed[1] != values[0]


def test_el_objetivo_acepta_las_cuatro(generator):
    x0, _, _ = batch(VP(), 8, 0.5)
    exact = MIXTURE.denoiser(VP())
    for loss, options in ((esm, {"exact": exact}), (ism, {}), (dsm, {}), (sliced, {"probes": 2})):
        assert getattr(losses, loss.__name__) is loss
        assert Objective(loss, weight="g2", **options)(tilted(VP()), x0, generator).isfinite()


# --- entradas equivocadas -----------------------------------------------------------------------

Z = torch.zeros(4, dtype=F64)
BIG = torch.zeros(2, 1, 12, 12)


def at(loss, t, denoiser=vp, **options):
    return lambda: loss(denoiser, X, torch.as_tensor(t), X, **options)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("score en σ = 0", ValueError, lambda: vp(X, 0.0).score, "t=0", "σ = 0", "VP", "0.001"),
        (
            "score de una tabla",
            ValueError,
            lambda: Prediction(X, X, 0, DDPM.linear(99)).score,
            "t=0",
        ),
        ("un solo t nulo", ValueError, lambda: vp(X, torch.tensor([0, 0.5, 1, 1])).score, "t=0"),
        ("dsm en σ = 0", ValueError, at(dsm, Z), "x_t dado x_0", "σ = 0"),
        ("ism en σ = 0", ValueError, at(ism, Z), "el score", "σ = 0"),
        ("sliced en σ = 0", ValueError, at(sliced, Z), "el score", "σ = 0"),
        ("esm en σ = 0", ValueError, at(esm, Z, exact=vp), "el score", "σ = 0"),
        ("t mayor que 1", ValueError, at(ism, Z + 1.5), "[0, 1]", "1.5"),
        ("t negativo", ValueError, at(sliced, Z - 0.5), "[0, 1]", "-0.5"),
        *[
            (f"peso de {loss.__name__}", ValueError, at(loss, Z + 0.5, weight="beta", **more))
            + ("weight='beta'", "'sigma2'", "'g2'", "'uniform'")
            for loss, more in ((esm, {"exact": vp}), (ism, {}), (dsm, {}), (sliced, {}))
        ],
        (
            "g2 donde α = 0",
            ValueError,
            lambda: lambda_weight(Flow(), torch.tensor([0.5, 1.0]), "g2"),
            "g2",
            "t=1",
            "Flow()",
            "sigma2",
        ),
        ("peso con t fuera", ValueError, lambda: lambda_weight(VP(), 80.0), "[0, 1]", "80"),
        ("peso con t NaN", ValueError, lambda: lambda_weight(VP(), math.nan, "g2"), "t debe"),
        *[
            (f"{loss.__name__} sin esquema", TypeError, at(loss, Z + 0.5, Same()))
            + ("Same", "Denoiser(net, schedule, kind)")
            for loss in (simple, dsm, ism, sliced, esm)
        ],
        ("ruido en una lista", TypeError, lambda: dsm(vp, X, Z + 0.5, [0.0]), "eps", "list"),
        (
            "traza cara",
            ValueError,
            lambda: ism(vp, BIG, torch.full((2,), 0.5), BIG),
            "144",
            "losses.sliced",
            "max_exact_dim=144",
        ),
        ("cortes nulos", ValueError, at(sliced, Z + 0.5, probes=0), "probes", "0"),
        ("esm sin exacto", TypeError, at(esm, Z + 0.5), "exact", "NoneType", "denoiser"),
        (
            "exacto de otro esquema",
            ValueError,
            at(esm, Z + 0.5, exact=Denoiser(Same(), EDM())),
            "exact",
            "EDM(",
            "VP(",
        ),
        (
            "esm en el objetivo",
            TypeError,
            lambda: Objective(esm)(vp, X, torch.Generator().manual_seed(0)),
            "exact",
        ),
    ),
)
def test_entradas_equivocadas(error, call, words):
    fails(error, call, *words)


def test_donde_hay_ruido_el_score_si_existe():
    """VE y EDM terminan con ruido: en t = 0 su score es finito. Y la traza cara se puede aceptar."""
    for schedule in (VE(), EDM()):
        assert Denoiser(Same(), schedule)(X + 1, 0.0).score.isfinite().all()
    t = torch.full((2,), 0.5)
    assert ism(vp, BIG, t, BIG, max_exact_dim=144).isfinite().all()
    assert dsm(Denoiser(Same(), Cosine()), X, torch.full((4,), 0.5), X).isfinite().all()


@pytest.mark.parametrize("t", [0.5, torch.full((2,), 0.5)])
def test_comprobar_el_score_no_parte_el_grafo_al_compilar(t):
    denoiser, x = Denoiser(MLP(2, hidden=4, depth=1), VP()), torch.ones(2, 2)
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: denoiser(x, t).score, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), denoiser(x, t).score)
