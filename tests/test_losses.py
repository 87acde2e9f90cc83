"""Las pérdidas: los pesos, el score que las minimiza y a quién llega cada gradiente."""

import pytest
import torch
from oracles import DATA, SCHEDULES, gauss_pairs
from torch import nn

from course_lib.diffusion import DDPM, KINDS, VP, Denoiser, Prediction, losses
from course_lib.diffusion.losses import Objective, dsm, hybrid, simple, vlb
from course_lib.diffusion.times import LossAware, Uniform

T5 = torch.tensor([0.05, 0.3, 0.5, 0.8, 0.97], dtype=torch.float64)


def images(generator, batch=5):
    return torch.randn(2, batch, 1, 3, 3, generator=generator, dtype=torch.float64)


class Says(nn.Module):
    """Una red que sostiene un x̂_0 fijo, dicho en el idioma `kind`."""

    def __init__(self, x0, schedule, kind):
        super().__init__()
        self.x0, self.schedule, self.kind = x0, schedule, kind

    def forward(self, x, t):
        prediction = Prediction.from_output("x0", self.x0, x, t, self.schedule)
        return getattr(prediction, self.kind)


# --- pesos --------------------------------------------------------------------------------------


def weight_on_x0(name, schedule, t):
    """El peso w(t) de ‖x_0 − x̂_0‖², escrito a mano para cada esquema."""
    a, s = schedule.alpha(t), schedule.sigma(t)
    snr = (a / s) ** 2
    if name == "velocity":  # a x_t fijo, |Δvel| = α |λ̇| |Δx_0|; λ̇, por diferencias hacia atrás
        h = 1e-6
        slope = (schedule.log_snr(t) - schedule.log_snr(t - h)) / (2 * h)
        return (a * slope) ** 2
    return {
        "eps": snr,
        "x0": torch.ones_like(snr),
        "v": (a**2 + s**2) ** 2 / s**2,
        "score": snr / s**2,
        "min_snr": snr.clamp(max=5.0),
    }[name]


