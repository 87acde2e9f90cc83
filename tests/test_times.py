"""Cómo se sortean los instantes: qué valores toman y que ningún sorteo sesga la media."""

import pytest
import torch
from bad_input import cases, fails
from hypothesis import given
from hypothesis import strategies as st
from oracles import CONTINUOUS, DATA, SCHEDULES
from scipy.stats import truncnorm

from course_lib.diffusion import DDPM, EDM, VE, VP, Cosine, Denoiser, Flow
from course_lib.diffusion.losses import Objective, dsm
from course_lib.diffusion.times import LikelihoodImportance, LogNormal, LossAware, Uniform


def test_uniforme_en_la_tabla_recorre_los_T_pasos(generator):
    """En una tabla, t = k/T con k de 1 a T, todos igual de probables (nunca k = 0)."""
    schedule, n = DDPM.linear(25), 25_000
    t, weights = Uniform()(schedule, n, generator)
    k = t * 25
    assert torch.allclose(k, k.round(), atol=1e-9) and (weights == 1).all()
    counts = torch.bincount(k.round().long(), minlength=26)
    assert counts[0] == 0
    chi2 = ((counts[1:] - 1000.0) ** 2 / 1000).sum().item()
    assert chi2 < 24 + 5 * (2 * 24) ** 0.5


@pytest.mark.parametrize("name", CONTINUOUS)
def test_uniforme_en_continuo(name, generator):
    """En continuo, t es uniforme en [T_EPS, 1): ni 0, donde σ = 0, ni 1, donde α puede ser 0."""
    t, weights = Uniform()(CONTINUOUS[name], 20_000, generator)
    assert t.min() >= 1e-3 and t.max() < 1 and (weights == 1).all()
    ordered = t.sort().values
    exact = 1e-3 + (1 - 1e-3) * (torch.arange(20_000) + 0.5) / 20_000
    assert (ordered - exact).abs().max() < 2 / 20_000**0.5


@given(seed=st.integers(0, 10**6), n=st.integers(1, 64))
def test_estratificado_pone_uno_en_cada_tramo(seed, n):
    """Un t por tramo de longitud 1/n, todos con el mismo desplazamiento."""
    schedule = DDPM.cosine(1000 * n)
    t, _ = Uniform(stratified=True)(schedule, n, torch.Generator().manual_seed(seed))
    before = t - 1e-9
    assert sorted((before * n).long().tolist()) == list(range(n))
    inside = (before * n) % 1
    assert (inside - inside[0]).abs().max() < 1e-6


def filled(bins, level, history=3):
    aware = LossAware(bins, history)
    t = (torch.arange(bins).double() + 0.5) / bins
    for row in range(history):
        aware.update(VP(), t, level + row)
    return aware


def test_loss_aware_hasta_tener_historia_es_uniforme(generator):
    """Mientras falte historia en algún tramo, todos valen 1/bins y el peso es 1."""
    aware = LossAware(bins=10, history=2)
    aware.update(VP(), torch.full((30,), 0.55), torch.full((30,), 9.0))
    _, weights = aware(VP(), 100, generator)
    assert (aware.probabilities == 0.1).all() and torch.allclose(weights, torch.ones(100))


def test_loss_aware_sortea_segun_la_raiz_del_segundo_momento(generator):
    """p_k ∝ √E[L_k²] con las últimas `history` pérdidas, más el resto uniforme."""
    level = torch.arange(1.0, 9.0).double()
    aware = filled(8, level)
    root = ((level**2 + (level + 1) ** 2 + (level + 2) ** 2) / 3).sqrt()
    exact = 0.999 * root / root.sum() + 0.001 / 8
    torch.testing.assert_close(aware.probabilities, exact, rtol=1e-12, atol=0)
    t, weights = aware(DDPM.linear(80), 40_000, generator)
    chosen = (t * 8 - 1e-6).long()
    share = torch.bincount(chosen, minlength=8) / 40_000
    assert (share - exact).abs().max() < 4.5 * (0.25 / 40_000) ** 0.5
    torch.testing.assert_close(weights, (1 / (8 * exact[chosen])).float())


def test_loss_aware_olvida_las_perdidas_viejas():
    """Solo cuentan las últimas `history`: las antiguas se van por orden de llegada."""
    aware = LossAware(bins=2, history=2)
    aware.update(VP(), torch.tensor([0.2, 0.8, 0.2, 0.8]), torch.tensor([100.0, 1.0, 100.0, 1.0]))
    aware.update(VP(), torch.tensor([0.2, 0.2]), torch.tensor([1.0, 1.0]))
    torch.testing.assert_close(aware.probabilities, torch.tensor([0.5, 0.5]).double())


