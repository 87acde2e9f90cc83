"""`RecordSamples`: graba el generador sin mover el entrenamiento."""

import numpy as np
import pytest
import torch
from test_adversarial_gan import assert_same_game, game
from tiny_training import un_hilo  # noqa: F401  (se aplica sola)
from torch import nn

from course_lib.adversarial import RecordSamples
from course_lib.training import Trainer


class Noisy(nn.Module):
    """Un generador que además usa el azar global, también en modo evaluación."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3))
        self.end = nn.Linear(8, 2)

    def forward(self, z):
        return self.end(self.net(z)) + 0.1 * torch.randn(len(z), 2)


def noisy_players():
    torch.manual_seed(3)
    return Noisy(), nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.Linear(8, 1))


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("nets", [lambda: None, noisy_players], ids=["con memoria", "con azar"])
def test_los_pesos_son_los_mismos_con_el_y_sin_el(nets, averaged):
    recorder = RecordSamples(2, 5, averaged=averaged)
    watched = game(nets=nets(), callbacks=[recorder])
    recorder(watched)
    assert_same_game(game(nets=nets()).fit(), watched.fit())
    assert [step for step, _ in recorder.samples] == [0, 2, 4, 6, 8, 10, 12]
    assert all(x.shape == (5, 2) and x.isfinite().all() for _, x in recorder.samples)
    assert len(torch.stack([x for _, x in recorder.samples]).unique(dim=0)) == 7


@pytest.mark.parametrize("averaged", [False, True])
def test_guarda_lo_que_da_el_generador_elegido_con_los_mismos_z(averaged):
    recorder = RecordSamples(6, 7, generator=4, averaged=averaged)
    trainer = game(callbacks=[recorder]).fit()
    z = torch.randn(7, 3, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        now = {name: net.eval()(z) for name, net in networks(trainer).items()}
    step, last = recorder.samples[-1]
    assert step == 12 and not torch.equal(now[True], now[False])
    assert torch.equal(last, now[averaged])
    twin = RecordSamples(6, 7, torch.Generator().manual_seed(4), averaged)
    twin(trainer)
    assert torch.equal(twin.samples[0][1], last)


def networks(trainer):
    return {False: trainer.model, True: trainer.ema.model}


def test_cada_modulo_vuelve_a_su_modo():
    trainer = game()
    trainer.model.train()
    trainer.model[1].eval()
    before = {name: m.training for name, m in trainer.model.named_modules()}
    RecordSamples(1, 4)(trainer)
    assert {name: m.training for name, m in trainer.model.named_modules()} == before
    assert len(set(before.values())) == 2


def test_al_retroceder_se_reemplaza_lo_grabado_despues(tmp_path):
    recorder = RecordSamples(2, 3)
    game(tmp_path, callbacks=[recorder]).fit(4)
    ahead = game(callbacks=[recorder]).fit(8)
    assert [step for step, _ in recorder.samples] == [2, 4, 6, 8]
    expected = [x.clone() for _, x in recorder.samples]
    again = game(tmp_path, callbacks=[recorder])
    again.resume()
    again.fit(4)
    assert [step for step, _ in recorder.samples] == [2, 4, 6, 8]
    assert all(torch.equal(a, x) for a, (_, x) in zip(expected, recorder.samples, strict=True))
    assert ahead.step == again.step


def test_la_semilla_puede_ser_un_entero_de_numpy():
    recorders = [RecordSamples(1, 5, seed) for seed in (7, np.int64(7))]
    for recorder in recorders:
        recorder(game())
    assert torch.equal(recorders[0].samples[0][1], recorders[1].samples[0][1])


class Elsewhere(torch.Generator):
    """Hace de generador de una GPU."""

    device = torch.device("cuda:0")


def test_descripcion():
    recorder = RecordSamples(4, 3)
    game(callbacks=[recorder]).fit()
    assert repr(recorder) == "RecordSamples(cada 4 pasos, 3 instantes de 3)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RecordSamples(0, 5), ValueError, "every debe ser un entero positivo.*0"),
        (lambda: RecordSamples(2, 2.5), TypeError, "n debe ser un entero positivo.*2.5"),
        (lambda: RecordSamples(2, 5, "0"), TypeError, "generator debe ser una semilla.*'0'"),
        (lambda: RecordSamples(2, 5, True), TypeError, "generator debe ser una semilla.*True"),
        (lambda: RecordSamples(2, 5, Elsewhere()), TypeError, "Generator de CPU.* en cuda:0"),
        (
            lambda: RecordSamples(1, 5, averaged=True)(game(ema=None)),
            ValueError,
            "averaged=True.*ema=None",
        ),
        (lambda: RecordSamples(1, 5)(plain_trainer()), TypeError, "AdversarialTrainer.*Trainer"),
    ],
)
def test_usos_que_no_sirven(make, error, message):
    with pytest.raises(error, match=message):
        make()


def plain_trainer():
    def loss(model, batch, generator):
        return model(batch).square().mean()

    return Trainer(nn.Linear(2, 1), loss, torch.randn(8, 2), progress=False)


def test_uno_por_entrenamiento():
    recorder = RecordSamples(1, 5)
    recorder(game())
    nets = nn.Linear(4, 2), nn.Linear(2, 1)
    with pytest.raises(ValueError, match="latent_dim=3 y este tiene 4.*un RecordSamples por"):
        recorder(game(nets=nets, latent_dim=4))
