"""El `Denoiser`: qué le llega a la red, qué se hace con lo que devuelve."""

import pytest
import torch
from oracles import DATA, SCHEDULES
from torch import nn

from course_lib.diffusion import DDPM, KINDS, VP, Denoiser
from course_lib.networks import UNet


class Spy(nn.Module):
    """Anota lo que recibe y devuelve un tensor fijo."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x, t, **cond):
        self.x, self.t, self.cond = x, t, cond
        return self.output


class Exact(nn.Module):
    """La respuesta exacta de los datos gaussianos, dicha en el idioma `kind`."""

    def __init__(self, schedule, kind):
        super().__init__()
        self.oracle, self.kind = DATA.denoiser(schedule), kind

    def forward(self, x, t):
        return getattr(self.oracle(x, t), self.kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_da_igual_en_que_idioma_hable_la_red(name, kind, generator):
    """Cinco redes exactas, una por idioma, son el mismo denoiser: x̂_0 = E[x_0|x_t]."""
    schedule = SCHEDULES[name]
    t = torch.tensor([0.05, 0.3, 0.6, 0.95], dtype=torch.float64)
    x0 = DATA.sample(4, generator)
    x_t = schedule.perturb(x0, t, torch.randn(4, 2, generator=generator, dtype=torch.float64))
    prediction = Denoiser(Exact(schedule, kind), schedule, kind)(x_t, t)
    exact = DATA.denoise(x_t, schedule.alpha(t), schedule.sigma(t))
    torch.testing.assert_close(prediction.x0, exact, rtol=1e-8, atol=1e-8)
    again = schedule.perturb(prediction.x0, t, prediction.eps)
    torch.testing.assert_close(again, x_t, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("t", [0.25, torch.tensor(0.25), torch.full((3,), 0.25).double()])
def test_la_red_recibe_t_por_ejemplo(t):
    """La red siempre recibe t de forma (B,), en float32 (o float64 si x lo es), y las clases."""
    x, y = torch.randn(3, 1, 4, 4), torch.tensor([1, 0, 2])
    spy = Spy(torch.zeros(3, 1, 4, 4))
    Denoiser(spy, VP())(x, t, y=y)
    assert spy.t.shape == (3,) and spy.t.dtype == torch.float32 and (spy.t == 0.25).all()
    assert spy.x is x and spy.cond == {"y": y}
    Denoiser(spy, VP())(x.double(), t)
    assert spy.t.dtype == torch.float64 and spy.cond == {}
    Denoiser(spy, VP())(x.bfloat16(), t)
    assert spy.t.dtype == torch.float32  # en bfloat16, 1000 instantes serían unos 250


def test_cada_ejemplo_con_su_instante(generator):
    """Un lote con t distintos es cada ejemplo por separado, también si B = W."""
    schedule = DDPM.linear(1000)
    x = torch.randn(4, 1, 4, 4, generator=generator, dtype=torch.float64)
    out = torch.randn(4, 1, 4, 4, generator=generator, dtype=torch.float64)
    t = torch.tensor([0.001, 0.2, 0.7, 1.0], dtype=torch.float64)
    for kind in KINDS:
        batch = Denoiser(Spy(out), schedule, kind)(x, t)
        for i in range(4):
            alone = Denoiser(Spy(out[i : i + 1]), schedule, kind)(x[i : i + 1], t[i].item())
            torch.testing.assert_close(batch.x0[i : i + 1], alone.x0, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(batch.eps[i : i + 1], alone.eps, rtol=1e-12, atol=1e-12)


def test_varianza_aprendida_en_la_segunda_mitad():
    """Los canales se parten en dos: la predicción y la mezcla, llevada a [0, 1]."""
    raw = torch.tensor([-50.0, 0.0, 0.5, 50.0]).reshape(1, 1, 2, 2)
    eps = torch.arange(4.0).reshape(1, 1, 2, 2)
    denoiser = Denoiser(Spy(torch.cat([eps, raw], 1)), VP(), learned_variance=True)
    prediction = denoiser(torch.zeros(1, 1, 2, 2), 0.5)
    assert torch.equal(prediction.eps, eps)
    mix = prediction.var_mix.flatten().tolist()
    assert mix == pytest.approx([0.0, 0.5, 0.7310586, 1.0])
    assert Denoiser(Spy(eps), VP())(torch.zeros(1, 1, 2, 2), 0.5).var_mix is None


def test_el_esquema_no_se_redondea_con_la_red():
    """`.bfloat16()` cambia la red y no la tabla: ᾱ sigue en float64."""
    schedule = DDPM.cosine(1000)
    denoiser = Denoiser(UNet(base=8, multipliers=(1, 1), attention=()), schedule).bfloat16()
    assert next(denoiser.parameters()).dtype == torch.bfloat16
    assert denoiser.schedule.alphas_bar.dtype == torch.float64
    assert list(denoiser.state_dict()) == ["net." + key for key in denoiser.net.state_dict()]
    x = torch.zeros(2, 1, 28, 28, dtype=torch.bfloat16)
    assert denoiser(x, 0.5).x0.dtype == torch.bfloat16


@pytest.mark.parametrize("t", [0.25, torch.tensor(0.25), torch.full((2,), 0.25)])
def test_sin_cortes_de_grafo_al_compilar(t):
    """`torch.compile` ve el denoiser entero como un solo grafo, sea t un número o un tensor."""
    net = UNet(size=8, attention=(4,), base=8, multipliers=(1, 2), blocks=1)
    denoiser, x = Denoiser(net, VP()), torch.ones(2, 1, 8, 8)
    torch._dynamo.reset()
    report = torch._dynamo.explain(denoiser)(x, t)
    assert report.graph_count == 1 and report.graph_break_count == 0, report.break_reasons
    torch._dynamo.reset()
    compiled = torch.compile(denoiser, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, t).x0, denoiser(x, t).x0)
