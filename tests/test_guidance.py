"""Las guías: su álgebra, y la regla de Bayes que dicen cumplir."""

import pytest
import torch
from oracles import MODES, SCHEDULES
from torch import nn

from course_lib.diffusion import DDPM, VP, Denoiser, sample
from course_lib.diffusion.guidance import Classifier, ClassifierFree, Threshold
from course_lib.probability import GaussianMixture

MIXTURE = GaussianMixture(
    torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64),
    torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.0, -1.0]], dtype=torch.float64),
    torch.tensor(
        [[[0.1, 0.02], [0.02, 0.2]], [[0.3, 0.0], [0.0, 0.1]], [[0.2, -0.1], [-0.1, 0.2]]],
        dtype=torch.float64,
    ),
)


class ExactClassifier(nn.Module):
    """log p(y|x_t) exacto de la mezcla difundida, salvo una constante por ejemplo."""

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def forward(self, x, t):
        logits = []
        for row, time in zip(x, t.tolist(), strict=True):
            law = MIXTURE.diffuse(self.schedule.alpha(time), self.schedule.sigma(time))
            logits.append(law.weights.log() + law._component_log_prob(row[None])[0])
        return torch.stack(logits) + 3.7


def points(schedule, t, generator, n=6):
    x0, y = MIXTURE.sample(n, generator, return_labels=True)
    eps = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return schedule.perturb(x0, t, eps), y.flip(0)


@pytest.mark.parametrize("t", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("name", SCHEDULES)
def test_la_guia_con_clasificador_es_la_regla_de_bayes(name, t, generator):
    """Con s = 1 y un clasificador exacto se obtiene el score exacto de p_t(x|y); con s = 0, el de p_t."""
    schedule = SCHEDULES[name]
    x, y = points(schedule, t, generator)
    guided = Classifier(MIXTURE.denoiser(schedule), ExactClassifier(schedule), 1.0)(x, t, y=y)
    exact = MIXTURE.denoiser(schedule)(x, t, y=y)
    torch.testing.assert_close(guided.score, exact.score, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(guided.x0, exact.x0, rtol=1e-7, atol=1e-7)
    free = Classifier(MIXTURE.denoiser(schedule), ExactClassifier(schedule), 0.0)(x, t, y=y)
    torch.testing.assert_close(free.eps, MIXTURE.denoiser(schedule)(x, t).eps)


def test_la_guia_con_clasificador_admite_un_t_por_ejemplo(generator):
    """Con t de forma (B,), cada ejemplo usa su σ_t; y `sample` la recorre sin gradientes."""
    schedule = VP()
    t = torch.tensor([0.05, 0.2, 0.5, 0.6, 0.8, 0.9], dtype=torch.float64)
    x, y = points(schedule, t, generator)
    guide = Classifier(MIXTURE.denoiser(schedule), ExactClassifier(schedule), 2.5)
    batch = guide(x, t, y=y)
    for i in range(len(x)):
        alone = guide(x[i : i + 1], t[i], y=y[i : i + 1])
        torch.testing.assert_close(batch.eps[i : i + 1], alone.eps, rtol=1e-10, atol=1e-12)
    assert not sample(guide, x, 3, y=y).requires_grad


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 1.7, 7.5])
def test_la_guia_sin_clasificador_interpola_y_extrapola(scale, generator):
    """ε̂ = ε̂_∅ + s(ε̂_y − ε̂_∅): s = 0 la red sin clase, s = 1 la red con clase, s > 1 más allá."""
    schedule, t = DDPM.cosine(1000), 0.6
    x, y = points(schedule, t, generator)
    denoiser = MIXTURE.denoiser(schedule)
    null, conditional = denoiser(x, t), denoiser(x, t, y=y)
    guided = ClassifierFree(denoiser, scale)(x, t, y=y)
    expected = null.eps + scale * (conditional.eps - null.eps)
    torch.testing.assert_close(guided.eps, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(schedule.perturb(guided.x0, t, guided.eps), x, rtol=1e-9, atol=1e-9)
    score = null.score + scale * (conditional.score - null.score)
    torch.testing.assert_close(guided.score, score, rtol=1e-9, atol=1e-9)


def test_las_dos_guias_coinciden(generator):
    """Con redes exactas, sin clasificador (s) y con él (s) son la misma guía: p(x) p(y|x)^s."""
    schedule, t = VP(), 0.3
    x, y = points(schedule, t, generator)
    denoiser = MIXTURE.denoiser(schedule)
    free = ClassifierFree(denoiser, 3.0)(x, t, y=y)
    classified = Classifier(denoiser, ExactClassifier(schedule), 3.0)(x, t, y=y)
    torch.testing.assert_close(free.eps, classified.eps, rtol=1e-8, atol=1e-8)


def test_guiar_lleva_a_la_clase_pedida():
    """Muestrear con y fija y s = 1 da la componente pedida; con s = 3, aún más concentrada."""
    schedule, n = VP(), 400
    x = schedule.prior_sample((n, 1), 0, dtype=torch.float64)
    y = torch.ones(n, dtype=torch.int64)
    spread = []
    for scale in (1.0, 3.0):
        out = sample(ClassifierFree(MODES.denoiser(schedule), scale), x, 60, "dpmpp_2m", y=y)
        assert (MODES.responsibilities(out).argmax(1) == 1).double().mean() > 0.97
        spread.append(out.std().item())
    assert spread[0] == pytest.approx(0.4, abs=0.05) and spread[1] < spread[0]


class Raw(nn.Module):
    """Una red de x_0 que se sale de [-1, 1], con varianza aprendida."""

    def forward(self, x, t):
        return torch.cat([3 * x, torch.zeros_like(x)], 1)


def test_el_recorte_fijo_vuelve_a_deducir_epsilon(generator):
    """`static`: x̂_0 en [-1, 1], y el ε̂ que le corresponde, de modo que x_t no cambia."""
    schedule, t = DDPM.linear(1000), torch.tensor([0.2, 0.9], dtype=torch.float64)
    x = torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64)
    denoiser = Denoiser(Raw(), schedule, "x0", learned_variance=True)
    clipped = Threshold(denoiser)(x, t)
    assert torch.equal(clipped.x0, (3 * x).clamp(-1, 1))
    alpha, sigma = schedule.at(t, x)
    torch.testing.assert_close(
        clipped.eps, (x - alpha * clipped.x0) / sigma, rtol=1e-10, atol=1e-10
    )
    assert torch.equal(clipped.var_mix, denoiser(x, t).var_mix)


