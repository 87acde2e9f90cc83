"""Ejercicio 6.8: el sorteo de t uniforme en log-SNR."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion import Flow


def importance_times_oracle(u, t_min, t_max):
    schedule = Flow()
    high, low = schedule.log_snr(t_min), schedule.log_snr(t_max)
    t = schedule.inverse_log_snr(high + u * (low - high))
    slope = schedule.drift_diffusion(t)[1] / schedule.sigma(t) ** 2  # g²/σ² = −d log SNR/dt
    return t, (high - low) / slope


def importance_times_cases():
    rows = [("N = 5", 5, 0.01, 0.99), ("N = 3, sin simetría", 3, 0.05, 0.7)]
    rows += [("N = 4, cerca de los datos", 4, 1e-3, 0.3), ("N = 7, cerca del ruido", 7, 0.4, 0.95)]
    return [
        Case(label, (torch.sigmoid(normal(N, seed=800 + i)), low, high))
        for i, (label, N, low, high) in enumerate(rows)
    ]


def _log_snr(t):
    t = torch.as_tensor(t, dtype=torch.float64)
    return 2 * torch.log((1 - t) / t)


def _weights(change):
    """Los instantes correctos con otro peso."""

    def wrong(u, t_min, t_max):
        t, weight = importance_times_oracle(u, t_min, t_max)
        return t, change(t, weight, _log_snr(t_min) - _log_snr(t_max))

    return wrong


def _backwards(u, t_min, t_max):
    return importance_times_oracle(1 - u, t_min, t_max)


def _uniform(u, t_min, t_max):
    return t_min + u * (t_max - t_min), torch.full_like(u, t_max - t_min)


def _in_log_t(u, t_min, t_max):
    low, high = torch.tensor([t_min, t_max], dtype=torch.float64).log()
    t = (low + u * (high - low)).exp()
    return t, t * (high - low)


def _in_snr(u, t_min, t_max):
    high, low = _log_snr(t_min).exp(), _log_snr(t_max).exp()
    root = (high + u * (low - high)).sqrt()  # (1 − t)/t
    t = 1 / (1 + root)
    return t, (high - low) * t**3 / (2 * (1 - t))


def _mirrored(u, t_min, t_max):
    t, weight = importance_times_oracle(u, t_min, t_max)
    return 1 - t, weight


def _relative(u, t_min, t_max):
    t, weight = importance_times_oracle(u, t_min, t_max)
    return t, weight / (t_max - t_min)


def _half_log_snr(u, t_min, t_max):
    high, low = _log_snr(t_min), _log_snr(t_max)
    t = torch.sigmoid(-(high + u * (low - high)))
    return t, t * (1 - t) * (high - low)


IMPORTANCE_TIMES = Exercise(
    "6.8",
    "importance_times",
    "Instantes uniformes en log-SNR",
    importance_times_oracle,
    importance_times_cases,
    (
        Slip(
            "peso_invertido",
            "el peso está invertido: es 1/p(t), para que un instante que se sortea mucho cuente "
            "poco cada vez.",
            _weights(lambda t, w, width: 1 / w),
        ),
        Slip(
            "densidad_sin_normalizar",
            "p(t) tiene que integrar 1: falta el ancho del intervalo de log-SNR.",
            _weights(lambda t, w, width: w / width),
        ),
        Slip(
            "peso_al_doble",
            "hay un 2 de más: log SNR es 2 log((1−t)/t), con su 2 también al derivar (o en "
            "ninguno de los dos sitios).",
            _weights(lambda t, w, width: 2 * w),
        ),
        Slip(
            "peso_a_la_mitad",
            "falta un 2: si la pendiente es la de log SNR, el ancho del intervalo también.",
            _weights(lambda t, w, width: w / 2),
        ),
        Slip(
            "peso_de_media_uno",
            "los pesos se han dividido entre su media en el lote: así dependen unos de otros y "
            "la media deja de ser insesgada.",
            _weights(lambda t, w, width: w / w.mean()),
        ),
        Slip(
            "peso_relativo",
            "el peso es el cociente con la densidad uniforme, 1/((t_max − t_min) p(t)), como en "
            "la biblioteca: aquí se pide 1/p(t).",
            _relative,
        ),
        Slip(
            "sin_peso",
            "los instantes ya no son uniformes: sin el peso 1/p(t) se promedia otra pérdida.",
            _weights(lambda t, w, width: torch.ones_like(w)),
        ),
        Slip(
            "al_reves",
            "el orden está al revés: u = 0 da t_min, donde log SNR es mayor.",
            _backwards,
        ),
        Slip(
            "sigmoide_con_mas",
            "la sigmoide lleva −½ log SNR: con + sale 1 − t.",
            _mirrored,
        ),
        Slip(
            "uniforme_en_t",
            "los instantes son uniformes en t: se pide que lo sea log SNR.",
            _uniform,
        ),
        Slip(
            "uniforme_en_log_t",
            "es uniforme en log σ = log t: log SNR también tiene log α, que cuenta cerca de t = 1.",
            _in_log_t,
        ),
        Slip(
            "uniforme_en_snr",
            "es uniforme en la SNR y no en su logaritmo: casi todos los instantes caen en t_min.",
            _in_snr,
        ),
        Slip(
            "sin_el_dos",
            "al despejar t falta un ½: log SNR = 2 log((1−t)/t), de modo que t es la sigmoide de "
            "−½ log SNR. Los instantes se salen de [t_min, t_max].",
            _half_log_snr,
        ),
    ),
    parts=("los instantes", "los pesos"),
    remark="La media de los pesos es el largo del intervalo, t_max − t_min, salvo el azar: es lo que "
    "mide la pérdida constante 1.",
)
