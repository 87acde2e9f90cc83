"""El único bucle de muestreo: el azar, el `callback`, las clases, la precisión y la rejilla."""

import pytest
import torch
from oracles import DATA, MODES, SCHEDULES
from torch import nn

from course_lib.diffusion import DDPM, EDM, METHODS, VE, VP, Denoiser, sample
from course_lib.noise import noise_source
from course_lib.probability import Gaussian


class Shrink(nn.Module):
    """Una red cualquiera sobre imágenes; cada ejemplo va por su cuenta."""

    def forward(self, x, t, y=None):
        return 0.9 * x * t[:, None, None, None] + (0 if y is None else y[:, None, None, None])


@pytest.mark.parametrize("method", METHODS)
def test_la_misma_semilla_da_la_misma_imagen_en_cualquier_lote(method, generator):
    """Con una semilla entera, el ejemplo i es el mismo solo, en un lote de 2 o en uno de 4."""
    denoiser, x = Denoiser(Shrink(), VP()), torch.randn(4, 1, 5, 5, generator=generator)
    batch = sample(denoiser, x, 8, method, generator=7)
    for size in (1, 2):
        torch.testing.assert_close(
            sample(denoiser, x[:size], 8, method, generator=7), batch[:size], rtol=0, atol=0
        )
    other = sample(denoiser, x, 8, method, generator=8)
    random = method in ("ancestral", "euler_maruyama", "predictor_corrector")
    assert torch.equal(other, batch) != random


def test_cada_ejemplo_recibe_su_propio_ruido():
    """Ni dos ejemplos, ni dos pasos, ni dos semillas comparten números."""
    x, draws = torch.zeros(3, 1, 4, 4), []
    for seed in (0, 1):
        rng = noise_source(seed)
        draws += [*rng(x), *rng(x)]
    for i, a in enumerate(draws):
        assert all(not torch.equal(a, b) for b in draws[:i])
    torch.testing.assert_close(noise_source(0)(x.double()).float(), noise_source(0)(x))


def test_prior_sample_y_sample_comparten_la_regla_de_las_semillas():
    """`prior_sample` con semilla entera también da el mismo x_T al ejemplo i en cualquier lote."""
    a, b = VP().prior_sample((1, 1, 4, 4), 3), VP().prior_sample((4, 1, 4, 4), 3)
    assert torch.equal(a[0], b[0])


def test_prior_sample_y_sample_no_repiten_ruido():
    """Con la misma semilla, x_T no es el primer ruido del paso; el de `sample` sigue siendo el suyo."""
    x_T = VP().prior_sample((3, 1, 4, 4), 5) / VP().sigma(1.0).float()
    first = noise_source(5)(x_T)
    assert abs(torch.corrcoef(torch.stack([x_T.flatten(), first.flatten()]))[0, 1]) < 0.5
    for i in range(3):  # el azar de `sample`, fijado: las muestras publicadas no se mueven
        row = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(5 * 1_000_003 + i))
        assert torch.equal(first[i], row)


@pytest.mark.parametrize("n", [50, 1000])
def test_la_misma_semilla_no_infla_la_varianza_del_camino(n):
    """x_T = prior_sample(forma, 0) y sample(..., generator=0): x_t conserva varianza 1 en su camino."""
    schedule, states = DDPM.linear(1000), []
    data = Gaussian(torch.zeros(1, dtype=torch.float64), torch.eye(1, dtype=torch.float64))
    x_T = schedule.prior_sample((4000, 1), 0)
    grid = schedule.grid(n)[:4]
    sample(
        data.denoiser(schedule),
        x_T,
        grid,
        "ancestral",
        generator=0,
        callback=lambda i, t, x, _: states.append(x.var().item()),
    )
    assert states == pytest.approx([1.0] * 3, abs=5 * (2 / 4000) ** 0.5)


def test_un_torch_generator_da_muestras_repetibles(generator):
    """Con `torch.Generator`, el mismo estado inicial repite la muestra; el siguiente, no."""
    denoiser, x = MODES.denoiser(VP()), torch.ones(6, 1)
    runs = []
    for seed in (0, 0, 1):
        generator.manual_seed(seed)
        runs.append(sample(denoiser, x, 10, "ancestral", generator=generator))
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    torch.manual_seed(5)
    first = sample(denoiser, x, 10, "ancestral")
    torch.manual_seed(5)
    assert torch.equal(sample(denoiser, x, 10, "ancestral"), first)