@given(seed=st.integers(0, 10**6))
def test_el_peso_deja_insesgada_cualquier_media(seed):
    """Σ_k p_k·peso_k·f_k = media de f, sea cual sea p: identidad exacta, tramo a tramo."""
    generator = torch.Generator().manual_seed(seed)
    aware = filled(12, 10 * torch.rand(12, generator=generator).double())
    p = aware.probabilities
    assert p.sum().item() == pytest.approx(1, abs=1e-12) and (p > 0).all()
    schedule = DDPM.linear(24)
    t, weights = aware(schedule, 3000, generator)
    for bin_, weight in zip((t * 12 - 1e-6).long().tolist(), weights.tolist(), strict=True):
        assert p[bin_].item() * weight == pytest.approx(1 / 12, rel=1e-5)


def test_el_nodo_de_la_tabla_cae_en_su_tramo():
    """Con tantos tramos como pasos, la pérdida de k se anota en el tramo k, también en los bordes."""
    T = 300
    aware = LossAware(bins=T, history=1)
    k = torch.arange(1, T + 1)
    for dtype in (torch.float32, torch.float64):
        aware.update(DDPM.cosine(T), (k.double() / T).to(dtype), k.double())
        assert torch.equal(aware.losses[:, 0], k.double())


def test_loss_aware_se_guarda_y_se_recupera(generator):
    """Tras guardar y recuperar, las probabilidades y los sorteos siguen igual."""
    aware, other = filled(6, torch.arange(6.0).double() + 1), LossAware(6, 3)
    other.load_state_dict(aware.state_dict())
    assert torch.equal(other.probabilities, aware.probabilities)
    a, b = (s(VP(), 5, torch.Generator().manual_seed(0)) for s in (aware, other))
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    other.update(VP(), torch.tensor([0.5]), torch.tensor([99.0]))
    assert not torch.equal(other.probabilities, aware.probabilities)  # es una copia


@pytest.mark.parametrize("name", CONTINUOUS)
@given(u=st.floats(0, 1, exclude_max=True))
def test_unsnap_deshace_snap(name, u):
    """En continuo, `unsnap` devuelve el mismo u del sorteo."""
    schedule = CONTINUOUS[name]
    again = schedule.unsnap(schedule.snap(torch.tensor(u, dtype=torch.float64)))
    assert again.item() == pytest.approx(u, abs=1e-14)


@given(k=st.integers(1, 300), T=st.integers(300, 1000))
def test_unsnap_en_la_tabla_es_el_centro_del_tramo(k, T):
    """En la tabla, todo el tramo [(k−1)/T, k/T) va a k/T y vuelve a su centro."""
    schedule = DDPM.cosine(T)
    u = schedule.unsnap(torch.tensor(k / T, dtype=torch.float64))
    assert u.item() == pytest.approx((k - 0.5) / T, abs=1e-15)
    assert schedule.snap(u).item() == pytest.approx(k / T, abs=1e-15)


@pytest.mark.parametrize("schedule", [VP(), Cosine(), Flow(), DDPM.linear(1000)])
def test_loss_aware_anota_cada_perdida_en_el_tramo_del_que_salio(schedule, generator):
    """Con los tramos de fábrica, todos se llenan y el sorteo deja de ser uniforme."""
    aware = LossAware()
    for _ in range(3):
        t, _ = aware(schedule, 10_000, generator)
        aware.update(schedule, t, t)
    assert (aware.counts >= aware.history).all()
    assert not torch.equal(aware.probabilities, torch.full((1000,), 1 / 1000).double())
    middle = (torch.arange(1000).double() + 0.5) / 1000
    assert (aware.losses.mean(1) - middle).abs().max() < 2e-3  # aquí la pérdida es t


@pytest.mark.parametrize(
    "wrong",
    [
        LossAware(4, 2).state_dict(),
        {"counts": torch.zeros(9, dtype=torch.long)},
        {"losses": torch.zeros(9, 2).double(), "counts": torch.zeros(4, dtype=torch.long)},
    ],
)
def test_loss_aware_no_acepta_el_estado_de_otro(wrong):
    """Un estado de otros `bins` o `history`, o sin una parte, es un error y no cambia nada."""
    aware = filled(9, torch.ones(9).double(), history=2)
    before = aware.probabilities
    with pytest.raises(ValueError, match=r"bins=9.*history=2.*(losses|counts)"):
        aware.load_state_dict(wrong)
    assert torch.equal(aware.probabilities, before) and aware.losses.shape == (9, 2)


# --- el sorteo de verosimilitud -----------------------------------------------------------------


