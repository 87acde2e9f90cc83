"""`record` y su compresión: los cuadros guardados son los de `sample`."""

import zlib

import numpy as np
import pytest
import torch
from widget_toys import denoiser, noise, trajectory

from course_lib.diffusion import DDPM, VE, sample
from course_lib.widgets import ReverseDenoising, record
from course_lib.widgets.trajectory import bits_for, pack, spread


@pytest.mark.parametrize("method", ["ancestral", "ddim", "heun", "dpmpp_2m"])
def test_record_guarda_los_estados_y_las_predicciones_de_sample(method):
    states, estimates, times = [noise()], [], []

    def watch(i, t, x, prediction):
        states.append(x)
        times.append(t)
        estimates.append(prediction.x0)

    end = sample(denoiser(), noise(), 6, method, generator=0, callback=watch)
    recorded = trajectory(frames=100, method=method)
    assert recorded.steps == 6 and recorded.moments == list(range(7))
    assert recorded.t == pytest.approx([*times, 0.0])
    for i, state in enumerate(states):
        torch.testing.assert_close(recorded.x_t[i], state.clamp(-1, 1), rtol=0, atol=0)
    for i, estimate in enumerate([*estimates, end]):
        torch.testing.assert_close(recorded.x0[i], estimate.clamp(-1, 1), rtol=0, atol=0)


def test_la_estimacion_de_cada_cuadro_es_la_de_su_propio_estado():
    recorded = record(denoiser(), noise() / 10, 6, "ddim", frames=4)
    for i, t in enumerate(recorded.t[:-1]):
        inside = recorded.x_t[i].abs() < 1  # donde no se recortó, el estado se conoce entero
        estimate = denoiser()(recorded.x_t[i], t).x0
        torch.testing.assert_close(estimate[inside], recorded.x0[i][inside])


def test_record_reparte_los_cuadros_y_guarda_la_ley_de_cada_uno():
    recorded = trajectory(steps=20, frames=6)
    assert recorded.moments == [0, 4, 8, 12, 16, 20]
    law = DDPM.cosine(100)
    for t, alpha, sigma, moment in zip(
        recorded.t, recorded.alpha, recorded.sigma, recorded.moments, strict=True
    ):
        assert t == pytest.approx(1 - moment / 20)
        assert (alpha, sigma) == pytest.approx((law.alpha(t).item(), law.sigma(t).item()))


@pytest.mark.parametrize(("last", "count"), [(1, 2), (7, 3), (49, 16), (1000, 24)])
def test_spread_empieza_en_cero_acaba_en_el_ultimo_y_no_repite(last, count):
    chosen = spread(last, count)
    assert chosen[0] == 0 and chosen[-1] == last
    assert len(set(chosen)) == count and chosen == sorted(chosen)


def test_record_pasa_las_clases_y_las_opciones():
    y = torch.tensor([0, 4, 9])
    options = {"y": y, "generator": 3, "eta": 0.7}
    recorded = record(denoiser(), noise(), 5, "ddim", label="DDIM, η = 0.7", **options)
    end = sample(denoiser(), noise(), 5, "ddim", **options)
    torch.testing.assert_close(recorded.x_t[-1], end.clamp(-1, 1), rtol=0, atol=0)
    assert recorded.label == "DDIM, η = 0.7"
    assert ReverseDenoising(recorded).captions == ["clase 0", "clase 4", "clase 9"]


def test_record_acepta_una_rejilla_que_no_llega_a_cero():
    grid = torch.tensor([1.0, 0.6, 0.25], dtype=torch.float64)
    recorded = record(denoiser(), noise(), grid, "ddim")
    assert recorded.steps == 2 and recorded.t == pytest.approx([1.0, 0.6, 0.25])


def test_record_acepta_los_enteros_que_acepta_sample():
    recorded = record(denoiser(), noise(), np.int64(4), "ddim")
    assert recorded.steps == 4 and recorded.t[-1] == 0.0


def test_record_encoge_el_estado_de_un_esquema_ve():
    x_T = 50 * noise()
    recorded = record(denoiser(VE()), x_T, 4, "ddim")
    torch.testing.assert_close(recorded.x_t[0], (x_T / (1 + 50**2) ** 0.5).clamp(-1, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "frames debe ser al menos 2"),
        ({"frames": 0}, "frames debe ser un entero positivo; se recibió 0"),
        ({"method": "plms"}, "method='plms' no existe"),
        ({"method": "ddim", "etha": 1}, "no tiene la opción 'etha'"),
    ],
)
def test_record_con_opciones_que_no_sirven(options, message):
    with pytest.raises(ValueError, match=message):
        trajectory(**options)


# --- de cuadros a bytes -------------------------------------------------------------------------


def unpack(packed, bits, shape):
    """Descompresor escrito aparte: deshace las diferencias con una suma acumulada módulo 256."""
    changes = (
        np.frombuffer(zlib.decompress(packed), np.uint8).reshape(len(bits), *shape).astype(int)
    )
    frames = []
    for i, depth in enumerate(bits):
        start = i
        while start and bits[start - 1] == depth:
            start -= 1
        frames.append(changes[start : i + 1].sum(0) % 256 / (2**depth - 1) * 2 - 1)
    return np.stack(frames)


def test_el_error_de_compresion_no_pasa_de_medio_escalon():
    recorded = trajectory(steps=40, frames=16, method="ancestral")
    packed, bits = pack(recorded)
    restored = unpack(packed, bits, (3, 1, 8, 8))
    original = torch.cat([recorded.x_t, recorded.x0[:-1]]).numpy()
    for frame, target, depth in zip(restored, original, bits, strict=True):
        assert np.abs(frame - target).max() <= 1 / (2**depth - 1) + 1e-6
    assert bits[15] == 8, "la muestra final viaja con 256 grises"


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1, 0.3, 1.0, 50.0])
def test_los_escalones_de_x_t_quedan_por_debajo_de_la_mitad_del_ruido(sigma):
    alpha = max(0.0, 1 - sigma**2) ** 0.5 if sigma <= 1 else 1.0
    depth = bits_for(alpha, sigma)
    visible = sigma / max(1, (alpha**2 + sigma**2) ** 0.5)
    assert depth == 8 or 2 / (2**depth - 1) <= visible / 2
    assert depth == 4 or 2 / (2 ** (depth - 1) - 1) > visible / 2, "un bit menos no bastaría"
