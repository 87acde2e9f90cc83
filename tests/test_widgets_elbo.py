"""`ELBOGap` visto desde Python: sus cuadraturas contra formas cerradas, y sus errores."""

import math

import pytest
import torch
from torch.distributions import Normal
from widget_toys import check_bundle

from course_lib.probability import Gaussian, LinearGaussian
from course_lib.widgets import ELBOGap

torch.set_num_threads(1)


def linear(noise_std):
    one = torch.ones(1, dtype=torch.float64)
    return LinearGaussian(Gaussian(0 * one, one[None]), 1.0, 0.0, noise_std**2)


def point(value):
    return torch.tensor([value], dtype=torch.float64)


@pytest.mark.parametrize("x", [-3.0, 0.4, 3.5])
@pytest.mark.parametrize("noise_std", [0.2, 0.5, 2.0])
def test_con_decodificador_lineal_es_el_modelo_lineal_gaussiano(x, noise_std):
    model = linear(noise_std)
    widget = ELBOGap(x, noise_std, mean=-0.7, std=0.3, decoder="lineal")
    evidence = model.evidence().log_prob(point(x)).item()
    assert widget.log_evidence() == pytest.approx(evidence, abs=1e-10)
    exact = model.posterior(point(x))
    q = Gaussian(point(-0.7), point(0.09)[None])
    assert widget.gap() == pytest.approx(q.kl(exact), rel=1e-10)
    widget.mean, widget.std = exact.mean.item(), exact.cov.sqrt().item()
    assert widget.gap() == pytest.approx(0, abs=1e-10)
    assert widget.elbo() == pytest.approx(evidence, abs=1e-10)


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (1.4, 0.2), (-3.5, 1.5), (0.3, 0.03)])
def test_con_decodificador_cuadrado_la_elbo_tiene_forma_cerrada(mean, std):
    """E(x − z²)² = x² − 2x(m² + v²) + m⁴ + 6m²v² + 3v⁴."""
    x, s = 1.7, 0.6
    square = x**2 - 2 * x * (mean**2 + std**2)
    square += mean**4 + 6 * mean**2 * std**2 + 3 * std**4
    reconstruction = -0.5 * square / s**2 - math.log(s * math.sqrt(2 * math.pi))
    widget = ELBOGap(x, s, mean, std)
    assert widget.reconstruction() == pytest.approx(reconstruction, rel=1e-10)
    kl = torch.distributions.kl_divergence(Normal(*map(point, (mean, std))), Normal(0.0, 1.0))
    assert widget.kl_to_prior() == pytest.approx(kl.item(), rel=1e-12)
    assert widget.elbo() == pytest.approx(reconstruction - kl.item(), rel=1e-10)


def test_log_p_de_x_por_monte_carlo():
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for decoder, mean in [("cuadrado", z.square()), ("tangente", 2 * z.tanh())]:
        values = Normal(mean, 0.5).log_prob(point(1.2)).exp()
        error = (values.std() / len(z) ** 0.5 / values.mean()).item()
        widget = ELBOGap(1.2, 0.5, decoder=decoder)
        assert abs(widget.log_evidence() - values.mean().log().item()) < 4 * error < 0.02


@pytest.mark.parametrize("decoder", ["lineal", "cuadrado", "tangente"])
@pytest.mark.parametrize("x, noise_std", [(-3.0, 0.2), (2.0, 0.5), (3.5, 0.2), (0.0, 2.0)])
@pytest.mark.parametrize("mean, std", [(0.4, 0.8), (-3.5, 0.03), (3.5, 1.5)])
def test_la_suma_no_depende_de_q(decoder, x, noise_std, mean, std):
    widget = ELBOGap(x, noise_std, mean, std, decoder)
    total, scale = widget.elbo() + widget.gap(), max(1, abs(widget.elbo()))
    assert total == pytest.approx(widget.log_evidence(), abs=1e-10 * scale)
    assert widget.gap() > -1e-10 * scale


def test_con_dos_modos_iguales_el_mejor_hueco_es_algo_mas_que_log_2():
    best = min(
        (ELBOGap(2.0, 0.3, mean / 100, std / 100).gap(), mean)
        for mean in range(120, 160, 2)
        for std in range(8, 20, 2)
    )
    assert math.log(2) < best[0] < math.log(2) + 0.02


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ELBOGap(x=9), ValueError, r"x debe estar en \[-3, 3.5\]; se recibió 9"),
        (lambda: ELBOGap(x="a"), TypeError, "x debe ser un número.*'a'"),
        (lambda: ELBOGap(x=math.nan), ValueError, "x debe ser un número finito"),
        (lambda: ELBOGap(noise_std=0), ValueError, "noise_std debe ser mayor que 0"),
        (lambda: ELBOGap(noise_std=0.1), ValueError, r"noise_std debe estar en \[0.2, 2\].*0.1"),
        (lambda: ELBOGap(mean=4.5), ValueError, r"mean debe estar en \[-3.5, 3.5\].*4.5"),
        (lambda: ELBOGap(std=-1), ValueError, "std debe ser mayor que 0.*-1"),
        (lambda: ELBOGap(std=2), ValueError, r"std debe estar en \[0.03, 1.5\].*2"),
        (lambda: ELBOGap(decoder="cubo"), ValueError, "decoder='cubo' no existe.*'tangente'"),
    ],
)
def test_argumentos_que_no_sirven(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_rasgos_imposibles():
    widget = ELBOGap()
    for name, value, message in [
        ("x", -4.0, r"x debe estar en \[-3, 3.5\]"),
        ("noise_std", -1.0, "noise_std debe ser mayor que 0"),
        ("mean", 10.0, r"mean debe estar en \[-3.5, 3.5\]"),
        ("std", 0.0, "std debe ser mayor que 0"),
        ("decoder", "recta", "decoder='recta' no existe"),
    ]:
        before = getattr(widget, name)
        with pytest.raises(ValueError, match=message):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


def test_descripcion_corta_y_estable_modulo_sin_red_y_peso():
    first, second = ELBOGap(), ELBOGap()
    assert repr(first) == "ELBOGap: decodificador cuadrado, x = 2, q = N(0.4, 0.8²)"
    check_bundle(first, second)
