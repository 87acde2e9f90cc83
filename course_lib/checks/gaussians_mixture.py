"""Ejercicios 1.10 y 1.11: el score de una mezcla de gaussianas y su difusión."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.gaussians_linear import covariance
from course_lib.checks.random_cases import normal
from course_lib.probability import Gaussian, GaussianMixture

# --- 1.10 ---------------------------------------------------------------------------------------


def mixture_score_oracle(x, weights, means, covs):
    return GaussianMixture(weights, means, covs).score(x)


def mixture_cases():
    cases = []
    sizes = [("5 puntos, K = 3, D = 2", 5, 3, 2, 1.0), ("K = D = N = 4", 4, 4, 4, 1.0)]
    sizes += [("lejos de todas las medias", 3, 2, 2, 80.0)]
    for s, (label, n, k, d, far) in zip([400, 420, 440], sizes, strict=True):
        covs = torch.stack([covariance(d, s + 1 + i) for i in range(k)])
        weights = torch.arange(1, k + 1, dtype=torch.float64)
        x, means = far * normal(n, d, seed=s + 10), normal(k, d, seed=s + 11)
        cases.append(Case(label, (x, weights / weights.sum(), means, covs)))
    return cases


def _parts(x, weights, means, covs):
    """Los logaritmos de w_k N(x; m_k, C_k) y el score de cada componente."""
    laws = [Gaussian(m, C) for m, C in zip(means, covs, strict=True)]
    logs = torch.stack([law.log_prob(x) for law in laws], -1) + weights.log()
    return logs, torch.stack([law.score(x) for law in laws], -2)


def _score(change):
    """El score que da `change(logaritmos, scores, pesos)`."""

    def wrong(x, weights, means, covs):
        return change(*_parts(x, weights, means, covs), weights)

    return wrong


def _pull(x, weights, means, covs, power):
    """El score con C_k elevada a `power` donde va la inversa."""
    logs, _ = _parts(x, weights, means, covs)
    matrices = torch.stack([torch.linalg.matrix_power(C, power) for C in covs])
    pull = torch.einsum("kij,nkj->nki", matrices, x[:, None] - means)
    return -(logs.softmax(-1)[..., None] * pull).sum(-2)


MIXTURE_SCORE = Exercise(
    "1.10",
    "mixture_score",
    "El score de una mezcla",
    mixture_score_oracle,
    mixture_cases,
    (
        Slip(
            "signo",
            "el signo está cambiado: el score apunta hacia las medias, −C_k⁻¹(x − m_k).",
            _score(lambda logs, scores, w: -(logs.softmax(-1)[..., None] * scores).sum(-2)),
        ),
        Slip(
            "pesos",
            "se promedia con los pesos w_k: van las responsabilidades p(k|x), que dependen de x.",
            _score(lambda logs, scores, w: (w[:, None] * scores).sum(-2)),
        ),
        Slip(
            "sin_pesos",
            "las responsabilidades no llevan los pesos w_k: p(k|x) ∝ w_k N(x; m_k, C_k).",
            _score(
                lambda logs, scores, w: ((logs - w.log()).softmax(-1)[..., None] * scores).sum(-2)
            ),
        ),
        Slip(
            "gradiente_de_p",
            "parece ∇p, el gradiente de la densidad: falta dividir entre p(x).",
            _score(lambda logs, scores, w: (logs.exp()[..., None] * scores).sum(-2)),
        ),
        Slip(
            "sin_logaritmos",
            "lejos de las medias sale 0/0 (NaN): las densidades se anulan al redondear. Se resta "
            "el máximo de los logaritmos antes de exponenciar, que es lo que hace softmax.",
            _score(
                lambda logs, scores, w: (
                    (logs.exp() / logs.exp().sum(-1, keepdim=True))[..., None] * scores
                ).sum(-2)
            ),
        ),
        Slip(
            "la_mas_cercana",
            "se usa solo la componente más probable: entre dos medias el score las promedia.",
            _score(
                lambda logs, scores, w: (
                    torch.nn.functional.one_hot(logs.argmax(-1), len(w))[..., None] * scores
                ).sum(-2)
            ),
        ),
        Slip(
            "sin_inversa",
            "falta C_k⁻¹: parece que se promedia m_k − x, sin dividir entre la covarianza.",
            lambda x, w, means, covs: _pull(x, w, means, covs, 0),
        ),
        Slip(
            "por_la_covarianza",
            "se multiplica por C_k y va su inversa.",
            lambda x, w, means, covs: _pull(x, w, means, covs, 1),
        ),
        Slip(
            "suma",
            "los scores de las componentes se suman sin pesar: falta cada p(k|x).",
            _score(lambda logs, scores, w: scores.sum(-2)),
        ),
    ),
    shape_tip="responsabilidades (N, K, 1) por scores (N, K, D), y se suma el eje de K.",
    remark="El score es una media de los scores de las componentes, pesada por p(k|x).",
)


# --- 1.11 ---------------------------------------------------------------------------------------


def diffuse_mixture_oracle(means, covs, alpha, sigma):
    weights = torch.full((len(means),), 1 / len(means), dtype=means.dtype)
    mixture = GaussianMixture(weights, means, covs).diffuse(alpha, sigma)
    return mixture.means, mixture.covs


def diffuse_mixture_cases():
    cases = []
    sizes = [("K = 3, D = 2", 3, 2, 0.6, 0.8), ("K = D = 4", 4, 4, 0.9, 0.5)]
    sizes += [("sin señal", 2, 3, 0.0, 0.7), ("sin ruido", 2, 3, 0.7, 0.0)]
    for s, (label, k, d, alpha, sigma) in zip([500, 520, 540, 560], sizes, strict=True):
        covs = torch.stack([covariance(d, s + 1 + i) for i in range(k)])
        cases.append(Case(label, (normal(k, d, seed=s), covs, alpha, sigma)))
    return cases


def _diffusion(change_mean=None, change_cov=None):
    def wrong(means, covs, alpha, sigma):
        eye = torch.eye(means.shape[1], dtype=means.dtype)
        new_means = change_mean(means, alpha) if change_mean else alpha * means
        new_covs = alpha**2 * covs + sigma**2 * eye
        return new_means, change_cov(covs, alpha, sigma, eye) if change_cov else new_covs

    return wrong


DIFFUSE_MIXTURE = Exercise(
    "1.11",
    "diffuse_mixture",
    "Difundir una mezcla",
    diffuse_mixture_oracle,
    diffuse_mixture_cases,
    (
        Slip(
            "media_quieta",
            "falta α: el dato se encoge, y las medias con él.",
            _diffusion(change_mean=lambda m, a: m),
        ),
        Slip(
            "media_al_cuadrado",
            "parece α²: en la media va α, sin cuadrado.",
            _diffusion(change_mean=lambda m, a: a**2 * m),
        ),
        Slip(
            "alfa_sin_cuadrado",
            "falta el cuadrado de α: las covarianzas se multiplican por α².",
            _diffusion(change_cov=lambda C, a, s, eye: a * C + s**2 * eye),
        ),
        Slip(
            "sigma_sin_cuadrado",
            "parece σI: el ruido añade σ²I, porque σ es una desviación.",
            _diffusion(change_cov=lambda C, a, s, eye: a**2 * C + s * eye),
        ),
        Slip(
            "sin_identidad",
            "σ² se suma a todas las entradas y va solo a la diagonal: σ²I.",
            _diffusion(change_cov=lambda C, a, s, eye: a**2 * C + s**2),
        ),
        Slip(
            "sin_ruido",
            "falta el ruido, + σ²I.",
            _diffusion(change_cov=lambda C, a, s, eye: a**2 * C),
        ),
        Slip(
            "sin_encoger",
            "las covarianzas no se encogen: falta α² delante de C_k.",
            _diffusion(change_cov=lambda C, a, s, eye: C + s**2 * eye),
        ),
    ),
    parts=("las medias", "las covarianzas"),
    remark="Los pesos no cambian: el ruido no sabe de qué componente viene cada dato.",
)