def test_el_recorte_dinamico_mira_el_cuantil_de_cada_imagen(generator):
    """`dynamic`: divide por el cuantil de |x̂_0| de cada imagen, solo si pasa de 1."""
    schedule, t = DDPM.linear(1000), 0.5
    x = torch.stack([0.1 * torch.linspace(-1, 1, 25), 2 * torch.linspace(-1, 1, 25)])
    x = x.double().reshape(2, 1, 5, 5)
    out = Threshold(Denoiser(Raw(), schedule, "x0", learned_variance=True), "dynamic", 0.9)(x, t)
    torch.testing.assert_close(out.x0[0], 3 * x[0])  # |x̂_0| ≤ 0.3: no se toca
    limit = (3 * x[1]).abs().flatten().quantile(0.9)
    assert limit > 5
    torch.testing.assert_close(
        out.x0[1], (3 * x[1]).clamp(-limit, limit) / limit, rtol=1e-6, atol=1e-6
    )
    torch.testing.assert_close(schedule.perturb(out.x0, t, out.eps), x, rtol=1e-10, atol=1e-10)


def test_las_guias_se_encadenan(generator):
    """Una guía envuelve a otra: recortar lo guiado es recortar el x̂_0 guiado."""
    schedule, t = VP(), 0.5
    x, y = points(schedule, t, generator)
    inner = ClassifierFree(MIXTURE.denoiser(schedule), 4.0)
    out = Threshold(inner)(x, t, y=y)
    torch.testing.assert_close(out.x0, inner(x, t, y=y).x0.clamp(-1, 1))
    assert out.schedule is schedule and Threshold(inner).schedule is schedule


class SmoothClassifier(nn.Module):
    """Un clasificador con parámetros, como los entrenados: guarda x y t para derivar."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0]]).double())

    def forward(self, x, t):
        return torch.tanh(x) @ (self.weight * 2) * t[:, None] * self.weight.sum()


def test_la_guia_con_clasificador_dentro_de_inference_mode(generator):
    """En `torch.inference_mode` guía igual, bit a bit, que fuera."""
    schedule = VP()
    x, y = points(schedule, 0.9, generator)
    for classifier in (SmoothClassifier(), ExactClassifier(schedule)):
        guide = Classifier(MIXTURE.denoiser(schedule), classifier, 1.5)
        expected = sample(guide, x, 3, y=y)
        with torch.inference_mode():
            assert torch.equal(sample(guide, x, 3, y=y), expected)
            inside = guide(x * 1.0, torch.full((6,), 0.5).double(), y=y.clone())
        assert torch.equal(inside.eps, guide(x, 0.5, y=y).eps)
