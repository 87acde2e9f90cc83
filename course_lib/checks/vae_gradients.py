"""Ejercicios 3.6 y 3.7: muestrear de forma derivable y la KL de cada variable latente."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.latent import diagonal_gaussian_kl

# --- 3.6 ----------------------------------------------------------------------------------------


def reparameterize_oracle(mean, log_var, eps, slope):
    mean, log_var = (v.clone().requires_grad_() for v in (mean, log_var))
    z = mean + torch.exp(log_var / 2) * eps
    return z.detach(), *torch.autograd.grad(z, (mean, log_var), slope)


def reparameterize_cases():
    sizes = [("B = 5, M = 3", 5, 3), ("B = M = 4", 4, 4), ("B = 2, M = 7", 2, 7), ("B = 1", 1, 6)]
    return [
        Case(label, tuple(normal(B, M, seed=300 + 10 * i + j) for j in range(4)))
        for i, (label, B, M) in enumerate(sizes)
    ]


def _sampled_with(std):
    """La muestra y los gradientes correctos para un z = m + std(log_var) ε equivocado."""

    def wrong(mean, log_var, eps, slope):
        mean, log_var = (v.clone().requires_grad_() for v in (mean, log_var))
        z = mean + std(log_var) * eps
        return z.detach(), *torch.autograd.grad(z, (mean, log_var), slope)

    return wrong


def _gradients(change):
    """La muestra correcta, con los gradientes que da `change(slope, s, eps)`."""

    def wrong(mean, log_var, eps, slope):
        s = torch.exp(log_var / 2)
        return mean + s * eps, *change(slope, s, eps)

    return wrong


def _unexponentiated(mean, log_var, eps, slope):
    _, *gradients = reparameterize_oracle(mean, log_var, eps, slope)
    return mean + log_var * eps, *gradients


REPARAMETERIZE = Exercise(
    "3.6",
    "reparameterize",
    "Muestrear y derivar",
    reparameterize_oracle,
    reparameterize_cases,
    (
        Slip(
            "varianza_por_ruido",
            "se multiplicó ε por la varianza, exp(log_var); la desviación es exp(log_var / 2).",
            _sampled_with(torch.exp),
        ),
        Slip(
            "log_var_sin_exponencial",
            "log_var es un logaritmo: falta la exponencial para obtener la desviación.",
            _unexponentiated,
        ),
        Slip(
            "log_var_como_log_std",
            "falta el ½ de la regla de la cadena: s = exp(log_var / 2), y su derivada respecto de "
            "log_var es s/2. Lo que sale es el gradiente respecto de log s.",
            _gradients(lambda slope, s, eps: (slope, slope * s * eps)),
        ),
        Slip(
            "sin_ruido",
            "en el gradiente de log_var falta ε: z se mueve hacia donde apuntaba el ruido.",
            _gradients(lambda slope, s, eps: (slope, slope * s / 2)),
        ),
        Slip(
            "respecto_de_s",
            "es el gradiente respecto de la desviación s: falta multiplicar por ds/dlog_var.",
            _gradients(lambda slope, s, eps: (slope, slope * eps)),
        ),
        Slip(
            "puntaje",
            "eso es ∇log q, lo que multiplica a f en el estimador por puntaje; por trayectoria se "
            "deriva z, y lo multiplica la pendiente de f.",
            _gradients(lambda slope, s, eps: (slope * eps / s, slope * (eps.square() - 1) / 2)),
        ),
        Slip(
            "media_del_lote",
            "los gradientes están promediados en el lote: aquí cada dato tiene los suyos, (B, M).",
            _gradients(
                lambda slope, s, eps: (
                    slope.mean(0).expand_as(s),
                    (slope * s * eps / 2).mean(0).expand_as(s),
                )
            ),
        ),
    ),
    parts=("z", "el gradiente de la media", "el gradiente de log_var"),
    shape_tip="los cuatro argumentos tienen forma (B, M), y los tres resultados también.",
    remark="Es lo que hace autograd al retroceder por mean + exp(log_var / 2) * eps.",
)


# --- 3.7 ----------------------------------------------------------------------------------------


def kl_per_dim_oracle(mean, log_var):
    return diagonal_gaussian_kl(mean, log_var).mean(0)


def kl_per_dim_cases():
    sizes = [("B = 6, M = 3", 6, 3), ("B = M = 4", 4, 4), ("B = 1, M = 5", 1, 5)]
    cases = [
        Case(label, (normal(B, M, seed=340 + i), normal(B, M, seed=350 + i)))
        for i, (label, B, M) in enumerate(sizes)
    ]
    off = torch.zeros(5, 2, dtype=torch.float64)
    return [*cases, Case("una variable apagada", (off, torch.stack([off[:, 0], off[:, 0] - 2], 1)))]


def _kl(mean, log_var):
    return diagonal_gaussian_kl(mean, log_var)


KL_PER_DIM = Exercise(
    "3.7",
    "kl_per_dim",
    "La KL de cada variable latente",
    kl_per_dim_oracle,
    kl_per_dim_cases,
    (
        Slip(
            "por_dato",
            "se sumaron las variables latentes y queda un número por dato: aquí se promedia en el "
            "lote y queda uno por variable, (M,).",
            lambda mean, log_var: _kl(mean, log_var).sum(1),
        ),
        Slip(
            "suma_del_lote",
            "se sumó el lote en lugar de promediarlo: la KL crecería con B.",
            lambda mean, log_var: _kl(mean, log_var).sum(0),
        ),
        Slip(
            "sentido_contrario",
            "es KL(p‖q): en la cota va q primero, y la varianza de q no divide.",
            lambda mean, log_var: (
                ((1 + mean.square()) * torch.exp(-log_var) - 1 + log_var).mean(0) / 2
            ),
        ),
        Slip(
            "log_var_como_varianza",
            "log_var entra como si fuera la varianza: falta la exponencial en el término v.",
            lambda mean, log_var: (log_var + mean.square() - 1 - log_var).mean(0) / 2,
        ),
        Slip(
            "log_var_como_log_std",
            "log_var es log v y no log s: v = exp(log_var), sin el 2, y el logaritmo entra una vez.",
            lambda mean, log_var: _kl(mean, 2 * log_var).mean(0),
        ),
        Slip(
            "sin_menos_uno",
            "falta el −1: con q = p la KL debe ser 0.",
            lambda mean, log_var: _kl(mean, log_var).mean(0) + 0.5,
        ),
        Slip(
            "signo_del_logaritmo",
            "el logaritmo va restando: −log v. Con v → 0 la KL tiende a +∞ y no a −∞.",
            lambda mean, log_var: (log_var.exp() + mean.square() - 1 + log_var).mean(0) / 2,
        ),
        Slip(
            "sin_cuadrado",
            "la media entra al cuadrado.",
            lambda mean, log_var: (log_var.exp() + mean - 1 - log_var).mean(0) / 2,
        ),
        Slip(
            "de_los_promedios",
            "es la KL de los parámetros promediados: primero la KL de cada dato y después la media.",
            lambda mean, log_var: _kl(mean.mean(0), log_var.mean(0)),
        ),
    ),
    shape_tip="mean y log_var tienen forma (B, M), y el resultado, (M,).",
    remark="Un 0 en esta lista es una variable latente apagada.",
)