@pytest.mark.parametrize("weight", ["eps", "x0", "v", "score", "velocity", "min_snr"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_los_pesos_se_escriben_sobre_x0(name, weight, generator):
    """Cada peso es w(t)·‖x_0 − x̂_0‖² media sobre píxeles, hable la red el idioma que hable."""
    schedule, (x0, eps) = SCHEDULES[name], images(generator)
    guess = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    exact = weight_on_x0(weight, schedule, T5) * (x0 - guess).square().mean((1, 2, 3))
    tolerance = 2e-4 if weight == "velocity" else 1e-7
    for kind in KINDS:
        loss = simple(Denoiser(Says(guess, schedule, kind), schedule, kind), x0, T5, eps, weight)
        torch.testing.assert_close(loss, exact, rtol=tolerance, atol=1e-9)


def test_l_simple_es_la_de_ho(generator):
    """Sin más, `simple` es ‖ε − ε̂‖² de una red de ε: la ec. 14, sin dividir por α."""
    schedule, (x0, eps) = DDPM.cosine(1000), images(generator)
    out = torch.randn(x0.shape, generator=generator, dtype=torch.float64)

    class Fixed(nn.Module):
        def forward(self, x, t):
            return out

    t = torch.tensor([0.001, 0.5, 0.9, 0.999, 1.0], dtype=torch.float64)  # α(1) ~ 1e-4
    loss = simple(Denoiser(Fixed(), schedule), x0, t, eps)
    torch.testing.assert_close(loss, (eps - out).square().mean((1, 2, 3)), rtol=1e-13, atol=0)


# --- score matching -----------------------------------------------------------------------------


class Bent(nn.Module):
    """El score exacto de los datos en 1-D, más θ·(1, x, x²): una familia que lo contiene en θ = 0."""

    def __init__(self, mean, var, schedule, theta):
        super().__init__()
        self.mean, self.var, self.schedule = mean, var, schedule
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def score(self, x, t):
        a, s = self.schedule.alpha(t)[:, None], self.schedule.sigma(t)[:, None]
        return -(x - a * self.mean) / (a**2 * self.var + s**2)

    def forward(self, x, t):
        return self.score(x, t) + self.theta[0] + self.theta[1] * x + self.theta[2] * x**2


@pytest.mark.parametrize("t", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", ["VP", "SubVP", "VE", "OU", "Cosine", "Flow", "EDM", "linear"])
def test_dsm_es_score_matching_mas_una_constante(name, t):
    """DSM(θ) − DSM(0) = ½λ E‖s_θ − ∇log p_t‖²; en el score exacto el gradiente se anula."""
    schedule, mean, var = SCHEDULES[name], 0.4, 0.6
    x0, eps, weights = gauss_pairs(mean, var)
    times = torch.full((len(x0),), t, dtype=torch.float64)
    lambdas = {
        "sigma2": schedule.sigma(t) ** 2,
        "g2": schedule.drift_diffusion(t)[1],
        "uniform": torch.tensor(1.0, dtype=torch.float64),
    }
    bent, exact = (
        Bent(mean, var, schedule, theta) for theta in ([0.3, -0.2, 0.1], [0.0, 0.0, 0.0])
    )
    x_t = schedule.perturb(x0, t, eps)
    gap = ((bent(x_t, times) - exact.score(x_t, times)) ** 2)[:, 0]
    for weight, factor in lambdas.items():
        at_bent, at_exact = (
            (weights * dsm(Denoiser(net, schedule, "score"), x0, times, eps, weight)).sum()
            for net in (bent, exact)
        )
        explicit = factor / 2 * (weights * gap).sum()
        scale = at_exact.item() + explicit.item()
        assert (at_bent - at_exact).item() == pytest.approx(explicit.item(), abs=1e-9 * scale)
        gradient = torch.autograd.grad(at_exact, exact.theta)[0] / factor
        assert (gradient.abs() < 1e-8 * (1 + x_t.abs().max() ** 2) / schedule.sigma(t)).all()


def test_dsm_con_sigma2_es_l_simple(generator):
    """λ = σ² convierte DSM en ½‖ε − ε̂‖², sumado y no promediado sobre los píxeles."""
    schedule, (x0, eps) = VP(), images(generator)
    denoiser = Denoiser(Says(torch.zeros_like(x0), schedule, "eps"), schedule)
    left, right = dsm(denoiser, x0, T5, eps), simple(denoiser, x0, T5, eps)
    torch.testing.assert_close(left, right * 9 / 2, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_el_denoiser_exacto_minimiza_l_simple(name, generator):
    """Ningún otro x̂_0 = (1 + a)x̂* + b mejora al exacto: la esperanza condicional es el mínimo."""
    schedule, n = SCHEDULES[name], 4000
    x0 = DATA.sample(n, generator)
    eps = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    t = torch.full((n,), 0.4, dtype=torch.float64)
    oracle = DATA.denoiser(schedule)

    class Moved(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.a, self.b = a, b

        def forward(self, x, t):
            return (1 + self.a) * oracle.net(x, t) + self.b

    best = simple(oracle, x0, t, eps, "x0").mean()
    for a, b in ((0.2, 0.0), (-0.2, 0.0), (0.0, 0.15), (0.0, -0.15)):
        assert simple(Denoiser(Moved(a, b), schedule, "x0"), x0, t, eps, "x0").mean() > best


# --- la híbrida ---------------------------------------------------------------------------------


class TwoHeads(nn.Module):
    """Dos parámetros: uno da ε̂, el otro la varianza."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.variance = nn.Parameter(torch.tensor(-0.4, dtype=torch.float64))

    def forward(self, x, t):
        return torch.cat([self.mean * x, self.variance * torch.ones_like(x)], 1)


def test_en_la_hibrida_la_media_no_aprende_de_la_cota(generator):
    """L_híbrida = L_simple + λ L_vlb: el gradiente de la media es el de L_simple; el de la varianza, λ·L_vlb."""
    schedule, (x0, eps) = DDPM.linear(50), images(generator)
    t = torch.tensor([1, 2, 10, 30, 50]).double() / 50
    net = TwoHeads()
    denoiser = Denoiser(net, schedule, learned_variance=True)

    def gradients(losses):
        return torch.autograd.grad(losses.sum(), [net.mean, net.variance], allow_unused=True)

    plain, bound = simple(denoiser, x0, t, eps), vlb(denoiser, x0, t, eps, "learned")
    both = hybrid(denoiser, x0, t, eps, vlb_weight=0.25)
    torch.testing.assert_close(both, plain + 0.25 * bound, rtol=1e-12, atol=1e-12)
    mean_simple, none = gradients(plain)
    mean_vlb, variance_vlb = gradients(bound)
    mean_hybrid, variance_hybrid = gradients(both)
    assert none is None or none == 0
    assert mean_vlb.abs() > 1e-3  # la cota sí movería la media
    torch.testing.assert_close(mean_hybrid, mean_simple, rtol=1e-10, atol=0)
    torch.testing.assert_close(variance_hybrid, 0.25 * variance_vlb, rtol=1e-10, atol=0)


def test_la_varianza_aprendida_converge_a_la_optima():
    """Con la media fija, L_híbrida lleva la varianza a la que minimiza la KL: β̃ + E(μ̃ − μ_θ)²."""
    schedule, k = DDPM.linear(50), 20
    x0, eps, weights = gauss_pairs(0.0, 0.5)
    t = torch.full((len(x0),), k / 50, dtype=torch.float64)
    alpha, sigma = schedule.alpha(k / 50), schedule.sigma(k / 50)
    gain = alpha * 0.5 / (alpha**2 * 0.5 + sigma**2)
    raw = torch.zeros(1, dtype=torch.float64, requires_grad=True)

    class Net(nn.Module):
        def forward(self, x, t):
            return torch.cat([gain * x, raw * torch.ones_like(x)], 1)

    denoiser = Denoiser(Net(), schedule, "x0", learned_variance=True)
    optimiser = torch.optim.LBFGS([raw], max_iter=50, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure():
        optimiser.zero_grad()
        loss = (weights * hybrid(denoiser, x0, t, eps, vlb_weight=1.0)).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    beta, tilde = schedule.betas[k - 1], schedule.posterior_variance[k - 1]
    mix = (torch.tanh(raw) + 1) / 2
    learned = torch.exp(mix * beta.log() + (1 - mix) * tilde.log())
    on_x0 = schedule.posterior(torch.ones(1, 1).double(), torch.zeros(1, 1).double(), k)[0]
    leftover = 0.5 * sigma**2 / (alpha**2 * 0.5 + sigma**2)  # Var(x_0 | x_k)
    exact = tilde + on_x0.item() ** 2 * leftover
    assert learned.item() == pytest.approx(exact.item(), rel=1e-4)


# --- el objetivo del entrenamiento --------------------------------------------------------------


class Labels(nn.Module):
    """Anota las clases que le llegan."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x, t, y):
        self.seen.append(y)
        return torch.zeros_like(x)


def test_se_olvidan_clases_ejemplo_a_ejemplo(generator):
    """`label_drop` cambia cada clase por la nula por separado, con la probabilidad pedida."""
    net, n = Labels(), 4000
    denoiser, x0 = Denoiser(net, VP()), torch.zeros(n, 1, 1, 1)
    y = torch.arange(n) % 10
    for drop in (0.0, 0.2, 1.0):
        Objective(label_drop=drop, null_class=10)(denoiser, (x0, y), generator)
        dropped = net.seen[-1] == 10
        assert torch.equal(net.seen[-1][~dropped], y[~dropped])
        assert dropped.double().mean().item() == pytest.approx(drop, abs=4 * (0.16 / n) ** 0.5)


def test_el_objetivo_promedia_con_los_pesos_del_sorteo():
    """La pérdida es la media de peso·L(t), con el t y el ε de ese mismo sorteo."""

    class Fixed:
        def __call__(self, schedule, n, generator=None):
            return torch.tensor([0.2, 0.7], dtype=torch.float64), torch.tensor([0.5, 3.0])

        def update(self, schedule, t, losses):
            self.seen = t, losses

    times, x0, schedule = Fixed(), torch.tensor([[0.3], [-0.8]]).double(), VP()
    denoiser = DATA.marginal([0]).denoiser(schedule)
    loss = Objective(dsm, times, weight="g2")(denoiser, x0, torch.Generator().manual_seed(0))
    eps = torch.randn(2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    t, weights = times(schedule, 2)
    each = dsm(denoiser, x0, t, eps, "g2")
    torch.testing.assert_close(loss, (weights * each).mean(), rtol=1e-12, atol=0)
    torch.testing.assert_close(times.seen, (t, each))


def test_t_se_queda_en_la_cpu(monkeypatch):
    """La tabla vive en la CPU en float64 (MPS no lo conoce): t no viaja con los datos."""
    monkeypatch.setattr(losses, "check_images", lambda x0: None)  # «meta» no tiene valores
    seen = []

    def loss(denoiser, x0, t, eps):
        seen.append((x0.device.type, t.device.type, t.dtype, eps.device.type))
        return torch.zeros(len(x0))

    Objective(loss)(Denoiser(nn.Identity(), VP()), torch.zeros(3, 2, device="meta"))
    assert seen == [("meta", "cpu", torch.float64, "meta")]


class AnyCond(nn.Module):
    """Una red que acepta cualquier condición, como permite el contrato."""

    def forward(self, x, t, **cond):
        return x


def test_el_objetivo_no_se_traga_opciones():
    """Una opción que la pérdida no tiene se dice al crear el objetivo, aunque la red la aceptara."""
    for loss, name, listed in ((simple, "wieght", "weight"), (vlb, "cond", "variance")):
        with pytest.raises(ValueError, match=f"{loss.__name__}.*'{name}'.*{listed}"):
            Objective(loss, **{name: "x0"})
    with pytest.raises(ValueError, match="'weight'.*ninguna"):
        Objective(lambda denoiser, x0, t, eps: x0, weight="x0")
    assert Objective(hybrid, weight="v", vlb_weight=0.1)(
        Denoiser(TwoHeads(), DDPM.linear(50), learned_variance=True), torch.zeros(2, 1).double()
    ).isfinite()
    plain = Objective(simple, weight="x0")(
        Denoiser(AnyCond(), VP()), torch.ones(4, 2), torch.Generator().manual_seed(0)
    )
    assert plain.isfinite()


def test_olvidar_clases_pide_clases(generator):
    """`label_drop` sin y en el lote es un error, no un descuido."""
    with pytest.raises(ValueError, match=r"label_drop=0.5.*\(x0, y\)"):
        Objective(label_drop=0.5, null_class=10)(vp_labels(), torch.zeros(2, 1), generator)


def vp_labels(num_classes=None):
    net = Labels()
    if num_classes is not None:
        net.num_classes = num_classes
    return Denoiser(net, VP())


@pytest.mark.parametrize("null_class", [9, 11])
def test_la_clase_nula_no_puede_ser_otra(null_class, generator):
    """Con diez clases, la nula es la 10: con la 9, se mezclaría con la última."""
    batch = torch.zeros(2, 1), torch.tensor([9, 3])
    with pytest.raises(ValueError, match=f"null_class={null_class}.*num_classes=10"):
        Objective(label_drop=0.5, null_class=null_class)(vp_labels(10), batch, generator)
    assert Objective(label_drop=0.5, null_class=10)(vp_labels(10), batch, generator).isfinite()


@pytest.mark.parametrize("schedule", [VP(), DDPM.linear(50)])
def test_el_muestreo_por_importancia_no_sesga_la_perdida(schedule):
    """Media ponderada con LossAware = media con t uniforme, dentro de sus errores típicos."""
    x0 = DATA.marginal([0]).sample(20_000, torch.Generator().manual_seed(1))
    denoiser, means = DATA.marginal([0]).denoiser(schedule), {}
    aware = LossAware(bins=50, history=4)
    probe = schedule.snap((torch.arange(50) + 0.5).double().repeat(4) / 50)
    aware.update(schedule, probe, torch.linspace(5, 0.1, 50).double().repeat(4))
    assert (aware.counts >= aware.history).all() and aware.probabilities.max() > 0.03
    for name, times in (("uniforme", Uniform()), ("importancia", aware)):
        t, w = times(schedule, len(x0), torch.Generator().manual_seed(2))
        eps = torch.randn(x0.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        losses = w.double() * simple(denoiser, x0, t, eps)
        means[name] = losses.mean().item(), losses.std().item() / len(x0) ** 0.5
    (a, da), (b, db) = means.values()
    assert a == pytest.approx(b, abs=4 * (da**2 + db**2) ** 0.5)