def span(schedule):
    """El intervalo del sorteo: hasta 0.999 donde α(1) = 0."""
    return 1e-3, 0.999 if schedule.alpha(torch.tensor(1.0, dtype=torch.float64)) == 0 else 1.0


@pytest.mark.parametrize("name", CONTINUOUS)
def test_la_densidad_es_la_de_g2_sobre_sigma2(name, generator):
    """KS: la distribución de t contra la integral de g²/σ², hecha por trapecios."""
    schedule, n = CONTINUOUS[name], 20_000
    low, high = span(schedule)
    t, _ = LikelihoodImportance()(schedule, n, generator)
    assert low <= t.min() and t.max() <= high
    u = torch.linspace(0, 1, 40_001, dtype=torch.float64)
    fine = low + (high - low) * torch.sin(u * torch.pi / 2) ** 2  # más fina en los dos extremos
    rate = schedule.drift_diffusion(fine)[1] / schedule.sigma(fine) ** 2
    cumulated = torch.cumulative_trapezoid(rate, fine)
    law = torch.cat([torch.zeros(1).double(), cumulated / cumulated[-1]])
    ordered = t.sort().values
    after = torch.searchsorted(fine, ordered).clamp(1, len(fine) - 1)
    part = (ordered - fine[after - 1]) / (fine[after] - fine[after - 1])
    expected = law[after - 1] + part * (law[after] - law[after - 1])
    empirical = (torch.arange(n) + 0.5) / n
    assert (expected - empirical).abs().max() < 2 / n**0.5
    uniform = (ordered - low - (high - low) * empirical).abs().max() < 2 / n**0.5
    assert uniform == (name == "VE")  # solo en VE, de σ exponencial, la log-SNR es una recta en t


FUNCTIONS = {"t²": lambda t: t**2, "1/(0.1 + t)": lambda t: 1 / (0.1 + t), "1": torch.ones_like}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_el_peso_de_verosimilitud_no_sesga(name, f, generator):
    """E[peso·f(t)] = media uniforme de f, en continuo y en las tablas, dentro de 4 errores."""
    schedule, n = SCHEDULES[name], 200_000
    t, weights = LikelihoodImportance()(schedule, n, generator)
    if name in CONTINUOUS:
        low, high = span(schedule)
        places = low + (high - low) * (torch.arange(200_000).double() + 0.5) / 200_000
    else:
        places = torch.arange(1, schedule.T + 1).double() / schedule.T
    each = weights * f(t)
    error = each.std().item() / n**0.5 + 1e-9  # en VE el peso es 1: con f = 1 no hay azar
    assert abs(each.mean().item() - f(places).mean().item()) < 4 * error


def test_en_la_tabla_cada_nodo_sale_segun_su_beta(generator):
    """p_k ∝ −log(1 − β_k)/(1 − ᾱ_k), solo nodos, y el peso es exactamente 1/(T p_k)."""
    schedule, n = DDPM.linear(25), 25_000
    p = -torch.log1p(-schedule.betas) / (1 - schedule.alphas_bar[1:])
    p = p / p.sum()
    t, weights = LikelihoodImportance()(schedule, n, generator)
    k = (t * 25).round().long()
    assert torch.equal(k.double() / 25, t)
    torch.testing.assert_close(weights, 1 / (25 * p[k - 1]), rtol=1e-9, atol=0)
    counts = torch.bincount(k, minlength=26)[1:].double()
    chi2 = ((counts - n * p) ** 2 / (n * p)).sum().item()
    assert chi2 < 24 + 5 * (2 * 24) ** 0.5 and (n * p - 1000).abs().max() > 500


class Shifted(torch.nn.Module):
    """El ε exacto de los datos más un error θ."""

    def __init__(self, schedule):
        super().__init__()
        self.oracle = DATA.denoiser(schedule)
        self.theta = torch.nn.Parameter(torch.tensor([0.3, -0.2], dtype=torch.float64))

    def forward(self, x, t):
        return self.oracle(x, t).eps + self.theta