@pytest.mark.parametrize("method", METHODS)
def test_el_callback_ve_cada_paso(method):
    """`callback(i, t, x, prediction)`: i de 0 a n − 1, t el de partida, x el estado de llegada."""
    denoiser, schedule, seen = DATA.denoiser(VP()), VP(), []
    x = torch.ones(2, 2, dtype=torch.float64)
    grid = schedule.grid(5)
    out = sample(denoiser, x, grid, method, generator=1, callback=lambda *a: seen.append(a))
    assert [i for i, *_ in seen] == [0, 1, 2, 3, 4]
    assert [t for _, t, *_ in seen] == grid[:-1].tolist()
    assert torch.equal(seen[-1][2], out)
    states = [x] + [state for _, _, state, _ in seen[:-1]]
    for state, (_, t, _, prediction) in zip(states, seen, strict=True):  # predicción hecha en t
        assert torch.equal(prediction.x0, denoiser(state, t).x0)


def test_las_clases_llegan_a_la_red():
    """`y` viaja hasta la red en todas sus llamadas; sin `y`, la red no recibe nada."""
    received = []

    class Net(nn.Module):
        def forward(self, x, t, **cond):
            received.append(cond)
            return x

    y, x = torch.tensor([1, 0]), torch.zeros(2, 3)
    sample(Denoiser(Net(), VP()), x, 3, "heun", y=y)
    assert len(received) == 5 and all(torch.equal(c["y"], y) for c in received)
    received.clear()
    sample(Denoiser(Net(), VP()), x, 3, "heun")
    assert received == [{}] * 5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_la_precision_es_la_de_x(method, dtype):
    """Con x en float32 o float64, todo se queda en ese tipo, con el mismo resultado salvo redondeo."""
    x = torch.linspace(-2, 2, 12).reshape(6, 2)
    denoiser = DATA.denoiser(DDPM.linear(1000))
    low = sample(denoiser, x.to(dtype), 20, method, generator=0)
    high = sample(denoiser, x.double(), 20, method, generator=0)
    assert low.dtype == dtype
    torch.testing.assert_close(low.double(), high, rtol=1e-4, atol=1e-4)


def test_sin_gradientes_ni_cambios_en_x():
    """`sample` no guarda gradientes ni toca el tensor que recibe."""
    x = torch.ones(2, 2, requires_grad=True)
    out = sample(DATA.denoiser(VP()), x, 3)
    assert not out.requires_grad and torch.equal(x, torch.ones(2, 2))


@pytest.mark.parametrize("method", METHODS)
def test_dentro_de_inference_mode(method):
    """En `torch.inference_mode` se muestrea igual, aunque α̇ y σ̇ salgan de derivar."""
    denoiser, x = DATA.denoiser(DDPM.linear(100)), torch.ones(2, 2)
    expected = sample(denoiser, x, 4, method, generator=0)
    with torch.inference_mode():
        assert torch.equal(sample(denoiser, x, 4, method, generator=0), expected)


@pytest.mark.parametrize("name", SCHEDULES)
def test_pasos_rejilla_y_espaciado(name):
    """Un entero, su rejilla en float64 o en float32 y el espaciado por defecto dicen lo mismo."""
    schedule = SCHEDULES[name]
    denoiser, x = DATA.denoiser(schedule), torch.ones(2, 2, dtype=torch.float64)
    by_number = sample(denoiser, x, 9)
    assert torch.equal(by_number, sample(denoiser, x, schedule.grid(9)))
    single = sample(denoiser, x, schedule.grid(9).float())
    torch.testing.assert_close(single, by_number, rtol=1e-3, atol=1e-3)
    in_lambda = sample(denoiser, x, schedule.grid(9, "lambda"), "dpmpp_2m")
    assert torch.equal(sample(denoiser, x, 9, "dpmpp_2m"), in_lambda)
    assert torch.equal(sample(denoiser, x, 9, "dpmpp_2m", spacing="lambda"), in_lambda)


def test_la_trayectoria_acaba_donde_dice_el_esquema():
    """VE y EDM terminan con un resto de ruido σ_min: la ley final es la de los datos más σ_min²."""
    for schedule in (VE(sigma_min=0.3, sigma_max=20), EDM(sigma_min=0.3, sigma_max=20)):
        t = []
        sample(
            DATA.denoiser(schedule), torch.ones(2, 2), 4, callback=lambda i, u, *_, t=t: t.append(u)
        )
        assert t[0] == 1.0 and "0.3" in schedule.end


def test_un_paso_propio(generator):
    """`method` puede ser una función con la forma de un paso; recibe t, s y la fuente de azar."""
    visited = []

    def step(denoiser, x_t, t, s, rng, **cond):
        visited.append((float(t), float(s)))
        return denoiser.schedule.perturb(denoiser(x_t, t).x0, s, rng(x_t))

    x = sample(MODES.denoiser(VP()), torch.randn(4, 1, generator=generator), 4, step, generator=0)
    assert visited == [(1.0, 0.75), (0.75, 0.5), (0.5, 0.25), (0.25, 0.0)] and x.shape == (4, 1)