@pytest.mark.parametrize("schedule", [VP(), Flow(), DDPM.linear(1000)], ids=repr)
def test_reduce_la_varianza_con_el_peso_g2(schedule, generator):
    """Con λ = g², la varianza de la pérdida y la de su gradiente bajan a menos de la mitad."""
    n, spread, means = 20_000, {}, {}
    x0 = DATA.sample(n, generator)
    eps = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    denoiser = Denoiser(Shifted(schedule), schedule)
    for times in (Uniform(), LikelihoodImportance()):
        t, w = times(schedule, n, torch.Generator().manual_seed(3))
        each = w.double() * dsm(denoiser, x0, t, eps, "g2").detach()
        # gradiente de cada ejemplo en θ, a mano: (g²/σ²)(ε̂ − ε)
        rate = (schedule.drift_diffusion(t)[1] / schedule.sigma(t) ** 2 * w.double())[:, None]
        with torch.no_grad():
            x_t = schedule.perturb(x0, t, eps)
            slope = rate * (denoiser(x_t, t).eps - eps)
        name = type(times).__name__
        spread[name] = torch.stack([each.var(), slope.var(0).sum()])
        means[name] = each.mean().item(), each.std().item() / n**0.5
    ratio = spread["Uniform"] / spread["LikelihoodImportance"]
    assert (ratio > 2).all(), ratio
    (a, da), (b, db) = means.values()
    assert a == pytest.approx(b, abs=4 * (da**2 + db**2) ** 0.5 + 2e-3 * b)


# --- la log-normal ------------------------------------------------------------------------------


def noise_to_signal(schedule, t):
    return -schedule.log_snr(t) / 2


@pytest.mark.parametrize(
    ("schedule", "mean", "std"),
    [(EDM(), -1.2, 1.2), (VE(), 0.5, 0.8), (VP(), -1.2, 1.2), (Flow(), 0.0, 1.0), (VP(), 4.0, 2.0)],
)
def test_log_normal_da_la_media_y_la_desviacion(schedule, mean, std, generator):
    """ln(σ/α) es la normal pedida, truncada al rango del esquema: media y desviación de SciPy."""
    n, ends = 40_000, [noise_to_signal(schedule, t).item() for t in span(schedule)]
    low, high = ((end - mean) / std for end in ends)
    law = truncnorm(low, high, loc=mean, scale=std)
    t, weights = LogNormal(mean, std)(schedule, n, generator)
    y = noise_to_signal(schedule, t)
    assert (weights == 1).all() and y.min() >= ends[0] - 1e-9 and y.max() <= ends[1] + 1e-9
    assert abs(y.mean().item() - law.mean()) < 4 * law.std() / n**0.5
    fourth = law.moment(4) - 4 * law.moment(3) * law.mean()
    fourth += 6 * law.moment(2) * law.mean() ** 2 - 3 * law.mean() ** 4
    error = ((fourth - law.var() ** 2) / n) ** 0.5
    assert abs(y.var().item() - law.var()) < 4 * error


def test_log_normal_con_el_rango_de_edm_casi_no_se_trunca():
    """Con los valores de fábrica, EDM deja fuera menos de 1e-4 de la masa; VP, mucho más."""
    for schedule, low, high in ((EDM(), 0.0, 1e-4), (VP(), 1e-3, 0.1)):
        ends = torch.stack([noise_to_signal(schedule, t) for t in span(schedule)])
        inside = torch.special.ndtr((ends + 1.2) / 1.2).diff().item()
        assert low <= 1 - inside < high


def test_log_normal_en_la_tabla_cae_en_los_nodos(generator):
    """En una tabla t = k/T con k ≥ 1, y ln(σ/α) conserva media y desviación salvo el redondeo."""
    schedule = DDPM.cosine(1000)
    t, _ = LogNormal(-0.5, 0.5)(schedule, 40_000, generator)
    k = t * 1000
    assert torch.equal(k.round() / 1000, t) and k.min() >= 1
    y = noise_to_signal(schedule, t)
    assert y.mean().item() == pytest.approx(-0.5, abs=0.02)
    assert y.std().item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("times", [LikelihoodImportance(), LogNormal()])
@pytest.mark.parametrize("name", SCHEDULES)
def test_los_dos_sorteos_sirven_al_objetivo(name, times, generator):
    """Con cualquier esquema, la pérdida es finita y t no toca σ = 0 ni α = 0."""
    schedule = SCHEDULES[name]
    t, w = times(schedule, 1000, generator)
    assert (schedule.sigma(t) > 0).all() and (schedule.alpha(t) > 0).all()
    assert w.isfinite().all() and (w > 0).all()
    x0 = DATA.sample(64, generator)
    assert Objective(dsm, times, weight="g2")(DATA.denoiser(schedule), x0, generator).isfinite()


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("desviación nula", ValueError, lambda: LogNormal(std=0), "std", "0"),
        ("media infinita", ValueError, lambda: LogNormal(float("inf")), "mean", "inf"),
        (
            "lejos del esquema",
            ValueError,
            lambda: LogNormal(50.0)(EDM(), 3),
            "mean=50",
            "EDM(",
            "4.38",
        ),
    ),
)
def test_log_normal_mal_pedida(error, call, words):
    fails(error, call, *words)
